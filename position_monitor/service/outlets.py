"""What a cycle is shown through beside Redis and the journal: alerts and figures, as far as they are configured.

After a cycle `note` is told, after a reload `follow`; `run` does what takes time. Without [alerts] and [metrics]
nothing is imported and nothing is done. A defect in here is reported once and never ends the loop (invariant 12).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loguru import logger

from position_monitor.config import Config
from position_monitor.core.observation.stream_events import StreamHealth
from position_monitor.daemon import CycleReport
from position_monitor.edge.background import end_tasks
from position_monitor.edge.clock import Clock
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.service.records.shelf import RecordShelf
from position_monitor.service.telling import Announced

if TYPE_CHECKING:
    from position_monitor.service.calling import Caller
    from position_monitor.service.figures import Figures


@dataclass(slots=True)
class Outlets:
    """The alerts and the figures of one account."""

    clock: Clock
    config: Callable[[], Config]
    owner: str
    exchange: BinanceUsdm
    shelf: RecordShelf | None = None
    """The records of closed positions."""
    _caller: Caller | None = field(default=None, init=False)
    _figures: Figures | None = field(default=None, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _broken: bool = field(default=False, init=False)

    def follow(self) -> None:
        """Take over what the configuration says now. Never raises."""
        self._guarded(self._follow)

    def _follow(self) -> None:
        config = self.config()
        if self._caller is None and config.alerts.addresses:
            from position_monitor.service.calling import Caller

            self._caller = Caller(
                clock=self.clock,
                config=self.config,
                owner=self.owner,
                answers=self.exchange.answers,
                exchange=self.exchange,
            )
        if self._figures is None and config.metrics.wanted:
            from position_monitor.service.figures import open_figures

            self._figures = open_figures(self.clock, self.config, self.exchange, self.shelf)
        if self._caller is not None:
            self._caller.follow()
        self._wake.set()

    def note(self, report: CycleReport, announced: Announced, streams: Mapping[str, StreamHealth]) -> None:
        """A cycle ended and was published. Never raises."""
        if self._caller is not None or self._figures is not None:
            self._guarded(lambda: self._note(report, announced, streams))

    def _note(self, report: CycleReport, announced: Announced, streams: Mapping[str, StreamHealth]) -> None:
        if self._caller is not None:
            self._caller.note(report, announced, streams)
        if self._figures is not None:
            self._figures.note(report, announced, streams, self._caller)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do a step; the same defect comes with every cycle, so it is reported once."""
        try:
            step()
        except Exception:
            if not self._broken:
                logger.exception("Alerts or metrics failed; protection is not concerned. Please report it as a bug")
            self._broken = True

    async def run(self) -> None:
        """Send and serve for ever, until cancelled."""
        running: dict[str, asyncio.Future[None]] = {}
        try:
            while True:
                for name, outlet in (("caller", self._caller), ("figures", self._figures)):
                    if outlet is not None and name not in running:
                        running[name] = asyncio.ensure_future(outlet.run())
                await self._wake.wait()
                self._wake.clear()
        finally:
            await end_tasks([*running.values()])
