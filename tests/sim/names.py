"""One id, one order: judged from the venue's journal alone (invariant 4).

An intent is what an order of ours is: symbol, role, rung and epoch (they stand in its id), direction, trigger, size. It
keeps its id while an order of that id may still rest, and after that order has ended the id is never used again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

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
        spent = self._over | self._useless
        if before != client_id and before not in spent and client_id not in spent:
            return [f"INV-4: one intent, two ids, {before} and {client_id}: {intent}"]
        return []

    def _one_order(self, entry: Any, client_id: str) -> list[str]:
        if entry.kind != "order_accepted" or client_id not in self._ended:
            return []
        self.reused.append(client_id)
        return [] if self._foggy else [f"INV-4: {client_id} named an order that ended, and names another one: {entry}"]
