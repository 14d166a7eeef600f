"""Where a position would get out, in numbers: levels, distances in percent of the mark and in R of the entry, order.

Both are seen from the position: negative is a loss, whatever its side. One R is that of the plan (the distance from the
entry to our backstop), else the distance to the stop that rests.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from position_monitor.charts.ladder import Level, LevelKind
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.publication.state import PositionState

WORST_FIRST: Final = (
    *(Verdict.NAKED, Verdict.UNDERCOVERED, Verdict.UNKNOWN, Verdict.CLOSING, Verdict.STOP_ONLY),
    *(Verdict.UNMANAGED, Verdict.PROTECTED),
)


_OF_THE_VENUE: Final = frozenset({LevelKind.MARK, LevelKind.LIQUIDATION})
SIGNIFICANT: Final = 7
"""Digits that are shown of a mark and of a liquidation price."""


class PricedLevel(NamedTuple):
    """One level with its distances; None where they cannot be told."""

    kind: LevelKind
    name: str
    price: Decimal
    from_mark_pct: Decimal | None
    in_r: Decimal | None

    @property
    def price_shown(self) -> str:
        """The price for people. What the venue reckons out has more digits than anybody can trade at."""
        if self.kind in _OF_THE_VENUE and self.price:
            return price_text(round(self.price, max(0, SIGNIFICANT - 1 - self.price.adjusted())))
        return price_text(self.price)

    @property
    def words(self) -> str:
        """For the picture: `stop 98,500 -1.50 % -1.00 R`."""
        pct = "" if self.from_mark_pct is None else f"  {self.from_mark_pct:+.2f} %"
        in_r = "" if self.in_r is None else f"  {self.in_r:+.2f} R"
        return f"{self.name} {self.price_shown}{pct if self.kind is not LevelKind.MARK else ''}{in_r}"

    @property
    def drawn(self) -> Level:
        """As `charts.ladder` takes it."""
        return Level(self.kind, self.price, self.words)


def levels(state: PositionState) -> list[PricedLevel]:
    """Every level of a position that has a price."""
    r_price = one_r(state)
    rungs = sorted(state.take_profits, key=lambda rung: rung.rung)
    named: list[tuple[LevelKind, str, Decimal | None]] = [
        (LevelKind.LIQUIDATION, "liquidation", state.liquidation_price),
        (LevelKind.BACKSTOP, "backstop", state.backstop_price),
        (LevelKind.STOP, "stop", state.stop_price if state.stop_price != state.backstop_price else None),
        (LevelKind.ENTRY, "entry", state.entry_price),
        (LevelKind.MARK, "mark", state.mark_price),
    ]
    for rung in rungs:
        kind = LevelKind.TARGET if rung.resting else LevelKind.TARGET_WANTED
        whose = "" if rung.resting else " (not resting)"
        named.append((kind, f"{rung.name}{whose}", rung.trigger_price))
    named += list(_to_come(state))
    return [
        PricedLevel(
            kind=kind,
            name=name,
            price=price,
            from_mark_pct=_share(state.key.side, price - state.mark_price, state.mark_price, Decimal(100)),
            in_r=None if r_price is None else _share(state.key.side, price - state.entry_price, r_price, Decimal(1)),
        )
        for kind, name, price in named
        if price is not None and price.is_finite()
    ]


def _to_come(state: PositionState) -> Iterable[tuple[LevelKind, str, Decimal | None]]:
    """Where the stop goes next: the nearest lock after a rung that is not done, and the mark from which it trails."""
    plan = state.plan
    if plan is None:
        return
    waiting = [lock for lock in plan.locks if lock.after_rung > plan.rungs_done]
    if waiting:
        lock = min(waiting, key=lambda one: one.after_rung)
        yield LevelKind.TO_COME, f"stop after TP{lock.after_rung}", lock.stop_price
    begins = [step.from_price for step in plan.trail if step.from_price is not None]
    if begins and not state.trailing.endswith("active"):
        yield LevelKind.TO_COME, "trails from", begins[0]


def one_r(state: PositionState) -> Decimal | None:
    """One R, in quote units per base unit; None where nothing tells it."""
    if state.plan is not None and state.plan.r is not None and state.plan.r > 0:
        return state.plan.r
    stop = state.backstop_price if state.backstop_price is not None else state.stop_price
    if stop is None or not stop.is_finite() or not state.entry_price.is_finite():
        return None
    return abs(state.entry_price - stop) or None


def stop_distance(state: PositionState) -> PricedLevel | None:
    """The tightest stop, as a level; None where none counts."""
    named = {level.name: level for level in levels(state)}
    return named.get("stop") or (named.get("backstop") if state.stop_price is not None else None)


def _share(side: Side, distance: Decimal, of: Decimal, factor: Decimal) -> Decimal | None:
    if not distance.is_finite() or not of.is_finite() or of == 0:
        return None
    return (distance if side is Side.LONG else -distance) / of * factor


def notional(state: PositionState | None) -> Decimal:
    """Size at entry, for the order of the page: it does not change with every mark."""
    if state is None:
        return Decimal(0)
    size = abs(state.quantity * state.entry_price)
    return size if size.is_finite() else Decimal(0)


def worst_first(
    positions: Iterable[tuple[PositionKey, PositionState | None]],
) -> list[tuple[PositionKey, PositionState | None]]:
    """By verdict, the largest first among equals."""
    return sorted(
        positions,
        key=lambda one: (WORST_FIRST.index(verdict_of(one[1])), -notional(one[1]), one[0].symbol, one[0].side),
    )


def verdict_of(state: PositionState | None) -> Verdict:
    """UNKNOWN where there is no state."""
    return Verdict.UNKNOWN if state is None else state.verdict


def worst_case(state: PositionState) -> str:
    """What is lost (minus) or still won if every stop fills at its trigger; no limit where they do not cover it all."""
    if state.worst_case_loss is None or state.cover_pct < 100:
        return "no limit"
    return money_text(-state.worst_case_loss)


def money_text(value: Decimal | None) -> str:
    """An amount of money with its sign: two digits behind the point, more only for what is less than one."""
    if value is None or not value.is_finite() or abs(value) >= Decimal(10) ** 20:
        return "-"
    if value and abs(value) < 1:
        return f"{'+' if value > 0 else ''}{price_text(round(value, 4))}"
    return f"{value:+,.2f}" if value else "0.00"


def price_text(value: Decimal | None) -> str:
    """A price or an amount with thousands separated and at most eight digits behind the point; `-` without one."""
    if value is None or not value.is_finite() or abs(value) >= Decimal(10) ** 20:
        return "-"
    whole, point, rest = f"{value:.8f}".rstrip("0").rstrip(".").partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits or '0'):,}{point}{rest}"
