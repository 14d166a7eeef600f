"""One rehearsal: an honest account first, then each planted difference on an account of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.rehearsal.planted import PLANTED, Planted
from position_monitor.rehearsal.stage import staged


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
    """Each outcome as soon as it is there. Raises `PositionMonitorError` where the stage cannot be set up."""
    with EmbeddedRedis() as redis:
        yield await _outcome(redis.url, None)
        for planted in PLANTED:
            yield await _outcome(redis.url, planted)


async def _outcome(redis_url: str, planted: Planted | None) -> Outcome:
    async with staged(redis_url) as (stage, verification):
        if planted is not None:
            planted.plant(stage)
        report = await verification.verify()
    reported = tuple(sorted({difference.kind.value for difference in report.differences}))
    if planted is None:
        return Outcome("", "nothing is planted", reported)
    return Outcome(planted.kind.value, planted.words, reported)
