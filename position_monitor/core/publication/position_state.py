"""The published form of a judgement (DESIGN 5): what the daemon says about one position.

It is made from what `decision/history.py` keeps of the position and read by nothing that decides. In a quiet account
nearly all of it is as it was a cycle ago: the parts that follow from what rests are kept while the difference they come
from is the same object, and the few texts and facts there can be are made once (docs/same-object.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.book.diff import LadderRung
from position_monitor.core.decision.history import History, Track
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.control import NO_CONTROL, Control
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.profiles import kind_of
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.exit_plan import exit_plan, is_kept
from position_monitor.core.publication.state import ExitPlan, PositionState, TakeProfitState

_WHEN_UNREADABLE = MappingProxyType(
    dict.fromkeys(
        ("StopCovered", "StopCurrent", "BackstopLive", "TakeProfitsPlaced", "BookInSync", "Exposed"), "Unknown"
    )
)
_EXPOSED_AND_UNREADABLE = MappingProxyType({**_WHEN_UNREADABLE, "StopCovered": "False", "Exposed": "True"})
"""The conditional orders were read and do not cover it; something else could not be read."""


PLANS_MAX = 10
"""Plans made anew for one publication, 3.5 ms at most: an event that brings a fill waits no longer than that for them.
At the start of a large account the others follow in the cycles after."""


class Published(NamedTuple):
    """What was published of one position, and what it was made from."""

    judgement: Judgement
    state: PositionState


def _no_market(symbol: str) -> MarketState | None:
    """Nothing is known of the candles of a symbol."""
    del symbol
    return None


def published_positions(
    history: History,
    before: Mapping[PositionKey, Published] = MappingProxyType({}),
    market: Callable[[str], MarketState | None] = _no_market,
    control: Control = NO_CONTROL,
) -> dict[PositionKey, Published]:
    """The published form of every position, in a stable order; `before` is what this gave the last time.

    `market` says what the closed candles of a symbol say; `control` has the pauses and holds in force.
    """
    published: dict[PositionKey, Published] = {}
    planned = 0
    for key in sorted(history.tracks):
        track, earlier = history.tracks[key], before.get(key)
        state = position_state(track, earlier, market(key.symbol), control, may_plan=planned < PLANS_MAX)
        planned += earlier is None or state.plan is not earlier.state.plan
        published[key] = Published(track.judgement, state)
    return published


def position_state(
    track: Track,
    before: Published | None = None,
    market: MarketState | None = None,
    control: Control = NO_CONTROL,
    *,
    may_plan: bool = True,
) -> PositionState:
    """The published form of one position; parts of the form `before` are used again where nothing they show changed.

    Without `may_plan` a plan that would have to be made anew is left for the next time.
    """
    judgement = track.judgement
    position, cover, book = judgement.position, judgement.cover, judgement.book
    take_profits = _take_profits(judgement, before)
    backstop = next((o for o in cover.orders if _is_our_backstop(o)), None)
    return PositionState(
        key=position.key,
        verdict=judgement.verdict,
        reason=judgement.reason,
        since_ms=track.since_ms,
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
        take_profits=take_profits,
        trailing=_trailing_text(book),
        profile=book.profile if book else judgement.settings.profile if judgement.settings else "",
        regime=book.regime if book else "",
        level_source=book.stop.source if book else "",
        worst_case_loss=cover.worst_loss,
        naked_ms=track.naked_ms,
        observed_at_ms=track.observed_at_ms,
        conditions=_conditions(judgement, backstop, take_profits),
        market=market,
        policy=str(judgement.settings.policy) if judgement.settings else "",
        hold=control.hold_of(position.key) if control.in_force else None,
        pause=control.pause_of(position.key) if control.in_force else None,
        plan=_plan(judgement, before, may_plan),
    )


def _plan(judgement: Judgement, before: Published | None, may_plan: bool) -> ExitPlan | None:
    if before is not None and before.state.plan is not None and is_kept(before.judgement, judgement):
        return before.state.plan
    return exit_plan(judgement) if may_plan else None


def _is_our_backstop(order: LiveOrder) -> bool:
    """A close-all stop of the user's own is none."""
    return order.close_all and order.role is Role.BACKSTOP


def _trailing_text(book: DesiredBook | None) -> str:
    if book is None or book.trailing is None:
        return "off"
    return _trailing_words(book.trailing.distance_pct, book.trailing.active)


@lru_cache(maxsize=256)
def _trailing_words(distance_pct: Decimal, active: bool) -> str:
    return f"{plain(distance_pct)} % {'active' if active else 'waiting'}"


def _take_profits(judgement: Judgement, before: Published | None) -> tuple[TakeProfitState, ...]:
    """Our rungs, nearest first, then the user's own take-profits."""
    foreign = judgement.foreign_targets
    if before is not None and _same_take_profits(before.judgement, judgement):
        return before.state.take_profits
    ladder = judgement.diff.ladder if judgement.diff is not None else ()
    return (
        *[_own_state(rung) for rung in ladder],
        *[_foreign_state(order, judgement.position) for order in foreign],
    )


def _same_take_profits(before: Judgement, now: Judgement) -> bool:
    """Whether everything is as it was that take-profits show; the user's close-all ones show the position's size."""
    same = before.diff is now.diff and before.foreign_targets == now.foreign_targets
    return same and before.position.quantity == now.position.quantity


def _own_state(rung: LadderRung) -> TakeProfitState:
    return TakeProfitState(
        rung=rung.rung,
        trigger_price=rung.trigger_price,
        quantity=rung.quantity,
        client_id=rung.client_id,
        source=rung.source,
        resting=bool(rung.client_id),
        kind=str(rung.kind),
    )


def _foreign_state(order: LiveOrder, position: Position) -> TakeProfitState:
    price = order.trigger_price or order.limit_price or Decimal(0)
    quantity = order.part_of(position.quantity)
    return TakeProfitState(
        rung=-1,
        trigger_price=price,
        quantity=quantity,
        client_id=order.client_id,
        source="foreign",
        resting=True,
        foreign=True,
        kind=str(kind_of(order.purpose)),
    )


def _conditions(
    judgement: Judgement, backstop: LiveOrder | None, take_profits: Sequence[TakeProfitState]
) -> Mapping[str, str]:
    if not judgement.readable:
        return _EXPOSED_AND_UNREADABLE if judgement.exposed else _WHEN_UNREADABLE
    cover, diff = judgement.cover, judgement.diff
    return _named_facts(
        covered=cover.full,
        current=not judgement.stop_is_behind,
        backstop=backstop is not None,
        targets=bool(take_profits) and all(rung.resting for rung in take_profits),
        in_sync=diff is not None and diff.in_sync,
        exposed=judgement.exposed,
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
