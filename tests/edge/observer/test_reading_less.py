"""Which order lists a look reads: every list without the stream; with it, those in which something may have changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.evidence.written import after_write
from position_monitor.core.observation.reads import OrdersRead, PositionsRead
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.reading.schedule import QUIET_ORDERS_S, SINGLES_MAX
from position_monitor.edge.venues.binance.traits import TRAITS
from position_monitor.errors import Unreadable
from tests.core.build import LONG, SHORT, D, backstop, instrument, position

NOW_MS = 1_780_000_000_000
ORDERS_WEIGHT_1M = 315
"""What quiet order lists may cost in a minute."""


class Venue:
    """Positions and orders by symbol, and how often each list was asked for."""

    traits = TRAITS

    def __init__(self, symbols):
        self.held = {name: position(symbol=name) for name in symbols}
        self.orders = {name: [backstop(held, "98.5")] for name, held in self.held.items()}
        self.asked = []
        self.broken = set()
        self.now_ms = NOW_MS

    def instrument(self, symbol):
        return instrument(symbol=symbol)

    async def read_positions(self):
        return PositionsRead(tuple(self.held.values()), frozenset(), {}, hedged=False, began_at_ms=self.now_ms)

    async def read_position_rows(self, symbol):
        rows = tuple(p for p in self.held.values() if p.symbol == symbol)
        return PositionsRead(rows, frozenset(), {}, hedged=False, began_at_ms=self.now_ms, symbol=symbol)

    async def read_orders(self, symbol):
        self.asked.append(symbol)
        if symbol in self.broken:
            raise Unreadable("no list")
        names = self.orders if symbol is None else [symbol]
        rows = tuple(order for name in names for order in self.orders.get(name, ()))
        return OrdersRead(rows, {}, began_at_ms=self.now_ms, symbol=symbol)

    def orders_so_far(self, symbol):
        return None

    async def query_order(self, symbol, client_id):
        return None


class Clock:
    def __init__(self, venue):
        self.venue = venue

    def now_ms(self):
        return self.venue.now_ms

    def monotonic_s(self):
        return (self.venue.now_ms - NOW_MS) / 1000

    async def sleep(self, seconds):
        self.venue.now_ms += round(seconds * 1000)


@dataclass
class Around:
    """What a look asks of the process around it."""

    full_sweep_s: float
    stream: bool

    def events_delivered(self):
        return self.stream

    def streamed_mark(self, symbol):
        return None


class Looking:
    def __init__(self, count, *, stream=True, full_sweep_s=600.0):
        self.venue = Venue([f"S{n}USDT" for n in range(count)])
        self.observer = Observer(self.venue, Clock(self.venue), Around(full_sweep_s, stream))
        self.evidence = Evidence()

    async def look(self, after_s=0.0, **more):
        """What a look asked for, and what it saw."""
        self.venue.now_ms += round(after_s * 1000)
        self.venue.asked = []
        found = await self.observer.account(self.evidence, **more)
        for seen in found.symbols.values():
            if seen.readable:
                self.evidence = after_read(self.evidence, seen)
        return found


async def test_without_the_stream_every_list_is_read_every_time():
    looking = Looking(5, stream=False)
    await looking.look()
    for _ in range(3):
        found = await looking.look(after_s=1)
        assert sorted(looking.venue.asked) == sorted(looking.venue.held)
        assert not any(seen.orders_reused for seen in found.symbols.values())


@pytest.mark.parametrize(
    ("count", "requests"), [(1, 1), (SINGLES_MAX, SINGLES_MAX), (SINGLES_MAX + 1, 1), (25, 1), (200, 1)]
)
async def test_quiet_lists_are_read_at_every_second_ten_second_check(count, requests):
    looking = Looking(count)
    await looking.look()
    asked = []
    for _ in range(6):
        found = await looking.look(after_s=10)
        asked.append(len(looking.venue.asked))
        oldest_ms = min(seen.orders_read_at_ms for seen in found.symbols.values())
        assert looking.venue.now_ms - oldest_ms <= QUIET_ORDERS_S * 1000
    assert asked == [0, requests] * 3


@pytest.mark.parametrize("stream", [True, False])
async def test_a_sweep_that_age_alone_calls_for_is_asked_for_beside_the_positions(stream):
    """Neither waits for the other: the positions are answered only once the lists were asked for."""
    looking = Looking(50, stream=stream)
    await looking.look()
    asked, answer = asyncio.Event(), looking.venue.read_orders

    async def read_orders(symbol):
        asked.set()
        return await answer(symbol)

    async def read_positions():
        await asked.wait()
        return PositionsRead(tuple(looking.venue.held.values()), frozenset(), {}, hedged=False, began_at_ms=NOW_MS)

    looking.venue.read_orders, looking.venue.read_positions = read_orders, read_positions
    async with asyncio.timeout(30):
        found = await looking.look(after_s=20)
    assert found.swept
    assert looking.venue.asked == [None]


async def test_a_foreseen_sweep_that_fails_costs_no_symbol_its_lists():
    looking = Looking(10)
    await looking.look()
    looking.venue.broken = {None}
    found = await looking.look(after_s=20)
    assert looking.venue.asked == [None, *looking.venue.held]
    assert not found.swept
    assert not any(seen.orders_reused for seen in found.symbols.values())


async def test_while_the_positions_cannot_be_read_the_lists_are_asked_for_once():
    """A look can come every second then; a sweep in each would leave no weight for the positions' return."""
    looking = Looking(10, full_sweep_s=60.0)
    await looking.look()
    answer = looking.venue.read_positions

    async def read_positions():
        raise Unreadable("no positions")

    looking.venue.read_positions = read_positions
    assert (await looking.look(after_s=20)).failure
    assert looking.venue.asked == [None], "nobody knew yet"
    for _ in range(90):
        assert (await looking.look(after_s=1)).failure
        assert not looking.venue.asked
    looking.venue.read_positions = answer
    found = await looking.look(after_s=1)
    assert found.swept
    assert looking.venue.asked == [None]


async def test_quiet_lists_are_read_at_every_check_where_checks_are_rare():
    looking = Looking(2)
    await looking.look()
    for _ in range(3):
        await looking.look(after_s=30)
        assert len(looking.venue.asked) == 2


@pytest.mark.parametrize(
    ("count", "every_s"), [(1, 1), (SINGLES_MAX, 1), (SINGLES_MAX + 1, 1), (25, 1), (50, 10), (200, 10)]
)
async def test_quiet_lists_stay_within_the_budget(count, every_s):
    looking = Looking(count)
    await looking.look()
    weight = 0
    for _ in range(240 // every_s):  # four minutes
        await looking.look(after_s=every_s)
        weight += sum(80 if symbol is None else 2 for symbol in looking.venue.asked)
    assert 0 < weight / 4 <= ORDERS_WEIGHT_1M


async def test_a_sweep_takes_the_place_of_single_reads_no_more_often_than_the_budget_allows():
    looking = Looking(10)
    await looking.look()
    looking.venue.broken = {f"S{n}USDT" for n in range(10)} | {None}
    await looking.look(after_s=20)
    looking.venue.broken = set()
    sweeps = 0
    for _ in range(30):
        looking.observer._last._orders_at_s.clear()  # as if no list of before could be believed
        await looking.look(after_s=1)
        sweeps += looking.venue.asked.count(None)
        assert looking.venue.asked, "what is not known is read, one by one if need be"
    assert sweeps <= 2


async def test_lists_that_were_not_read_keep_the_time_of_their_read_and_count_once():
    looking = Looking(50)
    await looking.look()
    first_ms = looking.venue.now_ms
    found = await looking.look(after_s=5)
    assert looking.venue.asked == []
    for seen in found.symbols.values():
        assert (seen.orders_reused, seen.orders_read_at_ms, seen.observed_at_ms) == (True, first_ms, first_ms)
        assert seen.positions_read_at_ms == first_ms + 5_000
        assert seen.orders == tuple(looking.venue.orders[seen.symbol])
    for known in looking.evidence.keys.values():
        assert known.present_reads == 2
        assert set(known.listed_reads.values()) == {1}


@pytest.mark.parametrize("what", ["told", "grown", "new entry", "turned", "gone", "new", "awaited"])
async def test_where_something_happened_the_list_is_read_at_once(what):
    looking, name = Looking(50), "S7USDT"
    await looking.look()
    venue, more = looking.venue, {}
    held = venue.held[name]
    if what == "told":
        more = {"look_at": [name]}
    elif what == "grown":
        venue.held[name] = replace(held, quantity=D(2))
    elif what == "new entry":
        venue.held[name] = replace(held, entry_price=D(99))
    elif what == "turned":
        venue.held[name] = replace(held, side=LONG.opposite)
    elif what == "gone":
        del venue.held[name]
    elif what == "new":
        name = "NEWUSDT"
        venue.held[name], venue.orders[name] = position(symbol=name), []
    else:
        looking.evidence = after_write(looking.evidence, name, "qpm1", venue.now_ms)
        more = {"look_at": {symbol for symbol, _ in looking.evidence.awaited}}
    found = await looking.look(after_s=1, **more)
    assert venue.asked == [name]
    assert not found.symbols[name].orders_reused


async def test_a_list_that_could_not_be_read_is_not_replaced_by_an_old_one():
    looking = Looking(3)
    await looking.look()
    looking.venue.broken = {"S1USDT"}
    found = await looking.look(after_s=1, look_at=["S1USDT"])
    assert not found.symbols["S1USDT"].readable
    found = await looking.look(after_s=0.1)
    assert not found.symbols["S1USDT"].readable, "nothing of before is believed in its place"
    looking.venue.broken = set()
    found = await looking.look(after_s=0.1)
    assert found.symbols["S1USDT"].readable


async def test_a_gap_of_the_stream_means_a_sweep():
    looking = Looking(3)
    await looking.look()
    looking.observer.sweep_soon()
    found = await looking.look(after_s=0.1)
    assert looking.venue.asked == [None]
    assert found.swept
    assert not any(seen.orders_reused for seen in found.symbols.values())


async def test_a_position_opened_during_a_round_is_read_with_it():
    looking = Looking(2)
    found = await looking.look()
    looking.venue.held["NEWUSDT"], looking.venue.orders["NEWUSDT"] = position(symbol="NEWUSDT"), []
    again = await looking.observer.symbols({"S0USDT"}, looking.evidence, found.symbols)
    assert set(again.symbols) == {"S0USDT", "NEWUSDT"} and again.symbols["NEWUSDT"].readable


@pytest.mark.parametrize(
    "held", [position(SHORT, symbol="S1USDT"), position(symbol="S1USDT", quantity=D("20"))], ids=["turned", "grown"]
)
async def test_a_position_that_turned_or_grew_during_a_round_is_read_with_it(held):
    """A look may last ten seconds; a symbol that was looked at in its beginning is not done with."""
    looking = Looking(3)
    found = await looking.look()
    looking.venue.held["S1USDT"] = held
    again = await looking.observer.symbols({"S0USDT"}, looking.evidence, found.symbols)
    assert set(again.symbols) == {"S0USDT", "S1USDT"}
    assert again.symbols["S1USDT"].positions == (held,)


async def test_a_position_that_shrank_waits_for_the_next_look():
    looking = Looking(2)
    found = await looking.look()
    looking.venue.held["S1USDT"] = position(symbol="S1USDT", quantity=D("1"))
    again = await looking.observer.symbols({"S0USDT"}, looking.evidence, found.symbols)
    assert set(again.symbols) == {"S0USDT"}


async def test_a_row_asked_for_by_itself_that_cannot_be_read_whole_says_so_and_has_a_price():
    """The list forgot a position (7), and its own row has no mark: nothing but a stop may follow, at some price."""
    looking = Looking(2)
    await looking.look()
    gone = looking.venue.held.pop("S1USDT")
    spoiled = replace(gone, mark_price=D(0), unread="markPrice was malformed")

    async def rows(symbol):
        problem = {symbol: "markPrice was malformed"}
        return PositionsRead((spoiled,), frozenset(), problem, hedged=False, began_at_ms=NOW_MS, symbol=symbol)

    looking.venue.read_position_rows = rows
    found = await looking.look(after_s=10)
    seen = found.symbols["S1USDT"]
    assert [one.mark_price for one in seen.positions] == [gone.mark_price]
    assert not seen.readable and seen.unreadable == "markPrice was malformed"


async def test_a_list_that_failed_in_the_last_look_as_well_is_asked_for_once():
    """Three times at once the first time; where it goes on failing, once a look, until it answers (invariant 10)."""
    looking = Looking(2, stream=False)
    await looking.look()
    looking.venue.broken = {"S1USDT"}
    counts = []
    for _ in range(3):
        await looking.look(after_s=10)
        counts.append(looking.venue.asked.count("S1USDT"))
    assert counts == [3, 1, 1]
    looking.venue.broken = set()
    assert (await looking.look(after_s=10)).symbols["S1USDT"].readable
    looking.venue.broken = {"S1USDT"}
    await looking.look(after_s=10)
    assert looking.venue.asked.count("S1USDT") == 3
