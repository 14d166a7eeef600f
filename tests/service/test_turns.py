"""When the next cycle begins: at its turn, when something wakes the loop, and never sooner than it may."""

from __future__ import annotations

import asyncio

import pytest

from position_monitor.service.turns import DEAF_LOOK_S, Turns


class Clock:
    """Time that passes only by sleeping, all sleepers at once."""

    def __init__(self):
        self.now_s = 1_000.0
        self.slept = []

    def monotonic_s(self):
        return self.now_s

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


class Waking(Clock):
    """Something happens while the loop sleeps for the first time, `after_s` into it."""

    def __init__(self, happens, after_s):
        super().__init__()
        self.happens, self.after_s = happens, after_s

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if self.happens is None:
            self.now_s += seconds
            return
        happens, self.happens = self.happens, None
        self.now_s += self.after_s
        happens()
        await asyncio.Event().wait()


def turns_on(clock, *, delivers=True):
    turns = Turns(clock, lambda: delivers)
    turns.begin()
    return turns


@pytest.mark.parametrize("interval_s", [1, 10, 60])
async def test_the_next_turn_comes_an_interval_after_the_beginning_of_the_last(interval_s):
    clock = Clock()
    turns = turns_on(clock)
    clock.now_s += 0.5  # the cycle took a while
    await turns.pause(interval_s, 0.2)
    assert clock.now_s == 1_000 + interval_s


async def test_a_cycle_that_took_longer_than_its_interval_is_followed_at_once():
    clock = Clock()
    turns = turns_on(clock)
    clock.now_s += 12
    await turns.pause(10, 0.2)
    assert clock.slept == []


async def test_an_event_brings_the_next_turn_forward_but_not_below_the_least_distance():
    clock = Waking(lambda: turns.wake(), after_s=1)
    turns = turns_on(clock)
    await turns.pause(10, 4)
    assert clock.now_s == 1_004


async def test_what_woke_the_loop_before_a_cycle_does_not_wake_it_after():
    clock = Clock()
    turns = turns_on(clock)
    turns.wake()
    turns.begin()
    await turns.pause(10, 0.2)
    assert clock.now_s == 1_010


async def test_while_no_event_can_come_a_long_interval_is_cut_short():
    clock = Clock()
    await turns_on(clock, delivers=False).pause(60, 0.2)
    assert clock.now_s == 1_000 + DEAF_LOOK_S


async def test_the_end_is_waited_for_by_nobody():
    clock = Waking(lambda: turns.end(), after_s=1)
    turns = turns_on(clock)
    await turns.pause(10, 5)
    assert turns.ended
    assert clock.now_s == 1_001
    await asyncio.wait_for(turns.until_ended(), 5)
