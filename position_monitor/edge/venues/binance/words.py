"""The venue's order types and what such orders do; and every other word, which the venue and the core spell alike."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from position_monitor.core.model.orders import OrderStatus, Purpose

PURPOSES: Final[Mapping[str, Purpose]] = {
    "STOP_MARKET": Purpose.STOP,
    "STOP": Purpose.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": Purpose.TAKE_PROFIT,
    "TAKE_PROFIT": Purpose.TAKE_PROFIT_LIMIT,
    "TRAILING_STOP_MARKET": Purpose.TRAILING_STOP,
    "LIMIT": Purpose.LIMIT,
    "MARKET": Purpose.MARKET,
}
"""The venue's order type -> what such an order does."""
ORDER_TYPES: Final = {purpose: order_type for order_type, purpose in PURPOSES.items()}

ENDED: Final[Mapping[str, OrderStatus]] = {
    "FILLED": OrderStatus.FINISHED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
"""What the matching engine calls otherwise than the core."""

Word = TypeVar("Word", bound=StrEnum)


def plain_status(word: str) -> OrderStatus:
    """The status of an order of the matching engine."""
    return ENDED.get(word) or word_or(OrderStatus.OTHER, word)


def word_or(otherwise: Word, word: str) -> Word:
    """The word of the core that is spelled like the venue's; `otherwise` where there is none."""
    words = type(otherwise)
    return words(word) if word in words._value2member_map_ else otherwise
