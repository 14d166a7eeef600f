"""What the decision about one symbol depends on, and the case of each of its open positions made from that."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.book.desired_book import NO_RUNGS, BookInputs, RungsAllowed, WantedOrders, compared_book
from position_monitor.core.decision.case import Case
from position_monitor.core.decision.closing import reason_to_close
from position_monitor.core.decision.rules import Rules
from position_monitor.core.evidence.evidence import Belief, Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.provisional_rules import rules_of
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.cover import Cover, cover_of
from position_monitor.core.observation.live_book import LiveBook
from position_monitor.core.observation.needs import Deed, Fact
from position_monitor.core.observation.reads import SymbolObservation

NOTHING_WANTED: Mapping[PositionKey, WantedOrders] = MappingProxyType({})


class SymbolInputs(NamedTuple):
    """Everything the decision about one symbol depends on."""

    observation: SymbolObservation
    evidence: Evidence
    rules: Rules
    advice: Advice | None
    mode: Mode
    rungs: Mapping[PositionKey, RungsAllowed]
    """What the account's capacity leaves for take-profits; a position that is not in it gets none."""
    now_ms: int
    market: MarketState | None = None
    """What the candles of the symbol say."""
    before: Mapping[PositionKey, WantedOrders] = NOTHING_WANTED
    """What was wanted by the last decision: it decides nothing."""
    crowded: bool = False
    """Whether the account has hardly a slot left for conditional orders."""


def case_of(asked: SymbolInputs, position: Position, live: LiveBook) -> Case:
    """The case of one open position; `live` is what rests for it."""
    key, rules = position.key, asked.rules
    settings, belief, unmanaged = rules.protection_for(key), asked.evidence.of(key), rules.is_unmanaged(key)
    cover = cover_of(position, live.stops, settings)
    book = wanted = closing = inputs = asked_exits = None
    if belief is not None:
        if asked.observation.allows(Deed.PLACE_STOP) and not unmanaged:
            inputs = _book_inputs(asked, position=position, live=live, cover=cover, belief=belief, settings=settings)
            book, wanted, asked_exits = compared_book(inputs, asked.before.get(key))
        closing = reason_to_close(
            position=position,
            belief=belief,
            settings=settings,
            limits=rules.limits,
            evidence_settings=rules.evidence,
            now_ms=asked.now_ms,
            covered=cover.full,
            policy=None if book is None else book.close,
        )
    return Case.__new__(  # as `ExitView` in exit_view.py
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
        asked=asked_exits,
    )


def _book_inputs(
    asked: SymbolInputs,
    *,
    position: Position,
    live: LiveBook,
    cover: Cover,
    belief: Belief,
    settings: ProtectionSettings,
) -> BookInputs:
    """What the book of the position is made from."""
    rules, key, now_ms = asked.rules, position.key, asked.now_ms
    return BookInputs.__new__(
        BookInputs,
        account=rules.account,
        position=position,
        instrument=rules_of(asked.observation.instrument, position, belief.grid_refusals),
        live=live,
        cover=cover,
        belief=belief,
        settings=settings,
        advice=asked.advice,
        rungs=asked.rungs.get(key, NO_RUNGS),
        triggering_grace_ms=rules.evidence.triggering_grace_ms,
        now_ms=now_ms,
        in_transit=asked.evidence.working_stops_under_way(key, now_ms),
        replacement_reads=rules.evidence.replacement_reads,
        market=asked.market,
        live_since_ms=None if rules.live_since_ms is None else rules.live_since_ms(key),
        stops_listed=Fact.CONDITIONAL_ORDERS not in asked.observation.unread,
    )
