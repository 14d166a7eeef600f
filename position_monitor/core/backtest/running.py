"""A list of entries under several policies: each position in both orders of a candle, and what that gives."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from position_monitor.core.backtest.funding import is_covered
from position_monitor.core.backtest.records import record_of_walk
from position_monitor.core.backtest.result import (
    BacktestResult,
    CandleFacts,
    Figures,
    FundingFacts,
    Paired,
    PolicyResult,
    Simulated,
    Tries,
)
from position_monitor.core.backtest.terms import Entry, Terms
from position_monitor.core.backtest.walk import Ended, Market, Order, Walked, walk
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.inference import ClusteredMean, expected_best
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import summary_of

_DAY_MS = 86_400_000
BESIDE = ("static", "hybrid")
"""What stands beside every policy."""


class Contender(NamedTuple):
    """A policy with its terms, by symbol."""

    name: str
    terms: Mapping[str, Terms]
    settings_hash: str


class Request(NamedTuple):
    """Everything that a backtest is made of."""

    markets: Mapping[str, Market]
    facts: tuple[CandleFacts, ...]
    entries: Sequence[Entry]
    """Each inside the candles of its symbol."""
    contenders: Sequence[Contender]
    """The policy that is asked for comes first."""
    split_ms: int | None = None
    version: str = ""
    every_candle: bool = False
    funding: tuple[FundingFacts, ...] = ()


def backtest(request: Request, progress: Callable[[int], None] = lambda _: None) -> BacktestResult:
    """Walk every entry under every policy. `progress` is called with how many walks are done."""
    runs, done = [], 0
    for contender in request.contenders:
        walked: list[_Both] = []
        for entry in request.entries:
            walked.append(_both(request, contender, entry))
            done += 1
            progress(done)
        runs.append(_policy_result(contender.name, walked))
    first = request.contenders[0].terms
    terms = next(iter(first.values()))
    split = request.split_ms
    return BacktestResult(
        candles=request.facts,
        costs=terms.costs,
        margin=terms.margin,
        entries=len(request.entries),
        runs=tuple(runs),
        paired=tuple(paired(runs[0], other) for other in runs[1:]),
        split_ms=split,
        before=() if split is None else tuple((run.name, _part(run, split, after=False)) for run in runs),
        after=() if split is None else tuple((run.name, _part(run, split, after=True)) for run in runs),
        settings_hash=request.contenders[0].settings_hash,
        version=request.version,
        funding=request.funding,
    )


def with_tries(result: BacktestResult, tries: Tries) -> BacktestResult:
    """The result with what luck is worth among so many settings: the best of them, were all of them worthless."""
    error_r = result.asked.headline.error_r
    lucky = expected_best(tries.settings) * error_r if math.isfinite(error_r) else 0.0
    return replace(result, tries=tries._replace(best_by_luck_r=lucky))


class _Both(NamedTuple):
    simulated: Simulated
    candles: int
    looks: int


def _both(request: Request, contender: Contender, entry: Entry) -> _Both:
    """One entry: the headline, and the bound where the order of some candle mattered."""
    market, terms = request.markets[entry.symbol], contender.terms[entry.symbol]
    headline = walk(market, terms, entry, Order.ADVERSE_FIRST, every_candle=request.every_candle)
    walks, bound = [headline], headline
    if headline.ambiguous:
        bound = walk(market, terms, entry, Order.FAVOURABLE_FIRST, every_candle=request.every_candle)
        walks.append(bound)

    def recorded(walked: Walked) -> Record | None:
        if walked.ended is not Ended.CLOSED:
            return None
        return record_of_walk(walked, market.series, settings_hash=contender.settings_hash, version=request.version)

    position, record = headline.position, recorded(headline)
    opens, paid = position.opened_at, position.entry_price
    way = opens - paid if entry.side is Side.LONG else paid - opens
    simulated = Simulated(
        entry=entry,
        key=PositionKey(entry.symbol, entry.side),
        opened_ms=position.opened_ms,
        entry_price=paid,
        late_ms=position.opened_ms - entry.at_ms,
        move_pct=way / paid * HUNDRED,
        headline=record,
        bound=record if bound is headline else recorded(bound),
        ended=headline.ended,
        ambiguous=headline.ambiguous,
        unfunded=record is not None
        and terms.funding is not None
        and not is_covered(terms.funding, position.opened_ms, record.closed_at_ms),
    )
    return _Both(simulated, sum(one.candles for one in walks), sum(one.position.looks for one in walks))


def _policy_result(name: str, walked: Sequence[_Both]) -> PolicyResult:
    positions = tuple(one.simulated for one in walked)
    closed = [one for one in positions if one.headline is not None]
    censored = Counter(one.ended for one in positions if one.headline is None)
    return PolicyResult(
        name=name,
        positions=positions,
        headline=figures(one.headline for one in closed if one.headline is not None),
        bound=figures(one.bound for one in closed if one.bound is not None),
        ambiguous=sum(one.ambiguous for one in positions),
        censored=tuple(sorted(censored.items())),
        candles=sum(one.candles for one in walked),
        looks=sum(one.looks for one in walked),
        unfunded=sum(one.unfunded for one in positions),
    )


def figures(records: Iterable[Record]) -> Figures:
    """What these closed positions gave."""
    listed = list(records)
    by_day: dict[int, list[float]] = defaultdict(list)
    for record in listed:
        if record.net_r is not None:
            by_day[record.closed_at_ms // _DAY_MS].append(float(record.net_r))
    net = _clustered(by_day)
    gross = [float(record.gross_r) for record in listed if record.gross_r is not None]
    return Figures(
        n=net.n,
        mean_r=net.mean,
        error_r=net.standard_error,
        half_width_r=net.half_width(),
        mean_gross_r=sum(gross) / len(gross) if gross else 0.0,
        total_r=net.mean * net.n,
        days=net.days,
        summary=summary_of(listed),
    )


def paired(run: PolicyResult, other: PolicyResult) -> Paired:
    """A policy less another one, entry by entry."""
    by_day: dict[int, list[float]] = defaultdict(list)
    shares: list[float] = []
    for one, two in zip(run.positions, other.positions, strict=True):
        mine, theirs = one.headline, two.headline
        if mine is None or theirs is None or mine.money.net is None or theirs.money.net is None or not mine.risk.money:
            continue
        more = mine.money.net - theirs.money.net
        by_day[mine.closed_at_ms // _DAY_MS].append(float(more / mine.risk.money))
        shares.append(float(more / (one.entry_price * one.entry.quantity) * HUNDRED))
    difference = _clustered(by_day)
    return Paired(
        other=other.name,
        n=difference.n,
        days=difference.days,
        mean_pct=sum(shares) / len(shares) if shares else 0.0,
        mean_r=difference.mean,
        half_width_r=difference.half_width(),
    )


def _clustered(by_day: Mapping[int, Sequence[float]]) -> ClusteredMean:
    mean = ClusteredMean()
    for day in sorted(by_day):
        mean.add_day(by_day[day])
    return mean


def _part(run: PolicyResult, split_ms: int, *, after: bool) -> Figures:
    chosen = (one for one in run.positions if (one.entry.at_ms >= split_ms) is after)
    return figures(one.headline for one in chosen if one.headline is not None)
