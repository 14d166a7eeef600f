"""What the venue knows about a time in which another program and the daemon shared an account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.bench.processes import Venue, eventually

OURS = "qpm"
ASK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Shared:
    """The venue's truth, and short ways to ask for it."""

    exchange: Venue

    def held(self) -> dict[str, Decimal]:
        """Symbol -> signed amount."""
        return {row["symbol"]: Decimal(row["positionAmt"]) for row in self._state()["positions"]}

    def stops(self, *, ours: bool) -> set[str]:
        """Symbols with a resting stop of ours, or of the other program's."""
        return {
            row["symbol"]
            for row in self._state()["algo_orders"]
            if row["orderType"] == "STOP_MARKET" and row["clientAlgoId"].startswith(OURS) == ours
        }

    def orders(self, *, ours: bool) -> list[dict[str, Any]]:
        """Resting conditional orders of ours, or of the other program's."""
        rows: list[dict[str, Any]] = self._state()["algo_orders"]
        return [row for row in rows if row["clientAlgoId"].startswith(OURS) == ours]

    def take_away(self, rows: list[dict[str, Any]]) -> None:
        """Cancel conditional orders as their owner would."""
        for row in rows:
            body = {"algoId": row["algoId"], "symbol": row["symbol"]}
            self.exchange.client.request("DELETE", "/paper/order", json=body).raise_for_status()

    def targets_of_ours(self) -> set[str]:
        """Symbols with a resting take-profit of ours."""
        return {row["symbol"] for row in self.orders(ours=True) if row["orderType"].startswith("TAKE_PROFIT")}

    def move(self, symbol: str, *percents: float) -> None:
        """Move mark and last by steps, as percent of where the price is."""
        for percent in percents:
            mark = Decimal(self._state()["prices"][symbol]["mark"])
            moved = mark * (1 + Decimal(str(percent)) / 100)
            self.exchange.tell("price", symbol=symbol, price=str(round(moved, 2)))
            time.sleep(2)

    def reached(self, what: str, look: Callable[[], Any], within_s: float = 150.0) -> Any:
        """Wait (bounded) until `look` is true."""
        return eventually(what, look, within_s, every_s=ASK_EVERY_S)

    def refused(self) -> list[tuple[str, str, int]]:
        """Orders the venue refused to the other program: symbol, type, code."""
        return [
            (entry["symbol"], entry["detail"]["type"], entry["detail"]["code"])
            for entry in self.exchange.journal()
            if entry["kind"] == "order_refused" and not entry["detail"]["client_id"].startswith(OURS)
        ]

    def writes(self, after: int = 0) -> list[dict[str, Any]]:
        """What became of orders of ours since a place in the journal."""
        return [
            entry
            for entry in self.exchange.journal()
            if entry["sequence"] > after and entry["detail"].get("client_id", "").startswith(OURS)
        ]

    def place(self) -> int:
        """The end of the journal now."""
        return int(self._state()["journal_sequence"])

    def reused_ids(self) -> list[str]:
        """Client ids of ours that named more than one order."""
        accepted = [entry for entry in self.writes() if entry["kind"] == "order_accepted"]
        asked = Counter(e["detail"]["client_id"] for e in accepted if e["detail"]["order_kind"] == "algo")
        return [name for name, count in asked.items() if count > 1]

    def busiest_minute(self) -> int:
        """The most orders of ours that were accepted, cancelled or refused within a minute of each other."""
        words = ("order_accepted", "order_canceled", "order_refused")
        times = [entry["at_ms"] for entry in self.writes() if entry["kind"] in words]
        return max((sum(at <= one < at + 60_000 for one in times) for at in times), default=0)

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.exchange.ask("state", history="false")
        return state
