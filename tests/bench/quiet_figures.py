"""Rows: weight, CPU and memory of quiet accounts against their bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tests.bench.figures import Figure, Spread
from tests.bench.processes import VENUE_CAP
from tests.bench.quiet_cost import Cost

WEIGHT_ROW, CPU_ROW, MEMORY_ROW = "weight, quiet", "CPU per cycle, quiet", "memory"
WEIGHT_1M = 2_400
WEIGHT_BAR_PCT = 12
WEIGHT_PROMISED_AT = 50
BARE_REQUEST = "a bare request"
BARE_BAR = 12
GROWTH_BARS = {200: (12, 7), 1_000: (7, 200)}
"""Positions -> at most so many times the CPU at so many positions."""
MEMORY_BARS_MIB = {200: 100, 1_000: 130}


@dataclass(frozen=True, slots=True)
class Ratio:
    """CPU of a cycle against something measured by turns with it."""

    measured: float
    bar: int
    to: str
    reference_ms: float

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.measured <= self.bar


def figures(costs: Sequence[Cost]) -> list[Figure]:
    """The rows of DESIGN 8 that a quiet account is about."""
    ratios = cpu_ratios(costs)
    found = [_weight(cost) for cost in costs]
    found += [_cpu(cost, ratios.get(cost.positions)) for cost in costs]
    return found + [_memory(cost) for cost in costs]


def unmeasured(restless: Mapping[int, str]) -> list[Figure]:
    """Accounts that never came to rest, and why: what was promised of them is missed."""
    return [
        Figure("quiet account", f"{positions} positions", f"could not be measured: {why}", met=False)
        for positions, why in restless.items()
    ]


def cpu_ratios(costs: Sequence[Cost]) -> dict[int, Ratio]:
    """By positions: what was promised and could be compared in this run. The medians of the ratios of each turn."""
    by_positions = {cost.positions: cost for cost in costs}
    found: dict[int, Ratio] = {}
    for cost in costs:
        if cost.bare_cpu_ms:
            found[cost.positions] = _ratio(cost, cost.bare_cpu_ms, BARE_BAR, BARE_REQUEST)
        elif cost.positions in GROWTH_BARS:
            bar, fewer = GROWTH_BARS[cost.positions]
            if fewer in by_positions:
                found[cost.positions] = _ratio(cost, by_positions[fewer].turns_cpu_ms, bar, f"{fewer} positions")
    return found


def _ratio(cost: Cost, others_ms: Sequence[float], bar: int, to: str) -> Ratio:
    of_turns = [ours / others for ours, others in zip(cost.turns_cpu_ms, others_ms, strict=True)]
    return Ratio(Spread.of(of_turns).median, bar, to, Spread.of(others_ms).median)


def _case(cost: Cost) -> str:
    raised = f", cap raised to {cost.cap}" if cost.cap > VENUE_CAP else ""
    return f"{cost.positions} positions{raised}"


def _weight(cost: Cost) -> Figure:
    share_pct = cost.weight_1m / WEIGHT_1M * 100
    promised = cost.positions == WEIGHT_PROMISED_AT
    return Figure(
        WEIGHT_ROW,
        _case(cost),
        f"{cost.weight_1m:.0f} a minute, {share_pct:.1f} % of {WEIGHT_1M:,} (over {cost.seconds:.0f} s)",
        f"<= {WEIGHT_BAR_PCT} %" if promised else "",
        share_pct <= WEIGHT_BAR_PCT if promised else None,
        {"positions": cost.positions, "weight_1m": cost.weight_1m, "share_pct": round(share_pct, 2)},
    )


def _cpu(cost: Cost, ratio: Ratio | None) -> Figure:
    noisy = f"; {cost.wrote} orders moved meanwhile" if cost.wrote else ""
    cycles = f"{cost.cycles} cycles, {cost.least_cpu_ms:.1f} to {cost.most_cpu_ms:.1f}"
    idle = f" in a row, {cost.bare_idle_cpu_ms:.1f} ms after idle time" if cost.bare_cpu_ms else ""
    compared = f"{ratio.measured:.1f} x {ratio.to} ({ratio.reference_ms:.2f} ms{idle}); " if ratio else ""
    return Figure(
        CPU_ROW,
        _case(cost),
        f"{compared}{cost.cycle_cpu_ms:.1f} ms ({cycles}), between cycles {cost.between_cpu_ms:.1f} ms a second; "
        f"all together {cost.all_cpu_ms:.1f} ms a cycle{noisy}",
        f"<= {ratio.bar} x {ratio.to}" if ratio else "",
        ratio.met if ratio else None,
        asdict(cost) | {"ratio": round(ratio.measured, 2) if ratio else None},
    )


def _memory(cost: Cost) -> Figure:
    bar_mib = MEMORY_BARS_MIB.get(cost.positions)
    return Figure(
        MEMORY_ROW,
        _case(cost),
        f"RSS {cost.rss_mib:.0f} MiB, PSS {cost.pss_mib:.0f} MiB",
        f"RSS <= {bar_mib} MiB" if bar_mib else "",
        cost.rss_mib <= bar_mib if bar_mib else None,
        {"positions": cost.positions, "rss_mib": cost.rss_mib, "pss_mib": cost.pss_mib},
    )
