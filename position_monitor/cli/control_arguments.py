"""What the arguments of `pause`, `resume` and `hold` may be, and the words for what they may not."""

from __future__ import annotations

import argparse
import re
from typing import NamedTuple

from position_monitor.core.decision.control_answers import LONGEST_MS, SYMBOL_LENGTH_MAX, TEXT_LENGTH_MAX
from position_monitor.core.model.control import EVERY_SYMBOL
from position_monitor.core.model.sides import Side

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,7})([smhd])", re.ASCII)


class Subject(NamedTuple):
    """What a request is about."""

    symbol: str
    side: Side | None


def duration_ms(text: str) -> int:
    """A time such as 90s, 30m, 2h or 1d, in milliseconds."""
    match = _DURATION.fullmatch(text.strip().lower())
    lasts_ms = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not 0 < lasts_ms <= LONGEST_MS:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a time such as 90s, 30m, 2h or 1d, at most 7d")
    return lasts_ms


def reason(text: str) -> str:
    """A reason in words, in one line."""
    if not 0 < len(text.strip()) <= TEXT_LENGTH_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"was {text[:40]!r}, expected a reason in at most {TEXT_LENGTH_MAX} characters"
        )
    return text.strip()


def subject(text: str) -> Subject:
    """A symbol, or a symbol and a side: BTCUSDT, BTCUSDT:LONG, BTC/USDT:USDT, or * for every position."""
    words = text.strip().upper()
    symbol, separator, last = words.rpartition(":")
    side = Side(last) if separator and last in set(Side) else None
    symbol = symbol if side is not None else words
    if "/" in symbol:
        symbol = symbol.partition(":")[0].replace("/", "")
    if not 0 < len(symbol) <= SYMBOL_LENGTH_MAX or any(char in symbol for char in " :/") or not symbol.isprintable():
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a symbol such as BTCUSDT, or BTCUSDT:LONG")
    if EVERY_SYMBOL in symbol and symbol != EVERY_SYMBOL:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected one symbol, or {EVERY_SYMBOL} for every position")
    return Subject(symbol, side)
