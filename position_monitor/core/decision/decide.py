"""The whole decision of a cycle: observations in, books, plans and judgements out (invariant 11).

`decide` is a pure function of what was read, what is remembered, the rules, the mode and the time. The daemon calls it
to act; `plan`, `explain` and `status --direct` call the same function to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.book.desired_book import (
    NO_RUNGS,
    BookInputs,
    RungsAllowed,
    WantedOrders,
    compared_book,
)
from position_monitor.core.decision.capacity import (
    SLOTS_KEPT_FREE,
    bounded_closes,
    resting_now,
    rungs_of_positions,
    within_capacity,
)
from position_monitor.core.decision.case import Case
from position_monitor.core.decision.closing import reason_to_close
from position_monitor.core.decision.plan import plan
from position_monitor.core.decision.plan_inputs import Plan, PlanInputs
from position_monitor.core.decision.rules import Rules
from position_monitor.core.decision.verdict import Judgement, judge
from position_monitor.core.evidence.believed_cap import BelievedCap
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.provisional_rules import rules_of
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.cover import NO_COVER, cover_of
from position_monitor.core.observation.live_book import NOTHING_RESTS, LiveBook
from position_monitor.core.observation.needs import Deed, Fact
from position_monitor.core.observation.reads import SymbolObservation

NOTHING_WANTED: Mapping[PositionKey, WantedOrders] = MappingProxyType({})
NO_INPUTS: Mapping[PositionKey, BookInputs] = MappingProxyType({})
NO_MARKETS: Mapping[str, MarketState] = MappingProxyType({})


class Decision(NamedTuple):
    """What should be, what to do about it, and how things stand."""

    books: Mapping[PositionKey, DesiredBook]
    plans: Mapping[str, Plan]
    judgements: Mapping[PositionKey, Judgement]
    wanted: Mapping[PositionKey, WantedOrders] = NOTHING_WANTED
    """What was wanted of each position, for the next decision."""
    inputs: Mapping[PositionKey, BookInputs] = NO_INPUTS
    """What each book was made from, for whoever explains it."""

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
    markets: Mapping[str, MarketState] = NO_MARKETS,
) -> Decision:
    """Decide for the whole account. `elsewhere` counts open conditional orders on symbols that were not observed.

    `before` is `Decision.wanted` of the last decision, or nothing. It decides nothing: what is wanted for the same
    reasons as then is given as the same objects instead of being made anew. `markets` says by symbol what the candles
    say; a symbol without is protected all the same.
    """
    if cap is not None and cap.most < rules.conditional_orders_max:
        rules = replace(rules, traits=replace(rules.traits, conditional_orders_max=cap.most))
    allowed = rungs_of_positions(observed, rules, elsewhere)
    free = rules.conditional_orders_max - resting_now(observed, elsewhere)
    books: dict[PositionKey, DesiredBook] = {}
    plans: dict[str, Plan] = {}
    judgements: dict[PositionKey, Judgement] = {}
    wanted: dict[PositionKey, WantedOrders] = {}
    inputs: dict[PositionKey, BookInputs] = {}
    crowded = free < SLOTS_KEPT_FREE
    for symbol in sorted(observed):
        try:
            part = decide_symbol(
                observation=observed[symbol],
                evidence=evidence,
                rules=rules,
                advice=advice.get(symbol),
                mode=mode,
                rungs=allowed,
                now_ms=now_ms,
                crowded=crowded,
                before=before,
                market=markets.get(symbol),
            )
        except Exception as defect:  # a defect fences its symbol, never the account (invariant 12)
            part = _held(observed[symbol], defect)
        books.update(part.books)
        plans.update(part.plans)
        judgements.update(part.judgements)
        wanted.update(part.wanted)
        inputs.update(part.inputs)
    if all(result.empty for result in plans.values()):
        return Decision(books=books, plans=plans, judgements=judgements, wanted=wanted, inputs=inputs)
    plans = within_capacity(bounded_closes(plans, evidence, rules.limits, now_ms), free)
    return Decision(books=books, plans=plans, judgements=judgements, wanted=wanted, inputs=inputs)


def decide_symbol(
    observation: SymbolObservation,
    evidence: Evidence,
    rules: Rules,
    advice: Advice | None,
    mode: Mode,
    rungs: Mapping[PositionKey, RungsAllowed],
    now_ms: int,
    *,
    crowded: bool = False,
    before: Mapping[PositionKey, WantedOrders] = NOTHING_WANTED,
    market: MarketState | None = None,
) -> Decision:
    """Decide for one symbol. `crowded`: the account has hardly a slot left for conditional orders."""
    live_books = observation.live.by_position
    cases = [
        _case(
            position=position,
            live_books=live_books,
            observation=observation,
            evidence=evidence,
            rules=rules,
            advice=advice,
            rungs=rungs,
            before=before,
            now_ms=now_ms,
            market=market,
        )
        for position in observation.positions
    ]
    held = {case.key for case in cases}
    result = plan(
        PlanInputs.__new__(  # as `ExitView` in exit_view.py
            PlanInputs,
            account=rules.account,
            observation=observation,
            cases=[case for case in cases if not case.unmanaged],
            orphaned={key: live for key, live in live_books.items() if key not in held and not rules.is_unmanaged(key)},
            evidence=evidence,
            evidence_settings=rules.evidence,
            limits=rules.limits,
            mode=mode,
            mode_for=rules.mode_for,
            crowded=crowded,
            now_ms=now_ms,
        )
    )
    judgements = {case.key: judge(case, observation, rules.evidence, now_ms) for case in cases}
    desired = {case.key: case.book for case in cases if case.book is not None}
    wanted = {case.key: case.wanted for case in cases if case.wanted is not None}
    inputs = {case.key: case.inputs for case in cases if case.inputs is not None}
    return Decision(
        books=desired, plans={observation.symbol: result}, judgements=judgements, wanted=wanted, inputs=inputs
    )


def _held(observation: SymbolObservation, defect: Exception) -> Decision:
    """No action and verdict UNKNOWN for a symbol whose decision failed; the defect is named in its reason."""
    reason = f"HOLD: deciding failed with {type(defect).__name__}: {defect}"
    judgements = {
        position.key: Judgement(
            position=position,
            verdict=Verdict.UNKNOWN,
            reason=reason,
            cover=NO_COVER,
            book=None,
            diff=None,
            settings=None,
            readable=observation.readable,
        )
        for position in observation.positions
    }
    return Decision({}, {observation.symbol: Plan(observation.symbol)}, judgements)


def _case(
    position: Position,
    live_books: Mapping[PositionKey, LiveBook],
    observation: SymbolObservation,
    evidence: Evidence,
    rules: Rules,
    advice: Advice | None,
    rungs: Mapping[PositionKey, RungsAllowed],
    before: Mapping[PositionKey, WantedOrders],
    now_ms: int,
    market: MarketState | None,
) -> Case:
    key, live = position.key, live_books.get(position.key, NOTHING_RESTS)
    settings, belief, unmanaged = rules.protection_for(key), evidence.of(key), rules.is_unmanaged(key)
    cover = cover_of(position, live.stops, settings)
    book = wanted = closing = inputs = None
    if belief is not None:
        if observation.allows(Deed.PLACE_STOP) and not unmanaged:
            inputs = BookInputs.__new__(
                BookInputs,
                account=rules.account,
                position=position,
                instrument=rules_of(observation.instrument, position, belief.grid_refusals),
                live=live,
                cover=cover,
                belief=belief,
                settings=settings,
                advice=advice,
                rungs=rungs.get(key, NO_RUNGS),
                triggering_grace_ms=rules.evidence.triggering_grace_ms,
                now_ms=now_ms,
                in_transit=evidence.working_stops_under_way(key, now_ms),
                replacement_reads=rules.evidence.replacement_reads,
                market=market,
                live_since_ms=None if rules.live_since_ms is None else rules.live_since_ms(key),
                stops_listed=Fact.CONDITIONAL_ORDERS not in observation.unread,
            )
            book, wanted = compared_book(inputs, before.get(key))
        closing = reason_to_close(
            position=position,
            belief=belief,
            settings=settings,
            limits=rules.limits,
            evidence_settings=rules.evidence,
            now_ms=now_ms,
            covered=cover.full,
            policy=None if book is None else book.close,
        )
    return Case.__new__(
        Case,
        position=position,
        key=key,
        settings=settings,
        belief=belief,
        unmanaged=unmanaged,
        live=live,
        cover=cover,
        to_close=closing,
        book=book,
        wanted=wanted,
        inputs=inputs,
    )
