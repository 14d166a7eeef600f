"""The backend's circuit breaker, read in the background (DESIGN 9).

Advisory only: it blocks entries elsewhere and never blocks protection here. What cannot be read is UNKNOWN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from loguru import logger
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from position_monitor.core.model.outside import Breaker
from position_monitor.edge.clock import Clock
from position_monitor.edge.http.json_service import REQUEST_TIMEOUT_S, JsonService, NothingThere, ServiceDown

STATUS_PATH: Final = "/api/circuit-breaker/status"
POLL_INTERVAL_S: Final = 10.0
AGE_MIN_S: Final = 30.0
POLLS_MISSED_MAX: Final = 3
_STATES: Final = {"OPEN": True, "ACTIVE": True, "TRIPPED": True, "CLOSED": False, "INACTIVE": False}


class _BreakerReply(BaseModel):
    """Flat, or nested under `circuit_breaker`; the older nested form says `state` where the flat one says `active`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    active: bool
    until: Annotated[str, Field(max_length=50)] | None = None
    time_remaining_seconds: Annotated[Decimal, Field(ge=0, le=10_000_000, strict=False)] | None = None
    blocked_orders: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, body: Any) -> Any:  # noqa: ANN401
        if isinstance(body, dict) and isinstance(body.get("circuit_breaker"), dict):
            body = body["circuit_breaker"]
        if isinstance(body, dict) and "active" not in body:
            state = str(body.get("state", "")).upper()
            if state in _STATES:
                return {**body, "active": _STATES[state]}
        return body


@dataclass(frozen=True, slots=True)
class BreakerAnswer:
    """One answer: a breaker, or the reason why there is none."""

    breaker: Breaker | None
    reason: str = ""


class Backend:
    """The client of the backend. `fetch_breaker` never raises."""

    def __init__(self, url: str, clock: Clock, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Raises `ConfigError` for a bad URL."""
        self._service = JsonService(url, clock, timeout_s=timeout_s)
        self._clock = clock

    async def fetch_breaker(self) -> BreakerAnswer:
        """The circuit breaker as the backend reports it now."""
        try:
            reply = _BreakerReply.model_validate_json(await self._service.ask("GET", STATUS_PATH))
        except (NothingThere, ServiceDown) as fault:
            return BreakerAnswer(None, str(fault))
        except ValidationError:
            return BreakerAnswer(None, "answered something else than a circuit breaker")
        breaker = Breaker(
            active=reply.active,
            until=reply.until or "",
            time_remaining_s=math.ceil(reply.time_remaining_seconds or 0),
            blocked_orders=reply.blocked_orders,
            read_at_ms=self._clock.now_ms(),
        )
        return BreakerAnswer(breaker)

    async def close(self) -> None:
        """Close its connections."""
        await self._service.close()


class BreakerPoller:
    """Keeps the last breaker that was read. `breaker` and `text` are instant; `run` does the asking."""

    def __init__(self, backend: Backend | None, clock: Clock, *, interval_s: float = POLL_INTERVAL_S) -> None:
        """Without a backend everything is OFF."""
        self._backend = backend
        self._clock = clock
        self._interval_s = interval_s
        self._age_max_s = max(AGE_MIN_S, interval_s * POLLS_MISSED_MAX)
        """A breaker read longer ago is UNKNOWN."""
        self._last: Breaker | None = None
        self._read_at_s = 0.0
        self._reason = ""

    def breaker(self) -> Breaker | None:
        """The breaker as last read, None when it is UNKNOWN or OFF."""
        return self._last if self._last is not None and self._age_s() <= self._age_max_s else None

    def text(self) -> str:
        """`OFF`, `ACTIVE (read 4 s ago)`, `INACTIVE (read 4 s ago)` or `UNKNOWN (...)`: what is published."""
        if self._backend is None:
            return "OFF"
        if self._last is None:
            return "UNKNOWN (never read)"
        word = "ACTIVE" if self._last.active else "INACTIVE"
        if self.breaker() is None:
            return f"UNKNOWN (read {self._age_s():.0f} s ago as {word})"
        return f"{word} (read {self._age_s():.0f} s ago)"

    async def run(self) -> None:
        """Ask for ever, until cancelled. Nothing the backend does ends it."""
        while self._backend is not None:
            await self.poll_once()
            await self._clock.sleep(self._interval_s)

    async def poll_once(self) -> None:
        """Ask once."""
        if self._backend is None:
            return
        try:
            answer = await self._backend.fetch_breaker()
        except Exception as fault:  # a defect of ours must not end the polling (invariant 12)
            answer = BreakerAnswer(None, f"could not be asked ({type(fault).__name__})")
        if answer.reason != self._reason:
            logger.info("backend: {}", answer.reason or "answers again")
        self._reason = answer.reason
        if answer.breaker is not None:
            self._last, self._read_at_s = answer.breaker, self._clock.monotonic_s()

    def _age_s(self) -> float:
        return self._clock.monotonic_s() - self._read_at_s
