"""A position as somebody types it: `BTCUSDT`, `btcusdt:long`, or ccxt's `BTC/USDT:USDT`, also with a side behind it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import NamedTuple

from position_monitor.cli.output import say
from position_monitor.core.model.sides import PositionKey, Side

FORMS = "BTCUSDT, BTCUSDT:LONG or BTC/USDT:USDT"
LISTED_MAX = 12
"""Open positions that an answer about another symbol names."""
_UNIFIED = re.compile(r"(?P<base>[^/:]+)/(?P<quote>[^/:-]+)(:(?P<settle>[^/:-]+)(-(?P<expiry>\d{6}))?)?")
_WORD = re.compile(r"[^\W_]+(_[^\W_]+)?")


class AskedPosition(NamedTuple):
    """The positions of a symbol, or the one on a side of it."""

    symbol: str
    """The exchange's own id, in capitals."""
    side: Side | None = None

    def __str__(self) -> str:
        return self.symbol if self.side is None else f"{self.symbol}:{self.side}"

    def covers(self, symbol: str, side: str) -> bool:
        """Whether a position is one that was asked about."""
        return symbol.upper() == self.symbol and (self.side is None or side == self.side)


def asked_position(text: str) -> AskedPosition:
    """The argument as typed, in any case. Raises `argparse.ArgumentTypeError` with the forms that are understood."""
    rest, side = text.strip().upper(), None
    head, colon, tail = rest.rpartition(":")
    if colon and tail in tuple(Side):
        rest, side = head, Side(tail)
    if unified := _UNIFIED.fullmatch(rest):
        expiry = unified["expiry"]
        rest = f"{unified['base']}{unified['quote']}" + (f"_{expiry}" if expiry else "")
    if not _WORD.fullmatch(rest):
        raise argparse.ArgumentTypeError(f"was {text!r}, expected {FORMS}")
    return AskedPosition(rest, side)


def covers(asked: AskedPosition | None, key: PositionKey) -> bool:
    """Whether a position is one that was asked about; all are where nothing was said."""
    return asked is None or asked.covers(key.symbol, key.side)


def say_not_open(asked: AskedPosition, open_now: Iterable[PositionKey], *, also: str = "") -> None:
    """Say that there is no such position, and which there are."""
    names = sorted(str(key) for key in open_now)
    more = f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else ""
    listed = f"open are: {', '.join(names[:LISTED_MAX])}{more}" if names else "no position is open"
    say(f"position-monitor: {asked} has no open position{also}; {listed}")
