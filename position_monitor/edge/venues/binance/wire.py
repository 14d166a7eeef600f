"""One signed call: budget, time stamp, transport, failure tree. The clock is measured here too."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping
from typing import Final

from loguru import logger

from position_monitor.core.model.refusal import Refusal
from position_monitor.edge.clock import Clock, VenueClock
from position_monitor.edge.http.answers import Answers
from position_monitor.edge.http.rate_budget import Lane, RateBudget, Ticket
from position_monitor.edge.venues.binance.failures import failure_of_reply, failure_of_transport
from position_monitor.edge.venues.binance.rows import ServerTimeRow, parse_object
from position_monitor.edge.venues.transport import Endpoint, Reply, Transport, TransportFailure
from position_monitor.errors import AuthRefused, ClockSkewed, ExchangeFailure, RateLimited, Refused

RECV_WINDOW_MS: Final = 5_000
"""A request that was held up longer than this on its way is refused by the venue instead of acting late."""
DECIDED_MAX_S: Final = 5.0
"""A removal or a take-profit whose time stamp is refused is not stamped anew when it was decided longer ago: the host
may have been suspended, and the lease be another daemon's by now (invariant 9). A stop always is."""
_CLOCK_SAMPLES: Final = 3
_CLOCK_PATIENCE_S: Final = 1.0
"""No further sample once this much time went into them: nothing can be signed, so no stop be placed, before."""
_TRIP_EXACT_MS: Final = 1_000
"""A trip up to this long is halved: the venue takes a timestamp that is one second ahead of its clock."""
_OFFSET_WARNING_MS: Final = 500


class BinanceWire:
    """Sends one request per call (one more after a refused timestamp) and turns every trouble into our failures."""

    def __init__(self, transport: Transport, clock: Clock, budget: RateBudget | None) -> None:
        self.time = budget.clock if budget else VenueClock(clock)
        self.budget = budget or RateBudget(self.time)
        self.answers = Answers()
        self.instruments_flagged = False
        """The venue refused a number or a symbol in a way that says its trading rules changed (fault X17)."""
        self.mode_flagged = False
        """The venue refused a position side: the position mode may have changed."""
        self.key_refused = ""
        """Why the venue refused our key when it was last asked something signed; empty where it took it."""
        self._doubted = False
        """The venue refused a timestamp: what is believed of its clock is wrong."""
        self._transport = transport
        self._measuring = asyncio.Lock()

    async def call(self, endpoint: Endpoint, params: Mapping[str, str], lane: Lane) -> object:
        """The parsed body of a 2xx answer without an error code; raises one of the `ExchangeFailure` classes."""
        measurements, decided = self.time.measurements, self._moment() if lane is Lane.OTHER_WRITE else None
        answer = await self._exchanged(endpoint, params, await self._leave(endpoint, params, lane))
        if isinstance(answer, ClockSkewed):
            self._doubted = True
            await self.measure_clock(unless_done_since=measurements)
            if decided is None or self._since(decided) <= DECIDED_MAX_S:
                answer = await self._exchanged(endpoint, params, await self._leave(endpoint, params, lane))
        if isinstance(answer, ExchangeFailure):
            raise answer
        return answer.body

    def _moment(self) -> tuple[float, int]:
        return self.time.local.monotonic_s(), self.time.local.now_ms()

    def _since(self, began: tuple[float, int]) -> float:
        """Seconds since a moment; the monotonic clock stands still while the host is suspended."""
        monotonic_s, wall_ms = self._moment()
        return max(monotonic_s - began[0], (wall_ms - began[1]) / 1000)

    async def _leave(self, endpoint: Endpoint, params: Mapping[str, str], lane: Lane) -> Ticket:
        """Leave to send a request; raises `RateLimited`. When a ban may be over, that is asked before."""
        if self.budget.probe_is_due:
            await self._probe()
        return await self.budget.acquire(lane, weight=endpoint.weight(params), orders=endpoint.spec.orders)

    async def _probe(self) -> None:
        """The cheapest request there is, alone: going on in earnest during a ban makes it longer."""
        if not isinstance(await self._exchanged(Endpoint.TIME, {}, self.budget.probe()), ExchangeFailure):
            self.budget.ban_over()

    async def _exchanged(
        self, endpoint: Endpoint, params: Mapping[str, str], ticket: Ticket
    ) -> Reply | ExchangeFailure:
        """Send one request for which there is leave."""
        signed = endpoint.spec.signed
        sent = dict(params)
        if signed:
            # Stamped after any waiting, so the wait does not eat the receive window.
            sent["timestamp"], sent["recvWindow"] = str(self.time.now_ms()), str(RECV_WINDOW_MS)
        try:
            reply = await self._transport.call(endpoint, sent)
        except TransportFailure as lost:
            lost_on_the_way = failure_of_transport(endpoint, lost.cause)
            self.answers.note(lost_on_the_way, signed=signed)
            return lost_on_the_way
        self.budget.observe(ticket, reply.headers)
        failure = failure_of_reply(endpoint, reply, self.time)
        self.answers.note(failure, signed=signed)
        if isinstance(failure, RateLimited) and not (endpoint.is_background and failure.http_status == 403):
            self.budget.block(failure)
        if not endpoint.is_background:
            self._learn(failure)
            if signed and (failure is None or isinstance(failure, AuthRefused)):
                self.key_refused = "" if failure is None else str(failure)
        return reply if failure is None else failure

    def _learn(self, failure: ExchangeFailure | None) -> None:
        """What an answer says of the venue as a whole. A call in the background says nothing of it."""
        if failure is None:
            self.budget.answered()
        elif isinstance(failure, Refused):
            self._flag(failure.refusal)

    async def measure_clock(self, *, samples: int = _CLOCK_SAMPLES, unless_done_since: int | None = None) -> None:
        """Take the median offset of the samples, each corrected by half its round trip; raises `ExchangeFailure`.

        `unless_done_since` is a value of `time.measurements`: when somebody measured after that, once is enough.
        """
        async with self._measuring:
            if unless_done_since is not None and self.time.measurements != unless_done_since:
                return
            self.time.set_offset(round(statistics.median(await self._offset_samples_ms(samples))))
            self._doubted = False
        if abs(self.time.offset_ms) > _OFFSET_WARNING_MS:
            logger.warning("the exchange's clock differs from ours by {} ms", self.time.offset_ms)

    async def _offset_samples_ms(self, count: int) -> list[float]:
        until_s = self.time.local.monotonic_s() + _CLOCK_PATIENCE_S
        samples = [await self._offset_sample_ms()]
        while len(samples) < count and self.time.local.monotonic_s() < until_s:
            samples.append(await self._offset_sample_ms())
        return samples

    async def _offset_sample_ms(self) -> float:
        local = self.time.local
        ticket = await self._leave(Endpoint.TIME, {}, Lane.STOP)
        began_s = local.monotonic_s()  # from here on it is under way: a wait for the budget is no part of the trip
        reply = await self._exchanged(Endpoint.TIME, {}, ticket)
        if isinstance(reply, ExchangeFailure):
            raise reply
        round_trip_ms = (local.monotonic_s() - began_s) * 1000
        server_ms = parse_object(Endpoint.TIME, ServerTimeRow, reply.body).server_time
        latest = server_ms - local.now_ms() + round_trip_ms
        if round_trip_ms > _TRIP_EXACT_MS and not self._doubted:
            # The venue wrote this at some moment of a long trip. Half of it may be seconds wrong, so what is believed
            # stays as long as it is possible.
            return min(max(self.time.offset_ms, latest - round_trip_ms), latest)
        return latest - round_trip_ms / 2

    def _flag(self, refusal: Refusal) -> None:
        self.instruments_flagged |= refusal in (Refusal.OFF_GRID, Refusal.RULES_CHANGED)
        self.mode_flagged |= refusal is Refusal.MODE_CHANGED

    async def aclose(self) -> None:
        """Release connections."""
        await self._transport.aclose()
