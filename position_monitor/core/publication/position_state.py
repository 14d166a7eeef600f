"""The published form of a judgement (DESIGN 5): what the daemon says about one position.

In a quiet account nearly all of it is as it was a cycle ago. The parts that follow from what rests are kept with it
(`BookDiff.ladder`), and the few texts and facts there can be are made once; so the parts of two states are the very
same objects while nothing changed, and whoever compares states is done quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from position_monitor.core.decision.verdict import Judgement, foreign_targets
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.state import PositionState, TakeProfitState
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.reads import SymbolObservation

_WHEN_UNREADABLE = MappingProxyType(
    dict.fromkeys(
        ("StopCovered", "StopCurrent", "BackstopLive", "TakeProfitsPlaced", "BookInSync", "Exposed"), "Unknown"
    )
)
_EXPOSED_AND_UNREADABLE = MappingProxyType({**_WHEN_UNREADABLE, "StopCovered": "False", "Exposed": "True"})
"""The conditional orders were read and do not cover it; something else could not be read."""


def position_state(judgement: Judgement, seen: SymbolObservation, *, since_ms: int, naked_ms: int) -> PositionState:
    """The published form of a judgement."""
    position, cover, book = judgement.position, judgement.cover, judgement.book
    backstop = next((o for o in cover.orders if o.close_all and o.role is Role.BACKSTOP), None)
    return PositionState(
        key=position.key,
        verdict=judgement.verdict,
        reason=judgement.reason,
        since_ms=since_ms,
        quantity=position.quantity,
        entry_price=position.entry_price,
        mark_price=position.mark_price,
        liquidation_price=position.liquidation_price,
        leverage=position.leverage,
        unrealized_pnl=position.unrealized_pnl,
        stop_price=cover.stop_price,
        stop_quantity=cover.quantity,
        cover_pct=cover.pct,
        stop_client_ids=tuple([order.client_id for order in cover.orders]),
        backstop_price=backstop.trigger_price if backstop else None,
        take_profits=_take_profit_states(judgement, seen),
        trailing=_trailing_text(book),
        profile=judgement.settings.profile if judgement.settings else "",
        regime=book.regime if book else "",
        level_source=book.stop.source if book else "",
        worst_case_loss=cover.worst_loss,
        naked_ms=naked_ms,
        observed_at_ms=seen.observed_at_ms,
        conditions=_conditions(judgement, seen),
    )


def _trailing_text(book: DesiredBook | None) -> str:
    if book is None or book.trailing is None:
        return "off"
    return _trailing_words(book.trailing.distance_pct, book.trailing.active)


@lru_cache(maxsize=256)
def _trailing_words(distance_pct: Decimal, active: bool) -> str:
    return f"{plain(distance_pct)} % {'active' if active else 'waiting'}"


def _take_profit_states(judgement: Judgement, seen: SymbolObservation) -> tuple[TakeProfitState, ...]:
    """Our rungs, nearest first, then the user's own take-profits."""
    position, settings = judgement.position, judgement.settings
    ladder = judgement.found.ladder if judgement.found is not None else ()
    foreign = foreign_targets(position, seen.live.foreign, settings) if settings else ()
    return (*ladder, *[_foreign_state(order, position) for order in foreign]) if foreign else ladder


def _foreign_state(order: LiveOrder, position: Position) -> TakeProfitState:
    price = order.trigger_price or order.limit_price or Decimal(0)
    quantity = order.part_of(position.quantity)
    return TakeProfitState(-1, price, quantity, order.client_id, "foreign", resting=True, foreign=True)


def _conditions(judgement: Judgement, seen: SymbolObservation) -> Mapping[str, str]:
    if not seen.readable:
        return _EXPOSED_AND_UNREADABLE if judgement.exposed else _WHEN_UNREADABLE
    cover, found = judgement.cover, judgement.found
    return _named_facts(
        cover.full,
        judgement.book is None or not judgement.book.stop_behind,
        any(order.close_all for order in cover.orders),
        judgement.verdict is Verdict.PROTECTED,
        found is not None and found.in_sync,
        judgement.exposed,
    )


@lru_cache(maxsize=32)
def _named_facts(
    covered: bool, current: bool, backstop: bool, targets: bool, in_sync: bool, exposed: bool
) -> Mapping[str, str]:
    return MappingProxyType({
        "StopCovered": str(covered),
        "StopCurrent": str(current),
        "BackstopLive": str(backstop),
        "TakeProfitsPlaced": str(targets),
        "BookInSync": str(in_sync),
        "Exposed": str(exposed),
    })  # fmt: skip
