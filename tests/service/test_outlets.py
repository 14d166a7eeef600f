"""What the service does about alerts and figures between two cycles: nothing without them, and nothing that waits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from position_monitor.config import Config
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.verdicts import Verdict
from position_monitor.edge.clock import SystemClock
from position_monitor.service import calling, figures
from position_monitor.service.outlets import Outlets
from tests.edge.web_target import web_target


class Venue(SimpleNamespace):
    """The figures of a venue."""

    def __init__(self) -> None:
        answers = SimpleNamespace(access_refused="", failures=Counter())
        super().__init__(answers=answers, banned_until_ms=0, weight_by_lane={})

    def venue_now_ms(self) -> int:
        return SystemClock().now_ms()


def a_cycle(*, failure: str = "", naked: bool = False) -> tuple[Any, Any, Any]:
    """What one cycle leaves behind."""
    judgement = SimpleNamespace(verdict=Verdict.NAKED, reason="no stop counts as cover")
    track = SimpleNamespace(judgement=judgement, exposed_since_ms=1, since_ms=1, naked_ms=0)
    report = SimpleNamespace(
        history=SimpleNamespace(tracks={"BTCUSDT:LONG": track} if naked else {}),
        decision=SimpleNamespace(plans={}),
        risk=SimpleNamespace(unread=()),
        mode=Mode.LIVE,
        failure=failure,
    )
    state = SimpleNamespace(circuit_breaker="OFF", exits=None, environment="paper")
    return report, SimpleNamespace(state=state, events=()), {}


async def until(what: Any) -> None:
    until_s = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until_s
        await asyncio.sleep(0.02)


class Running:
    """Outlets whose configuration a test changes."""

    def __init__(self, **alerts: Any) -> None:
        self.config = Config.from_data({"alerts": alerts})
        self.outlets = Outlets(SystemClock(), lambda: self.config, "host:1:2", exchange=Venue())  # type: ignore[arg-type]

    def reload(self, **alerts: Any) -> None:
        self.config = Config.from_data({"alerts": alerts})
        self.outlets.follow()

    async def __aenter__(self) -> Running:
        self.outlets.follow()
        self.task = asyncio.ensure_future(self.outlets.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def test_without_alerts_and_metrics_a_cycle_is_looked_at_by_nobody() -> None:
    running = Running()
    running.outlets.follow()
    running.outlets.note(None, None, None)  # type: ignore[arg-type]
    assert running.outlets._caller is None and running.outlets._figures is None


async def test_a_reload_brings_another_address_and_takes_it_away() -> None:
    with web_target() as first, web_target() as second:
        async with Running() as running:
            running.outlets.note(*a_cycle(naked=True))
            running.reload(webhook_url=f"{first.origin}/a")
            running.outlets.note(*a_cycle(naked=True))
            await until(lambda: first.of_kind("naked", "raised"))
            running.reload(webhook_url=f"{second.origin}/b")
            running.outlets.note(*a_cycle())
            await until(lambda: second.of_kind("naked", "recovered"))
            running.reload()
            running.outlets.note(*a_cycle(naked=True))
        assert len(first.alerts) == len(second.alerts) == 1


async def test_pings_come_with_cycles_that_hear_the_exchange_and_once_a_minute() -> None:
    with web_target() as web:
        async with Running(ping_url=f"{web.origin}/p") as running:
            for _ in range(3):
                running.outlets.note(*a_cycle(failure="timed out"))
            running.outlets.exchange.banned_until_ms = 1  # type: ignore[misc]
            running.outlets.note(*a_cycle())
            await asyncio.sleep(0.2)
            assert web.arrived == []
            running.outlets.exchange.banned_until_ms = 0  # type: ignore[misc]
            for _ in range(3):
                running.outlets.note(*a_cycle(naked=True))
            await until(lambda: web.pings("/p"))
            await asyncio.sleep(0.2)
        assert web.pings("/p") == 1


async def test_a_service_that_hangs_costs_a_cycle_nothing() -> None:
    with web_target("hang") as web:
        async with Running(webhook_url=f"{web.origin}/a", ping_url=f"{web.origin}/p") as running:
            running.outlets.note(*a_cycle(naked=True))
            await until(lambda: len(web.arrived) == 2)
            began_s = time.process_time()
            for number in range(200):
                running.outlets.note(*a_cycle(naked=bool(number % 2)))
            assert time.process_time() - began_s < 2


async def test_without_the_extras_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The webhook, which needs none, still takes messages."""
    monkeypatch.setattr(calling, "apprise_is_installed", lambda: False)
    monkeypatch.setattr(figures, "library_is_installed", lambda: False)
    with web_target() as web:
        running = Running(webhook_url=f"{web.origin}/a", urls=["ntfy://topic"])
        running.config = Config.from_data(
            {"alerts": {"webhook_url": f"{web.origin}/a", "urls": ["ntfy://topic"]}, "metrics": {"port": 9}}
        )
        async with running:
            running.outlets.note(*a_cycle(naked=True))
            await until(lambda: web.of_kind("naked", "raised"))
            assert running.outlets._figures is None


def test_a_defect_is_said_once_and_ends_nothing() -> None:
    running = Running(webhook_url="http://127.0.0.1:9/a")
    running.outlets.follow()
    for _ in range(3):
        running.outlets.note(SimpleNamespace(), None, None)  # type: ignore[arg-type]
    assert running.outlets._broken
