"""One id, one order: judged from the venue's journal, and from what it denied at its door (invariant 4).

An intent is what an order of ours is: symbol, role, rung and epoch (they stand in its id), direction, trigger, size. It
keeps its id while an order of that id may still rest, and after that order has ended the id is never used again.
A venue that answers "no such order" for one that ended says that its id is free, and nothing tells that it is not: no
list shows such an order. Sent again under its id it is refused, should it rest after all.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.conduct import Answer

NO_SUCH_ORDER = -2013
ENDS = frozenset(f"order_{end}" for end in ("canceled", "rejected", "expired", "finished"))
"""Ends that the venue can tell of; an order that vanished left nothing behind to ask for."""
TRACELESS = "order_vanished"


class Names:
    """Which ids were used for which intents, and which of them named an order that ended."""

    def __init__(self, *, foggy: bool = False) -> None:
        """`foggy`: questions may stay unanswered, so that nobody can know that an id was used."""
        self._foggy = foggy
        self._current: dict[tuple[object, ...], str] = {}
        """Intent -> the id it was asked for with last."""
        self._useless: set[str] = set()
        """Ids of before a change of the position mode."""
        self._ended: set[str] = set()
        self._over: set[str] = set()
        """Ended, or vanished."""
        self._denied: set[str] = set()
        """Ids of orders that ended, of which the venue's last answer was that there is no such order."""
        self.reused: list[str] = []
        """Ids that were used again although the daemon could have known."""

    def entry(self, entry: Any, *, own: bool) -> list[str]:
        """Take over one entry of the journal about an algo order; sentences about what is wrong with it."""
        client_id = str(entry.detail.get("client_id", ""))
        if entry.kind in ENDS:
            self._ended.add(client_id)
        if entry.kind in ENDS or entry.kind == TRACELESS:
            self._over.add(client_id)
        if not own or entry.kind not in ("order_accepted", "order_refused"):
            return []
        return [*self._one_id(entry, client_id), *self._one_order(entry, client_id)]

    def answer(self, answer: Answer) -> None:
        """A daemon heard what the venue says of one order: the last answer counts."""
        if answer.endpoint is not Endpoint.QUERY_ALGO_ORDER or not isinstance(answer.body, dict):
            return
        client_id = str(answer.params.get("clientAlgoId", ""))
        if answer.body.get("code") == NO_SUCH_ORDER and client_id in self._ended:
            self._denied.add(client_id)
        elif "clientAlgoId" in answer.body:
            self._denied.discard(client_id)

    def mode_changed(self) -> None:
        """Orders made for the other position mode may do more than reduce now: their intents are met by others."""
        self._useless |= set(self._current.values())

    def _one_id(self, entry: Any, client_id: str) -> list[str]:
        """Whoever asks, however often, refused or not: the same id, as long as an order of it may rest."""
        new = entry.detail
        sizes = (Decimal(new["trigger"] or 0), Decimal(new["quantity"] or 0))
        intent = (entry.symbol, client_id[4:14], new["side"], *sizes)
        before = self._current.get(intent, client_id)
        self._current[intent] = client_id
        if before == client_id:
            return []
        spent = self._over | self._useless
        if before in spent or client_id in spent:
            return []
        return [f"INV-4: one intent, two ids, {before} and {client_id}: {intent}"]

    def _one_order(self, entry: Any, client_id: str) -> list[str]:
        if entry.kind != "order_accepted" or client_id not in self._ended:
            return []
        self.reused.append(client_id)
        if client_id in self._denied:
            return []
        return [] if self._foggy else [f"INV-4: {client_id} named an order that ended, and names another one: {entry}"]
