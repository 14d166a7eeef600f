"""A position's own page: where it would get out, its plan in words, its levels over time, the policy in shadow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from position_monitor.charts.ladder import ladder
from position_monitor.charts.markup import Markup, element
from position_monitor.charts.tables import facts, table
from position_monitor.charts.time_lines import TimeLine, TimePoint, time_lines
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState, TakeProfitState
from position_monitor.dashboard.account_parts import event_list
from position_monitor.dashboard.levels import levels, price_text
from position_monitor.dashboard.position_parts import position_facts
from position_monitor.dashboard.tracks import Sample
from position_monitor.dashboard.words import lasting, moment, or_dash
from position_monitor.edge.redis.event_stream import StreamedEvent

EVENTS_SHOWN: Final = 200
UNITS: Final = ((86_400_000.0, "days", 3), (3_600_000.0, "hours", 3), (60_000.0, "minutes", 0))
"""The unit of time of a picture: the largest of which it spans more than so many."""
_FILLS: Final = frozenset({"TakeProfitFilled", "StopFired", "EmergencyClose"})
_PLACED_AS: Final[Mapping[str, tuple[object, ...]]] = {
    "stop": ("backstop", "working_stop", None),
    "backstop": ("backstop",),
}
"""The roles of a stop whose event tells of a line; an event of an older version has none."""
_LINES: Final = (("mark", "mark"), ("stop", "stop"), ("backstop", "backstop"))


def published(name: str, state: PositionState) -> Iterable[Markup]:
    """Everything that is published of a position."""
    rows = (
        (level.name, level.price_shown, _signed(level.from_mark_pct, " %"), _signed(level.in_r, " R"))
        for level in sorted(levels(state), key=lambda one: -one.price)
    )
    picture = ladder([level.drawn for level in levels(state)], title=f"Price ladder of {name}")
    both = (element("div", picture), table("Levels", ("Level", "Price", "From the mark", "From the entry"), rows))
    yield element("div", *both, class_="side")
    yield element("h2", "The plan")
    yield element("ul", *(element("li", words) for words in _plan(state)))
    columns = ("Rung", "Price", "Quantity", "Order", "Rests")
    yield table("Take-profits", columns, map(_rung, state.take_profits))
    yield element("h2", "Figures")
    yield facts(position_facts(state))
    ids = ", ".join(map(str, state.stop_client_ids)) or "none"
    yield facts((("Stops that count", ids), *((str(name), str(value)) for name, value in state.conditions.items())))
    if state.market is not None:
        market = state.market
        yield facts((("ATR", price_text(market.atr)), ("Market regime", or_dash(market.regime))))


def _rung(one: TakeProfitState) -> tuple[str, ...]:
    return one.name, price_text(one.trigger_price), price_text(one.quantity), one.kind, "yes" if one.resting else "no"


def _plan(state: PositionState) -> Iterable[str]:
    """What will happen next, in words, as far as the published state tells it."""
    for level in levels(state):
        if level.name == "stop" or (level.name == "backstop" and state.stop_price == state.backstop_price):
            yield f"Out at {price_text(level.price)} at the latest ({_signed(level.in_r, ' R')} from the entry)."
    if state.stop_price is None:
        yield "No stop rests: nothing ends this position but the liquidation."
    for one in state.take_profits:
        share = one.quantity / state.quantity * 100 if state.quantity else Decimal(0)
        name = one.name if one.rungs else "A take-profit of somebody else's"
        verb = "is taken" if one.resting else "is to be placed"
        yield f"{name}: {share:.0f} % of it {verb} at {price_text(one.trigger_price)}."
    yield from _stop_to_come(state)
    if state.conditions.get("StopCurrent") == "False":
        yield "The stop waits behind the level that the policy wants by now."
    if state.conditions.get("BookInSync") == "True":
        yield "Nothing has to be placed or removed now."
    yield f"Trailing: {or_dash(state.trailing)}. Without full cover so far: {lasting(state.naked_ms)}."


def _stop_to_come(state: PositionState) -> Iterable[str]:
    """Locks that wait, and how the stop follows the mark."""
    plan = state.plan
    if plan is None:
        return
    for lock in plan.locks:
        if lock.after_rung > plan.rungs_done:
            yield f"After TP{lock.after_rung} the stop goes to {price_text(lock.stop_price)} at least."
        elif lock.from_price is not None:
            yield f"From the mark {price_text(lock.from_price)} on it goes to {price_text(lock.stop_price)} at least."
    after = f", once TP{plan.trail_after_rung} is taken" if plan.trail_after_rung > plan.rungs_done else ""
    for step in plan.trail:
        far = f"{step.distance_pct.normalize():f} %" if step.distance_pct is not None else ""
        far = far or (f"{step.distance_atr.normalize():f} ATR" if step.distance_atr is not None else "")
        where = "breakeven on" if step.from_price is None else f"the mark {price_text(step.from_price)} on"
        yield f"From {where} it trails {far or 'at a distance that is not known'} behind the mark{after}."
    yield f"A backstop that had to be placed anew would go to {price_text(plan.initial_stop)}."


def history(
    key: PositionKey,
    state: PositionState | None,
    *,
    events: Sequence[StreamedEvent],
    samples: Sequence[Sample],
    now_ms: int,
) -> Iterable[Markup]:
    """Levels over time, from events and from what the page has seen; then the events."""
    own = [event for event in events if (event.symbol, event.side) == (key.symbol, key.side.value)]
    ended = max((place for place, event in enumerate(own) if event.type == "PositionFlat"), default=-1)
    yield element("h2", "History")
    yield _picture(state, own[ended + 1 :], samples, now_ms)
    yield element("h3", "Events of this position")
    yield event_list(reversed(own[-EVENTS_SHOWN:]))


def _picture(
    state: PositionState | None, events: Sequence[StreamedEvent], samples: Sequence[Sample], now_ms: int
) -> Markup:
    lines = [(name, kind, _line(name, events, samples)) for name, kind in _LINES]
    if lines[1][2] and [y for _, y in lines[1][2]] == [y for _, y in lines[2][2]]:
        del lines[2]  # the backstop is the stop: one line says it
    fills = [(event.type, event.at_ms, price) for event in events if event.type in _FILLS and (price := _price(event))]
    times = [at_ms for _, _, points in lines for at_ms, _ in points] + [at_ms for _, at_ms, _ in fills]
    first_ms = min(times, default=now_ms)
    unit_ms, unit = next((ms, name) for ms, name, least in UNITS if now_ms - first_ms > least * ms or not least)

    def x(at_ms: float) -> float:
        return min((at_ms - now_ms) / unit_ms, 0.0)

    drawn = [
        TimeLine(name, kind, [(x(at_ms), y) for at_ms, y in points], holds=kind != "mark")
        for name, kind, points in lines
        if points
    ]
    if state is not None and drawn and state.entry_price.is_finite():
        entry = float(state.entry_price)
        drawn.append(TimeLine("entry", "entry", [(x(first_ms), entry), (0.0, entry)]))
    reach = f"; the mark for {lasting(int(now_ms - samples[0].at_ms))}, since this page is served" if samples else ""
    return time_lines(
        drawn,
        [TimePoint(name, x(at_ms), price) for name, at_ms, price in fills],
        title="Levels over time against the mark",
        x_words=f"{unit} from now{reach}; a disc is a fill",
    )


def _line(name: str, events: Sequence[StreamedEvent], samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """A level over time: as stops were placed until the page looked itself, then as it was published."""
    began_ms = samples[0].at_ms if samples else math.inf
    roles = _PLACED_AS.get(name, ())
    placed = [
        (float(event.at_ms), price)
        for event in events
        if event.type == "StopPlaced" and event.at_ms < began_ms and event.details.get("role") in roles
        if (price := _price(event)) is not None
    ]
    return placed + [(one.at_ms, getattr(one, name)) for one in samples]


def _price(event: StreamedEvent) -> float | None:
    for name in ("price", "trigger_price", "stop_price"):
        try:
            value = Decimal(str(event.details[name]))
        except (KeyError, InvalidOperation):
            continue
        return float(value) if value.is_finite() and abs(value.adjusted()) < 30 else None
    return None


def shadow_part(book: Mapping[str, Any] | None, state: PositionState | None) -> Iterable[Markup]:
    """What the policy in shadow would have instead, beside what rests. Whatever stands in the document is text."""
    if book is None:
        return
    decision = book.get("decision")
    decision = decision if isinstance(decision, Mapping) else {}
    targets = decision.get("targets")
    targets = [one for one in targets[:10] if isinstance(one, Mapping)] if isinstance(targets, list) else []
    rows = [("stop", or_dash(decision.get("stop_price")), price_text(state.stop_price) if state else "-")]
    live = [] if state is None else [one for one in state.take_profits if one.rungs]
    for place in range(max(len(targets), len(live))):
        wanted = or_dash(targets[place].get("price")) if place < len(targets) else "-"
        rows.append(
            (f"target {place + 1}", wanted, price_text(live[place].trigger_price) if place < len(live) else "-")
        )
    yield element("h2", "The policy in shadow")
    yield facts(
        (
            ("Policy, profile", f"{or_dash(book.get('policy'))}, {or_dash(book.get('profile'))}"),
            ("Regime", or_dash(book.get("regime"))),
            ("It would", "be out by now" if decision.get("type") == "EXIT" else "hold"),
            ("Stop set by", or_dash(decision.get("stop_source"))),
            ("Says so since", moment(book.get("at_ms"))),
        )
    )
    yield table("Shadow beside live; nothing of the shadow rests", ("Level", "Shadow", "Live"), rows)
    if decision.get("reason"):
        yield element("p", or_dash(decision.get("reason")), class_="quiet")


def _signed(value: Decimal | None, unit: str) -> str:
    return "-" if value is None else f"{value:+.2f}{unit}"
