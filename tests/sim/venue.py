"""The exchange in memory behind the daemon's own `Transport` seam, with a network that loses things, and crashes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

from position_monitor.edge.reading.patience import Patience
from position_monitor.edge.venues.transport import (
    LIMIT_HEADERS,
    NOT_JSON,
    Endpoint,
    Reply,
    TransportCause,
    TransportFailure,
    parse_json,
)
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.gateway import Reply as Answered
from position_monitor.paper.signing import Request, check_time
from tests.sim.conduct import NO_ANSWER, Answer, Conduct
from tests.sim.virtual_time import SimClock, true_ms


class Crashed(BaseException):
    """The process was killed here."""


class SimTransport:
    """One daemon's connection to the venue."""

    def __init__(
        self,
        gateway: Gateway,
        clock: SimClock,
        rng: random.Random,
        *,
        timeout_s: float,
        timeout_max_s: float = 20.0,
        crash_at: int = 0,
        conduct: Conduct | None = None,
        number: int = 0,
    ) -> None:
        """`number` is the daemon's, under which `conduct` notes what it asked and heard."""
        self._gateway = gateway
        self._clock = clock
        self._rng = rng
        self._patience = Patience(timeout_s, timeout_max_s)
        self._background_patience = Patience(timeout_s, timeout_s)
        self.crash_at = crash_at
        self.calls = 0
        self.counts: Counter[str] = Counter()
        self.crashed = asyncio.Event()
        self.gone = False
        """The process is no more: whatever of it still runs gets nowhere."""
        self.cut = False
        """The process does not reach the venue."""
        self._conduct = conduct or Conduct(lambda: gateway.engine.world.journal.last_sequence)
        self._number = number

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        self.calls += 1
        self.counts[endpoint.name] += 1
        doomed = self.crash_at and self.calls >= self.crash_at
        if self.gone or (doomed and self._rng.random() < 0.5):
            await self._die()
        clock, conduct, uniform = self._clock, self._conduct, self._rng.uniform
        sent_s = clock.monotonic_s()
        await clock.sleep(uniform(0.001, 0.04))
        if self.cut:
            await self._no_way(endpoint, params)
        self._gateway.engine.advance_to(true_ms())
        moment = conduct.enters(self._number, endpoint, params, sent_s)
        answer = self._answer(endpoint, params)
        conduct.leaves()
        if doomed:
            await self._die()
        delay_s = answer.delay_ms / 1000
        patience = self._background_patience if endpoint.is_background else self._patience
        timeout_s = patience.timeout_s
        if delay_s >= timeout_s:
            conduct.waits_in_vain(self._number, endpoint, timeout_s)
        await clock.sleep(min(timeout_s, uniform(0.001, 0.04) + delay_s))
        if delay_s >= timeout_s or answer.dropped:
            conduct.ends(Answer(self._number, endpoint, params, NO_ANSWER, None, {}, moment))
        if delay_s >= timeout_s:
            patience.timed_out(timeout_s)
            raise TransportFailure(TransportCause.TIMEOUT)
        if answer.dropped:
            raise TransportFailure(self._rng.choice((TransportCause.DISCONNECTED, TransportCause.TIMEOUT)))
        patience.answered(delay_s)
        headers = {low: value for name, value in answer.headers.items() if (low := name.lower()) in LIMIT_HEADERS}
        # A body that is not garbled holds texts, integers and booleans only: parsing its JSON would give it back as is.
        body = answer.body if answer.raw is None else parse_json(answer.raw)
        conduct.ends(Answer(self._number, endpoint, params, answer.status, body, headers, moment))
        return Reply(answer.status, body, headers, (answer.raw or "")[:300] if body is NOT_JSON else "")

    def _answer(self, endpoint: Endpoint, params: Mapping[str, str]) -> Answered:
        spec = endpoint.spec
        request = Request(spec.method, spec.path, dict(params), trusted=True)
        if spec.signed:
            try:
                check_time(request.params, self._gateway.engine.server_time_ms())
            except VenueRefusal as refused:
                return self._gateway._refused(refused)
        return self._gateway.handle(request)

    async def _no_way(self, endpoint: Endpoint, params: Mapping[str, str]) -> NoReturn:
        """The request never leaves, or nobody ever answers it."""
        patience = self._background_patience if endpoint.is_background else self._patience
        refused, timeout_s = self._rng.random() < 0.5, patience.timeout_s
        if not refused:
            self._conduct.waits_in_vain(self._number, endpoint, timeout_s)
        await self._clock.sleep(0.01 if refused else timeout_s)
        if not refused:
            patience.timed_out(timeout_s)
        moment = self._gateway.engine.world.journal.last_sequence
        self._conduct.ends(Answer(self._number, endpoint, params, NO_ANSWER, None, {}, moment))
        raise TransportFailure(TransportCause.NOT_SENT if refused else TransportCause.TIMEOUT)

    async def _die(self) -> None:
        self.crashed.set()
        await asyncio.sleep(10_000_000)

    async def aclose(self) -> None:
        return None
