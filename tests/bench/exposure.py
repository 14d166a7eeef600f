"""Reads the venue's journal: since when each position was without full stop cover, and until when.

It shares no code with the daemon. Cover is what rests on the exchange: a close-all stop, or stop quantity that reaches
the position. Times are the venue's, in ms: when it executed a fill, when it accepted a stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

Entry = Mapping[str, Any]
STOPS = ("STOP_MARKET", "STOP", "TRAILING_STOP_MARKET")
Cause = Literal["given", "opened", "grown", "flipped", "uncovered"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """One position from a change that asked for cover to its full cover."""

    symbol: str
    cause: Cause
    from_ms: int
    until_ms: int | None
    """None: the position was gone, or the journal ended, before it was covered."""

    @property
    def lasted_ms(self) -> int | None:
        """How long it was without full cover; 0 when what rested covered the change as well."""
        return None if self.until_ms is None else self.until_ms - self.from_ms


@dataclass(frozen=True, slots=True)
class _Stop:
    sells: bool
    quantity: Decimal | None
    """None: close-all."""


def exposures(entries: Iterable[Entry]) -> list[Exposure]:
    """Every change of a position that asked for cover, in the order of the journal. One-way mode."""
    reader = _Reader()
    for entry in entries:
        reader.read(entry)
    return reader.found


class _Reader:
    """The account as the journal has told it so far."""

    def __init__(self) -> None:
        self.found: list[Exposure] = []
        self._amounts: dict[str, Decimal] = {}
        self._closed_at_ms: dict[str, int] = {}
        self._stops: dict[str, dict[Any, _Stop]] = {}
        self._waiting: dict[str, int] = {}
        """Symbol -> place in `found` of the exposure that has not ended."""

    def read(self, entry: Entry) -> None:
        """Take over one entry."""
        symbol, at_ms = entry["symbol"], entry["at_ms"]
        if not symbol:
            return
        was_covered = self._covered(symbol)
        cause = self._moved(symbol, entry)
        self._note_stop(symbol, entry)
        if not self._amounts[symbol]:
            self._waiting.pop(symbol, None)
        elif self._covered(symbol):
            self._end(symbol, at_ms, cause)
        elif symbol not in self._waiting and (cause or was_covered):
            self._waiting[symbol] = len(self.found)
            self.found.append(Exposure(symbol, cause or "uncovered", at_ms, None))

    def _end(self, symbol: str, at_ms: int, cause: Cause | None) -> None:
        """It is covered: now, or (without having waited) by what rested before the change."""
        place = self._waiting.pop(symbol, None)
        if place is not None:
            self.found[place] = replace(self.found[place], until_ms=at_ms)
        elif cause:
            self.found.append(Exposure(symbol, cause, at_ms, at_ms))

    def _moved(self, symbol: str, entry: Entry) -> Cause | None:
        """What the change of a position asks for, if it changed."""
        before = self._amounts.get(symbol, Decimal(0))
        after = self._amounts[symbol] = Decimal(entry["position_after"].get("BOTH", "0"))
        same_side = before * after > 0
        if before and not same_side:  # the old position is gone, and what it waited for with it
            self._waiting.pop(symbol, None)
            self._closed_at_ms[symbol] = entry["at_ms"]
        if not after or (same_side and abs(after) <= abs(before)):
            return None
        if entry["kind"] == "position_given":
            return "given"
        if same_side:
            return "grown"
        # A flip is one order, or two within one request of the venue.
        return "flipped" if self._closed_at_ms.get(symbol) == entry["at_ms"] else "opened"

    def _note_stop(self, symbol: str, entry: Entry) -> None:
        detail, kind = entry["detail"], entry["kind"]
        if detail.get("order_kind") != "algo" or detail.get("type") not in STOPS or "order_id" not in detail:
            return
        resting = self._stops.setdefault(symbol, {})
        if kind == "order_accepted":
            quantity = None if detail["close_position"] else Decimal(detail["quantity"])
            resting[detail["order_id"]] = _Stop(detail["side"] == "SELL", quantity)
        else:
            resting.pop(detail["order_id"], None)

    def _covered(self, symbol: str) -> bool:
        amount = self._amounts.get(symbol, Decimal(0))
        quantities = [stop.quantity for stop in self._stops.get(symbol, {}).values() if stop.sells == (amount > 0)]
        return None in quantities or sum(filter(None, quantities), Decimal(0)) >= abs(amount)
