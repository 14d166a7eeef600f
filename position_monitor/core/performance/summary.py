"""Many records as one report: by reason, by rung, by role, in R, and what protection cost (exits.md 8).

A position may leave in several parts, for several reasons. Each part counts under its own reason with its own profit,
its own fees, and its share of the entry fees and of the funding by quantity; so the rows add up to the whole.
Money of different settlement assets is never added up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.performance.record import Record, RecordFill
from position_monitor.core.performance.statistics import (
    Interval,
    breakeven_win_rate,
    mean,
    median,
    quantile,
    wilson,
)

_ZERO = Decimal(0)
R_EDGES = tuple(Decimal(step) / 2 for step in range(-4, 11))
"""Where the bars of the histogram begin: from -2 R to 5 R by halves; the first and the last are open."""


class MoneyTotal(NamedTuple):
    """Sums in one settlement asset. A record whose fees or funding are not known is left out of `net` and counted."""

    gross: Decimal = _ZERO
    fees: Decimal = _ZERO
    funding: Decimal = _ZERO
    clearance: Decimal = _ZERO
    net: Decimal = _ZERO
    unknown: int = 0
    residual: Decimal = _ZERO
    """What realised profits and fees differ from the venue's income by, without signs: 0 when all is reconciled."""


class ReasonRow(NamedTuple):
    """Parts of positions that were closed for one reason."""

    reason: str
    n: int
    wins: int
    """Parts with a net profit."""
    mean_r: Decimal | None
    total_r: Decimal | None
    net: Mapping[str, Decimal]
    """By settlement asset."""
    median_ms: Decimal | None
    """From the opening of the position to the last fill of the part."""
    slippage_bps: Decimal | None
    """Median."""


class RungRow(NamedTuple):
    """How often a rung was reached by the positions that had it."""

    rung: int
    hits: int
    n: int
    rate: Interval | None
    median_ms: Decimal | None
    """From the opening to its first fill."""


class SlippageRow(NamedTuple):
    """What fills of one role cost against the price they were meant for; positive is against us."""

    role: str
    n: int
    median_bps: Decimal | None
    p90_bps: Decimal | None
    worst_bps: Decimal | None
    cost: Mapping[str, Decimal]
    """By settlement asset."""


class ProtectionRow(NamedTuple):
    """What it took to be protected, and what was not."""

    n: int
    """Records of which it is known."""
    unknown: int
    never: int
    """Positions that were never wholly covered."""
    median_ms: Decimal | None
    """Time to protect."""
    worst_ms: Decimal | None
    naked_ms: int
    naked_notional_s: Decimal
    worst_cover_pct: Decimal | None


class Summary(NamedTuple):
    """A report over records."""

    n: int
    provisional: int
    wins: int
    losses: int
    breakeven_rate: Decimal | None
    """The win rate at which these results would come out at 0."""
    mean_r: Decimal | None
    total_r: Decimal | None
    measured_in_r: int
    """Records whose net R is known."""
    money: Mapping[str, MoneyTotal]
    reasons: tuple[ReasonRow, ...]
    histogram: tuple[int, ...]
    """Records by net R: below the first edge, between the edges, from the last one on."""
    rungs: tuple[RungRow, ...]
    slippage: tuple[SlippageRow, ...]
    protection: ProtectionRow
    first_closed_at_ms: int
    last_closed_at_ms: int

    @property
    def win_rate(self) -> Interval | None:
        """The 95 % interval of the measured win rate."""
        return wilson(self.wins, self.wins + self.losses)


class _Part(NamedTuple):
    """What was closed of a position for one reason."""

    record: Record
    fills: tuple[RecordFill, ...]
    net: Decimal | None

    @property
    def net_r(self) -> Decimal | None:
        risk = self.record.risk.money
        return None if self.net is None or not risk else self.net / risk


def summary_of(records: Iterable[Record]) -> Summary:
    """The report over these records; the last revision of each is expected."""
    ordered = sorted(records, key=lambda record: (record.closed_at_ms, record.record_id))
    nets = [record.money.net for record in ordered if record.money.net is not None]
    in_r = [record.net_r for record in ordered if record.net_r is not None]
    return Summary(
        n=len(ordered),
        provisional=sum(not record.final for record in ordered),
        wins=sum(net > 0 for net in nets),
        losses=sum(net <= 0 for net in nets),
        breakeven_rate=breakeven_win_rate(in_r if len(in_r) == len(nets) else nets),
        mean_r=mean(in_r),
        total_r=sum(in_r, _ZERO) if in_r else None,
        measured_in_r=len(in_r),
        money=_money(ordered),
        reasons=_reasons(ordered),
        histogram=_histogram(in_r),
        rungs=_rungs(ordered),
        slippage=_slippage(ordered),
        protection=_protection(ordered),
        first_closed_at_ms=ordered[0].closed_at_ms if ordered else 0,
        last_closed_at_ms=ordered[-1].closed_at_ms if ordered else 0,
    )


def _money(records: Sequence[Record]) -> dict[str, MoneyTotal]:
    totals: dict[str, MoneyTotal] = {}
    for record in records:
        money, total = record.money, totals.get(record.money.asset, MoneyTotal())
        residual = abs(money.residual_realised) + sum(map(abs, money.residual_fees.values()), _ZERO)
        totals[money.asset] = MoneyTotal(
            gross=total.gross + money.gross,
            fees=total.fees + (money.fees or _ZERO),
            funding=total.funding + (money.funding or _ZERO),
            clearance=total.clearance + money.clearance,
            net=total.net + (money.net or _ZERO),
            unknown=total.unknown + (money.net is None),
            residual=total.residual + residual,
        )
    return totals


def _parts(record: Record) -> dict[str, _Part]:
    """The parts of a position by reason; what all of it cost is divided by quantity."""
    by_reason: dict[str, list[RecordFill]] = defaultdict(list)
    for fill in record.exits:
        by_reason[fill.reason].append(fill)
    closed = sum((fill.quantity for fill in record.exits), _ZERO)
    costs = None if record.money.net is None else record.money.net - record.money.gross
    parts: dict[str, _Part] = {}
    for reason, fills in by_reason.items():
        net = None
        if costs is not None:
            quantity = sum((fill.quantity for fill in fills), _ZERO)
            net = sum((fill.realised for fill in fills), _ZERO) + costs * quantity / closed
        parts[reason] = _Part(record, tuple(fills), net)
    return parts


def _reasons(records: Sequence[Record]) -> tuple[ReasonRow, ...]:
    by_reason: dict[str, list[_Part]] = defaultdict(list)
    for record in records:
        for reason, part in _parts(record).items():
            by_reason[reason].append(part)
    return tuple(_reason_row(reason, by_reason[reason]) for reason in sorted(by_reason))


def _reason_row(reason: str, parts: Sequence[_Part]) -> ReasonRow:
    in_r = [part.net_r for part in parts if part.net_r is not None]
    net: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        net[part.record.money.asset] += part.net or _ZERO
    slippage = [fill.slippage_bps for part in parts for fill in part.fills if fill.slippage_bps is not None]
    return ReasonRow(
        reason=reason,
        n=len(parts),
        wins=sum(part.net is not None and part.net > 0 for part in parts),
        mean_r=mean(in_r),
        total_r=sum(in_r, _ZERO) if in_r else None,
        net=dict(net),
        median_ms=median([Decimal(part.fills[-1].at_ms - part.record.opened_at_ms) for part in parts]),
        slippage_bps=median(slippage),
    )


def _histogram(in_r: Sequence[Decimal]) -> tuple[int, ...]:
    bars = [0] * (len(R_EDGES) + 1)
    for value in in_r:
        bars[sum(edge <= value for edge in R_EDGES)] += 1
    return tuple(bars)


def _rungs(records: Sequence[Record]) -> tuple[RungRow, ...]:
    had: dict[int, int] = defaultdict(int)
    times: dict[int, list[Decimal]] = defaultdict(list)
    for record in records:
        reached = _reached(record)
        for rung in {*(record.rungs or ()), *reached}:
            had[rung] += record.rungs is not None
        if record.rungs is not None:
            for rung, at_ms in reached.items():
                times[rung].append(Decimal(at_ms - record.opened_at_ms))
    return tuple(
        RungRow(
            rung=rung,
            hits=len(times[rung]),
            n=had[rung],
            rate=wilson(len(times[rung]), had[rung]),
            median_ms=median(times[rung]),
        )
        for rung in sorted(had)
        if had[rung]
    )


def _reached(record: Record) -> dict[int, int]:
    """Rung -> time of its first fill."""
    reached: dict[int, int] = {}
    for fill in record.exits:
        for rung in fill.rungs:
            reached.setdefault(rung, fill.at_ms)
    return reached


def _slippage(records: Sequence[Record]) -> tuple[SlippageRow, ...]:
    bps: dict[str, list[Decimal]] = defaultdict(list)
    cost: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for record in records:
        for fill in record.exits:
            if fill.slippage_bps is not None:
                bps[fill.role].append(fill.slippage_bps)
                cost[fill.role][record.money.asset] += fill.slippage_cost or _ZERO
    return tuple(
        SlippageRow(
            role=role,
            n=len(values),
            median_bps=median(values),
            p90_bps=quantile(values, Decimal("0.9")),
            worst_bps=max(values),
            cost=dict(cost[role]),
        )
        for role, values in sorted(bps.items())
    )


def _protection(records: Sequence[Record]) -> ProtectionRow:
    covers = [record.cover for record in records if record.cover is not None]
    times = [Decimal(cover.time_to_protect_ms) for cover in covers if cover.time_to_protect_ms is not None]
    return ProtectionRow(
        n=len(covers),
        unknown=len(records) - len(covers),
        never=len(covers) - len(times),
        median_ms=median(times),
        worst_ms=max(times, default=None),
        naked_ms=sum(cover.naked_ms for cover in covers),
        naked_notional_s=sum((cover.naked_notional_s for cover in covers), _ZERO),
        worst_cover_pct=min((cover.worst_cover_pct for cover in covers), default=None),
    )
