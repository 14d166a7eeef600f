"""What a backtest says: everything that a page, a table or a script shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from position_monitor.core.backtest.candle_series import PriceKind
from position_monitor.core.backtest.terms import Costs, Entry, Margin
from position_monitor.core.backtest.walk import Ended
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.rungs import RUNGS_MAX
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary

WIDE_R = 0.05
"""An interval between headline and bound beyond this asks for finer candles (exits.md 4.11)."""
CONDITIONAL_ORDERS_MAX = 200
"""The venue takes no more of an account."""
ORDERS_EACH_MAX = 2 + RUNGS_MAX
"""Of one position: its backstop, its working stop and its ladder."""


class CandleFacts(NamedTuple):
    """The candles of one symbol, as they were read."""

    symbol: str
    prices: PriceKind
    candles: int
    interval_ms: int
    first_ms: int
    last_ms: int
    """When the last one opened."""
    gaps: int
    """Places at which candles are missing."""
    missing: int
    """How many."""
    instrument: Instrument
    derived: tuple[str, ...] = ()
    """The venue's rules that nobody stated: taken from the decimals of the files."""


class FundingFacts(NamedTuple):
    """The rates of funding of one contract, as they were read from a file."""

    symbol: str
    rates: int
    first_ms: int
    last_ms: int
    mean_bps: float
    """Of all of them; above zero the longs pay."""


class Simulated(NamedTuple):
    """One entry under one policy."""

    entry: Entry
    key: PositionKey
    opened_ms: int
    entry_price: Decimal
    late_ms: int
    """From the time of the entry to the open of the first candle."""
    move_pct: Decimal
    """How far that open lies from the price that was paid, in percent of it, positive where it is in favour."""
    headline: Record | None
    """None where it was not closed before the candles end, or are missing."""
    bound: Record | None
    """The very headline where no candle is ambiguous."""
    ended: Ended
    """How the headline ended."""
    ambiguous: int
    """Candles of the headline in which the order of a stop and a take-profit mattered."""
    unfunded: bool = False
    """Whether its contract has rates of funding, and none for more than their interval while it was open."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Closed positions in R, net of cost."""

    n: int
    mean_r: float
    error_r: float
    """Standard error of the mean, with the days as clusters; infinite below two days."""
    half_width_r: float
    """Half of the anytime 95 % interval of the mean."""
    mean_gross_r: float
    total_r: float
    days: int
    summary: Summary
    """The same report as over real positions."""

    @property
    def low_r(self) -> float:
        """Where the anytime interval begins."""
        return self.mean_r - self.half_width_r

    @property
    def high_r(self) -> float:
        """Where it ends."""
        return self.mean_r + self.half_width_r


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """All entries under one policy."""

    name: str
    """As it is asked for: `brain:TREND`."""
    positions: tuple[Simulated, ...]
    headline: Figures
    bound: Figures
    ambiguous: int
    """Ambiguous candles."""
    censored: tuple[tuple[Ended, int], ...]
    """Positions that are in no figure, and why."""
    candles: int
    """Candles walked, both orders together."""
    looks: int
    """Decisions taken, both orders together."""
    unfunded: int = 0
    """Closed positions that lived where the file of funding has no rate."""

    @property
    def width_r(self) -> float:
        """How far headline and bound lie apart, in R per position."""
        return abs(self.bound.mean_r - self.headline.mean_r)

    @property
    def open_at_once(self) -> int:
        """The most positions that were open at one time."""
        changes = [(one.opened_ms, 1) for one in self.positions]
        changes += [(one.headline.closed_at_ms, -1) for one in self.positions if one.headline is not None]
        return max(accumulate(change for _, change in sorted(changes)), default=0)

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the headline."""
        return tuple(one.headline for one in self.positions if one.headline is not None)


@dataclass(frozen=True, slots=True)
class Paired:
    """The policy against another one, over the entries that both closed: its result less that of the other."""

    other: str
    n: int
    days: int
    mean_pct: float
    """In percent of the notional at entry."""
    mean_r: float
    """In R of the policy: one ruler for both (S18)."""
    half_width_r: float
    """Half of the anytime 95 % interval."""


class Tries(NamedTuple):
    """How often settings were tried on these data."""

    number: int
    """Which try this is, from 1."""
    settings: int
    """Different settings among them, this one included."""
    best_by_luck_r: float
    """What the best of so many worthless settings would show, in R per position (exits.md 4.12)."""
    where: str
    """The ledger."""


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The whole answer. `runs[0]` is the policy that was asked for; `static` and `hybrid` stand beside it."""

    candles: tuple[CandleFacts, ...]
    costs: Costs
    margin: Margin | None
    entries: int
    runs: tuple[PolicyResult, ...]
    paired: tuple[Paired, ...]
    split_ms: int | None = None
    before: tuple[tuple[str, Figures], ...] = ()
    """By policy: the headline of what was opened before the split."""
    after: tuple[tuple[str, Figures], ...] = ()
    data_hash: str = ""
    settings_hash: str = ""
    version: str = ""
    tries: Tries | None = None
    """None where the ledger could not be kept."""
    walk_s: float = 0.0
    """How long the walks took."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    funding: tuple[FundingFacts, ...] = ()
    """By contract; empty: the constant of the costs is paid."""

    @property
    def asked(self) -> PolicyResult:
        """The policy that was asked for."""
        return self.runs[0]

    @property
    def candles_walked(self) -> int:
        """Candles of all positions, policies and orders together."""
        return sum(run.candles for run in self.runs)

    @property
    def rate_candles_s(self) -> float:
        """Candles walked in a second; 0 where it was not measured."""
        return self.candles_walked / self.walk_s if self.walk_s else 0.0
