"""Prices, sizes and limits: liquidation prices anywhere, filters that bind, positions added to at worse prices,
bursts of fills, and a venue that removes nothing. Each judges what it alone knows to expect.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.amounts import floor_to, round_to
from position_monitor.paper.errors import VenueRefusal
from tests.sim.powers import power
from tests.sim.truth import PREFIX
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

FAR_PCT = Decimal("5.2")
"""A little more than `stop_loss_max_pct`: the entry moves while a stop is on its way."""
PATIENCE_S = 20
"""Two checks and the steps of a replacement."""
FILLS, FILL_S = 50, 0.02
AFTER_FILLS_MAX = 14
"""Working stops that a burst of fills may leave for a moment: doublings, beside those of a trail under way."""
TREND_FROM_PCT, TREND_STEP_PCT, TREND_STEPS = Decimal("1.6"), Decimal("0.1"), 22
"""From where the trail begins to just before the last rung of the usual ladder, slower than the daemon looks."""
BEHIND_PCT = Decimal("2.7")
"""How far a trailed stop may be behind the mark at the end of a trend: the trail, and a step that is not worth it."""


def held(run: Simulation) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    """Symbol, side, size and entry of every open position."""
    for leg in run.engine.world.account.open_positions():
        yield leg.symbol, "LONG" if leg.amount > 0 else "SHORT", abs(leg.amount), leg.entry


def way(side: str) -> int:
    return 1 if side == "LONG" else -1


def stops(run: Simulation, symbol: str, side: str, role: str = "bw") -> list[Decimal]:
    """The triggers of our stops that rest for a position."""
    exit_side = "SELL" if side == "LONG" else "BUY"
    rows = run.engine.world.algo.open_of(symbol)
    return [
        order.trigger
        for order in rows
        if order.status == "NEW"
        and order.side == exit_side
        and order.client_id.startswith(PREFIX)
        and order.client_id[4] in role
    ]


def _winners_in_danger(run: Simulation, rng: random.Random) -> None:
    """At the start some positions are winning, and would be liquidated in profit: the entry lies beyond that price."""
    for symbol, side, _, entry in list(held(run)):
        venue = run.engine.world.instruments[symbol]
        up = max(venue.tick * 9, entry * Decimal(repr(rng.choice((0.006, 0.012)))))
        if rng.random() < 0.5 or run.engine.world.account.hedge:
            continue
        mark = round_to(entry + way(side) * up, venue.tick)
        run.engine.set_price(symbol, mark, mark)
        value = str(round_to(entry + way(side) * up * Decimal(repr(rng.choice((0.2, 0.5, 0.8)))), venue.tick / 10))
        run.engine.add_fault("odd_rows", field="liquidationPrice", value=value, symbol=symbol, lasts_ms=40_000)
        run.levels.squeezed.add(symbol)


@power("odd_liquidation", chance=0.06, prepare=_winners_in_danger, foggy=False)
async def odd_liquidation(run: Simulation, rng: random.Random) -> None:
    """Cross margin, and others lose: a position's liquidation price lies anywhere, also between entry and mark."""
    while True:
        chosen = rng.choice(run.symbols)
        mark = run.engine.world.market.mark(chosen)
        share = rng.choice((1, -1)) * Decimal(repr(round(rng.choice((0.003, 0.01, 0.06)) * rng.random(), 6)))
        run.levels.squeezed.add(chosen)
        value = str(round_to(mark * (1 + share), run.engine.world.instruments[chosen].tick / 10))
        rule = run.engine.add_fault("odd_rows", field="liquidationPrice", value=value, symbol=chosen)
        await sleep(rng.choice((4, 20, 45)))
        run.engine.remove_fault(fault_id=rule.fault_id)


def _bind(run: Simulation, rng: random.Random) -> None:
    """Bounds that stops and targets meet, and market orders that have to be split."""
    for symbol in run.symbols:
        if rng.random() < 0.3:
            continue
        venue, mark = run.engine.world.instruments[symbol], run.engine.world.market.mark(symbol)
        low = round_to(mark * (1 - Decimal(repr(rng.choice((0.01, 0.013, 0.02, 0.05))))), venue.tick)
        high = round_to(mark * (1 + Decimal(repr(rng.choice((0.01, 0.013, 0.02, 0.05))))), venue.tick)
        most = max(venue.min_qty, floor_to(Decimal(rng.choice((900, 4_000, 10**6))) / mark, venue.step))
        run.engine.change_instrument(symbol, min_price=low, max_price=high, market_max_qty=most)
        run.levels.squeezed.add(symbol)


def _follow(run: Simulation, rng: random.Random | None = None) -> None:
    """The bounds move away from a price that is near them, mark or last: stops may be armed by either, and a venue
    where no stop is permitted at all is no scenario."""
    for symbol in run.symbols:
        venue, quote = run.engine.world.instruments[symbol], run.engine.world.market.quotes[symbol]
        low, high = min(quote.mark, quote.last), max(quote.mark, quote.last)
        if low < venue.min_price * Decimal("1.004"):
            run.engine.change_instrument(symbol, min_price=round_to(low * Decimal("0.99"), venue.tick))
        if high > venue.max_price * Decimal("0.996"):
            run.engine.change_instrument(symbol, max_price=round_to(high * Decimal("1.01"), venue.tick))


@power(
    "tight_filters",
    chance=0.06,
    prepare=_bind,
    end=_follow,
    foggy=False,
    later_s=60.0,
    why="trading rules are read again at most once a minute",
)
async def tight_filters(run: Simulation, rng: random.Random) -> None:
    """The price bounds of the symbols are near; they follow the prices that come too close."""
    while True:
        await sleep(1)
        _follow(run)


@power("averaging_in", chance=0.04, foggy=False)
async def averaging_in(run: Simulation, rng: random.Random) -> None:
    """A position grows many times over after the price ran for it, and the price comes back a little."""
    run.market.paused = True
    since: dict[tuple[str, str], float] = {}
    clock_s = 0.0
    while True:
        await sleep(2)
        clock_s += 2
        if rng.random() < 0.15:
            _average(run, rng)
        for symbol, side, _, entry in held(run):
            triggers = stops(run, symbol, side)
            tightest = max((way(side) * price for price in triggers), default=None)
            far = tightest is not None and way(side) * entry - tightest > entry * FAR_PCT / 100
            told = (run.redis.get(f"q:main:position:{symbol}:{side}") or {}).get("reason", "")
            if not far or run.judges.settled_book.may_be_anchored((symbol, side)) or run.swarm.foggy:
                since.pop((symbol, side), None)
            elif clock_s - since.setdefault((symbol, side), clock_s) > PATIENCE_S:
                run.checker.violations.append(
                    f"DESIGN-9: the stop of {symbol} {side} is beyond {FAR_PCT} % of {entry}: {tightest}, {told!r}"
                )


def _average(run: Simulation, rng: random.Random) -> None:
    chosen = rng.choice(run.symbols)
    run.engine.advance_to(true_ms())
    for symbol, side, size, _ in list(held(run)):
        if symbol != chosen:
            continue
        mark, tick = run.engine.world.market.mark(symbol), run.engine.world.instruments[symbol].tick
        up = mark * (1 + way(side) * Decimal(repr(rng.choice((0.005, 0.04, 0.06)))))
        with suppress(VenueRefusal, ValueError):
            run.engine.set_price(symbol, up, round_to(up, tick))
            run.engine.trade("add", symbol, side, size * rng.choice((1, 5, 12)))
        back = up * (1 - way(side) * Decimal(repr(rng.choice((0.0, 0.004, 0.009)))))
        run.engine.set_price(symbol, back, round_to(back, tick))


@power("burst_of_fills", chance=0.06, foggy=False)
async def burst_of_fills(run: Simulation, rng: random.Random) -> None:
    """Fifty fills in a second, often beside somebody's far close-all stop, which takes the only slot."""
    while True:
        await sleep(rng.uniform(3, 12))
        positions = list(held(run))
        if not positions:
            continue
        symbol, side, size, _ = rng.choice(positions)
        venue = run.engine.world.instruments[symbol]
        part = max(venue.min_qty, venue.step, floor_to(size / 25, venue.step))
        if rng.random() < 0.6:
            _far_close_all(run, symbol, side)
            await sleep(rng.choice((0.0, 8.0)))
        for _ in range(FILLS):
            run.engine.advance_to(true_ms())
            with suppress(VenueRefusal, ValueError):
                run.engine.trade("add", symbol, side, part)
            await sleep(FILL_S)
        working = stops(run, symbol, side, "w")
        if len(working) > AFTER_FILLS_MAX:
            run.checker.violations.append(
                f"INV-10: {len(working)} working stops of {symbol} {side} after {FILLS} fills"
            )


def _far_close_all(run: Simulation, symbol: str, side: str) -> None:
    """Somebody cancels our backstop by hand and puts a far one of his own in its place."""
    run.engine.advance_to(true_ms())
    exit_side, mark = "SELL" if side == "LONG" else "BUY", run.engine.world.market.mark(symbol)
    leg = side if run.engine.world.account.hedge else "BOTH"
    with suppress(VenueRefusal, ValueError):
        for order in list(run.engine.world.algo.open_of(symbol)):
            if order.close_position and order.side == exit_side and order.kind == "STOP_MARKET":
                run.engine.cancel_algo({"algoId": str(order.algo_id)}, origin="foreign")
        far = round_to(mark * (1 - way(side) * Decimal("0.09")), run.engine.world.instruments[symbol].tick)
        run.engine.place_algo(
            {
                "algoType": "CONDITIONAL",
                "symbol": symbol,
                "side": exit_side,
                "positionSide": leg,
                "type": "STOP_MARKET",
                "triggerPrice": str(far),
                "workingType": "MARK_PRICE",
                "closePosition": "true",
            },
            origin="foreign",
        )


@power(
    "nothing_is_removed",
    chance=0.06,
    foggy=False,
    later_s=30.0,
    why="what piled up goes a few orders in each check",
    removals_rest_s=30.0,
)
async def nothing_is_removed(run: Simulation, rng: random.Random) -> None:
    """Cancels and queries of resting orders are refused as unknown while a symbol trends."""
    await sleep(rng.uniform(6, 12))
    for endpoint, code in ((Endpoint.CANCEL_ALGO_ORDER, -2011), (Endpoint.QUERY_ALGO_ORDER, -2013)):
        where = {"path": endpoint.value.path, "method": endpoint.value.method}
        run.engine.add_fault("error", code=code, **where, lasts_ms=1000 * (TREND_STEPS + 8))
    run.market.paused = run.trader.paused = True
    positions = list(held(run))
    if not positions:
        return
    symbol, side, _, entry = rng.choice(positions)
    tick = run.engine.world.instruments[symbol].tick
    for step in range(TREND_STEPS):
        run.engine.advance_to(true_ms())
        mark = entry * (1 + way(side) * (TREND_FROM_PCT + step * TREND_STEP_PCT) / 100)
        run.engine.set_price(symbol, mark, round_to(mark, tick))
        await sleep(1)
    await sleep(6)
    if not any((symbol, side) == (name, where) for name, where, _, _ in held(run)):
        return
    best = max((way(side) * price for price in stops(run, symbol, side)), default=None)
    told = (run.redis.get("q:main:status") or {}).get("risk_status", "")
    if (
        best is not None
        and run.settings.protection.trailing
        and run.swarm.marks
        and way(side) * mark - best > mark * BEHIND_PCT / 100
        and told == "PROTECTED"
    ):
        run.checker.violations.append(f"DESIGN-9: the stop of {symbol} {side} at {best} did not follow the mark {mark}")
