"""Messages of the market stream as mark prices. Nothing here raises; a malformed row is counted and passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from position_monitor.core.observation.stream_events import MarkPrice
from position_monitor.edge.venues.binance.events import PARTS_MAX
from position_monitor.edge.venues.binance.exact_numbers import exact_decimal, whole_number
from position_monitor.edge.venues.transport import parse_json


@dataclass(frozen=True, slots=True)
class MarkMessage:
    """What one message of the market stream said."""

    marks: tuple[MarkPrice, ...] = ()
    ignored: int = 0
    of_all: bool = False
    """It came from the stream of all symbols."""
    mentioned: frozenset[str] = frozenset()
    """With `of_all`: the wanted symbols it named, readable or not."""


def parse_mark_message(text: str, watched: frozenset[str]) -> MarkMessage:
    """Read one message of the market stream. Rows about symbols that are not `wanted` are passed over unread."""
    body = parse_json(text)
    if isinstance(body, Mapping) and "id" in body and "e" not in body:
        return MarkMessage(ignored=1 if "error" in body else 0)
    rows = body if isinstance(body, list) else [body]
    if len(rows) > PARTS_MAX:
        return MarkMessage(ignored=1)
    marks: list[MarkPrice] = []
    mentioned: set[str] = set()
    ignored = 0
    for raw in rows:
        if not isinstance(raw, dict) or raw.get("e") != "markPriceUpdate":
            ignored += 1
            continue
        symbol = raw.get("s")
        if not isinstance(symbol, str) or not symbol:
            ignored += 1
        elif symbol in watched:
            mentioned.add(symbol)
            mark = _mark(symbol, raw)
            if mark is None:
                ignored += 1
            else:
                marks.append(mark)
    return MarkMessage(tuple(marks), ignored, isinstance(body, list), frozenset(mentioned))


def _mark(symbol: str, raw: Mapping[str, Any]) -> MarkPrice | None:
    """A row as a mark price, None when it is malformed. By hand: hundreds come each second."""
    try:
        price, at_ms = exact_decimal(raw.get("p")), whole_number(raw.get("E"))
    except ValueError:
        return None
    return MarkPrice(symbol, price, at_ms) if price > 0 else None
