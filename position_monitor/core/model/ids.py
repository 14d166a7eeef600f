"""Deterministic client ids (invariant 4): the id is a pure function of the intent, so a retry cannot duplicate it.

    qpm 1 b 0 0mb3k2xa 7c2n...            32 characters, lower-case alphanumeric
    |   | | | |        |
    |   | | | |        18 base32 characters (90 bits) of SHA-256 over the whole intent
    |   | | | epoch of the position, 8 base36 characters
    |   | | rung (base36; of a stop: the number of its part, 18 more when it was anchored to the mark;
    |   | |       of the backstop, which has no parts: its pin in place of that number)
    |   | role: b backstop, w working stop, t take-profit, c close
    |   format version: 1 a conditional order, or one that closes at market; 2 a take-profit that rests as a limit order
    prefix

The venue accepts `^[\\.A-Z\\:/a-z0-9_-]{1,36}$` (Binance, New Algo Order) and enforces uniqueness among open orders
only. So the intent has a revision: it rises when the order of the id before is known to have ended, and never before.
A retry carries the same id, and no id names two orders. Role, rung and epoch can be read back from a resting order, so
a restart with empty memory knows which order is which. The symbol's text is never embedded: Binance lists symbols
outside ASCII.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from decimal import Decimal
from functools import lru_cache
from typing import NotRequired, TypedDict, Unpack

from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import Role, Tag
from position_monitor.core.model.sides import Side

PREFIX = "qpm"
MAX_LENGTH = 32
EPOCH_LENGTH = 8
RUNG_CODES = 36
STOP_PARTS_MAX = RUNG_CODES // 2
"""Parts one stop may be split into. The rung of a stop is the number of its part, and `STOP_PARTS_MAX` more when its
level was anchored to the mark: so a restart can tell such a stop from one that was measured from the entry."""

_ROLE_CODES = {Role.BACKSTOP: "b", Role.WORKING_STOP: "w", Role.TAKE_PROFIT: "t", Role.CLOSE: "c"}
_ROLES = {code: role for role, code in _ROLE_CODES.items()}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)
"""Two characters for each ten bits."""
_SHIFTS = tuple(range(80, -10, -10))
_PATTERN = re.compile(rf"{PREFIX}(?:1[bwtc]|2t)[0-9a-z]([0-9a-z]{{{EPOCH_LENGTH}}})[a-z2-7]{{18}}")
_FORMAT, _ROLE, _RUNG = len(PREFIX), len(PREFIX) + 1, len(PREFIX) + 2
_CONDITIONAL, _LIMIT = "1", "2"


def stop_rung(part: int, *, anchored: bool) -> int:
    """The rung code of one part of a stop, or of a backstop with this pin (`core/model/pins.py`)."""
    return part + (STOP_PARTS_MAX if anchored else 0)


def part_of(rung: int) -> int:
    """Which part of a split stop a rung code names, from 0; of a backstop its pin."""
    return rung % STOP_PARTS_MAX


def is_anchored(rung: int) -> bool:
    """Whether the rung code of a stop says that its level was anchored to the mark."""
    return rung >= STOP_PARTS_MAX


def tag_of(client_id: str) -> Tag | None:
    """What a client id of ours says about its order; None for every foreign id (invariant 5).

    A venue calls this once for each order that it reads. Everybody else asks the order.
    """
    match = _PATTERN.fullmatch(client_id)
    return None if match is None else Tag(_ROLES[client_id[_ROLE]], _DIGITS.index(client_id[_RUNG]), match[1])


def is_limit(client_id: str) -> bool:
    """Whether an id of ours names a take-profit that rests as a limit order: a venue may list such orders apart."""
    return client_id[_FORMAT : _FORMAT + 1] == _LIMIT and tag_of(client_id) is not None


def epoch_of(opened_at_ms: int) -> str:
    """The epoch tag of a position first seen with this venue time of its last change."""
    digits = ""
    rest = max(opened_at_ms, 0)
    for _ in range(EPOCH_LENGTH):
        rest, digit = divmod(rest, 36)
        digits = _DIGITS[digit] + digits
    return digits


class Intent(TypedDict):
    """What an order is for: equal intents have equal ids."""

    account: str
    symbol: str
    side: Side
    role: Role
    rung: int
    trigger: Decimal
    quantity: Decimal | None
    """None means close-all."""
    epoch: str
    limit: NotRequired[bool]
    """A take-profit that rests as a limit order. It is another intent than the same rung as a conditional order."""


def client_id(*, revision: int = 0, **intent: Unpack[Intent]) -> str:
    """The id of an intent; how the revision rises: `next_id`, for closes `closing`."""
    return _client_id(
        account=intent["account"],
        symbol=intent["symbol"],
        side=intent["side"],
        role=intent["role"],
        rung=intent["rung"],
        trigger=intent["trigger"],
        quantity=intent["quantity"],
        epoch=intent["epoch"],
        limit=intent.get("limit", False),
        revision=revision,
    )


@lru_cache(maxsize=4_096)
def _client_id(
    account: str,
    symbol: str,
    side: Side,
    role: Role,
    rung: int,
    trigger: Decimal,
    quantity: Decimal | None,
    epoch: str,
    limit: bool,
    revision: int,
) -> str:
    """Remembered: what waits is made anew in each cycle under the same id, and the gate makes it once more."""
    if len(epoch) != EPOCH_LENGTH:
        raise ValueError(f"epoch was {epoch!r}; expected {EPOCH_LENGTH} characters")
    size = "all" if quantity is None else plain(quantity)
    words = [account, symbol, side, role, str(rung), plain(trigger), size, epoch, str(revision)]
    if limit:
        assert role is Role.TAKE_PROFIT, "Invariant: only take-profits are limit orders"
        words.append("limit")
    digest = _base32(hashlib.sha256("|".join(words).encode()).digest())
    return f"{PREFIX}{_LIMIT if limit else _CONDITIONAL}{_ROLE_CODES[role]}{_DIGITS[rung]}{epoch}{digest}"


def _base32(digest: bytes) -> str:
    """The first 18 characters of the digest in base32 (RFC 4648), in small letters. `base64` takes five times as long,
    and a backtest makes an id with every move of a stop."""
    bits = int.from_bytes(digest[:12], "big") >> 6
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


def next_id(spent: Collection[str], **intent: Unpack[Intent]) -> str:
    """The id an intent has now: that of the first revision which is not among the `spent` ids of ended orders."""
    for revision in range(len(spent) + 1):
        candidate = client_id(revision=revision, **intent)
        if candidate not in spent:
            return candidate
    raise AssertionError("Invariant: one more revision than spent ids always leaves one")


def epoch_began_ms(epoch: str) -> int:
    """The venue's time of the change with which a position was first seen in this epoch, ms UTC."""
    return int(epoch, 36)
