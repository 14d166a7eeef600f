"""The figures of one account, gathered after each cycle and shown in a file, at a port, or both."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger

from position_monitor import __version__
from position_monitor.config import Config
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.orders import Role
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.core.performance.record import Record
from position_monitor.core.publication.alerts import AlertKind
from position_monitor.core.publication.metrics import CYCLE_BOUNDS_S, FILL_TO_STOP_BOUNDS_S, Histogram, Values
from position_monitor.core.publication.state import AccountState
from position_monitor.daemon import CycleReport
from position_monitor.edge import log
from position_monitor.edge.background import end_tasks
from position_monitor.edge.clock import Clock
from position_monitor.edge.metrics.exposition import EXTRA_MISSING, library_is_installed, load_library, text_of
from position_monitor.edge.metrics.port import Page, Port
from position_monitor.edge.metrics.textfile import TextFile
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.service.records.shelf import RecordShelf
from position_monitor.service.telling import Announced

if TYPE_CHECKING:
    from position_monitor.service.calling import Caller

WRITE_EVERY_S: Final = 10.0
"""Least time between two writes of the file."""
START_WITHIN_S: Final = 120.0
"""How long a process may take to its first cycle and still count as healthy."""
EVENT_TYPES_MAX: Final = 100
COUNTED_FROM_ZERO: Final = ("EmergencyClose", "SecondWriterSeen", "StopPlaced", "WriteRefused", "LeaseLost")
"""Events whose first one must be seen as an increase, for the alert rules."""
FILL_AGE_MAX_S: Final = 3600.0
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MODES: Final = tuple(dict.fromkeys(mode.published for mode in Mode))


@dataclass(slots=True)
class Figures:
    """What was counted since the start, and the last cycle. `note` is instant."""

    clock: Clock
    config: Callable[[], Config]
    exchange: BinanceUsdm
    shelf: RecordShelf | None
    textfile: TextFile | None
    began_s: float
    _histograms: dict[str, Histogram] = field(init=False)
    _events: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTED_FROM_ZERO, 0)), init=False)
    _cycles: Counter[str] = field(default_factory=Counter, init=False)
    _naked_ms: dict[PositionKey, int] = field(default_factory=dict, init=False)
    _naked_total_ms: int = field(default=0, init=False)
    _present: set[PositionKey] = field(default_factory=set, init=False)
    _looked: bool = field(default=False, init=False)
    _opened_ms: dict[PositionKey, int] = field(default_factory=dict, init=False)
    """When positions whose first stop was not told yet were opened, by the venue's clock."""
    _last: tuple[CycleReport, AccountState, Mapping[str, StreamHealth], Caller | None] | None = field(
        default=None, init=False
    )
    _ended_s: float = field(default=float("-inf"), init=False)
    _loaded: bool = field(default=False, init=False)
    """Whether the library is there, so that nothing in the loop waits for its import."""
    _written_s: float = field(default=float("-inf"), init=False)
    _records: tuple[Record | None, int, Values, float] = field(default=(None, 0, {}, 0.0), init=False)

    def __post_init__(self) -> None:
        self._histograms = {
            "fill_to_stop_seconds": Histogram(FILL_TO_STOP_BOUNDS_S),
            "cycle_seconds": Histogram(CYCLE_BOUNDS_S),
        }

    def note(
        self,
        report: CycleReport,
        announced: Announced,
        streams: Mapping[str, StreamHealth],
        caller: Caller | None,
    ) -> None:
        """A cycle ended and was published."""
        self._last, self._ended_s = (report, announced.state, streams, caller), self.clock.monotonic_s()
        self._cycles["failed" if report.failure else "read"] += 1
        self._histograms["cycle_seconds"].observe(report.cycle_ms / 1000)
        self._count_events(announced.events)
        self._count_naked(report, announced.events)
        self._time_stops(report, announced.events)
        if (
            self._loaded
            and self.textfile is not None
            and self._ended_s - self._written_s >= WRITE_EVERY_S
            and not self.textfile.busy
        ):
            self._written_s = self._ended_s
            self.textfile.write(self.text())

    def _count_events(self, events: tuple[Event, ...]) -> None:
        for event in events:
            if event.type in self._events or len(self._events) < EVENT_TYPES_MAX:
                self._events[event.type] += 1

    def _count_naked(self, report: CycleReport, events: tuple[Event, ...]) -> None:
        """Time without cover only grows, also of positions that are gone."""
        for event in events:
            if event.type == "PositionFlat":
                key = PositionKey(event.symbol, Side(event.side))
                ended_ms = int((event.details or {}).get("naked_ms") or 0)
                self._naked_total_ms += max(0, ended_ms - self._naked_ms.pop(key, 0))
        for key, track in report.history.tracks.items():
            self._naked_total_ms += max(0, track.naked_ms - self._naked_ms.get(key, 0))
        self._naked_ms = {key: track.naked_ms for key, track in report.history.tracks.items()}

    def _time_stops(self, report: CycleReport, events: tuple[Event, ...]) -> None:
        """How long positions that were opened while we looked waited for the venue to take their first stop."""
        if report.failure:
            return
        tracks = report.history.tracks
        if self._looked:
            for key in tracks.keys() - self._present:
                self._opened_ms[key] = tracks[key].judgement.position.updated_at_ms
        self._looked, self._present = True, set(tracks)
        self._opened_ms = {key: at_ms for key, at_ms in self._opened_ms.items() if key in tracks and at_ms}
        ahead_ms = self.exchange.venue_now_ms() - self.clock.now_ms()
        for event in events:
            if event.type != "StopPlaced" or (event.details or {}).get("role") == Role.TAKE_PROFIT:
                continue
            opened_ms = self._opened_ms.pop(PositionKey(event.symbol, Side(event.side)), 0)
            seconds = (event.at_ms + ahead_ms - opened_ms) / 1000
            if opened_ms and seconds <= FILL_AGE_MAX_S:
                self._histograms["fill_to_stop_seconds"].observe(max(0.0, seconds))

    # -- showing

    def text(self) -> bytes:
        """Every figure there is, in Prometheus' text format."""
        return text_of(self.config().account, self.values(), self._histograms)

    def values(self) -> dict[str, Values]:
        """Every figure but the histograms, by name."""
        if self._last is None:
            return {}
        report, state, streams, caller = self._last
        return {**self._account(report, state), **self._service(report, state, streams), **self._beside(caller)}

    def _account(self, report: CycleReport, state: AccountState) -> dict[str, Values]:
        tracks, now_ms = report.history.tracks.values(), self.clock.now_ms()
        verdicts = Counter(track.verdict for track in tracks)
        naked_ms = max((now_ms - one.exposed_since_ms for one in tracks if one.exposed_since_ms), default=0)
        return {
            "build_info": {(__version__, state.environment, state.config_hash): 1.0},
            "risk_status": {(str(status),): float(status is state.risk_status) for status in RiskStatus},
            "mode": {(mode,): float(mode == state.mode) for mode in MODES},
            "positions": {(str(verdict),): float(verdicts[verdict]) for verdict in Verdict},
            "unread_symbols": {(): float(len(state.unread))},
            "exposed_notional": {(): _number(state.exposed_notional)},
            "unknown_notional": {(): _number(state.unknown_notional)},
            "coverage_ratio": {(): _number(state.coverage_pct / 100)},
            "longest_naked_seconds": {(): max(0, naked_ms) / 1000},
            "naked_seconds": {(): self._naked_total_ms / 1000},
        }

    def _service(
        self, report: CycleReport, state: AccountState, streams: Mapping[str, StreamHealth]
    ) -> dict[str, Values]:
        exchange = self.exchange
        return {
            "cycles": {(result,): float(self._cycles[result]) for result in ("read", "failed")},
            "last_cycle_timestamp_seconds": {(): state.published_at_ms / 1000},
            "last_read_timestamp_seconds": {(): report.observed_at_ms / 1000},
            "request_weight_used": {(): float(state.api_weight_1m)},
            "request_weight": {(str(lane),): float(weight) for lane, weight in exchange.weight_by_lane.items()},
            "refusals": {(meaning,): float(count) for meaning, count in sorted(exchange.answers.failures.items())},
            "clock_offset_seconds": {(): (exchange.venue_now_ms() - self.clock.now_ms()) / 1000},
            "banned": {(): float(bool(exchange.banned_until_ms))},
            "stream_live": {(name,): float(one.state is StreamState.LIVE) for name, one in streams.items()},
            "stream_reconnects": {(name,): float(one.reconnects) for name, one in streams.items()},
            "lease_held": {(): float(bool(state.epoch))},
            "lease_epoch": {(): float(state.epoch)},
            "events": {(kind,): float(count) for kind, count in sorted(self._events.items())},
        }

    def _beside(self, caller: Caller | None) -> dict[str, Values]:
        by_result, in_r = self._record_totals()
        shown: dict[str, Values] = {"records": by_result, "realised_r": {(): in_r}}
        if caller is not None:
            shown["alerts_in_force"] = {(str(kind),): float(caller.in_force.get(kind, 0)) for kind in AlertKind}
            shown["alert_messages"] = {(result,): float(count) for result, count in sorted(caller.counts.items())}
        return shown

    def _record_totals(self) -> tuple[Values, float]:
        """Added up anew only where a record came or was revised."""
        records = self.shelf.records if self.shelf is not None else ()
        newest = records[-1] if records else None
        if self._records[0] is not newest or self._records[1] != len(records) or not self._records[2]:
            results = Counter(_result(record) for record in records)
            by_result: Values = {(name,): float(results[name]) for name in ("win", "loss", "even", "not_final")}
            in_r = sum((record.net_r for record in records if record.final and record.net_r is not None), Decimal(0))
            self._records = (newest, len(records), by_result, _number(in_r))
        return self._records[2], self._records[3]

    def healthy(self) -> Page:
        """`/healthz`: whether this process finishes cycles, whatever they find."""
        age_s = self.clock.monotonic_s() - max(self._ended_s, self.began_s)
        loop = self.config().loop
        most_s = max(60.0, 2 * loop.check_interval_s + loop.cycle_deadline_s)
        if self._last is None:
            most_s = START_WITHIN_S
        words = f"the last cycle ended {age_s:.0f} s ago" if self._last else f"no cycle in {age_s:.0f} s"
        return Page(200 if age_s <= most_s else 503, f"{words}\n".encode())

    def ready(self) -> Page:
        """`/readyz`: whether the protection of every position is known now, good or bad."""
        if self._last is None:
            return Page(503, b"no cycle yet\n")
        health, (report, state, _, _) = self.healthy(), self._last
        unknown = any(track.verdict is Verdict.UNKNOWN for track in report.history.tracks.values())
        judged = health.status == 200 and not report.failure and not unknown
        ready = judged and state.risk_status is not RiskStatus.UNKNOWN
        words = log.redact(f"{state.risk_status}: {state.status_line}")
        return Page(200 if ready else 503, f"{words}\n".encode())

    async def run(self) -> None:
        """Serve the port until cancelled; then the file goes, for nobody keeps it true any more."""
        await asyncio.to_thread(load_library)
        self._loaded = True
        port = self.config().metrics.port
        pages = {
            "/metrics": lambda: Page(200, self.text(), METRICS_TYPE),
            "/healthz": self.healthy,
            "/readyz": self.ready,
        }
        serving = [asyncio.ensure_future(Port(port, pages).run())] if port else []
        try:
            await asyncio.Event().wait()
        finally:
            if self.textfile is not None:
                self.textfile.remove()
            await end_tasks(serving)


def _number(value: Decimal) -> float:
    return float(value) if value.is_finite() else 0.0


def _result(record: Record) -> str:
    if not record.final or record.money.net is None:
        return "not_final"
    return "win" if record.money.net > 0 else "loss" if record.money.net < 0 else "even"


def open_figures(
    clock: Clock, config: Callable[[], Config], exchange: BinanceUsdm, shelf: RecordShelf | None
) -> Figures | None:
    """The figures of this configuration; None where the extra is missing, which is said: no stop needs figures."""
    if not library_is_installed():
        logger.error("No figures are shown: {}", EXTRA_MISSING)
        return None
    path = config().metrics.textfile
    return Figures(
        clock=clock,
        config=config,
        exchange=exchange,
        shelf=shelf,
        textfile=TextFile(Path(path)) if path else None,
        began_s=clock.monotonic_s(),
    )
