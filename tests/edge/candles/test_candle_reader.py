"""Who is read when, what is asked for, and what is there while the venue fails (S20, 12.1)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from position_monitor.core.market.candles import INTERVAL_MS, Candle
from position_monitor.core.market.fold import MarketFold
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.edge.candles import AGAIN_MOST_S, FIRST_CANDLES, CandleReader, CandleSettings
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint, Reply
from position_monitor.errors import RateLimited, Refused, Unreachable

HOUR = INTERVAL_MS
NOW_MS = 480_000 * HOUR + 20 * 60_000
MARK, LAST = WorkingType.MARK_PRICE, WorkingType.CONTRACT_PRICE


class HandClock:
    """A clock that only moves when it is slept on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return NOW_MS + round(self.seconds * 1000)

    def monotonic_s(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def candle(symbol: str, working_type: WorkingType, open_ms: int) -> Candle:
    """A fixed function of symbol, kind and time; a candle of trades has the longer wicks."""
    chance = random.Random(f"{symbol}:{open_ms}")
    close = 100 + chance.uniform(-1, 1)
    wick = 0.2 if working_type is MARK else 0.9
    return Candle(open_ms, close + wick * chance.random(), close - wick * chance.random(), close)


class Source:
    """A venue with candles of every symbol since ever; a test may let it fail."""

    def __init__(self, clock: HandClock, symbols: Sequence[str], turnovers: Mapping[str, str] | None = None) -> None:
        self.clock, self.symbols = clock, list(symbols)
        self.turnovers = {name: Decimal(text) for name, text in (turnovers or {}).items()}
        self.failure: Exception | None = None
        self.listed_at_ms: dict[str, int] = {}
        self.spoil = lambda rows: rows
        self.asked: list[tuple[str, int]] = []

    def venue_now_ms(self) -> int:
        return self.clock.now_ms()

    def trading_symbols(self) -> Sequence[str]:
        return self.symbols

    async def read_candles(
        self, symbol: str, working_type: WorkingType, *, first_ms: int, count: int
    ) -> Sequence[Candle]:
        self.asked.append((symbol, count))
        if self.failure is not None:
            raise self.failure
        times = range(first_ms, first_ms + count * HOUR, HOUR)
        rows = [candle(symbol, working_type, at) for at in times if at >= self.listed_at_ms.get(symbol, 0)]
        return self.spoil(rows)

    async def read_turnovers(self) -> Mapping[str, Decimal]:
        if self.failure is not None:
            raise self.failure
        return self.turnovers


def wanted(working_type: WorkingType = MARK, *, on: bool = True) -> CandleSettings:
    return CandleSettings(wanted=on, thresholds=RegimeThresholds(), working_type=lambda _: working_type)


class Desk:
    """A reader with its source, driven by hand."""

    def __init__(self, *symbols: str, turnovers: Mapping[str, str] | None = None) -> None:
        self.clock = HandClock()
        self.source = Source(self.clock, symbols, turnovers)
        self.settings = wanted()
        self.reader = CandleReader(self.source, self.clock, lambda: self.settings)

    async def steps(self, count: int) -> None:
        for _ in range(count):
            self.clock.seconds += await self.reader.step()

    async def until(self, seconds: float) -> None:
        while self.clock.seconds < seconds:
            self.clock.seconds += await self.reader.step()

    def expected(self, symbol: str, working_type: WorkingType = MARK, count: int = FIRST_CANDLES) -> object:
        """The state that the last closed candles add up to."""
        newest_ms = self.clock.now_ms() // HOUR * HOUR - HOUR
        fold = MarketFold()
        times = range(newest_ms - (count - 1) * HOUR, newest_ms + 1, HOUR)
        fold.add([candle(symbol, working_type, at) for at in times], RegimeThresholds())
        return fold.state(self.clock.now_ms())


async def test_a_first_load_gives_the_state_of_three_hundred_candles() -> None:
    desk = Desk("BTCUSDT")
    assert desk.reader.market("BTCUSDT") is None
    assert desk.reader.missing("BTCUSDT") == "no candle was read yet"
    await desk.steps(3)
    found = desk.reader.market("BTCUSDT")
    assert found is not None and found == desk.expected("BTCUSDT")
    assert desk.reader.missing("BTCUSDT") == ""
    assert desk.source.asked == [("BTCUSDT", 300)]


async def test_each_hour_only_what_is_missing_is_read() -> None:
    desk = Desk("BTCUSDT")
    await desk.until(24 * 3600)
    assert desk.source.asked == [("BTCUSDT", 300)] + [("BTCUSDT", 1)] * 24
    ours, whole = desk.reader.market("BTCUSDT"), desk.expected("BTCUSDT", count=324)
    assert ours == whole


async def test_after_a_long_pause_what_is_missing_is_read_at_once_but_never_more_than_three_hundred() -> None:
    desk = Desk("BTCUSDT")
    await desk.steps(3)
    desk.clock.seconds += 50 * 3600
    assert desk.reader.market("BTCUSDT") is None
    assert "min ago" in desk.reader.missing("BTCUSDT")
    await desk.steps(2)  # the turnovers of the day before
    assert desk.source.asked[-1] == ("BTCUSDT", 50)
    assert desk.reader.market("BTCUSDT") == desk.expected("BTCUSDT", count=350)
    desk.clock.seconds += 1_000 * 3600
    await desk.steps(2)
    assert desk.source.asked[-1] == ("BTCUSDT", 300)
    assert desk.reader.market("BTCUSDT") == desk.expected("BTCUSDT")


async def test_held_symbols_first_then_the_largest_turnover_then_by_name() -> None:
    desk = Desk("AAA", "BBB", "CCC", "DDD", "EEE", turnovers={"DDD": "5", "BBB": "9.5", "EEE": "9"})
    desk.reader.watch(["CCC"])
    await desk.steps(7)
    assert [symbol for symbol, _ in desk.source.asked] == ["CCC", "BBB", "EEE", "DDD", "AAA"]


async def test_a_symbol_that_is_held_from_now_on_waits_for_no_other() -> None:
    """Also one that is halted or delisted, which nobody else would read."""
    desk = Desk(*(f"S{number:03}" for number in range(100)))
    await desk.steps(10)
    desk.reader.watch(["GONE", "S099"])
    await desk.steps(2)
    assert {symbol for symbol, _ in desk.source.asked[-2:]} == {"GONE", "S099"}


async def test_what_neither_trades_nor_is_held_is_forgotten() -> None:
    desk = Desk("AAA", "BBB", "CCC")
    await desk.steps(5)
    assert desk.reader.market("BBB") is not None
    desk.source.symbols = ["AAA"]
    desk.reader.watch(["CCC"])
    await desk.steps(1)
    assert desk.reader.market("BBB") is None and desk.reader.missing("BBB") == "no candle was read yet"
    assert desk.reader.market("AAA") is not None and desk.reader.market("CCC") is not None


async def test_a_list_of_contracts_that_could_not_be_read_forgets_nothing() -> None:
    desk = Desk("AAA")
    await desk.steps(3)
    desk.source.symbols = []
    await desk.steps(3)
    assert desk.reader.market("AAA") is not None


async def test_the_candles_are_of_the_price_that_arms_the_orders() -> None:
    desk = Desk("BTCUSDT")
    desk.settings = wanted(LAST)
    await desk.steps(3)
    of_trades = desk.reader.market("BTCUSDT")
    assert of_trades == desk.expected("BTCUSDT", LAST)
    desk.settings = wanted(MARK)
    assert desk.reader.market("BTCUSDT") is None, "candles of another price say nothing of this one"
    await desk.steps(1)
    assert desk.reader.market("BTCUSDT") == desk.expected("BTCUSDT", MARK) != of_trades


async def test_thresholds_hold_from_the_next_close_on() -> None:
    desk = Desk("BTCUSDT")
    await desk.steps(3)
    before = desk.reader.market("BTCUSDT")
    desk.settings = replace(wanted(), thresholds=RegimeThresholds(Decimal("0.01"), Decimal("0.02"), Decimal("0.03")))
    assert desk.reader.market("BTCUSDT") is before
    await desk.until(2 * 3600)
    now = desk.reader.market("BTCUSDT")
    assert before is not None and now is not None
    assert (str(before.regime), str(now.regime)) == ("RANGING", "EXTREME_VOL")


FAILURES = {
    "down": Unreachable("candles: no answer in time"),
    "refused": Refused("candles: no such symbol"),
    "a defect of ours": ZeroDivisionError("x"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_while_the_venue_fails_the_state_ends_and_says_why_and_then_comes_back(failure: Exception) -> None:
    desk = Desk("BTCUSDT", "ETHUSDT")
    await desk.steps(4)
    desk.source.failure = failure
    await desk.until(1 * 3600)
    assert desk.reader.market("BTCUSDT") is not None, "one candle late"
    await desk.until(3 * 3600)
    assert desk.reader.market("BTCUSDT") is None
    reason = desk.reader.missing("BTCUSDT")
    assert "the last candle closed" in reason
    assert (str(failure) in reason) or "ZeroDivisionError" in reason
    desk.source.failure = None
    await desk.until(3 * 3600 + AGAIN_MOST_S + 120)
    assert desk.reader.market("BTCUSDT") is not None and desk.reader.missing("BTCUSDT") == ""
    assert desk.reader.market("ETHUSDT") is not None


async def test_a_dead_endpoint_is_asked_less_and_less() -> None:
    desk = Desk(*(f"S{number:03}" for number in range(600)))
    desk.source.failure = Unreachable("down")
    await desk.until(3600)
    assert len(desk.source.asked) < 70


@pytest.mark.parametrize("fault", [Refused("no such symbol"), None], ids=["refused", "without candles"])
async def test_symbols_that_have_none_do_not_slow_down_the_others(fault: Exception | None) -> None:
    """Thirty dead contracts first, then one that lives: the venue answers, so the pace stays."""
    desk = Desk(*(f"DEAD{number:02}" for number in range(30)), "LIVE")
    answer = desk.source.read_candles

    async def read_candles(symbol: str, working_type: WorkingType, **which: int) -> Sequence[Candle]:
        if symbol == "LIVE":
            return await answer(symbol, working_type, **which)  # type: ignore[arg-type]
        if fault is not None:
            raise fault
        return []

    desk.source.read_candles = read_candles  # type: ignore[method-assign]
    await desk.until(60 + 31 * 3)
    assert desk.reader.market("LIVE") is not None


async def test_one_symbol_that_fails_holds_up_no_other() -> None:
    desk = Desk("AAA", "BBB", "CCC")
    desk.source.spoil = lambda rows: []
    await desk.steps(2)
    desk.source.spoil = lambda rows: rows
    await desk.steps(3)
    assert [desk.reader.market(name) is not None for name in ("AAA", "BBB", "CCC")] == [False, True, True]
    assert desk.reader.missing("AAA") == "no candle was read yet: the venue has no candle of the last hour"
    await desk.until(300)
    assert desk.reader.market("AAA") is not None


SPOILED = {
    "wrong order": (lambda rows: rows[::-1], "comes after the one of"),
    "from the future": (lambda rows: [*rows, replace(rows[-1], open_ms=rows[-1].open_ms + 9 * HOUR)], "the future"),
    "nan": (lambda rows: [*rows[:-1], replace(rows[-1], close=float("nan"))], "no finite number above zero"),
    "zero": (lambda rows: [replace(row, low=0.0) for row in rows], "no finite number above zero"),
}


@pytest.mark.parametrize(("spoil", "reason"), SPOILED.values(), ids=SPOILED.keys())
async def test_candles_that_cannot_be_believed_change_nothing(spoil: object, reason: str) -> None:
    desk = Desk("BTCUSDT")
    await desk.steps(3)
    before = desk.reader.market("BTCUSDT")
    desk.source.spoil = lambda rows: spoil([candle("X", MARK, row.open_ms - HOUR) for row in rows[:1]] + rows)  # type: ignore[operator]
    await desk.until(3600)
    assert desk.reader.market("BTCUSDT") is before
    await desk.until(2 * 3600)
    assert desk.reader.market("BTCUSDT") is None and reason in desk.reader.missing("BTCUSDT")


async def test_a_gap_at_the_venue_means_no_state_for_thirty_candles() -> None:
    desk = Desk("BTCUSDT")
    await desk.steps(3)
    hole_ms = desk.source.venue_now_ms() // HOUR * HOUR
    desk.source.spoil = lambda rows: [row for row in rows if row.open_ms != hole_ms]
    await desk.until(4 * 3600)
    assert desk.reader.market("BTCUSDT") is None
    assert desk.reader.missing("BTCUSDT").startswith("3 closed candles in a row of 30 that are needed")
    await desk.until(32 * 3600)
    assert desk.reader.market("BTCUSDT") is not None


async def test_a_contract_that_was_listed_yesterday_has_no_atr_yet() -> None:
    desk = Desk("NEWUSDT")
    desk.source.listed_at_ms["NEWUSDT"] = NOW_MS // HOUR * HOUR - 24 * HOUR
    await desk.steps(3)
    assert desk.reader.missing("NEWUSDT") == "24 closed candles in a row of 30 that are needed"
    await desk.until(6 * 3600)
    assert desk.reader.market("NEWUSDT") is not None


async def test_a_short_budget_drops_candles_first_and_counts_as_nobodys_failure() -> None:
    desk = Desk("AAA", "BBB")
    desk.source.failure = RateLimited("used up", retry_at_ms=desk.clock.now_ms() + 30_000)
    assert await desk.reader.step() == 30
    assert desk.reader.missing("AAA") == "no candle was read yet"
    desk.source.failure = None
    desk.clock.seconds += 30
    await desk.steps(3)
    assert desk.reader.market("AAA") is not None and desk.reader.market("BBB") is not None


async def test_where_no_policy_needs_candles_none_is_asked_for() -> None:
    """And as soon as one does they are read; and no longer when it does not any more."""
    desk = Desk("BTCUSDT")
    desk.settings = wanted(on=False)
    running = asyncio.ensure_future(desk.reader.run())

    async def turns() -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    desk.reader.watch(["BTCUSDT"])
    await turns()
    assert desk.source.asked == [] and desk.clock.seconds == 0
    assert desk.reader.missing("BTCUSDT") == "candles are not read (exit.candles)"
    desk.settings = wanted()
    desk.reader.follow()
    await turns()
    assert desk.source.asked[0] == ("BTCUSDT", 300) and desk.reader.market("BTCUSDT") is not None
    desk.settings = wanted(on=False)
    desk.reader.follow()
    assert desk.reader.market("BTCUSDT") is None
    await turns()
    asked = len(desk.source.asked)
    await turns()
    assert len(desk.source.asked) == asked
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_single_look_reads_what_it_shows() -> None:
    desk = Desk("AAA", "BBB", "CCC")
    await desk.reader.load(["BBB", "AAA"])
    assert [desk.reader.market(name) is not None for name in ("AAA", "BBB", "CCC")] == [True, True, False]
    await desk.reader.load(["BBB", "AAA"])
    assert desk.source.asked == [("AAA", 300), ("BBB", 300)]
    desk.source.failure = Unreachable("down")
    await desk.reader.load(["CCC"])
    assert desk.reader.missing("CCC") == "no candle was read yet: down"
    desk.settings = wanted(on=False)
    await desk.reader.load(["DDD"])
    assert len(desk.source.asked) == 3


WEIGHTS = {"/fapi/v1/markPriceKlines": ((100, 1), (500, 2)), "/fapi/v1/ticker/24hr": ((0, 40),)}
"""As the venue documents them."""


class Counted:
    """The venue below its seam: answers at once, and counts weight by the minute of its clock."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.minutes: Counter[int] = Counter()
        self.last: dict[str, int] = {}

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        path, limit = endpoint.value.path, int(params.get("limit", 0))
        weight = next(cost for below, cost in WEIGHTS[path] if limit < below or not below)
        self.minutes[self.clock.now_ms() // 60_000] += weight
        if "symbol" not in params:
            return Reply(200, [])
        first_ms, end_ms = int(params["startTime"]), int(params["endTime"])
        rows = []
        for at in range(first_ms, end_ms, HOUR):
            one = candle(params["symbol"], MARK, at)
            prices = (f"{price:.8f}" for price in (one.close, one.high, one.low, one.close))
            rows.append([at, *prices, "0", at + HOUR - 1, "0", 3600, "0", "0", "0"])
        self.last[params["symbol"]] = rows[-1][0]
        return Reply(200, rows)

    async def aclose(self) -> None: ...


async def test_six_hundred_contracts_cost_at_most_five_percent_of_the_weight() -> None:
    """First loads and the hours after it, minute by minute, 200 of them held: never more than 120 of 2,400."""
    clock = HandClock()
    transport = Counted(clock)
    venue = BinanceUsdm(transport, clock)
    symbols = {f"S{number:03}USDT": SimpleNamespace(status="TRADING") for number in range(600)}
    venue._upkeep.instruments = symbols  # type: ignore[assignment]
    reader = CandleReader(venue, clock, wanted)
    held = sorted(symbols)[::3]
    reader.watch(held)
    while clock.seconds < 40 * 60:
        clock.seconds += await reader.step()
    assert all(reader.market(symbol) is not None for symbol in symbols), "loaded within 40 minutes"
    while clock.seconds < (40 + 20 + 60) * 60:
        clock.seconds += await reader.step()
    assert max(transport.minutes.values()) <= 120
    spent = [transport.minutes[NOW_MS // 60_000 + minute] for minute in range(120)]
    assert sum(spent[:60]) <= 600 * 2 + 40 + 600 and sum(spent[60:]) <= 600 + 10
    newest_ms = clock.now_ms() // HOUR * HOUR - HOUR
    assert set(transport.last.values()) <= {newest_ms, newest_ms - HOUR}
    assert all(reader.market(symbol) is not None for symbol in symbols)


async def test_the_budget_itself_never_lets_the_background_take_more() -> None:
    """Whatever asks in this lane, records included: 120 in a minute, none beyond half of the minute, and no waiting."""
    clock = HandClock()
    budget = BinanceUsdm(Counted(clock), clock)._wire.budget
    taken = 0
    while budget.has_room(Lane.BACKGROUND, 2):
        await budget.acquire(Lane.BACKGROUND, weight=2)
        taken += 2
    assert taken == 120
    before_s = clock.seconds
    with pytest.raises(RateLimited):
        await budget.acquire(Lane.BACKGROUND, weight=1)
    assert clock.seconds == before_s
    clock.seconds += 61
    assert budget.has_room(Lane.BACKGROUND, 2)
    await budget.acquire(Lane.STOP, weight=1_199)
    assert not budget.has_room(Lane.BACKGROUND, 2) and budget.has_room(Lane.READ, 40)
