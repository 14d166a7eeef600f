"""Planted worlds for tests of the judges: journal entries and answers as the venue and its door would give them."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from types import SimpleNamespace
from typing import Any

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.journal import Entry
from tests.sim.conduct import NO_ANSWER, Answer
from tests.sim.truth import Truth

SYMBOL = "BTCUSDT"
KEY = (SYMBOL, "LONG")
_ids = count(1)


class PlantedWorld:
    """A long in one-way mode, what rests for it, and a journal about both."""

    def __init__(self, size: str = "1", entry: str = "100", mark: str = "100") -> None:
        self.truth = Truth()
        self.at_ms = 1_000
        self.moment = 0
        self.mark = Decimal(mark)
        self.position = SimpleNamespace(amount=Decimal(0), entry=Decimal(entry))
        instrument = SimpleNamespace(
            step=Decimal("0.001"), min_qty=Decimal("0.001"), min_notional=Decimal(5), tick=Decimal("0.01")
        )
        self.venue: Any = SimpleNamespace(
            account=SimpleNamespace(positions={SYMBOL: {"BOTH": self.position}}, hedge=False),
            instruments={SYMBOL: instrument},
        )
        self.listeners: list[Any] = []
        self.resize(size)

    def write(self, kind: str, detail: dict[str, Any], *, origin: str = "api", before: str = "") -> Entry:
        self.moment += 1
        amounts = {"BOTH": str(self.position.amount)} if self.position.amount else {}
        earlier = {"BOTH": before} if before else amounts
        entry = Entry(self.moment, self.at_ms, kind, origin, SYMBOL, detail, earlier, amounts)
        self.truth.apply(entry)
        return entry

    def resize(self, size: str) -> Entry:
        """The trader makes the position this large."""
        before, self.position.amount = str(self.position.amount), Decimal(size)
        return self.write("filled", {}, origin="trader", before=before)

    def order(
        self, kind: str, quantity: str, trigger: str, *, status: str = "NEW", ours: bool = True
    ) -> dict[str, Any]:
        """What the journal says about a conditional order for the position; close-all where the quantity is 0."""
        number = next(_ids)
        name = "qpm1b0" if kind == "STOP_MARKET" else "qpm1t0"
        return {
            "order_kind": "algo",
            "order_id": number,
            "client_id": f"{name if ours else 'web'}{number:026d}",
            "side": "SELL",
            "position_side": "BOTH",
            "type": kind,
            "quantity": quantity,
            "trigger": trigger,
            "price": "0",
            "reduce_only": quantity != "0",
            "close_position": quantity == "0",
            "status": status,
        }

    def accepted(self, detail: dict[str, Any]) -> Entry:
        """An order is accepted."""
        return self.write("order_accepted", detail)

    def refused(self, detail: dict[str, Any], code: int) -> Entry:
        """An order is refused by the venue's rules."""
        return self.write("order_refused", {**detail, "code": code, "status": None})

    def became(self, detail: dict[str, Any], status: str) -> Entry:
        """An order changes its state."""
        return self.write(f"order_{status.lower()}", {**detail, "status": status}, origin="venue")

    # -- answers at the door

    def answer(self, endpoint: Endpoint, body: object, *, status: int = 200, **params: str) -> Answer:
        return Answer(0, endpoint, params, status, body, {}, self.moment)

    def positions_read(self, **row: str) -> Answer:
        """A good answer about positions, perhaps with some fields other than they are."""
        usual = {"symbol": SYMBOL, "positionSide": "BOTH", "positionAmt": str(self.position.amount)}
        usual |= {"entryPrice": str(self.position.entry), "markPrice": str(self.mark)}
        return self.answer(Endpoint.POSITIONS, [usual | row])

    def nothing_read(self, endpoint: Endpoint, **params: str) -> Answer:
        """A request of which no answer came."""
        return self.answer(endpoint, None, status=NO_ANSWER, **params)
