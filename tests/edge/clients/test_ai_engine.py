"""The AI engine: recorded answers, misbehaviour on a real socket, and the poller in the background."""

from __future__ import annotations

import asyncio
import contextlib
import json
from decimal import Decimal

import pytest
from loguru import logger

from position_monitor.edge.ai_engine import AdvicePoller, AdviceStatus, AiEngine, Answer, Question
from position_monitor.edge.http.json_service import BODY_BYTES_MAX
from position_monitor.errors import ConfigError

NOW_MS = 1_780_000_000_000
RECORDED_AT = "http://127.0.0.1:8001"
ASKED = Question(Decimal("64880.5"))
SIGNAL = {"action": "buy", "confidence": 0.9, "timestamp": NOW_MS - 10_000}


@pytest.fixture
async def engine_at(clock):
    made = []

    def make(url=RECORDED_AT, **changes):
        made.append(AiEngine(url, clock, **changes))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


async def test_a_recorded_signal_becomes_advice(cassette, engine_at):
    """The engine of the stack, answering as it does."""
    with cassette("ai_signal"):
        answer = await engine_at().fetch("BTCUSDT", ASKED)
    assert answer.status is AdviceStatus.OK
    advice = answer.advice
    assert (advice.symbol, advice.action, advice.regime) == ("BTCUSDT", "BUY", "TRENDING")
    assert advice.confidence == Decimal("0.83")
    assert advice.issued_at_ms == NOW_MS - 10_000
    assert advice.expires_at_ms == NOW_MS + 290_000
    assert (advice.take_profit_pct, advice.stop_loss_pct, advice.trailing_pct) == (None, None, None)


async def test_recorded_levels_are_exact_decimals(cassette, engine_at):
    """Percentages pass through without becoming binary fractions."""
    with cassette("ai_signal_with_levels"):
        advice = (await engine_at().fetch("BTCUSDT", ASKED)).advice
    assert (advice.take_profit_pct, advice.stop_loss_pct, advice.trailing_pct) == (
        Decimal("2.75"),
        Decimal("1.1"),
        Decimal("0.8"),
    )


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("ai_no_signal", AdviceStatus.NO_SIGNAL, ""),
        ("ai_not_initialised", AdviceStatus.DOWN, "answered HTTP 503"),
        ("ai_validation_error", AdviceStatus.DOWN, "answered HTTP 422"),
    ],
)
async def test_other_recorded_answers(cassette, engine_at, name, status, reason):
    """404 is "no signal", not an outage; the incident's bot took it for one."""
    with cassette(name):
        answer = await engine_at().fetch("BTCUSDT", ASKED)
    assert (answer.status, answer.reason, answer.advice) == (status, reason, None)


async def test_old_advice_is_stale(cassette, engine_at, clock):
    """A replayed or late signal is ignored (D5)."""
    clock.advance(290)
    with cassette("ai_signal"):
        answer = await engine_at().fetch("BTCUSDT", ASKED)
    assert (answer.status, answer.advice) == (AdviceStatus.STALE, None)
    assert answer.reason == "its signal is 300 s old"


@pytest.mark.parametrize(
    "stamp",
    [
        NOW_MS - 10_000,
        (NOW_MS - 10_000) / 1000,
        "2026-05-28T20:26:30Z",
        "2026-05-28T20:26:30",
        "2026-05-28T22:26:30+02:00",
    ],
)
async def test_every_spelling_of_a_time(loopback, reply, engine_at, stamp):
    """Seconds, milliseconds, ISO with and without a zone."""
    server = await loopback(lambda _: reply(json.dumps({**SIGNAL, "timestamp": stamp})))
    answer = await engine_at(server.url).fetch("BTCUSDT", ASKED)
    assert answer.advice.issued_at_ms == NOW_MS - 10_000


async def test_a_clock_slightly_ahead_does_not_prolong_advice(loopback, reply, engine_at):
    """The engine's clock may differ by seconds; its advice still expires by ours."""
    server = await loopback(lambda _: reply(json.dumps({**SIGNAL, "timestamp": NOW_MS + 30_000})))
    answer = await engine_at(server.url).fetch("BTCUSDT", ASKED)
    assert answer.advice.issued_at_ms == NOW_MS
    assert answer.advice.expires_at_ms == NOW_MS + 300_000


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>captive portal</html>",
        "[]",
        "null",
        "{}",
        json.dumps(SIGNAL)[:-1],
        json.dumps({**SIGNAL, "confidence": 1.01}),
        json.dumps({**SIGNAL, "confidence": "NaN"}),
        json.dumps({**SIGNAL, "confidence": float("nan")}),
        json.dumps({**SIGNAL, "confidence": -0.1}),
        json.dumps({**SIGNAL, "confidence": None}),
        json.dumps({**SIGNAL, "confidence": True}),
        json.dumps({**SIGNAL, "action": ""}),
        json.dumps({**SIGNAL, "action": "BUY; DROP"}),
        json.dumps({**SIGNAL, "sl_pct": 0}),
        json.dumps({**SIGNAL, "sl_pct": -1}),
        json.dumps({**SIGNAL, "sl_pct": 51}),
        json.dumps({**SIGNAL, "tp_pct": float("inf")}),
        json.dumps({**SIGNAL, "regime": "x" * 51}),
        json.dumps({**SIGNAL, "timestamp": "yesterday"}),
        json.dumps({**SIGNAL, "timestamp": NOW_MS + 3_600_000}),
        json.dumps({**SIGNAL, "timestamp": -5}),
        json.dumps({**SIGNAL, "timestamp": float("inf")}),
        json.dumps({**SIGNAL, "timestamp": 10**400}),
        json.dumps({**SIGNAL, "symbol": "ETHUSDT"}),
        json.dumps({"action": "BUY", "confidence": 0.9}),
        b"\xff\xfe{}",
    ],
)
async def test_garbage_is_down_and_never_advice(loopback, reply, engine_at, body):
    """D1, D5: outside its bounds, about another symbol, from the future, or no JSON at all."""
    server = await loopback(lambda _: reply(body))
    answer = await engine_at(server.url).fetch("BTCUSDT", ASKED)
    assert (answer.status, answer.advice, answer.unreachable) == (AdviceStatus.DOWN, None, False)
    assert len(server.asked) == 1, "garbage is not asked for again"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "did not answer in time"),
        (b"\x00\x01garbage\r\n\r\n", "could not be reached (RemoteProtocolError)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", "answered HTTP 302"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answered HTTP 500"),
    ],
)
async def test_transport_failures_are_down(loopback, engine_at, raw, reason):
    """Timeouts, broken protocols, redirects and server errors, without an address in the reason."""
    server = await loopback(lambda _: raw)
    answer = await engine_at(server.url.replace("://", "://user:hunter22@"), timeout_s=0.1).fetch("BTCUSDT", ASKED)
    assert (answer.status, answer.reason, answer.unreachable) == (AdviceStatus.DOWN, reason, True)


async def test_a_refused_connection_is_down(loopback, engine_at):
    """Nobody listens."""
    server = await loopback(lambda _: None)
    await server.stop()
    answer = await engine_at(server.url).fetch("BTCUSDT", ASKED)
    assert (answer.status, answer.reason) == (AdviceStatus.DOWN, "could not be reached (ConnectError)")


async def test_an_endless_body_is_cut_off(loopback, reply, engine_at):
    """Bounded (invariant 10)."""
    server = await loopback(lambda _: reply(b" " * (BODY_BYTES_MAX + 1)))
    answer = await engine_at(server.url).fetch("BTCUSDT", ASKED)
    assert answer.reason == f"answered more than {BODY_BYTES_MAX} bytes"


async def test_a_server_error_is_asked_again_a_few_times(loopback, reply, engine_at):
    """One hiccup is not an outage."""
    answers = [reply("{}", "503 No"), reply("{}", "502 No"), reply(json.dumps(SIGNAL))]
    server = await loopback(lambda _: answers.pop(0))
    assert (await engine_at(server.url).fetch("BTCUSDT", ASKED)).status is AdviceStatus.OK
    assert len(server.asked) == 3


async def test_a_password_in_the_address_is_sent_and_never_said(loopback, engine_at, reply):
    """Invariant 15."""
    server = await loopback(lambda _: reply(json.dumps(SIGNAL)))
    engine = engine_at(server.url.replace("://", "://user:hunter22@"))
    assert (await engine.fetch("BTCUSDT", ASKED)).status is AdviceStatus.OK
    assert "Authorization: Basic" in server.asked[0]
    assert "hunter22" not in server.asked[0]
    with pytest.raises(ConfigError) as refused:
        engine_at("ftp://user:hunter22@host")
    assert "hunter22" not in str(refused.value)


def watched(*symbols):
    return dict.fromkeys(symbols, ASKED)


async def test_without_an_engine_everything_is_off(clock):
    """No URL: nothing is asked, nothing is missing."""
    poller = AdvicePoller(None, clock)
    poller.watch(watched("BTCUSDT"))
    await poller.run()
    assert (poller.status(), poller.advice("BTCUSDT")) == (AdviceStatus.OFF, None)


async def test_advice_lasts_until_its_expiry_even_when_the_engine_dies(loopback, reply, engine_at, clock):
    """D6: the last valid signal, then the static policy."""
    alive = True
    server = await loopback(lambda _: reply(json.dumps(SIGNAL)) if alive else reply("{}", "500 No"))
    poller = AdvicePoller(engine_at(server.url), clock)
    poller.watch(watched("BTCUSDT"))
    await poller.poll_once()
    assert (poller.status(), poller.advice("BTCUSDT").action) == (AdviceStatus.OK, "BUY")
    alive = False
    await poller.poll_once()
    assert poller.status() is AdviceStatus.DOWN
    assert poller.advice("BTCUSDT") is not None
    clock.advance(300)
    assert poller.advice("BTCUSDT") is None


async def test_a_closed_position_is_forgotten(loopback, reply, engine_at, clock):
    """Nothing is asked and kept for symbols without a position (P5)."""
    server = await loopback(lambda _: reply(json.dumps(SIGNAL)))
    poller = AdvicePoller(engine_at(server.url), clock)
    poller.watch(watched("BTCUSDT", "ETHUSDT"))
    await poller.poll_once()
    poller.watch(watched("ETHUSDT"))
    assert poller.advice("BTCUSDT") is None
    assert poller.advice("ETHUSDT") is not None
    await poller.poll_once()
    assert len(server.asked) == 3


async def test_one_symbol_of_garbage_does_not_silence_the_others(loopback, reply, engine_at, clock):
    """Invariant 12, and the status says that something is off."""
    server = await loopback(lambda text: reply("{}" if "AAAUSDT" in text else json.dumps(SIGNAL)))
    poller = AdvicePoller(engine_at(server.url), clock)
    poller.watch(watched("AAAUSDT", "BTCUSDT", "ETHUSDT"))
    await poller.poll_once()
    assert poller.status() is AdviceStatus.DOWN
    assert poller.advice("ETHUSDT") is not None


async def test_questions_are_few_at_a_time_and_an_outage_ends_the_round(loopback, reply, engine_at, clock, eventually):
    """200 positions and a dead engine must not mean 200 time-outs (invariant 10)."""
    server = await loopback(lambda _: reply(json.dumps(SIGNAL)))
    server.gate = asyncio.Event()
    poller = AdvicePoller(engine_at(server.url), clock)
    poller.watch(watched(*(f"COIN{n}USDT" for n in range(20))))
    polling = asyncio.create_task(poller.poll_once())
    await eventually(lambda: server.at_once == 4)
    server.gate.set()
    await polling
    assert (server.at_once_max, len(server.asked)) == (4, 20)

    server.answer = lambda _: reply("{}", "500 No")
    await poller.poll_once()
    assert len(server.asked) <= 20 + 4 * 3
    assert poller.status() is AdviceStatus.DOWN


async def test_a_defect_in_the_client_does_not_end_the_polling(clock):
    """Never raising into the loop."""

    class Broken:
        async def fetch(self, symbol, question):
            raise RuntimeError("http://user:hunter22@host")

    poller = AdvicePoller(Broken(), clock)
    poller.watch(watched("BTCUSDT"))
    await poller.poll_once()
    assert poller._answers["BTCUSDT"] == Answer(AdviceStatus.DOWN, "could not be asked (RuntimeError)")


async def test_a_new_position_is_asked_about_at_once(loopback, reply, engine_at, clock, eventually, monkeypatch):
    """The running poller does not wait for its interval when a symbol appears."""
    server = await loopback(lambda _: reply(json.dumps(SIGNAL)))

    async def for_ever(_):
        await asyncio.Event().wait()

    monkeypatch.setattr(clock, "sleep", for_ever)
    poller = AdvicePoller(engine_at(server.url), clock)
    running = asyncio.create_task(poller.run())
    await asyncio.sleep(0)
    assert poller.status() is AdviceStatus.NO_SIGNAL
    poller.watch(watched("BTCUSDT"))
    await eventually(lambda: poller.advice("BTCUSDT"))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_two_answers_a_poll_apart_are_a_row_and_anything_between_ends_it(loopback, reply, engine_at, clock):
    """S9: a stop that rests moves only on two that agree; a retry within a poll is no second answer."""
    answers = ["1.0", "1.1", "1.2", None, "1.3", "1.4"]
    server = await loopback(
        lambda _: reply(json.dumps(SIGNAL | {"sl_pct": float(answers[0])})) if answers[0] else reply("{}", "404 No")
    )
    poller = AdvicePoller(engine_at(server.url), clock, interval_s=10)
    poller.watch(watched("BTCUSDT"))
    rows = []
    for pause_s in (0, 2, 8, 10, 10, 10):
        clock.advance(pause_s)
        await poller.poll_once()
        advice = poller.advice("BTCUSDT")
        rows.append((advice.stop_loss_pct, advice.before and advice.before.stop_loss_pct))
        del answers[0]
    expected = [("1.0", None), ("1.1", None), ("1.2", "1.1"), ("1.2", "1.1"), ("1.3", None), ("1.4", "1.3")]
    assert rows == [(Decimal(now), before and Decimal(before)) for now, before in expected]
    assert advice.before.before is None


async def test_ignored_advice_is_told_once_an_hour_for_each_symbol(loopback, reply, engine_at, clock):
    """S9: a unit error is a warning for eyes by day, not a flood."""
    server = await loopback(lambda _: reply(json.dumps(SIGNAL | {"timestamp": clock.now_ms()})))
    poller = AdvicePoller(engine_at(server.url), clock, why_ignored=lambda advice: "its stop was 0.02 %")
    poller.watch(watched("BTCUSDT", "ETHUSDT"))
    lines = []
    sink = logger.add(lambda line: lines.append(line.strip()), format="{message}", level="WARNING")
    for _ in range(3):
        await poller.poll_once()
        clock.advance(30)
    first = sorted(lines)
    clock.advance(3_600)
    await poller.poll_once()
    logger.remove(sink)
    assert first == ["AI engine: BTCUSDT its stop was 0.02 %", "AI engine: ETHUSDT its stop was 0.02 %"]
    assert sorted(lines) == sorted([*first, *first])


@pytest.mark.parametrize("key", ["confidence", "sl_pct", "tp_pct", "trail_pct"])
async def test_a_number_that_comes_as_text_is_garbage(loopback, reply, engine_at, key):
    """12.6."""
    server = await loopback(lambda _: reply(json.dumps(SIGNAL | {key: "0.9"})))
    answer = await engine_at(server.url).fetch("BTCUSDT", ASKED)
    assert (answer.status, answer.advice) == (AdviceStatus.DOWN, None)
    assert key in answer.reason
