"""The exits of a position in words, for `explain`: each part of its policy, where it would put the stop, and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.cli.moments import moment
from position_monitor.cli.status_table import age, number, rounded
from position_monitor.core.exits.advice import AdviceNow
from position_monitor.core.exits.explanation import Chosen, Explanation, PartKind, PartRef
from position_monitor.core.exits.time_stop import TimeCase
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.money import HUNDRED, plain
from position_monitor.core.model.settings import TimeStop

if TYPE_CHECKING:
    from position_monitor.core.book.stop_origin import StopOrigin
    from position_monitor.core.exits.locks import LockNow
    from position_monitor.core.exits.time_stop import TimeNow
    from position_monitor.core.exits.trail import StepNow
    from position_monitor.core.model.desired import DesiredBook
    from position_monitor.core.model.positions import Position
    from position_monitor.inspector import InspectedExits

WIDTH = 78
"""Columns of a line; `explain` indents it by two, and a terminal of 80 holds it."""
_LABEL = 13
TIME_STOP_UNCERTAIN = (
    "whether it applies is not known here: it spares positions older than the policy, and since when that is live only "
    "the daemon's events say"
)


def exit_lines(exits: InspectedExits, position: Position, book: DesiredBook) -> Iterator[str]:
    """The lines of the section, each at most `WIDTH` columns wide."""
    why = exits.explanation
    in_force = _in_force(why, book)
    yield from _row("policy", _policy(why))
    yield from _row("regime", _regime(why, position))
    yield from _row("ATR", _atr(why, exits.market_missing))
    if why.policy in ("dynamic", "brain"):
        yield from _row("R", _r(why))
    for part, label, text in _parts(why, exits.policy_since_ms):
        yield from _row(label, text, in_force=part == in_force)
    yield from _row("runner", _runner(why))
    yield from _row("advice", _advice(why.advice, exits.advice_missing))
    yield from _row("stop", _stop(why, book))
    yield from _row("resting stop", _resting(exits.resting, why))


def _row(label: str, text: str, *, in_force: bool = False) -> list[str]:
    """One fact with its label; `>` marks the part that the stop comes from now."""
    head = f"{'>' if in_force else ' '} {label:<{_LABEL}}"
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    ) or [head.rstrip()]


def _policy(why: Explanation) -> str:
    if why.failed:
        return f"the floor, because {why.failed}"
    if not why.profile:
        return why.policy
    chosen = {
        Chosen.PINNED: "chosen when the position was opened",
        Chosen.CONFIGURED: "configured",
        Chosen.BY_REGIME: "chosen by the regime",
    }
    return f"Exit Brain, profile {why.profile}, {chosen[why.profile_by]}"


def _regime(why: Explanation, position: Position) -> str:
    text = "not known"
    if why.regime is not None:
        by = "by the AI engine" if why.regime_by is Chosen.AI_ENGINE else "by the candles"
        text = f"{why.regime} {by}"
    if why.direction is not None:
        text += ", with the position" if why.direction is position.side else ", against the position"
    if why.regime_at_entry is not None:
        text += f"; {why.regime_at_entry} made the first stop"
    if why.no_atr_at_entry:
        text += "; no ATR at entry, so the first stop and the target are the floor's"
    return text


def _atr(why: Explanation, missing: str) -> str:
    market = why.market
    if market is None or why.atr_age_ms is None:
        return f"no ATR: {missing or 'it has just become too old'}"
    share = rounded(market.atr / market.close * HUNDRED, 3)
    return (
        f"{number(market.atr)} ({plain(share)} % of the price), its candle closed {age(why.atr_age_ms)} ago; "
        f"ADX {_figure(market.adx)}, +DI {_figure(market.plus_di)}, -DI {_figure(market.minus_di)}"
    )


def _figure(value: Decimal) -> str:
    return plain(rounded(value, 3))


def _r(why: Explanation) -> str:
    if why.r is None:
        return "not known: without an entry price there is none"
    source = "to the first stop that rests" if why.r_read_back else "to the first stop as it would be placed"
    profit = why.parts.profit_r
    shown = "the profit cannot be told now"
    if profit is not None:
        shown = f"the price shows {f'{profit:+.2f}'.replace('-0.00', '+0.00')} R"
    return f"{number(rounded(why.r))} from the entry {source}; {shown}"


def _parts(why: Explanation, policy_since_ms: int | None) -> Iterator[tuple[PartRef, str, str]]:
    """Every part that may set the stop: itself, its label, its text."""
    yield PartRef(PartKind.FIRST_STOP), "first stop", f"{number(why.first_stop.price)}  {_made_from(why.first_stop)}"
    if why.parts.crossed:
        yield PartRef(PartKind.OTHER), "", "the price has passed the first stop: no lock and no trail counts until then"
    for place, lock in enumerate(why.parts.locks, 1):
        yield PartRef(PartKind.LOCK, place), f"lock {place}", _lock(lock)
    if not why.parts.locks:
        yield PartRef(PartKind.LOCK), "locks", "none"
    for place, step in enumerate(why.parts.trail, 1):
        yield PartRef(PartKind.TRAIL, place), f"trail {place}", _step(step, why)
    if not why.parts.trail:
        yield PartRef(PartKind.TRAIL), "trail", "switched off by the setting trailing" if why.trailing_off else "none"
    time = why.parts.time
    yield PartRef(PartKind.TIME_STOP), "time stop", "none" if time is None else _time(time, policy_since_ms)


def _made_from(level: Level) -> str:
    origins = {
        LevelSource.AI: "at the distance that the AI engine advises",
        LevelSource.LIQUIDATION: "kept away from the liquidation price",
        LevelSource.REANCHOR: "measured from the price, which has passed the policy's own level",
    }
    if level.anchored and level.source != LevelSource.LIQUIDATION:
        return origins[LevelSource.REANCHOR]
    words_of = next((words for source, words in origins.items() if source == level.source), "")
    if words_of:
        return words_of
    distance = level.inputs.get("stop_loss_pct")
    if distance is not None:
        return f"{plain(distance)} % from the entry"
    if (atr := level.inputs.get("atr")) is not None:
        return f"a distance of {number(rounded(level.inputs['distance']))} from the entry, by an ATR of {number(atr)}"
    away = level.inputs.get("distance")
    return "from the entry" if away is None else f"a distance of {number(rounded(away))} from the entry"


def _lock(lock: LockNow) -> str:
    rule = lock.lock
    when = f"after take-profit {rule.after_rung}" if rule.at_r is None else f"from {plain(rule.at_r)} R"
    when += "" if lock.from_price is None else f" (price {number(lock.from_price)})"
    if lock.level is None:
        return f"-  {when} to {plain(rule.to_r or Decimal(0))} R; no level: R is not known"
    rung = lock.level.inputs.get("lock_rung")
    goal = "breakeven" if rung is None else f"the level of take-profit {plain(rung)}"
    goal = goal if rule.to_r is None else f"{plain(rule.to_r)} R"
    state = "counts" if lock.counts else "waits"
    if lock.counts and not lock.behind_mark:
        state = "not taken: the price has to be beyond it first"
    return f"{number(lock.level.price)}  {when} to {goal}; {state}"


def _step(step: StepNow, why: Explanation) -> str:
    if step.distance_atr is not None:
        behind = f"{plain(step.distance_atr)} ATR behind the price"
    else:
        behind = f"{plain(step.distance_pct or Decimal(0))} % behind the price"
    when = "once that reaches the entry" if step.from_r is None else f"from {plain(rounded(step.from_r, 3))} R"
    when += "" if step.from_price is None else f" (price {number(step.from_price)})"
    if step.distance is None:
        return f"-  {behind}, {when}; no level: there is no ATR"
    if step.level is None:
        return f"-  {behind}, {when}; no level: no price is left there"
    waits = "waits" if why.parts.trail_after_rung <= why.parts.rungs_gone else "waits for a take-profit"
    return f"{number(step.level.price)}  {behind}, {when}; {'acts' if step.acts else waits}"


def _time(time: TimeNow, policy_since_ms: int | None) -> str:
    limit = time.limit
    old = "-" if time.age_ms is None else age(time.age_ms)
    rule = f"age {old}; older than {age(limit.max_ms)} below {plain(limit.below_r)} R"
    if limit.before_rung:
        rule += f" and before take-profit {limit.before_rung}"
    if time.wish is TimeStop.CLOSE:
        rule += " it is closed at market"
    elif time.level is not None:
        rule += f" its stop goes near the price (now {number(time.level.price)})"
    if time.case is TimeCase.ADOPTED:
        return f"{rule}; {TIME_STOP_UNCERTAIN if policy_since_ms is None else _adopted(policy_since_ms)}"
    return f"{rule}; {time.case}"


def _adopted(policy_since_ms: int) -> str:
    return (
        f"exempt: it was opened before its policy became the live one here, {moment(policy_since_ms)} "
        "(time_stop_adopted = false)"
    )


def _runner(why: Explanation) -> str:
    if not why.runner:
        return "none: take-profits close the whole position"
    share = f"{plain(why.runner * HUNDRED)} % of the position has no take-profit and runs with the stop"
    return f"{share}; it is all that is left" if why.runner_alone else share


def _advice(advice: AdviceNow | None, missing: str) -> str:
    if advice is None:
        return f"none: {missing or 'it has just become too old'}"
    said = advice.advice
    values = (("stop", said.stop_loss_pct), ("take-profit", said.take_profit_pct), ("trail", said.trailing_pct))
    shown = ", ".join(f"{name} {plain(pct)} %" for name, pct in values if pct is not None) or "no distances"
    head = f"{said.action}, confidence {plain(said.confidence)}, {shown}"
    before = "" if said.before is None or said.before.stop_loss_pct is None else plain(said.before.stop_loss_pct)
    head += f" (stop before: {before} %)" if before else ""
    head += f", regime {said.regime}" if said.regime else ""
    return f"{head}. The stop: {advice.case}" + (f" ({advice.why})" if advice.why else "")


def _in_force(why: Explanation, book: DesiredBook) -> PartRef | None:
    """The part that the stop comes from now; None where what rests is tighter, or liquidation decides."""
    return why.stop_from if book.stop.price == why.stop.price else None


def _stop(why: Explanation, book: DesiredBook) -> str:
    text = f"{number(book.stop.price)}, "
    if book.stop.price == why.stop.price:
        return text + _named(why.stop_from)
    if book.stop.source == LevelSource.LIQUIDATION:
        return text + "kept away from the liquidation price"
    return f"{text}as it rests: a stop never moves back. The policy alone says {number(why.stop.price)}"


def _named(part: PartRef) -> str:
    return str(part.kind) + (f" {part.number}" if part.number else "")


def _resting(origin: StopOrigin | None, why: Explanation) -> str:
    if origin is None:
        return "none covers the position"
    text = f"{number(origin.order.trigger_price)}, "
    if origin.foreign:
        return f"{text}placed by you or another program"
    if origin.part.kind is PartKind.OTHER:
        return f"{text}moved there earlier by a lock, the trail or advice"
    if origin.part.kind is not PartKind.FIRST_STOP:
        return text + _named(origin.part)
    text += "first stop, measured from the price in a loss" if origin.anchored else "first stop, placed at entry"
    if origin.profile:
        text += f" under profile {origin.profile}"
    elif origin.regime is not None:
        text += f" in regime {origin.regime}"
    elif origin.no_atr:
        text += ": the floor's, because there was no ATR"
    return text + (", by advice" if why.first_stop.source == LevelSource.AI else "")
