"""Removals: which may share a read, and that nothing newer than the read is passed over."""

from __future__ import annotations

import asyncio

import pytest

from position_monitor.core.decision.decide import decide
from position_monitor.core.decision.plan_inputs import Plan
from position_monitor.core.model.actions import Cancel, Mode, Place
from position_monitor.daemon import removal
from position_monitor.daemon.desk import Desk
from tests.core.build import LONG, NOW_MS, SYMBOL, D, at, backstop, position, seen_at, target
from tests.daemon.around import Around

HELD = position(quantity=D(2))
STOP = backstop(HELD, at(LONG, "-1.5"))
OLD = [target(HELD, 0, at(LONG, "7"), "0.5"), target(HELD, 1, at(LONG, "8"), "0.5")]
"""Take-profits of ours at levels nobody wants any more."""


class Venue:
    """Takes removals, and orders once it is let."""

    def __init__(self):
        self.removed = []
        self.let, self.answers = asyncio.Event(), asyncio.Event()
        self.answers.set()

    def venue_now_ms(self):
        return NOW_MS

    async def cancel(self, approved):
        self.removed.append(approved.action.order.client_id)
        await self.answers.wait()

    async def place(self, approved):
        await self.let.wait()
        return "1"

    async def query_order(self, symbol, client_id):
        return None


class Clock:
    def now_ms(self):
        return NOW_MS

    def monotonic_s(self):
        return NOW_MS / 1000


class Events:
    def __init__(self):
        self.news = 0

    def news_of(self, symbol):
        return self.news


class World:
    def __init__(self):
        self.seen = seen_at([HELD], [STOP, *OLD])
        self.venue, self.events = Venue(), Events()
        self.desk = Desk(self.venue, Clock(), Around())
        for _ in range(3):
            self.desk.memory.symbol_read(self.seen)
        self.reads = 0
        self.meanwhile = lambda: None
        self.comes, self.given_up = asyncio.Event(), 0
        self.comes.set()

    async def fresh(self, symbol):
        self.reads += 1
        self.meanwhile()
        try:
            await asyncio.sleep(0)
            await self.comes.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return self.seen

    async def retire(self, *orders):
        cancels = tuple(Cancel(order, HELD.key, "no longer wanted") for order in orders)
        await removal.retire({SYMBOL: Plan(SYMBOL, cancels=cancels)}, self.desk, self, self.events)
        return [order.client_id for order in orders if order.client_id in self.venue.removed]

    def sends(self):
        """An event makes us send an order in the symbol; the venue has not answered yet."""
        seen = seen_at([HELD], [STOP])
        plans = decide({SYMBOL: seen}, self.desk.evidence, self.desk.rules, {}, Mode.LIVE, 0, NOW_MS).plans
        wanted: Place = plans[SYMBOL].take_profits[0]
        self.writing = asyncio.ensure_future(self.desk.send(wanted, seen))


async def test_take_profits_that_go_one_after_another_share_a_read():
    world = World()
    assert len(await world.retire(*OLD)) == 2
    assert world.reads == 1


async def test_a_stop_has_a_read_of_its_own():
    world = World()
    assert await world.retire(OLD[0], STOP, OLD[1]) == [OLD[0].client_id, OLD[1].client_id], "the backstop stays"
    assert world.reads == 3


async def test_news_while_it_is_read_holds_every_removal():
    world = World()
    world.meanwhile = lambda: setattr(world.events, "news", 1)
    assert await world.retire(*OLD) == []


async def test_an_order_sent_while_it_is_read_holds_every_removal():
    world = World()
    world.meanwhile = world.sends
    assert await world.retire(*OLD) == []
    world.venue.let.set()
    await world.writing
    world.meanwhile = lambda: None
    assert len(await world.retire(*OLD)) == 2


async def test_an_order_under_way_holds_every_removal():
    world = World()
    world.sends()
    await asyncio.sleep(0)
    assert await world.retire(*OLD) == []
    world.venue.let.set()
    await world.writing
    assert len(await world.retire(*OLD)) == 2


async def test_what_was_removed_is_left_alone_while_a_list_still_shows_it():
    """A replica that lags: asked again, the venue would refuse, and refusals hold back what is due (make sim, 101)."""
    world = World()
    assert await world.retire(OLD[0]) == [OLD[0].client_id]
    assert await world.retire(*OLD) == [order.client_id for order in OLD]
    assert world.venue.removed == [order.client_id for order in OLD], "each once"


# -- a removal holds no stop back (the pair of powers in seed 100168)


@pytest.fixture
def little_patience(monkeypatch):
    monkeypatch.setattr(removal, "WITHIN_S", 0.02)


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_removal_that_is_not_answered_holds_up_nothing_but_removals_of_its_symbol(little_patience):
    """With a venue that never answers, the next look at the positions would never begin."""
    world = World()
    world.venue.answers = asyncio.Event()
    assert await asyncio.wait_for(world.retire(*OLD), 1) == [OLD[0].client_id]
    assert await asyncio.wait_for(world.retire(*OLD), 1) == [OLD[0].client_id], "it is still under way"
    assert world.reads == 1
    world.venue.answers.set()
    await turns()
    assert world.venue.removed == [OLD[0].client_id], "what was read before the next look is not acted on any more"
    assert await world.retire(*OLD) == [order.client_id for order in OLD]
    assert world.venue.removed == [order.client_id for order in OLD], "each once"


async def test_a_read_for_a_removal_that_does_not_come_is_given_up(little_patience):
    world = World()
    world.comes = asyncio.Event()
    assert await asyncio.wait_for(world.retire(*OLD), 1) == []
    assert world.given_up == 1, "an older read may not come after a newer one"
    world.comes.set()
    await turns()
    assert not world.venue.removed
    assert await world.retire(*OLD) == [order.client_id for order in OLD]
