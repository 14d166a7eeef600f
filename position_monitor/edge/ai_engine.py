"""The AI engine's opinion about open positions, fetched in the background (DESIGN 9).

404 means "no signal" and is no outage. Everything that is not a well-formed signal inside its bounds is DOWN; a signal
older than its expiry is STALE. Whatever happens here, the floor policy protects (invariants 8 and 12).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from loguru import logger
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from position_monitor.core.model.outside import Advice
from position_monitor.edge.background import sleep_or_wake
from position_monitor.edge.clock import Clock
from position_monitor.edge.http.json_service import REQUEST_TIMEOUT_S, JsonService, NothingThere, ServiceDown

SIGNAL_PATH: Final = "/api/ai/signal"
TIMEFRAME: Final = "1m"
ADVICE_LIFETIME_S: Final = 300.0
POLL_INTERVAL_S: Final = 30.0
CONCURRENCY_MAX: Final = 4
WARN_EVERY_MS: Final = 3_600_000
_A_POLL: Final = 0.9
"""A poll is over after this part of its interval: two are never exactly as far apart."""
CLOCK_TOLERANCE_MS: Final = 60_000
_SECONDS_BELOW: Final = 100_000_000_000
"""A number below this is a time in seconds, otherwise in milliseconds (until the year 5138)."""
_LATEST_MS: Final = 10**15
"""No time is later than this, in ms (the year 33658)."""


class AdviceStatus(StrEnum):
    """How the AI engine is heard."""

    OFF = "OFF"
    OK = "OK"
    NO_SIGNAL = "NO_SIGNAL"
    DOWN = "DOWN"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one symbol: its mark price and, if known, recent volume in base units."""

    price: Decimal
    volume: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `advice` is present only with OK."""

    status: AdviceStatus
    reason: str = ""
    advice: Advice | None = None
    unreachable: bool = False
    """Whether the engine as a whole is out of reach, so that asking about other symbols is pointless now."""


def _whole_too(value: object) -> object:
    """JSON has one kind of number. A number that comes as text is none: what wrote it may mean another unit (12.6)."""
    return Decimal(value) if type(value) is int else value


_Percent = Annotated[Decimal, BeforeValidator(_whole_too), Field(gt=0, le=50)]
_Fraction = Annotated[Decimal, BeforeValidator(_whole_too), Field(ge=0, le=1)]


class _Signal(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    symbol: str = ""
    action: Annotated[str, Field(pattern=r"^[A-Za-z_]{1,16}$")]
    confidence: _Fraction
    ensemble_confidence: _Fraction | None = None
    strategy: Annotated[str, Field(max_length=100)] | None = None
    regime: Annotated[str, Field(max_length=50)] | None = None
    timestamp: Annotated[str, Field(max_length=50)] | int | Decimal
    tp_pct: _Percent | None = None
    sl_pct: _Percent | None = None
    trail_pct: _Percent | None = None


class AiEngine:
    """The client of the AI engine. `fetch` never raises."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        lifetime_s: float = ADVICE_LIFETIME_S,
    ) -> None:
        """Advice counts for `lifetime_s` after the engine issued it. Raises `ConfigError` for a bad URL."""
        self._service = JsonService(url, clock, timeout_s=timeout_s)
        self._clock = clock
        self._lifetime_ms = round(lifetime_s * 1000)

    async def fetch(self, symbol: str, question: Question) -> Answer:
        """The engine's opinion about `symbol` now."""
        body = {
            "symbol": symbol,
            "price": float(question.price),
            "volume": float(question.volume),
            "timeframe": TIMEFRAME,
            "include_reasoning": False,
        }
        try:
            signal = _Signal.model_validate(_exact(await self._service.ask("POST", SIGNAL_PATH, body)))
            return self._judge(symbol, signal)
        except NothingThere:
            return Answer(AdviceStatus.NO_SIGNAL)
        except ServiceDown as fault:
            return Answer(AdviceStatus.DOWN, str(fault), unreachable=True)
        except ValidationError as fault:
            where = ".".join(str(part) for part in fault.errors(include_input=False)[0]["loc"])
            return Answer(AdviceStatus.DOWN, f"answered something else than a signal ({where or 'not JSON'})")
        except (ValueError, RecursionError):
            return Answer(AdviceStatus.DOWN, "answered something else than a signal (not JSON)")

    async def close(self) -> None:
        """Close its connections."""
        await self._service.close()

    def _judge(self, symbol: str, signal: _Signal) -> Answer:
        now_ms = self._clock.now_ms()
        issued_at_ms = _time_ms(signal.timestamp)
        if signal.symbol not in ("", symbol):
            return Answer(AdviceStatus.DOWN, "answered about another symbol")
        if issued_at_ms is None or issued_at_ms > now_ms + CLOCK_TOLERANCE_MS:
            return Answer(AdviceStatus.DOWN, "its timestamp is not a time of the past")
        issued_at_ms = min(issued_at_ms, now_ms)
        expires_at_ms = issued_at_ms + self._lifetime_ms
        if now_ms >= expires_at_ms:
            return Answer(AdviceStatus.STALE, f"its signal is {(now_ms - issued_at_ms) // 1000} s old")
        advice = Advice(
            symbol=symbol,
            action=signal.action.upper(),
            confidence=signal.confidence,
            regime=signal.regime or "",
            take_profit_pct=signal.tp_pct,
            stop_loss_pct=signal.sl_pct,
            trailing_pct=signal.trail_pct,
            issued_at_ms=issued_at_ms,
            expires_at_ms=expires_at_ms,
        )
        return Answer(AdviceStatus.OK, advice=advice)


def _exact(body: str | bytes) -> object:
    """A body with exact numbers; raises `ValueError` for what is no JSON, and `RecursionError` for a very deep one."""
    return json.loads(body, parse_float=Decimal, parse_constant=_no_number)


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is not a number")


def _time_ms(stamp: str | int | Decimal) -> int | None:
    """A timestamp as ms UTC: ISO 8601 (without a zone it is UTC), or a number of seconds or milliseconds."""
    try:
        if isinstance(stamp, str):
            moment = datetime.fromisoformat(stamp)
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        if not -_LATEST_MS < stamp < _LATEST_MS:
            return None
        time_ms = round(stamp * 1000) if stamp < _SECONDS_BELOW else round(stamp)
    except (ValueError, OverflowError):
        return None
    return time_ms if time_ms > 0 else None


class AdvicePoller:
    """Keeps the latest advice per open symbol. `watch`, `advice` and `status` are instant; `run` does the asking."""

    def __init__(
        self,
        engine: AiEngine | None,
        clock: Clock,
        *,
        interval_s: float = POLL_INTERVAL_S,
        why_ignored: Callable[[Advice], str] = lambda advice: "",
    ) -> None:
        """Without an engine everything is OFF. `why_ignored` says why the core will not use an advice, or is empty."""
        self._why_ignored = why_ignored
        self._warned_at_ms: dict[str, int] = {}
        self._engine = engine
        self._clock = clock
        self._interval_s = interval_s
        self._questions: dict[str, Question] = {}
        self._answers: dict[str, Answer] = {}
        self._advice: dict[str, Advice] = {}
        self._before: dict[str, tuple[Advice | None, int]] = {}
        """Symbol -> the answer before the last one, where it was one, and when the last one came."""
        self._wake = asyncio.Event()

    def watch(self, questions: Mapping[str, Question]) -> None:
        """The symbols with an open position and their prices now; others are forgotten, new ones asked at once."""
        if questions.keys() - self._questions.keys():
            self._wake.set()
        self._questions = dict(questions)
        for symbol in self._answers.keys() - questions.keys():
            del self._answers[symbol]
            self._advice.pop(symbol, None)
            self._before.pop(symbol, None)
            self._warned_at_ms.pop(symbol, None)

    def advice(self, symbol: str) -> Advice | None:
        """The last advice about `symbol` while it lasts, also while the engine is DOWN."""
        advice = self._advice.get(symbol)
        return advice if advice is not None and self._clock.now_ms() < advice.expires_at_ms else None

    def status(self) -> AdviceStatus:
        """The worst that was heard for an open position; NO_SIGNAL when nothing was heard or asked."""
        if self._engine is None:
            return AdviceStatus.OFF
        heard = {answer.status for answer in self._answers.values()}
        for status in (AdviceStatus.DOWN, AdviceStatus.STALE, AdviceStatus.OK):
            if status in heard:
                return status
        return AdviceStatus.NO_SIGNAL

    async def run(self) -> None:
        """Ask for ever, until cancelled. Nothing the engine does ends it."""
        while self._engine is not None:
            before = self.status()
            await self.poll_once()
            if self.status() is not before:
                logger.info("AI engine: {} {}", self.status(), self._reason())
            await sleep_or_wake(self._clock, self._interval_s, self._wake)

    async def poll_once(self) -> None:
        """Ask once about every watched symbol, few at a time; an engine out of reach ends the round."""
        gate = asyncio.Semaphore(CONCURRENCY_MAX)
        down: list[Answer] = []

        async def ask(engine: AiEngine, symbol: str, question: Question) -> None:
            async with gate:
                answer = down[0] if down else await self._fetch(engine, symbol, question)
            if answer.unreachable:
                down.append(answer)
            if symbol in self._questions:
                self._take(symbol, answer)

        if self._engine is not None:
            await asyncio.gather(*(ask(self._engine, *item) for item in sorted(self._questions.items())))

    def _take(self, symbol: str, answer: Answer) -> None:
        """Keep an answer, with the one before it: two in a row that agree may move a stop that rests (S9).

        Answers closer together than a poll count as one. Anything else than advice between two ends the row.
        """
        last, now_ms = self._answers.get(symbol), self._clock.now_ms()
        self._answers[symbol] = answer
        if answer.advice is None:
            return
        before, came_at_ms = self._before.get(symbol, (None, now_ms))
        if last is None or last.advice is None:
            before, came_at_ms = None, now_ms
        elif now_ms - came_at_ms >= self._interval_s * 1000 * _A_POLL:
            before, came_at_ms = replace(last.advice, before=None), now_ms
        self._before[symbol] = (before, came_at_ms)
        self._advice[symbol] = replace(answer.advice, before=before)
        self._warn(symbol, answer.advice, now_ms)

    def _warn(self, symbol: str, advice: Advice, now_ms: int) -> None:
        """Say that an advice is ignored, once an hour for each symbol."""
        why = self._why_ignored(advice)
        if why and abs(now_ms - self._warned_at_ms.get(symbol, -WARN_EVERY_MS)) >= WARN_EVERY_MS:
            self._warned_at_ms[symbol] = now_ms
            logger.warning("AI engine: {} {}", symbol, why)

    async def _fetch(self, engine: AiEngine, symbol: str, question: Question) -> Answer:
        try:
            return await engine.fetch(symbol, question)
        except Exception as fault:  # a defect of ours must not end the polling (invariant 12)
            return Answer(AdviceStatus.DOWN, f"could not be asked ({type(fault).__name__})")

    def _reason(self) -> str:
        return next((answer.reason for answer in self._answers.values() if answer.status is self.status()), "")
