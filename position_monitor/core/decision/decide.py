"""The whole decision of a cycle: observations in, books, plans and judgements out (invariant 11).

`decide` is a pure function of what was read, what is remembered, the rules, the mode and the time. The daemon calls it
to act; `plan`, `explain` and `status --direct` call the same function to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.book.desired_book import (
    NO_RUNGS,
    BookInputs,
    RungsAllowed,
    WantedOrders,
    compared_book,
    rungs_for,
)
from position_monitor.core.decision.case import Case
from position_monitor.core.decision.closing import closes_in_the_last_minute, reason_to_close
from position_monitor.core.decision.plan import plan
from position_monitor.core.decision.plan_inputs import Held, Plan, PlanInputs
from position_monitor.core.decision.verdict import Judgement, judge
from position_monitor.core.evidence.believed_cap import BelievedCap
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Mode, Place
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.provisional_rules import rules_of
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.settings import EvidenceSettings, Limits, ProtectionSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.cover import NO_COVER, cover_of
from position_monitor.core.observation.live_book import NOTHING_RESTS, LiveBook
from position_monitor.core.observation.needs import Deed
from position_monitor.core.observation.reads import SymbolObservation

SLOTS_KEPT_FREE = 2
"""Below this many free slots for conditional orders, surplus take-profits are removed before their successors rest."""
NOTHING_WANTED: Mapping[PositionKey, WantedOrders] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rules:
    """The configuration as the core sees it."""

    account: str
    protection_for: Callable[[PositionKey], ProtectionSettings]
    is_unmanaged: Callable[[PositionKey], bool]
    evidence: EvidenceSettings
    limits: Limits
    armed_by_last: Callable[[PositionKey], bool] | None = None
    """Which positions have orders that the last trade arms; None where no setting says so."""


class Decision(NamedTuple):
    """What should be, what to do about it, and how things stand."""

    books: Mapping[PositionKey, DesiredBook]
    plans: Mapping[str, Plan]
    judgements: Mapping[PositionKey, Judgement]
    wanted: Mapping[PositionKey, WantedOrders] = NOTHING_WANTED
    """What was wanted of each position, for the next decision."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return all(result.empty for result in self.plans.values())


def decide(
    observed: Mapping[str, SymbolObservation],
    evidence: Evidence,
    rules: Rules,
    advice: Mapping[str, Advice],
    mode: Mode,
    elsewhere: int,
    now_ms: int,
    *,
    cap: BelievedCap | None = None,
    before: Mapping[PositionKey, WantedOrders] = NOTHING_WANTED,
) -> Decision:
    """Decide for the whole account. `elsewhere` counts open conditional orders on symbols that were not observed.

    `before` is `Decision.wanted` of the last decision, or nothing. It decides nothing: what is wanted for the same
    reasons as then is given as the same objects instead of being made anew.
    """
    if cap is not None and cap.most < rules.limits.conditional_orders_max:
        rules = replace(rules, limits=replace(rules.limits, conditional_orders_max=cap.most))
    rungs = _rungs(observed, rules, elsewhere)
    free = rules.limits.conditional_orders_max - resting_now(observed, elsewhere)
    books: dict[PositionKey, DesiredBook] = {}
    plans: dict[str, Plan] = {}
    judgements: dict[PositionKey, Judgement] = {}
    wanted: dict[PositionKey, WantedOrders] = {}
    crowded = free < SLOTS_KEPT_FREE
    for symbol in sorted(observed):
        try:
            part = decide_symbol(
                observed[symbol],
                evidence,
                rules,
                advice.get(symbol),
                mode,
                rungs,
                now_ms,
                crowded=crowded,
                before=before,
            )
        except Exception as defect:  # a defect fences its symbol, never the account (invariant 12)
            part = _held(observed[symbol], defect)
        books.update(part.books)
        plans.update(part.plans)
        judgements.update(part.judgements)
        wanted.update(part.wanted)
    if all(result.empty for result in plans.values()):
        return Decision(books, plans, judgements, wanted)
    plans = _bounded_closes(plans, evidence, rules.limits, now_ms)
    return Decision(books, _within_capacity(plans, free), judgements, wanted)


def resting_now(observed: Mapping[str, SymbolObservation], elsewhere: int) -> int:
    """Open conditional orders of the account as last read, foreign ones included."""
    return elsewhere + sum([seen.live.conditional for seen in observed.values()])


def decide_symbol(
    seen: SymbolObservation,
    evidence: Evidence,
    rules: Rules,
    advice: Advice | None,
    mode: Mode,
    rungs: Mapping[PositionKey, RungsAllowed],
    now_ms: int,
    *,
    crowded: bool = False,
    before: Mapping[PositionKey, WantedOrders] = NOTHING_WANTED,
) -> Decision:
    """Decide for one symbol. `crowded`: the account has hardly a slot left for conditional orders."""
    books = seen.live.books
    cases = [
        _case(position, books, seen, evidence, rules, advice, rungs, before, now_ms) for position in seen.positions
    ]
    held = {case.key for case in cases}
    result = plan(
        PlanInputs(  # by position: this is done for every symbol in every cycle
            rules.account,
            seen,
            [case for case in cases if not case.unmanaged],
            {key: live for key, live in books.items() if key not in held and not rules.is_unmanaged(key)},
            evidence,
            rules.evidence,
            rules.limits,
            mode,
            crowded,
            now_ms,
        )
    )
    judgements = {case.key: judge(case, seen, rules.evidence, now_ms) for case in cases}
    desired = {case.key: case.book for case in cases if case.book is not None}
    wanted = {case.key: case.wanted for case in cases if case.wanted is not None}
    return Decision(desired, {seen.symbol: result}, judgements, wanted)


def _held(seen: SymbolObservation, defect: Exception) -> Decision:
    """No action and verdict UNKNOWN for a symbol whose decision failed; the defect is named in its reason."""
    reason = f"HOLD: deciding failed with {type(defect).__name__}: {defect}"
    judgements = {
        position.key: Judgement(
            position=position,
            verdict=Verdict.UNKNOWN,
            reason=reason,
            cover=NO_COVER,
            book=None,
            found=None,
            settings=None,
            readable=seen.readable,
        )
        for position in seen.positions
    }
    return Decision({}, {seen.symbol: Plan(seen.symbol)}, judgements)


def _case(
    position: Position,
    books: Mapping[PositionKey, LiveBook],
    seen: SymbolObservation,
    evidence: Evidence,
    rules: Rules,
    advice: Advice | None,
    rungs: Mapping[PositionKey, RungsAllowed],
    before: Mapping[PositionKey, WantedOrders],
    now_ms: int,
) -> Case:
    key, live = position.key, books.get(position.key, NOTHING_RESTS)
    settings, known, unmanaged = rules.protection_for(key), evidence.of(key), rules.is_unmanaged(key)
    cover = cover_of(position, live.stops, settings)
    if known is None:
        return Case(position, key, settings, None, unmanaged, live, cover, None, None, None)
    book = wanted = None
    if seen.allows(Deed.PLACE_STOP) and not unmanaged:
        book, wanted = compared_book(
            BookInputs(
                rules.account,
                position,
                rules_of(seen.instrument, position, known.grid_refusals),
                live,
                cover,
                known,
                settings,
                advice,
                rungs.get(key, NO_RUNGS),
                rules.evidence.triggering_grace_ms,
                now_ms,
                evidence.working_stops_under_way(key, now_ms),
                rules.evidence.replacement_reads,
            ),
            before.get(key),
        )
    close = None if book is None else book.close
    closing = reason_to_close(
        position, known, settings, rules.limits, rules.evidence, now_ms, covered=cover.full, wanted=close
    )
    return Case(position, key, settings, known, unmanaged, live, cover, closing, book, wanted)


def _rungs(observed: Mapping[str, SymbolObservation], rules: Rules, elsewhere: int) -> dict[PositionKey, RungsAllowed]:
    """Spread the account's capacity for conditional orders over its managed positions, stops first."""
    managed = [p.key for seen in observed.values() for p in seen.positions if _is_managed(p.key, rules)]
    reserved = elsewhere + sum([seen.live.before_ladders for seen in observed.values()]) + len(managed)
    return rungs_for(managed, reserved, rules.limits.conditional_orders_max)


def _is_managed(key: PositionKey, rules: Rules) -> bool:
    """Whether slots are reserved for a position; when the rules fail for it, they are."""
    try:
        return not rules.is_unmanaged(key)
    except Exception:  # the symbol itself is held where it is decided (invariant 12)
        return True


def _bounded_closes(plans: Mapping[str, Plan], evidence: Evidence, limits: Limits, now_ms: int) -> dict[str, Plan]:
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


def _within_capacity(plans: Mapping[str, Plan], free: int) -> dict[str, Plan]:
    """Hold back take-profits that would take the slots of stops; `free` slots are left now (foreign orders count)."""
    free -= sum(len(result.stops) for result in plans.values())
    fitted: dict[str, Plan] = {}
    for symbol, result in plans.items():
        kept: tuple[Place, ...] = result.take_profits[: max(0, free)]
        free -= len(kept)
        if len(kept) == len(result.take_profits):
            fitted[symbol] = result
            continue
        held = tuple(
            Held(
                place.key,
                f"place rung {rungs_of(place.order.rung)[-1]}",
                "the venue's cap on conditional orders is reached",
            )
            for place in result.take_profits[len(kept) :]
        )
        fitted[symbol] = result._replace(take_profits=kept, held=result.held + held)
    return fitted
