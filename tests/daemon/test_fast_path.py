"""The fast path between two reads: what it places, what it leaves to the loop, and that it forgets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from position_monitor.core.model.actions import Mode
from position_monitor.core.model.money import tighter
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.observation.stream_events import MarkPrice, PositionEvent, StreamGap
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.fast_path import LATE_MS, SYMBOLS_MAX, TURNS_MAX, FastPath
from position_monitor.errors import Refused, Unreachable
from tests.core.build import LONG, NOW_MS, SIDES, SYMBOL, D, at, backstop, instrument, position, seen_at
from tests.daemon.around import Around


class Venue:
    """Takes orders; what rests is a list."""

    def __init__(self):
        self.resting = []
        self.answer = None
        self.hold = None

    def instrument(self, symbol):
        return instrument(symbol=symbol)

    def venue_now_ms(self):
        return NOW_MS

    async def place(self, approved):
        if self.hold is not None:
            await self.hold.wait()
        if self.answer is not None:
            raise self.answer
        self.resting.append(approved.action.order)
        return "1"


class Clock:
    def now_ms(self):
        return NOW_MS

    def monotonic_s(self):
        return NOW_MS / 1000


class World:
    def __init__(self, *seen, mark=None, mode=Mode.LIVE):
        self.venue = Venue()
        self.around = Around(may=mode, mark=mark)
        self.desk = Desk(self.venue, Clock(), self.around)
        self.path = FastPath(self.desk)
        if seen:
            self.read(*seen)

    def read(self, *seen, began=None):
        began = self.path.look_begins() if began is None else began
        observed = {one.symbol: one for one in seen}
        for one in seen:
            if one.positions and one.readable:
                self.desk.memory.symbol_read(one)
        self.path.note_read(observed, observed, began)

    async def hears(self, *events):
        for event in events:
            self.path.on_event(event)
        await self.settles()

    async def settles(self):
        while self.path._tasks:
            await asyncio.gather(*self.path._tasks.values())


def told(amount="1", *, symbol=SYMBOL, entry=100, at_ms=NOW_MS, held=None):
    leg = held.side if held and held.hedged else None
    return PositionEvent(symbol, leg, D(amount), D(entry), at_ms, "ORDER")


async def test_a_fill_brings_its_stop_and_the_stream_is_asked_to_tell_of_it():
    world = World(seen_at([]))
    await world.hears(told())
    [order] = world.venue.resting
    assert order.close_all and order.trigger_price == at(LONG, "-1.5")
    assert world.around.accepted == [order.client_id]
    assert world.desk.evidence.awaited_in(SYMBOL) == (order.client_id,)


async def test_partial_fills_bring_one_stop():
    world = World(seen_at([]))
    world.venue.hold = asyncio.Event()
    for number in range(1, 6):
        world.path.on_event(told(str(number), entry=100 + number, at_ms=NOW_MS + number))
        await asyncio.sleep(0)
    world.venue.hold.set()
    await world.settles()
    assert len(world.venue.resting) == 1


async def test_before_the_first_read_everything_is_left_to_the_loop():
    world = World()
    await world.hears(told())
    assert world.venue.resting == []


@pytest.mark.parametrize(("age_ms", "placed"), [(0, 1), (LATE_MS, 1), (LATE_MS + 1, 0), (60_000, 0)])
async def test_a_late_event_is_left_to_the_loop(age_ms, placed):
    world = World(seen_at([]))
    await world.hears(told(at_ms=NOW_MS - age_ms))
    assert len(world.venue.resting) == placed


async def test_what_was_read_since_is_believed_over_the_event():
    held = position(quantity=D(2), updated_at_ms=NOW_MS)
    world = World(seen_at([held], [backstop(held, at(LONG, "-1.5"))]))
    await world.hears(told("2", at_ms=NOW_MS), told("1", at_ms=NOW_MS))
    assert world.venue.resting == []


async def test_a_position_that_shrinks_or_ends_is_left_to_the_loop():
    held = position(quantity=D(2))
    world = World(seen_at([held]))
    await world.hears(told("1"), told("0", at_ms=NOW_MS + 1))
    assert world.venue.resting == []


@pytest.mark.parametrize(
    "answer",
    [Refused("x", refusal=Refusal.CROSSED), Refused("taken", refusal=Refusal.SLOT_TAKEN), Unreachable("busy")],
)
async def test_a_refused_symbol_is_left_to_the_loop_until_it_was_read(answer):
    world = World(seen_at([]))
    world.venue.answer = answer
    await world.hears(told())
    world.venue.answer = None
    known = world.desk.evidence.of(position().key)
    assert (known.crossed.count, known.close_all_blocked, world.desk.evidence.awaited) == (0, False, {})
    await world.hears(told("2", at_ms=NOW_MS + 1))
    assert world.venue.resting == []
    world.read(seen_at([]))
    await world.hears(told("3", at_ms=NOW_MS + 2))
    assert len(world.venue.resting) == 1


async def test_a_refusal_says_nothing_about_the_position_that_comes_after():
    """The lists could not be read, so a stop that rests is unknown; it ends with the position that is turned."""
    held = position(quantity=D(1))
    world = World(replace(seen_at([held]), unreadable="its open orders could not be read"))
    world.venue.answer = Refused("a close-all stop rests already", refusal=Refusal.SLOT_TAKEN)
    await world.hears(told("2", at_ms=NOW_MS + 1))
    world.venue.answer = None
    await world.hears(told("3", at_ms=NOW_MS + 2))
    assert world.venue.resting == []
    await world.hears(told("-1", at_ms=NOW_MS + 3))
    assert [order.key.side for order in world.venue.resting] == [held.side.opposite]
    world.venue.resting.clear()
    await world.hears(told("0", at_ms=NOW_MS + 4), told("1", at_ms=NOW_MS + 5))
    assert [order.key.side for order in world.venue.resting] == [held.side]


async def test_lists_used_again_do_not_count_as_a_read():
    world = World(seen_at([]))
    world.venue.answer = Refused("crossed", refusal=Refusal.CROSSED)
    await world.hears(told())
    world.venue.answer = None
    world.read(replace(seen_at([]), orders_reused=True))
    await world.hears(told("2", at_ms=NOW_MS + 1))
    assert world.venue.resting == []


async def test_while_only_observing_nothing_is_sent():
    world = World(seen_at([]), mode=Mode.OBSERVE)
    await world.hears(told())
    assert world.venue.resting == []


async def test_each_symbol_is_served_on_its_own():
    world = World(seen_at([]))
    await world.hears(*(told(symbol=f"S{n}USDT") for n in range(30)))
    assert {order.symbol for order in world.venue.resting} == {f"S{n}USDT" for n in range(30)}


class PassedWorld(World):
    """A position was opened at 100, the streamed mark is three percent worse; the price has passed a level."""

    def __init__(self, side, passed, *, marked_at_ms=NOW_MS - 1):
        super().__init__(seen_at([]))
        self.side, self.passed, self.sent = side, at(side, passed), []
        self.around.streamed_mark = lambda symbol: MarkPrice(symbol, at(side, -3), marked_at_ms)
        self.venue.place = self.place

    async def place(self, approved):
        order = approved.action.order
        self.sent.append(order)
        if not tighter(self.passed, order.trigger_price, self.side):
            raise Refused("passed", refusal=Refusal.CROSSED)
        self.venue.resting.append(order)
        return "1"

    async def hears_of_it(self):
        await self.hears(told("1" if self.side is LONG else "-1"))
        return [order.source for order in self.sent]


@pytest.mark.parametrize("side", SIDES)
async def test_an_older_mark_counts_once_the_venue_says_that_the_price_has_passed_the_level(side):
    jumped = PassedWorld(side, "0")
    assert await jumped.hears_of_it() == ["hybrid"]
    stayed = PassedWorld(side, "-3")
    assert await stayed.hears_of_it() == ["hybrid", "reanchor"]
    assert stayed.venue.resting == stayed.sent[1:], "at once, and not only after the next read"
    fell_on = PassedWorld(side, "-9")
    assert await fell_on.hears_of_it() == ["hybrid", "reanchor"]
    assert fell_on.venue.resting == []


@pytest.mark.parametrize("side", SIDES)
async def test_a_stop_that_was_refused_with_a_mark_of_now_is_left_to_the_loop(side):
    world = PassedWorld(side, "-9", marked_at_ms=NOW_MS)
    assert await world.hears_of_it() == ["reanchor"]


@pytest.mark.parametrize("side", SIDES)
async def test_nothing_follows_for_a_position_that_was_told_of_again_meanwhile(side):
    world = PassedWorld(side, "-3")
    refuse = world.place

    async def place(approved):
        world.path.on_event(told("0", at_ms=NOW_MS + 1))
        return await refuse(approved)

    world.venue.place = place
    assert await world.hears_of_it() == ["hybrid"]


async def test_a_defect_costs_speed_and_nothing_else():
    world = World(seen_at([]))
    world.around.streamed_mark = lambda symbol: 1 / 0
    await world.hears(told())
    assert world.venue.resting == [] and not world.path._tasks


async def test_memory_is_bounded_whatever_arrives():
    world = World(seen_at([]))
    world.around.may = Mode.OBSERVE
    for number in range(SYMBOLS_MAX + 500):
        world.path.on_event(told(symbol=f"S{number}USDT"))
    await world.settles()
    assert len(world.path._since) <= SYMBOLS_MAX
    assert not world.path._waiting
    world.path.on_event(StreamGap("missed"))
    assert not world.path._since


async def test_a_flood_on_one_symbol_ends():
    world = World(seen_at([]))
    world.venue.hold = asyncio.Event()
    world.venue.hold.set()
    await world.hears(*(told(str(n + 1), at_ms=NOW_MS + n) for n in range(50 * TURNS_MAX)))
    assert len(world.venue.resting) == 1


async def test_a_mark_wakes_once_for_each_least_move():
    held = position()
    world = World(seen_at([held], [backstop(held, at(LONG, "-1.5"))]))

    def moved(pct):
        return bool(world.path.on_marks({SYMBOL: MarkPrice(SYMBOL, at(LONG, pct), NOW_MS)}))

    assert [moved(pct) for pct in ("2", "2.05", "2.15", "-0.5")] == [True, False, True, False]
    assert not world.path.on_marks({"NEWUSDT": MarkPrice("NEWUSDT", D(1), NOW_MS)})


async def test_every_position_event_is_news_also_the_one_that_places_nothing():
    world = World(seen_at([position(quantity=D(2))]))
    before = world.path.news_of(SYMBOL)
    await world.hears(told("1"))
    assert world.path.news_of(SYMBOL) != before
    assert world.path.news_of("NEWUSDT") == 0
    for number in range(SYMBOLS_MAX + 500):
        world.path._note(f"S{number}USDT", world.path._news)
    assert len(world.path._news) <= SYMBOLS_MAX


async def test_what_events_said_while_a_read_was_under_way_is_kept():
    """Closed and opened again while the daemon reads: the read still shows the old position and its old stop."""
    held = position()
    old = seen_at([held], [backstop(held, at(LONG, "-1.5"))])
    world = World(old)
    began = world.path.look_begins()
    await world.hears(told("0", entry=0))
    world.read(old, began=began)
    await world.hears(told("1", at_ms=NOW_MS + 1))
    assert [order.close_all for order in world.venue.resting] == [True]
    world.read(old)
    assert not world.path._since


@pytest.mark.parametrize("turns", range(8))
async def test_an_event_right_behind_the_end_of_a_task_is_served(turns):
    """However many turns of the loop after the venue's answer the next event of the symbol comes."""
    world = World(seen_at([]))
    loop = asyncio.get_running_loop()

    def later(left):
        if left:
            loop.call_soon(later, left - 1)
        else:
            world.path.on_event(told("-2", at_ms=NOW_MS + 1))

    world.around.order_accepted = lambda _: later(turns) if len(world.venue.resting) == 1 else None
    await world.hears(told("1"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [order.side for order in world.venue.resting] == [LONG, LONG.opposite]
    assert not world.path._tasks
    assert not world.path._waiting
