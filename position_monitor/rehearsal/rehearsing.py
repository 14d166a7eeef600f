"""One rehearsal: an honest account first, then each planted difference on an account of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import tenacity

from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.rehearsal.planted import PLANTED, Planted
from position_monitor.rehearsal.stage import staged
from position_monitor.verification.claims import RedisUnread
from position_monitor.verification.signed_reads import VenueUnread
from position_monitor.verification.verifying import Report

AT_ONCE: Final = 6
"""Accounts that are looked at at once; each has an exchange of its own."""
ATTEMPTS_MAX: Final = 3
"""How often the servers of the rehearsal may answer too late before it is given up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one planted difference."""

    kind: str
    """The kind it must be reported as; empty for the honest account, where nothing may be."""
    words: str
    reported: tuple[str, ...]
    """The kinds that were reported."""

    @property
    def right(self) -> bool:
        """Whether what must be reported was."""
        return self.kind in self.reported if self.kind else not self.reported


async def rehearse() -> AsyncIterator[Outcome]:
    """Each outcome as soon as it is there, in order. Raises `PositionMonitorError` where the stage cannot be set up."""
    with EmbeddedRedis() as redis:
        room = asyncio.Semaphore(AT_ONCE)
        planted: tuple[Planted | None, ...] = (None, *PLANTED)
        tasks = [
            asyncio.create_task(_outcome(redis.url, f"rehearsal-{number}", one, room))
            for number, one in enumerate(planted)
        ]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _outcome(redis_url: str, account: str, planted: Planted | None, room: asyncio.Semaphore) -> Outcome:
    async with room:
        report = await _report(redis_url, account, planted)
    reported = tuple(sorted({difference.kind.value for difference in report.differences}))
    if planted is None:
        return Outcome("", "nothing is planted", reported)
    return Outcome(planted.kind.value, planted.words, reported)


@tenacity.retry(
    retry=tenacity.retry_if_exception_type((RedisUnread, VenueUnread, *REDIS_FAILURES)),
    stop=tenacity.stop_after_attempt(ATTEMPTS_MAX),
    reraise=True,
)
async def _report(redis_url: str, account: str, planted: Planted | None) -> Report:
    """What is reported of one plant. On a busy machine the servers of the rehearsal may answer too late: then again."""
    async with staged(redis_url, account) as (stage, verification):
        if planted is not None:
            planted.plant(stage)
        return await verification.verify()
