"""Calling somebody: what a cycle left behind becomes messages and pings, sent by tasks of their own.

`note` is called after a cycle was published, is instant and never raises. What becomes of a message is no business of
the loop: a service that is slow, dead or full costs a queue of twenty messages.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from loguru import logger

from position_monitor import __version__
from position_monitor.config import Config
from position_monitor.config.monitoring import AlertsSection
from position_monitor.core.decision.capacity import CAP_REACHED
from position_monitor.core.observation.stream_events import StreamHealth
from position_monitor.core.publication.alert_text import Sender, document, letter
from position_monitor.core.publication.alerting import Alerting, AlertSettings, after_cycle
from position_monitor.core.publication.alerts import AlertKind, Signs, conditions, not_judged
from position_monitor.daemon import CycleReport
from position_monitor.edge.alerts.delivery import Lane, Mail, lanes_of
from position_monitor.edge.alerts.secrets import hide
from position_monitor.edge.alerts.targets import EXTRA_MISSING, WebAddress, apprise_is_installed
from position_monitor.edge.background import end_tasks
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.http.answers import Answers
from position_monitor.service.telling import Announced

PING_EVERY_S: Final = 60.0
RESULTS: Final = ("sent", "failed", "dropped", "pings", "pings_failed")


@dataclass(slots=True)
class Caller:
    """Alerts and pings of one account."""

    clock: Clock
    config: Callable[[], Config]
    owner: str
    answers: Answers
    exchange: Exchange
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(RESULTS, 0)), init=False)
    """Messages `sent`, tries that `failed`, messages `dropped`, `pings`, and pings that failed (`pings_failed`)."""
    _alerting: Alerting = field(default_factory=Alerting, init=False)
    _section: AlertsSection | None = field(default=None, init=False)
    """What the lanes were made from."""
    _lanes: tuple[Lane, ...] = field(default=(), init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _ping_due: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _pinged_s: float = field(default=float("-inf"), init=False)
    _ping_fault: str = field(default="", init=False)
    _looked: bool = field(default=False, init=False)
    """Whether a cycle of this process read the account."""

    @property
    def in_force(self) -> Mapping[AlertKind, int]:
        """How many subjects each kind was told of that still hold."""
        return self._alerting.in_force

    def follow(self) -> None:
        """Take over what [alerts] says now. Instant."""
        section = self.config().alerts
        if section == self._section:
            return
        self._section = section
        hide(section)
        if section.urls and not apprise_is_installed():
            logger.error("Nobody is called by alerts.urls: {}", EXTRA_MISSING)
            section = section.model_copy(update={"urls": ()})
        self._lanes = lanes_of(section, self.clock, self._count)
        self._changed.set()

    def _count(self, what: str, number: int) -> None:
        self.counts[what] += number

    def note(self, report: CycleReport, announced: Announced, streams: Mapping[str, StreamHealth]) -> None:
        """A cycle ended and was published."""
        section = self._section
        if section is None:
            return
        if self._lanes:
            self._call(report, announced, streams, section)
        if not report.failure:
            self._looked = True
            if not self.exchange.banned_until_ms:
                self._ping(section)

    def _call(
        self, report: CycleReport, announced: Announced, streams: Mapping[str, StreamHealth], section: AlertsSection
    ) -> None:
        """Send what is to be told after this cycle."""
        now_ms = self.clock.now_ms()
        signs = self._signs(report, announced, streams, now_ms)
        self._alerting, message = after_cycle(
            self._alerting,
            conditions(signs),
            not_judged=not_judged(signs),
            settings=_settings(section),
            now_ms=now_ms,
        )
        if message is None:
            return
        state = announced.state
        sender = Sender(self.config().account, state.environment, self.owner, __version__)
        words = letter(message, sender)
        logger.info("Alert: {}", words.title)
        for lane in self._lanes:
            lane.put(Mail(words, document(message, sender)))

    def _signs(
        self, report: CycleReport, announced: Announced, streams: Mapping[str, StreamHealth], now_ms: int
    ) -> Signs:
        held = report.decision.plans.items()
        exits = announced.state.exits
        return Signs(
            tracks=report.history.tracks,
            events=announced.events,
            streams=streams,
            rights=report.mode,
            failure=report.failure,
            unread=report.risk.unread,
            breaker=announced.state.circuit_breaker,
            without_slot=tuple(symbol for symbol, plan in held if any(one.why == CAP_REACHED for one in plan.held)),
            access_refused=self.answers.access_refused,
            banned=bool(self.exchange.banned_until_ms),
            clock_offset_ms=self.exchange.venue_now_ms() - now_ms,
            foreign_order=exits.foreign_writer if exits is not None else "",
            first=not self._looked,
        )

    def _ping(self, section: AlertsSection) -> None:
        """This daemon lives and hears the exchange: say so at most once a minute."""
        now_s = self.clock.monotonic_s()
        if section.ping_url.get_secret_value() and now_s - self._pinged_s >= PING_EVERY_S:
            self._pinged_s = now_s
            self._ping_due.set()

    async def run(self) -> None:
        """Send messages and pings for ever, until cancelled; after a reload to other addresses."""
        while True:
            self._changed.clear()
            workers = [lane.run() for lane in self._lanes]
            if self._section is not None and self._section.ping_url.get_secret_value():
                workers.append(self._send_pings(WebAddress("ping_url", self._section.ping_url)))
            tasks = [asyncio.ensure_future(worker) for worker in workers]
            try:
                await self._changed.wait()
            finally:
                await end_tasks(tasks)

    async def _send_pings(self, address: WebAddress) -> None:
        while True:
            await self._ping_due.wait()
            self._ping_due.clear()
            sent = await address.get()
            self._count("pings" if sent.taken else "pings_failed", 1)
            if sent.why != self._ping_fault:
                if sent.taken:
                    logger.info("alerts.ping_url answers again")
                else:
                    logger.warning("alerts.ping_url {}", sent.why)
            self._ping_fault = sent.why


def _settings(section: AlertsSection) -> AlertSettings:
    return AlertSettings(
        naked_after_ms=round(section.naked_after_s * 1000),
        unknown_after_ms=round(section.unknown_after_s * 1000),
        repeat_ms=round(section.repeat_s * 1000),
    )
