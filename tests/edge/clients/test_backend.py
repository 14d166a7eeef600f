"""The backend's circuit breaker: recorded answers in both shapes, and UNKNOWN whenever it cannot be read."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from position_monitor.core.model.outside import Breaker
from position_monitor.edge.backend import Backend, BreakerPoller

NOW_MS = 1_780_000_000_000
RECORDED_AT = "http://127.0.0.1:8001"
FLAT = {"active": True, "until": "2026-05-28T20:30:00", "time_remaining_seconds": 212.4, "blocked_orders": 17}


@pytest.fixture
async def backend_at(clock):
    made = []

    def make(url=RECORDED_AT, **changes):
        made.append(Backend(url, clock, **changes))
        return made[-1]

    yield make
    for backend in made:
        await backend.close()


@pytest.mark.parametrize(
    ("name", "breaker"),
    [
        ("breaker_active", Breaker(True, "2026-05-28T20:30:00", 213, 17, NOW_MS)),
        ("breaker_inactive", Breaker(False, "", 0, 17, NOW_MS)),
        ("breaker_nested", Breaker(False, "", 0, 0, NOW_MS)),
    ],
)
async def test_recorded_breakers(cassette, backend_at, name, breaker):
    """The flat shape and the older nested one."""
    with cassette(name):
        answer = await backend_at().fetch_breaker()
    assert (answer.breaker, answer.reason) == (breaker, "")


async def test_a_recorded_error_is_no_breaker(cassette, backend_at):
    """A server error says nothing about the breaker."""
    with cassette("breaker_error"):
        answer = await backend_at().fetch_breaker()
    assert (answer.breaker, answer.reason) == (None, "answered HTTP 500")


@pytest.mark.parametrize(
    ("body", "active"),
    [
        ({"circuit_breaker": {"active": True, "until": None}}, True),
        ({"circuit_breaker": {"state": "OPEN"}}, True),
        ({"circuit_breaker": {"state": "closed"}}, False),
        ({"active": False, "circuit_breaker": {"active": True}}, True),
        (FLAT, True),
    ],
)
async def test_shapes(loopback, reply, backend_at, body, active):
    """Nested wins over flat; the old form has a state instead of a flag."""
    server = await loopback(lambda _: reply(json.dumps(body)))
    assert (await backend_at(server.url).fetch_breaker()).breaker.active is active


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no",
        "[]",
        "{}",
        '{"active": "yes"}',
        '{"active": 1}',
        '{"active": null}',
        '{"circuit_breaker": {}}',
        '{"circuit_breaker": {"state": "WARM"}}',
        json.dumps({**FLAT, "blocked_orders": -1}),
        json.dumps({**FLAT, "time_remaining_seconds": -1}),
        json.dumps({**FLAT, "time_remaining_seconds": float("inf")}),
        json.dumps({**FLAT, "until": 5}),
    ],
)
async def test_garbage_is_no_breaker(loopback, reply, backend_at, body):
    """Neither active nor inactive: unknown."""
    server = await loopback(lambda _: reply(body))
    answer = await backend_at(server.url).fetch_breaker()
    assert (answer.breaker, answer.reason) == (None, "answered something else than a circuit breaker")


async def test_a_backend_that_hangs_or_has_no_breaker(loopback, reply, backend_at):
    """A time-out, and a 404 from an older backend."""
    server = await loopback(lambda _: None)
    assert (await backend_at(server.url, timeout_s=0.1).fetch_breaker()).reason == "did not answer in time"
    server = await loopback(lambda _: reply("{}", "404 Not Found"))
    assert (await backend_at(server.url).fetch_breaker()).reason == "has nothing"


async def test_the_published_text_tells_the_age(loopback, reply, backend_at, clock):
    """UNKNOWN before the first answer and after three silent intervals, with what was last known."""
    alive = True
    server = await loopback(lambda _: reply(json.dumps(FLAT)) if alive else reply("{}", "404 No"))
    poller = BreakerPoller(backend_at(server.url), clock, interval_s=10)
    assert (poller.text(), poller.breaker()) == ("UNKNOWN (never read)", None)
    await poller.poll_once()
    assert poller.text() == "ACTIVE (read 0 s ago)"
    alive = False
    clock.advance(30)
    await poller.poll_once()
    assert poller.text() == "ACTIVE (read 30 s ago)"
    assert poller.breaker().active
    clock.advance(1)
    assert (poller.text(), poller.breaker()) == ("UNKNOWN (read 31 s ago as ACTIVE)", None)


async def test_without_a_backend_it_is_off(clock):
    """No URL: nothing is asked."""
    poller = BreakerPoller(None, clock)
    await poller.run()
    assert (poller.text(), poller.breaker()) == ("OFF", None)


async def test_a_defect_does_not_end_the_polling(clock, eventually):
    """Never raising into the loop, and coming back when the defect is gone."""

    class Flaky:
        calls = 0

        async def fetch_breaker(self):
            self.calls += 1
            if self.calls < 3:
                raise RuntimeError("http://user:hunter22@host")
            return await asyncio.sleep(
                0, type("Answer", (), {"breaker": Breaker(True, "", 0, 0, NOW_MS), "reason": ""})
            )

    poller = BreakerPoller(Flaky(), clock)
    running = asyncio.create_task(poller.run())
    await eventually(poller.breaker)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
