"""The list of positions is asked for again beside what hangs, by both calls, and the first answer is taken."""

from __future__ import annotations

import asyncio

import pytest

from position_monitor.edge.venues.binance import position_list
from position_monitor.edge.venues.binance.position_list import AWAITED_MAX, PositionList
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import AuthRefused, RateLimited, Unreachable, Unreadable
from tests.sim.virtual_time import run as in_virtual_time

NEWER, OLDER = Endpoint.POSITIONS, Endpoint.POSITION_ROWS
HANGS = "hangs"


class Venue:
    """Answers in turn: a value, an exception, or nothing at all."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[Endpoint] = []
        self.given_up = 0

    async def read(self, call: Endpoint):
        self.asked.append(call)
        answer = self.answers[len(self.asked) - 1]
        if answer is HANGS:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for long here."""
    monkeypatch.setattr(position_list, "ASKED_AGAIN_S", 0.01)


async def test_the_first_call_is_enough_when_it_answers():
    venue = Venue("read")
    assert await PositionList(venue.read).read(has_older=True) == "read"
    assert venue.asked == [NEWER]


async def test_where_one_call_fails_the_other_is_asked_at_once_and_first_the_next_time():
    venue = Venue(Unreadable("garbage"), "read", "again")
    positions = PositionList(venue.read)
    assert await positions.read(has_older=True) == "read"
    assert await positions.read(has_older=True) == "again"
    assert venue.asked == [NEWER, OLDER, OLDER]


async def test_what_hangs_is_asked_again_beside_and_given_up_when_another_answers():
    """A line that was cut answers as soon as it is whole, not when the first request is given up."""
    venue = Venue(HANGS, HANGS, HANGS, "read")
    assert await PositionList(venue.read).read(has_older=True) == "read"
    await asyncio.sleep(0)
    assert venue.asked == [NEWER, OLDER, NEWER, OLDER] and venue.given_up == 3


async def test_a_failure_beside_one_that_hangs_is_no_reason_to_hurry():
    venue = Venue(HANGS, Unreachable("no line"), Unreachable("no line"), "read")
    assert await PositionList(venue.read).read(has_older=True) == "read"
    assert len(venue.asked) == AWAITED_MAX


FAILS = Unreachable("no line")


@pytest.mark.parametrize(
    "before",
    [(HANGS,) * AWAITED_MAX, (HANGS, *[FAILS] * AWAITED_MAX), (*[HANGS] * 3, FAILS, HANGS, FAILS)],
    ids=["all hang", "one hangs and the others fail", "the last that was awaited fails (seed 100740)"],
)
async def test_it_is_asked_for_as_long_as_anything_hangs(before: tuple[object, ...]):
    """Where time-outs have grown, what hangs outlasts any number of requests that was thought of."""
    venue = Venue(*before, "read")
    async with asyncio.timeout(5):
        assert await PositionList(venue.read).read(has_older=True) == "read"
    assert len(venue.asked) == len(before) + 1


def test_failures_that_come_one_after_the_other_do_not_put_off_the_next_request(monkeypatch: pytest.MonkeyPatch):
    """Time-outs of requests that were made in turn end in turn as well, each just before the next request is due."""
    monkeypatch.setattr(position_list, "ASKED_AGAIN_S", 4.0)
    asked_s: list[float] = []

    async def read(_: Endpoint) -> str:
        asked_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0 if len(asked_s) > AWAITED_MAX else 15.9)
        if len(asked_s) > AWAITED_MAX:
            return "read"
        raise Unreachable("no answer in time")

    assert in_virtual_time(PositionList(read).read(has_older=True)) == "read"
    assert [round(at_s - asked_s[0]) for at_s in asked_s] == [0, 4, 8, 12, 16]


async def test_a_look_ends_when_the_requests_that_are_waited_for_have_failed():
    """What was asked beside them is given up: the next look asks anew at once, and the state must be told."""
    asked: list[Endpoint] = []

    async def read(call: Endpoint) -> str:
        asked.append(call)
        await asyncio.sleep(0.1 if len(asked) <= AWAITED_MAX else 60)
        raise Unreachable(f"request {len(asked)}")

    async with asyncio.timeout(5):
        with pytest.raises(Unreachable):
            await PositionList(read).read(has_older=True)
    assert AWAITED_MAX < len(asked) <= 40


async def test_when_nobody_answers_the_first_failure_is_told():
    venue = Venue(Unreadable("first"), Unreachable("second"))
    with pytest.raises(Unreadable, match="first"):
        await PositionList(venue.read).read(has_older=True)


@pytest.mark.parametrize("failure", [RateLimited("later", retry_at_ms=1), AuthRefused("no")])
async def test_against_a_limit_or_refused_keys_asking_again_is_no_help(failure: Exception):
    venue = Venue(failure)
    with pytest.raises(type(failure)):
        await PositionList(venue.read).read(has_older=True)
    assert venue.asked == [NEWER]


async def test_without_the_older_call_only_the_newer_one_is_asked():
    venue = Venue(HANGS, "read")
    assert await PositionList(venue.read).read(has_older=False) == "read"
    assert venue.asked == [NEWER, NEWER]
