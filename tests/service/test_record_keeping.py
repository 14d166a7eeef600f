"""The keeper of records over an exchange in memory: what it asks, what it waits for, and what it never does.

Time stands still until a test moves it, for the exchange and for the daemon alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger

from position_monitor.config import Config
from position_monitor.core.decision.history import History, Track
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.events import Event
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.cover import NO_COVER
from position_monitor.core.observation.stream_events import MarkPrice, PositionEvent, StreamGap
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary
from position_monitor.edge.clock import VenueClock
from position_monitor.edge.http.rate_budget import RateBudget
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint, Reply
from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.signing import Gatekeeper, Request
from position_monitor.service.records.keeping import RecordKeeper
from position_monitor.service.records.shelf import RecordShelf
from position_monitor.service.records.watching import PositionWatch
from tests.edge.exchange.conftest import HandClock
from tests.paper.paper_support import START_MS, engine_with, stop_params

D = Decimal
BTC = PositionKey("BTCUSDT", Side.LONG)


class Line:
    """A connection to the engine; `away` are the calls that fail, `rows` changes what a call answers."""

    def __init__(self, engine: Engine) -> None:
        self.gateway = Gateway(engine, Gatekeeper("key", "secret"))
        self.asked: list[tuple[Endpoint, Mapping[str, str]]] = []
        self.away: set[Endpoint] = set()
        self.rows: dict[Endpoint, Any] = {}

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        self.asked.append((endpoint, params))
        if endpoint in self.away:
            return Reply(502, {"code": -1, "msg": ""})
        spec = endpoint.value
        answer = self.gateway.handle(Request(spec.method, spec.path, dict(params), trusted=True, charged=True))
        change = self.rows.get(endpoint)
        return Reply(answer.status, change(answer.body) if change else answer.body)

    async def aclose(self) -> None: ...


class Shelf:
    """Redis in memory."""

    def __init__(self) -> None:
        self.may_write = True
        self.away = False
        self.entries: list[Record] = []
        self.totals: dict[str, Summary] = {}
        self.lost = False

    async def written_before(self) -> list[Record]:
        self._reach()
        last = {record.record_id: record for record in self.entries}
        return list(last.values())

    async def stands(self) -> bool:
        self._reach()
        return not self.lost

    async def write(self, records: Any, totals: Any) -> bool:
        self._reach()
        self.entries += records
        self.totals, self.lost = dict(totals), False
        return True

    def flush(self) -> None:
        self.entries, self.lost = [], True

    def _reach(self) -> None:
        if self.away:
            raise OSError


class Stand:
    """An engine, a keeper beside it, and the looks that a daemon would take."""

    def __init__(
        self, engine: Engine | None = None, shelf: Shelf | None = None, clock: HandClock | None = None
    ) -> None:
        self.engine = engine or engine_with()
        self.clock = clock or HandClock(START_MS)
        self.line = Line(self.engine)
        self.budget = RateBudget(VenueClock(self.clock))
        self.exchange = BinanceUsdm(self.line, self.clock, self.budget)
        self.shelf = shelf or Shelf()
        self.told: list[Event] = []
        self.keeper = RecordKeeper(
            watch=PositionWatch(),
            exchange=self.exchange,
            history=self.exchange.history,
            shelf=RecordShelf(self.shelf, self.clock),  # type: ignore[arg-type]
            clock=self.clock,
            config=lambda: CONFIG,
            tell=self.told.append,
        )

    def restarted(self) -> Stand:
        """Another process on the same account and the same Redis."""
        return Stand(self.engine, self.shelf, self.clock)

    def pass_s(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.engine.advance_to(self.clock.now_ms())

    def price(self, price: str, symbol: str = "BTCUSDT") -> None:
        self.engine.set_price(symbol, D(price), D(price))

    def trade(self, action: str, side: str | None = None, quantity: str | None = None, symbol: str = "BTCUSDT") -> None:
        self.pass_s(1)
        self.engine.trade(action, symbol, side, None if quantity is None else D(quantity))

    def look(self) -> None:
        tracks = {}
        for leg in self.engine.world.account.open_positions():
            side = Side.LONG if leg.amount > 0 else Side.SHORT
            position = Position(
                symbol=leg.symbol,
                side=side,
                quantity=abs(leg.amount),
                entry_price=leg.entry,
                mark_price=self.engine.world.market.mark(leg.symbol),
                liquidation_price=None,
                unrealized_pnl=D(0),
                leverage=10,
                hedged=leg.side != "BOTH",
                updated_at_ms=leg.updated_ms,
            )
            judged = Judgement(position, Verdict.NAKED, "", NO_COVER, None, None, None, readable=True)
            tracks[position.key] = Track(judged, since_ms=0, observed_at_ms=0, naked_ms=0)
        self.keeper.note(SimpleNamespace(failure="", history=History(tracks), events=()))  # type: ignore[arg-type]

    async def turns(self, n: int = 5, seconds: float = 5.0) -> None:
        for _ in range(n):
            self.look()
            await self.keeper.turn()
            self.pass_s(seconds)
        await self.keeper.turn()

    def asked(self, endpoint: Endpoint) -> int:
        return sum(one is endpoint for one, _ in self.line.asked)

    @property
    def last(self) -> dict[str, Record]:
        return {record.record_id: record for record in self.shelf.entries}

    @property
    def only(self) -> Record:
        [record] = self.last.values()
        return record


CONFIG = Config.from_data({"exchange": {"rest_url": "http://127.0.0.1:1"}})


async def closed_position(stand: Stand) -> None:
    """A long that was opened, looked at and closed again."""
    stand.look()
    stand.trade("open", "LONG", "0.5")
    stand.look()
    stand.pass_s(60)
    stand.price("42500")
    stand.look()
    stand.trade("close")


async def test_a_closed_position_becomes_one_final_record() -> None:
    stand = Stand()
    await closed_position(stand)
    await stand.turns()
    assert (stand.only.final, stand.only.revision, len(stand.shelf.entries)) == (True, 1, 1)
    assert [event.type for event in stand.told] == ["RecordFinal"]
    assert stand.shelf.totals[""].n == 1
    asked = len(stand.line.asked)
    await stand.turns(50)
    assert len(stand.line.asked) == asked, "nothing is asked when nothing is due"


async def test_while_a_position_is_open_nothing_is_asked_of_the_venue() -> None:
    stand = Stand()
    stand.look()
    await stand.turns(1)
    asked = len(stand.line.asked)
    stand.trade("open", "LONG", "0.5")
    await stand.turns(200)
    assert len(stand.line.asked) == asked, "17 minutes"


async def test_a_life_between_two_looks_is_found_by_its_event() -> None:
    """Opened, closed and opened again before anybody looked: the stream told of it."""
    stand = Stand()
    await stand.turns(1)
    for action, amount in (("open", "0.5"), ("close", "0"), ("open", "0.2")):
        stand.trade(action, "LONG", None if action == "close" else amount)
        event = PositionEvent("BTCUSDT", None, D(amount), D(42000), stand.clock.now_ms(), "ORDER")
        stand.keeper.on_event(event)
    await stand.turns()
    assert stand.only.final and stand.only.quantity_entered == D("0.5")


async def test_a_life_that_nobody_saw_is_found_within_the_hour_and_after_a_gap_at_once() -> None:
    """It came and went between two looks, and no stream told of it."""
    for gap in (False, True):
        stand = Stand()
        await stand.turns(1)
        stand.trade("open", "LONG", "0.5")
        stand.trade("close")
        if gap:
            stand.keeper.on_event(StreamGap("reconnected"))
        await stand.turns(5)
        assert bool(stand.shelf.entries) is gap
        await stand.turns(13, 300.0)
        assert stand.only.final


async def test_the_extremes_are_those_of_the_stream_and_of_the_looks() -> None:
    stand = Stand()
    stand.look()
    stand.trade("open", "LONG", "0.5")
    stand.look()
    for price in ("42700", "41800"):
        stand.pass_s(1)
        stand.keeper.on_marks({"BTCUSDT": MarkPrice("BTCUSDT", D(price), stand.clock.now_ms())})
    stand.trade("close")
    await stand.turns()
    excursion = stand.only.excursion
    assert excursion is not None and stand.only.marks_from == "watched"
    assert (excursion.best_price, excursion.worst_price) == (D(42700), D(41800))


async def test_marks_that_were_not_read_for_a_while_are_taken_from_candles() -> None:
    """A host that slept does not know what the mark did meanwhile."""
    stand = Stand()
    stand.look()
    stand.trade("open", "LONG", "0.5")
    stand.look()
    stand.pass_s(600)
    stand.price("43000")
    stand.pass_s(600)
    stand.price("42100")
    stand.look()
    stand.trade("close")
    await stand.turns()
    assert stand.only.marks_from == "candles" and "marks_from_candles" in stand.only.notes
    assert stand.only.excursion is not None and stand.only.excursion.best_price == D(43000)


async def test_without_candles_the_marks_are_null_and_it_is_said() -> None:
    stand = Stand()
    stand.trade("open", "LONG", "0.5")
    stand.look()
    stand.trade("close")
    stand.line.rows[Endpoint.MARK_CANDLES] = lambda _: []
    await stand.turns()
    assert stand.only.excursion is None and "marks_unknown" in stand.only.notes and stand.only.final


async def test_fills_that_lag_make_no_record_until_they_are_there() -> None:
    """The closing fill is not listed yet: no life ends, and nothing is published that would be taken back."""
    stand = Stand()
    await closed_position(stand)
    stand.line.rows[Endpoint.FILLS] = lambda rows: rows[:-1]
    await stand.turns(2, 2.0)
    assert stand.shelf.entries == []
    stand.line.rows.clear()
    await stand.turns(10)
    assert stand.only.final


async def test_fills_that_never_complete_stay_provisional_and_say_so() -> None:
    """One fill in the middle is never listed: after a while the record is there, provisional, with the reason."""
    stand = Stand()
    stand.look()
    stand.trade("open", "LONG", "0.5")
    stand.look()
    stand.price("42500")
    stand.trade("reduce", "LONG", "0.2")
    stand.trade("close")
    stand.line.rows[Endpoint.FILLS] = lambda rows: [row for row in rows if row["qty"] != "0.200"]
    await stand.turns(200, 30.0)
    assert stand.last and not any(record.final for record in stand.last.values())
    for record in stand.last.values():
        assert {"fills_contradict", "beginning_unknown"} & set(record.notes)
    assert stand.told == []
    assert len(stand.shelf.entries) <= 2 * len(stand.last), "nothing is written again that says nothing new"


async def test_a_position_older_than_a_week_is_looked_for_week_by_week() -> None:
    stand = Stand()
    stand.look()
    stand.trade("open", "LONG", "0.5")
    stand.look()
    stand.pass_s(20 * 86_400)
    stand.price("42500")
    stand.look()
    stand.trade("close")
    await stand.turns(30)
    record = stand.only
    assert record.final and record.duration_ms > 20 * 86_400_000
    spans = [
        int(params["endTime"]) - int(params["startTime"]) for one, params in stand.line.asked if one is Endpoint.FILLS
    ]
    assert max(spans) < 7 * 86_400_000
    assert record.cover is None and "stops_forgotten" in record.notes, "nobody remembers stops of so long ago"


async def test_a_position_whose_beginning_is_nowhere_ends_as_provisional() -> None:
    """It was there before the account has fills: the money of its exit is known, and no more."""
    stand = Stand(engine_with(("BTCUSDT", "LONG", "0.5", "41000")))
    stand.look()
    stand.price("42500")
    stand.trade("close")
    await stand.turns(120)
    record = stand.only
    assert not record.final and "beginning_unknown" in record.notes
    assert record.entry_average == 41000 and record.risk.money is None
    asked = len(stand.line.asked)
    await stand.turns(100, 60.0)
    assert len(stand.line.asked) - asked < 100, "what can never be complete is not asked for again and again"
    assert len(stand.shelf.entries) == 1


@pytest.mark.parametrize("endpoint", [Endpoint.FILLS, Endpoint.INCOME, Endpoint.PAST_ORDERS, Endpoint.PAST_ALGO_ORDERS])
async def test_any_call_that_fails_only_delays(endpoint: Endpoint) -> None:
    stand = Stand()
    await stand.turns(1)
    await closed_position(stand)
    stand.line.away = {endpoint}
    await stand.turns(20)
    assert stand.shelf.entries == []
    stand.line.away = set()
    await stand.turns(100)
    assert stand.only.final


async def test_never_more_than_five_percent_of_a_minute() -> None:
    """Forty symbols at once: it takes its minutes, and every record comes."""
    stand = Stand()
    stand.look()
    symbols = [symbol for symbol in stand.engine.world.instruments if symbol.endswith("USDT")][:40]
    for symbol in symbols:
        step = stand.engine.world.instruments[symbol].min_qty
        quantity = str(max(step, (D(200) / stand.engine.world.market.last(symbol) // step + 1) * step))
        stand.trade("open", "LONG", quantity, symbol)
    stand.look()
    for symbol in symbols:
        stand.trade("close", symbol=symbol)
    used: dict[int, int] = {}
    for _ in range(400):
        await stand.turns(1, 3.0)
        minute = stand.clock.now_ms() // 60_000
        used[minute] = max(used.get(minute, 0), stand.budget.own_weight_1m)
    assert len(stand.last) == len(symbols) and all(record.final for record in stand.last.values())
    assert max(used.values()) <= 120


async def test_a_restart_reads_the_last_seven_days_and_leaves_final_records_alone() -> None:
    stand = Stand()
    await closed_position(stand)
    await stand.turns()
    stand.look()
    stand.trade("open", "SHORT", "0.3")
    stand.look()
    stand.trade("close")
    again = stand.restarted()
    await again.turns(30)
    assert len(again.last) == 2 and all(record.final for record in again.last.values())
    assert len(again.shelf.entries) == 2, "what was final is not written again"
    assert "not_watched" in next(r for r in again.last.values() if r.key.side is Side.SHORT).notes
    assert again.shelf.totals[""].n == 2


async def test_rebuilt_within_two_minutes_after_a_restart_with_an_empty_redis() -> None:
    """12.7, for as many symbols as the budget of two minutes bears."""
    stand = Stand()
    stand.look()
    symbols = [symbol for symbol in stand.engine.world.instruments if symbol.endswith("USDT")][:10]
    for symbol in symbols:
        step = stand.engine.world.instruments[symbol].min_qty
        quantity = str(max(step, (D(200) / stand.engine.world.market.last(symbol) // step + 1) * step))
        stand.trade("open", "LONG", quantity, symbol)
        stand.trade("close", symbol=symbol)
    again = stand.restarted()
    began_ms = again.clock.now_ms()
    while len(again.last) < len(symbols):
        await again.turns(1, 1.0)
        assert again.clock.now_ms() - began_ms < 120_000, f"{len(again.last)} records after two minutes"
    assert all(record.final for record in again.last.values())


async def test_a_flush_is_made_good_from_memory() -> None:
    stand = Stand()
    await closed_position(stand)
    await stand.turns()
    [before] = stand.shelf.entries
    stand.shelf.flush()
    asked = len(stand.line.asked)
    await stand.turns(24)
    assert stand.shelf.entries == [before] and len(stand.line.asked) == asked


async def test_redis_away_delays_the_telling_only() -> None:
    stand = Stand()
    stand.shelf.away = True
    await closed_position(stand)
    await stand.turns()
    assert stand.shelf.entries == [] and [event.type for event in stand.told] == ["RecordFinal"]
    stand.shelf.away = False
    await stand.turns()
    assert stand.only.final


async def test_redis_that_comes_back_with_an_older_revision_is_risen_above() -> None:
    stand = Stand()
    await closed_position(stand)
    await stand.turns()
    old = replace(stand.only, revision=4, status=type(stand.only.status)("provisional"))
    again = stand.restarted()
    again.shelf.entries = [old]
    await again.turns(20)
    assert again.only.final and again.only.revision == 5


async def test_a_standby_asks_and_writes_nothing_and_takes_over_whole() -> None:
    stand = Stand()
    stand.shelf.may_write = False
    await closed_position(stand)
    await stand.turns(10)
    assert stand.line.asked == [] and stand.shelf.entries == []
    stand.shelf.may_write = True
    await stand.turns(20)
    assert stand.only.final


async def test_a_defect_in_watching_is_told_once_and_harms_nothing() -> None:
    stand = Stand()
    lines: list[str] = []
    sink = logger.add(lines.append, level="ERROR")
    stand.keeper.watch.marked = lambda marks: 1 / 0  # type: ignore[method-assign]
    for _ in range(100):
        stand.keeper.on_marks({})
        stand.look()
    logger.remove(sink)
    assert len(lines) == 1


async def test_a_cycle_whose_configuration_has_no_hash_ends_the_watching_and_not_the_loop() -> None:
    stand = Stand()
    stand.keeper.config = lambda: 1 / 0  # type: ignore[assignment, return-value]
    stand.look()
    stand.look()


async def test_a_defect_in_one_symbol_costs_the_others_nothing(monkeypatch: Any) -> None:
    stand = Stand()
    await closed_position(stand)
    stand.look()
    stand.trade("open", "LONG", "1", "ETHUSDT")
    stand.look()
    stand.trade("close", symbol="ETHUSDT")
    made = RecordKeeper._record

    async def spoiled(self: RecordKeeper, one: Any, life: Any) -> None:
        if life.key.symbol == "BTCUSDT":
            raise ZeroDivisionError
        await made(self, one, life)

    monkeypatch.setattr(RecordKeeper, "_record", spoiled)
    await stand.turns(20)
    assert [record.key.symbol for record in stand.last.values()] == ["ETHUSDT"]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hedge", [False, True])
async def test_random_days_reconcile_with_the_wallet(seed: int, hedge: bool) -> None:
    """Whatever is opened, grown, cut, turned and closed: every record is final, and together they are the wallet."""
    import random

    rng = random.Random(f"records:{seed}:{hedge}")
    stand = Stand(engine_with(hedge=hedge, wallet="1000000"))
    before = stand.engine.world.account.wallet
    stand.look()
    for _ in range(30):
        stand.price(str(D(rng.randrange(410_000, 430_000)) / 10))
        held = {leg.side: leg for leg in stand.engine.world.account.open_positions()}
        if held and rng.random() < 0.6:
            side = rng.choice(sorted(held)) if hedge else None
            action = rng.choice(["reduce", "close", "add"] if hedge else ["reduce", "close", "flip", "add"])
            stand.trade(action, side, None if action == "close" else f"0.{rng.randrange(1, 900):03d}")
        else:
            side = rng.choice(["LONG", "SHORT"])
            stand.trade("open", side, f"0.{rng.randrange(1, 900):03d}")
            if rng.random() < 0.5 and stand.engine.world.account.open_positions():
                stand.engine.charge_funding(D(rng.randrange(-30, 30)) / 10_000)
        if rng.random() < 0.7:
            stand.look()
            await stand.keeper.turn()
    for leg in stand.engine.world.account.open_positions():
        stand.trade("close", leg.side if leg.side != "BOTH" else None)
    await stand.turns(20, 300.0)
    records = stand.last.values()
    assert records and all(record.final for record in records)
    exact = not any("funding_of_both_legs" in record.notes for record in records)
    nets = [record.money.net for record in records if record.money.net is not None]
    assert exact is (len(nets) == len(records))
    if exact:
        assert abs(before + sum(nets) - stand.engine.world.account.wallet) < D("1e-15")


async def test_an_unfilled_stop_of_ours_is_found_by_its_id(monkeypatch: Any) -> None:
    """A stop that rested and never filled gives the risk, from the venue's list alone."""
    stand = Stand()
    stand.look()
    stand.trade("open", "LONG", "0.5")
    stand.pass_s(1)
    stand.engine.place_algo(stop_params(triggerPrice="41370"))
    stand.look()
    stand.pass_s(30)
    stand.trade("close")
    await stand.turns()
    assert stand.only.risk.first_stop == D(41370)
    assert stand.only.cover is not None and stand.only.cover.time_to_protect_ms == 1000
