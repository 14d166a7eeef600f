"""Limits that are one for the account: slots for conditional orders, and closes in a minute (invariant 10)."""

from __future__ import annotations

from collections.abc import Mapping

from position_monitor.core.book.desired_book import RungsAllowed, rungs_for
from position_monitor.core.decision.closing import closes_in_the_last_minute
from position_monitor.core.decision.plan_inputs import Held, Plan
from position_monitor.core.decision.rules import Rules
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.settings import Limits
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import SymbolObservation

SLOTS_KEPT_FREE = 2
"""Below this many free slots for conditional orders, surplus take-profits are removed before their successors rest."""

CAP_REACHED = "the venue's cap on conditional orders is reached"
"""Why an order is held back that has no slot."""


def resting_now(observed: Mapping[str, SymbolObservation], elsewhere: int) -> int:
    """Open conditional orders of the account as last read, foreign ones included."""
    return elsewhere + sum([observation.live.conditional for observation in observed.values()])


def rungs_of_positions(
    observed: Mapping[str, SymbolObservation], rules: Rules, elsewhere: int
) -> dict[PositionKey, RungsAllowed]:
    """Spread the account's capacity for conditional orders over its managed positions, stops first."""
    managed = [p.key for observation in observed.values() for p in observation.positions if _is_managed(p.key, rules)]
    reserved = elsewhere + sum([observation.live.before_ladders for observation in observed.values()]) + len(managed)
    return rungs_for(managed, reserved, rules.conditional_orders_max)


def _is_managed(key: PositionKey, rules: Rules) -> bool:
    """Whether slots are reserved for a position; when the rules fail for it, they are."""
    try:
        return not rules.is_unmanaged(key)
    except Exception:  # the symbol itself is held where it is decided (invariant 12)
        return True


def bounded_closes(plans: Mapping[str, Plan], evidence: Evidence, limits: Limits, now_ms: int) -> dict[str, Plan]:
    """The limit on closing orders is one for the account: a crash must not send a market order for everything."""
    left = limits.closes_per_minute_max - closes_in_the_last_minute(evidence, now_ms)
    bounded: dict[str, Plan] = {}
    for symbol, result in plans.items():
        kept = result.closes[: max(0, left)]
        left -= len(kept)
        if len(kept) == len(result.closes):
            bounded[symbol] = result
            continue
        why = f"{limits.closes_per_minute_max} closes a minute is the limit of the account"
        held = tuple(Held(close.key, "close at market", why) for close in result.closes[len(kept) :])
        bounded[symbol] = result._replace(closes=kept, held=result.held + held)
    return bounded


def within_capacity(plans: Mapping[str, Plan], free: int) -> dict[str, Plan]:
    """Hold back take-profits that would take the slots of stops; `free` slots are left now (foreign orders count).

    Limit orders take none.
    """
    free -= sum(len(result.stops) for result in plans.values())
    fitted: dict[str, Plan] = {}
    for symbol, result in plans.items():
        slots = [place for place in result.take_profits if not place.order.is_limit]
        late = slots[max(0, free) :]
        free -= len(slots) - len(late)
        if not late:
            fitted[symbol] = result
            continue
        held = tuple(
            Held(
                place.key,
                f"place rung {rungs_of(place.order.rung)[-1]}",
                CAP_REACHED,
            )
            for place in late
        )
        kept = tuple([place for place in result.take_profits if place not in late])
        fitted[symbol] = result._replace(take_profits=kept, held=result.held + held)
    return fitted
