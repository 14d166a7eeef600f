"""Who may do what, judged at the moment the venue takes it (invariant 9): the owner, and who stands by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.sim.checkers import Checker
from tests.sim.conduct import Conduct
from tests.sim.truth import Key, Truth, is_own, side_of
from tests.sim.virtual_time import true_ms

PATIENCE_S = 9.0
"""Two intervals of the daemons of a run, less what two looks may be closer together than that."""
PLACED = ("STOP_MARKET", "TAKE_PROFIT_MARKET")


def without_lease(
    entry: Any, owner: str, conduct: Conduct, checker: Checker, *, foggy: bool, standing_by: bool = True
) -> Iterator[str]:
    """Only the holder of the lease removes and rests take-profits; who stands by places nothing but the stop of a
    position that is exposed for two intervals. `foggy`: reads may be wrong, so that it may have read it as exposed;
    `standing_by`: whether what it was told about another holder can be judged at all."""
    if entry.origin != "api" or conduct.speaker is None or conduct.is_late:
        return
    places = entry.kind == "order_accepted" and entry.detail["type"] in PLACED
    target = places and entry.detail["type"] == "TAKE_PROFIT_MARKET"
    if (entry.kind == "order_canceled" or target) and not conduct.is_owner(owner):
        yield f"INV-9: {owner} {entry.kind} without the lease: {entry.detail}"
    if entry.kind != "order_accepted" or not standing_by or not conduct.stands_by(owner):
        return
    key = (entry.symbol, side_of(entry.detail["position_side"], entry.detail["side"]))
    exposed_ms = checker.exposed_to_readers(key, true_ms())
    long_exposed = foggy or exposed_ms >= PATIENCE_S * 1000 or _beside_the_users(checker.truth, key)
    helps = places and not target and long_exposed
    if not helps:
        yield f"INV-9: {owner} wrote while another holds the lease: {entry.detail}"


def _beside_the_users(truth: Truth, key: Key) -> bool:
    """Whether somebody else's stop rests, which may lie too far away to count as cover."""
    return any(not is_own(order) for order in truth.stops_of(key))
