"""Getting messages out: a bounded queue for each kind of target, a few tries, and then a word in the journal.

`put` is instant. A target that hangs keeps up its own queue and nobody else; the oldest message is dropped first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from loguru import logger

from position_monitor.config.monitoring import AlertsSection
from position_monitor.core.publication.alert_text import Letter
from position_monitor.edge.alerts.targets import Sent, WebAddress, name_of, send_by_apprise
from position_monitor.edge.clock import Clock

QUEUE_MAX: Final = 20
PAUSES_S: Final = (5.0, 30.0, 120.0)
"""Before each further try; after the last one a message is given up."""


class Mail(NamedTuple):
    """One message in both forms."""

    letter: Letter
    document: Mapping[str, object]


Send = Callable[[Mail, frozenset[str]], Awaitable[tuple[Sent, ...]]]
"""Sends to every target, but for those named."""


@dataclass(slots=True)
class Lane:
    """The way to targets that are sent to together. `put` never waits, `run` does the sending."""

    send: Send
    clock: Clock
    count: Callable[[str, int], None]
    """Takes how many messages were `sent`, `failed` (a try) and `dropped`."""
    _waiting: deque[Mail] = field(default_factory=deque, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _said: dict[str, str] = field(default_factory=dict, init=False)
    """What was last wrong with a target, so that it is told once."""

    def put(self, mail: Mail) -> None:
        """Send this when its turn comes."""
        if len(self._waiting) >= QUEUE_MAX:
            self._waiting.popleft()
            self.count("dropped", 1)
            logger.warning("An alert was dropped: {} others wait for a service that does not answer", QUEUE_MAX)
        self._waiting.append(mail)
        self._wake.set()

    async def run(self) -> None:
        """Send for ever, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._deliver(self._waiting.popleft())

    async def _deliver(self, mail: Mail) -> None:
        """Try until every target took it, a few times."""
        done: frozenset[str] = frozenset()
        for pause_s in (*PAUSES_S, None):
            results = await self.send(mail, done)
            self._note(results)
            done |= {one.target for one in results if one.taken}
            missing = [one for one in results if not one.taken]
            if not missing:
                return
            if pause_s is not None:
                await self.clock.sleep(pause_s)
        self.count("dropped", len(missing))
        for one in missing:
            logger.error("An alert did not reach alerts.{} and is given up: {}", one.target, one.why)

    def _note(self, results: tuple[Sent, ...]) -> None:
        for one in results:
            self.count("sent" if one.taken else "failed", 1)
            if self._said.get(one.target, "") != one.why:
                if one.taken:
                    logger.info("alerts.{} takes messages again", one.target)
                else:
                    logger.warning("alerts.{} did not take a message: {}", one.target, one.why)
            self._said[one.target] = one.why


def lanes_of(section: AlertsSection, clock: Clock, count: Callable[[str, int], None]) -> tuple[Lane, ...]:
    """A lane for the webhook and one for the services of apprise, as far as they are set."""
    lanes = []
    if section.webhook_url.get_secret_value():
        lanes.append(Lane(to_webhook(section), clock, count))
    if section.urls:
        lanes.append(Lane(to_services(section), clock, count))
    return tuple(lanes)


def to_webhook(section: AlertsSection) -> Send:
    """Sends to the webhook."""
    address = WebAddress("webhook_url", section.webhook_url)

    async def send(mail: Mail, done: frozenset[str]) -> tuple[Sent, ...]:
        return () if address.name in done else (await address.post(mail.document),)

    return send


def to_services(section: AlertsSection) -> Send:
    """Sends to every service of `urls`."""
    named = tuple((name_of(index, url), url) for index, url in enumerate(section.urls))

    async def send(mail: Mail, done: frozenset[str]) -> tuple[Sent, ...]:
        return await send_by_apprise([one for one in named if one[0] not in done], mail.letter)

    return send
