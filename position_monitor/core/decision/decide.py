"""The whole decision of a cycle: observations in, books, plans and judgements out (invariant 11).

`decide` is a pure function of what was read, what is remembered, the rules, the mode and the time. The daemon calls it
to act; `plan`, `explain` and `status --direct` call the same function to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.book.desired_book import BookInputs, WantedOrders
from position_monitor.core.decision.capacity import (
    SLOTS_KEPT_FREE,
    bounded_closes,
    resting_now,
    rungs_of_positions,
    within_capacity,
)
from position_monitor.core.decision.plan import plan
from position_monitor.core.decision.plan_inputs import Plan, PlanInputs
from position_monitor.core.decision.rules import Rules
from position_monitor.core.decision.symbol_inputs import NOTHING_WANTED, SymbolInputs, case_of
from position_monitor.core.decision.verdict import Judgement, judge
from position_monitor.core.evidence.believed_cap import BelievedCap
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.cover import NO_COVER
from position_monitor.core.observation.live_book import NOTHING_RESTS
from position_monitor.core.observation.reads import SymbolObservation

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
    rules = _under_cap(rules, cap)
    allowed = rungs_of_positions(observed, rules, elsewhere)
    free = rules.conditional_orders_max - resting_now(observed, elsewhere)
    parts = [
        _decided(
            SymbolInputs(
                observation=observed[symbol],
                evidence=evidence,
                rules=rules,
                advice=advice.get(symbol),
                mode=mode,
                rungs=allowed,
                now_ms=now_ms,
                market=markets.get(symbol),
                before=before,
                crowded=free < SLOTS_KEPT_FREE,
            )
        )
        for symbol in sorted(observed)
    ]
    result = _joined(parts)
    if result.empty:
        return result
    return result._replace(plans=within_capacity(bounded_closes(result.plans, evidence, rules.limits, now_ms), free))


def _decided(asked: SymbolInputs) -> Decision:
    """The decision about one symbol. A defect fences its symbol, never the account (invariant 12)."""
    try:
        return decide_symbol(asked)
    except Exception as defect:
        return _held(asked.observation, defect)


def _joined(parts: Iterable[Decision]) -> Decision:
    """The decisions about all symbols as one."""
    books: dict[PositionKey, DesiredBook] = {}
    plans: dict[str, Plan] = {}
    judgements: dict[PositionKey, Judgement] = {}
    wanted: dict[PositionKey, WantedOrders] = {}
    inputs: dict[PositionKey, BookInputs] = {}
    for part in parts:
        books.update(part.books)
        plans.update(part.plans)
        judgements.update(part.judgements)
        wanted.update(part.wanted)
        inputs.update(part.inputs)
    return Decision(books=books, plans=plans, judgements=judgements, wanted=wanted, inputs=inputs)


def _under_cap(rules: Rules, cap: BelievedCap | None) -> Rules:
    """The rules where the venue was found to allow fewer conditional orders than it says."""
    if cap is None or cap.most >= rules.conditional_orders_max:
        return rules
    return replace(rules, traits=replace(rules.traits, conditional_orders_max=cap.most))


def decide_symbol(asked: SymbolInputs) -> Decision:
    """Decide for one symbol."""
    observation, rules, now_ms = asked.observation, asked.rules, asked.now_ms
    live_books = observation.live.by_position
    cases = [case_of(asked, one, live_books.get(one.key, NOTHING_RESTS)) for one in observation.positions]
    held = [case.key for case in cases]
    result = plan(
        PlanInputs.__new__(  # as `ExitView` in exit_view.py
            PlanInputs,
            account=rules.account,
            observation=observation,
            cases=[case for case in cases if not case.unmanaged],
            orphaned={key: live for key, live in live_books.items() if key not in held and not rules.is_unmanaged(key)},
            evidence=asked.evidence,
            evidence_settings=rules.evidence,
            limits=rules.limits,
            mode=asked.mode,
            mode_for=rules.mode_for,
            crowded=asked.crowded,
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
