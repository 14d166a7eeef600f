"""Upkeep goes on beside the cycles: one at a time, and a failure is said once."""

from __future__ import annotations

import asyncio

import pytest
from loguru import logger

from position_monitor.daemon import upkeep
from position_monitor.daemon.upkeep import Upkeep
from position_monitor.errors import Unreachable


class Venue:
    def __init__(self):
        self.begun = 0
        self.failure = ""
        self.answers = asyncio.Event()
        self.answers.set()

    async def refresh(self):
        self.begun += 1
        await self.answers.wait()
        if self.failure:
            raise Unreachable(self.failure)


@pytest.fixture
def said():
    lines = []
    sink = logger.add(lambda text: lines.append(text.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


async def test_the_same_failure_is_said_once_and_another_one_or_a_new_one_again(said):
    venue = Venue()
    tended = Upkeep(venue)
    for venue.failure in ("no answer in 5 s", "no answer in 7 s", "no connection", "", "no connection"):
        await tended.tend()
    assert [line.removeprefix("Upkeep of the exchange failed: ") for line in said] == [
        "no answer in 5 s",
        "no connection",
        "no connection",
    ]


async def test_one_that_takes_long_is_not_waited_for_and_not_begun_twice(monkeypatch):
    monkeypatch.setattr(upkeep, "UPKEEP_PATIENCE_S", 0.0)
    venue = Venue()
    venue.answers.clear()
    tended = Upkeep(venue)
    for _ in range(3):
        await tended.tend()
    assert venue.begun == 1
    venue.answers.set()
    for _ in range(5):
        await asyncio.sleep(0)
    await tended.tend()
    await tended.tend()
    assert venue.begun == 2
