"""The promise, end to end over real HTTP and a real Redis: what rests on the exchange, and what Redis says of it."""

from __future__ import annotations

import asyncio
import json
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web
from redis import Redis

from tests.e2e.stack import (
    INCIDENT,
    PREFIX,
    WAIT_S,
    Stack,
    duplicated_intents,
    eventually,
    fully_protected,
    of_position,
)


class TradingStack:
    """The AI engine that answers 404 and the backend whose breaker is active, as on the night of the incident."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self.port = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/circuit-breaker/status", self._breaker)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _breaker(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"active": True, "until": None, "time_remaining_seconds": 300, "can_reset": False, "blocked_orders": 12}
        )

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def trading_stack():
    running = TradingStack()
    yield running
    running.close()


def test_the_night_of_the_incident(stack: Stack, trading_stack: TradingStack) -> None:
    """Seven naked positions, contradictory switches, AI engine 404, breaker active: 7/7 protected and it is said."""
    database = stack.start_redis()
    paper = stack.start_paper("seven-naked")
    url = f"http://127.0.0.1:{trading_stack.port}"
    daemon = stack.start_daemon(stack.config(), **INCIDENT, AI_ENGINE_URL=url, BACKEND_URL=url)

    eventually("every position has its stop and its ladder", lambda: fully_protected(paper))
    status = eventually(
        "Redis says PROTECTED and knows both neighbours",
        lambda: (
            (found := database.hgetall(f"{PREFIX}:status"))
            and found["risk_status"] == "PROTECTED"
            and found["ai_engine"] == "NO_SIGNAL"
            and found["circuit_breaker"].startswith("ACTIVE")
            and found
        ),
    )
    assert (status["positions"], status["protected"]) == ("7", "7")
    assert Decimal(status["coverage_pct"]) == 100
    assert "EXIT_BRAIN_V3_ENABLED" in status["conflicts"]
    assert database.scard(f"{PREFIX}:positions") == 7
    for member in database.smembers(f"{PREFIX}:positions"):
        fields = database.hgetall(f"{PREFIX}:position:{member}")
        assert fields["verdict"] == "PROTECTED"
        assert database.pttl(f"{PREFIX}:position:{member}") > 0
    assert database.get(f"{PREFIX}:lease")
    kinds = {json.loads(fields["data"])["type"] for _, fields in database.xrange(f"{PREFIX}:events")}
    assert {"ConfigConflict", "PositionAppeared", "StopPlaced", "StopReadBack", "TakeProfitPlaced"} <= kinds
    for words in (
        "✅ Started - checking positions every",
        "has no TP/SL - setting protection",
        "✅ SL order placed: BTCUSDT -1.5%",
        "✅ TP order placed: BTCUSDT +2.5%",
        "🛡️ 7/7 protected (100%)",
    ):
        eventually(f"the journal says {words}", lambda words=words: words in daemon.text())
    assert not duplicated_intents(paper)


def test_every_stop_is_sent_before_any_take_profit(stack: Stack) -> None:
    stack.start_redis()
    paper = stack.start_paper("seven-naked")
    stack.start_daemon(stack.config())
    eventually("all is placed", lambda: fully_protected(paper))
    placed = sorted(paper.resting(), key=lambda row: row["algoId"])
    kinds = [row["orderType"] for row in placed]
    assert kinds == ["STOP_MARKET"] * 7 + ["TAKE_PROFIT_MARKET"] * (len(kinds) - 7)


@pytest.mark.parametrize("after", [0, 1, 4, 7, 12])
def test_killed_in_mid_placement_it_continues_without_duplicates(stack: Stack, after: int) -> None:
    """kill -9 once `after` orders rest; the next process, with nothing remembered, completes the same book."""
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    paper.post("fault", name="latency", path="/fapi/v1/algoOrder", method="POST", delay_ms=150)
    config = stack.config()
    first = stack.start_daemon(config)
    eventually(f"{after} orders rest", lambda: len(paper.resting()) >= after)
    first.kill()
    paper.clear_faults()
    before = {row["clientAlgoId"] for row in paper.resting()}
    stack.start_daemon(config)
    eventually("the book is complete", lambda: fully_protected(paper))
    assert before <= {row["clientAlgoId"] for row in paper.resting()}
    assert not duplicated_intents(paper)


def test_a_restart_changes_nothing(stack: Stack) -> None:
    database = stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    config = stack.config()
    first = stack.start_daemon(config)
    eventually("all is placed", lambda: fully_protected(paper))
    book = {row["algoId"]: row["clientAlgoId"] for row in paper.resting()}
    assert first.terminate() == 0
    assert {row["algoId"]: row["clientAlgoId"] for row in paper.resting()} == book
    database.flushall()
    stack.start_daemon(config)
    eventually("the new process has judged", lambda: database.hget(f"{PREFIX}:status", "risk_status") == "PROTECTED")
    eventually("it went on checking", lambda: int(database.hget(f"{PREFIX}:status", "sequence") or 0) >= 3)
    assert {row["algoId"]: row["clientAlgoId"] for row in paper.resting()} == book


def test_without_redis_every_stop_rests_and_the_rest_follows_with_it(stack: Stack, tmp_path: Path) -> None:
    """Redis is for telling: down at start, no stop waits for it; when it comes, ladders and state are there. Who rests
    take-profits is for the lease to say (invariant 9)."""
    from position_monitor.edge.redis.embedded import EmbeddedRedis

    probe = EmbeddedRedis()
    probe.start()
    port = probe.port
    probe.stop()
    paper = stack.start_paper("seven-naked")
    stack.start_daemon(stack.config(redis_url=f"redis://127.0.0.1:{port}/0"))
    eventually("every stop is placed", lambda: fully_protected(paper, ladder=False))
    with EmbeddedRedis(port) as late:
        import redis

        database = redis.Redis.from_url(late.url, decode_responses=True)
        eventually("the state is published", lambda: database.hget(f"{PREFIX}:status", "risk_status") == "PROTECTED")
        assert fully_protected(paper)


def test_hedge_mode_protects_both_legs(stack: Stack) -> None:
    stack.start_redis()
    paper = stack.start_paper("hedge")
    stack.start_daemon(stack.config())
    eventually("every leg has its stop and its ladder", lambda: fully_protected(paper))
    sides = {row["positionSide"] for row in paper.resting()}
    assert sides == {"LONG", "SHORT"}
    symbols = [symbol for symbol, _ in paper.positions()]
    assert len(symbols) > len(set(symbols)), "the scenario holds both legs of a symbol"


def test_foreign_orders_are_left_alone(stack: Stack) -> None:
    database = stack.start_redis()
    paper = stack.start_paper("with-foreign", "--price-interval-s", "0")
    foreign = {row["algoId"] for row in paper.resting()}
    plain = [row["orderId"] for row in paper.state()["plain_orders"] if row["status"] == "NEW"]
    assert foreign
    daemon = stack.start_daemon(stack.config())
    eventually("every position is covered", lambda: "protected (100%)" in daemon.text())
    more_cycles(database, 5)
    assert foreign <= {row["algoId"] for row in paper.resting()}
    assert plain == [row["orderId"] for row in paper.state()["plain_orders"] if row["status"] == "NEW"]


def more_cycles(database: Redis, count: int) -> None:
    """Let the daemon finish that many further cycles."""

    def sequence() -> int:
        return int(database.hget(f"{PREFIX}:status", "sequence") or 0)

    begun = eventually("a state is published", sequence)
    eventually(f"{count} more cycles", lambda: sequence() >= begun + count)


def test_a_closed_position_leaves_no_orphans_and_the_others_alone(stack: Stack) -> None:
    """Closing one position: its ladder is swept once flat is proven; nothing else is touched."""
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    stack.start_daemon(stack.config())
    eventually("all is placed", lambda: fully_protected(paper))
    others = {row["algoId"] for row in paper.resting() if row["symbol"] != "BTCUSDT"}
    paper.post("position", action="close", symbol="BTCUSDT", side="LONG")
    eventually("its orders are gone", lambda: not [r for r in paper.resting() if r["symbol"] == "BTCUSDT"])
    assert {row["algoId"] for row in paper.resting()} == others


def test_one_false_flat_answer_removes_nothing(stack: Stack) -> None:
    database = stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    stack.start_daemon(stack.config())
    eventually("all is placed", lambda: fully_protected(paper))
    book = {row["algoId"] for row in paper.resting()}
    paper.post("fault", name="false_flat", count=5)
    eventually("the fault was met", lambda: not paper.state()["faults"])
    more_cycles(database, 4)
    eventually("it recovered", lambda: database.hget(f"{PREFIX}:status", "risk_status") == "PROTECTED")
    assert {row["algoId"] for row in paper.resting()} == book


def test_the_position_grows_and_its_ladder_follows(stack: Stack) -> None:
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    stack.start_daemon(stack.config())
    eventually("all is placed", lambda: fully_protected(paper))
    stop = next(r["algoId"] for r in of_position(paper.resting(), "BTCUSDT", "LONG") if r["closePosition"])
    paper.post("position", action="add", symbol="BTCUSDT", side="LONG", quantity="0.1")
    grown = paper.positions()[("BTCUSDT", "LONG")]
    assert grown == Decimal("0.338")
    eventually("the ladder has the new size and no more", lambda: fully_protected(paper))
    assert stop in {row["algoId"] for row in paper.resting()}, "the backstop was not touched"


def test_wrong_credentials_are_named_and_nothing_is_claimed(stack: Stack) -> None:
    database = stack.start_redis()
    stack.start_paper("seven-naked")
    config = stack.config()
    daemon = stack.start_daemon(config, EXCHANGE_API_KEY="not-the-key", EXCHANGE_API_SECRET="not-the-secret")
    status = eventually("a state is published", lambda: database.hgetall(f"{PREFIX}:status"))
    assert status["risk_status"] == "UNKNOWN"
    assert "-2015" in status["reason"] or "-2014" in status["reason"]
    assert daemon.process.poll() is None
    assert "not-the-secret" not in daemon.text() and "not-the-key" not in daemon.text()
    assert "signature=" not in daemon.text()


def test_bad_configuration_ends_with_78_and_names_the_key(stack: Stack) -> None:
    stack.start_paper("flat")
    daemon = stack.start_daemon(stack.config("[protection]\nstop_loss_pct = 75\n"))
    assert daemon.process.wait(WAIT_S) == 78
    assert "protection.stop_loss_pct" in daemon.text()
    assert "75" in daemon.text()


def test_rebase_on_add_moves_the_stop_without_a_gap(stack: Stack) -> None:
    """Averaging down with `rebase_on_add`: the looser backstop replaces the old one, a bridge covers in between."""
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    stack.start_daemon(stack.config("[protection]\nrebase_on_add = true\n"))
    eventually("all is placed", lambda: fully_protected(paper))
    paper.post("price", symbol="BTCUSDT", price="41500")
    paper.post("position", action="add", symbol="BTCUSDT", side="LONG", quantity="0.238")

    def rebased() -> bool:
        stops = [r for r in of_position(paper.resting(), "BTCUSDT", "LONG") if r["orderType"] == "STOP_MARKET"]
        return len(stops) == 1 and stops[0]["closePosition"] and Decimal(stops[0]["triggerPrice"]) < 41370

    eventually("one looser backstop rests, the bridge is gone", rebased)
    eventually("the ladder follows", lambda: fully_protected(paper))
    resting = [0]
    for entry in paper.journal():
        if entry["symbol"] == "BTCUSDT" and entry["detail"].get("type") == "STOP_MARKET":
            resting.append(resting[-1] + {"order_accepted": 1, "order_canceled": -1}.get(entry["kind"], 0))
    first = resting.index(1)
    assert min(resting[first:]) >= 1, "from the first stop on there was never none"
    assert max(resting) == 2, "the bridge rested beside the backstop"


def rarely_checking(stack: Stack) -> Path:
    """A configuration with a minute between two checks: what happens sooner was brought by a stream."""
    config = stack.config()
    text = config.read_text().replace("check_interval_s = 1", "check_interval_s = 60")
    config.write_text(text.replace("full_sweep_s = 2", "full_sweep_s = 60"))
    return config


def test_an_event_wakes_the_loop_long_before_the_next_check(stack: Stack) -> None:
    """With a minute between checks, a new position has its stop as soon as the stream tells of it."""
    stack.start_redis()
    paper = stack.start_paper("flat", "--price-interval-s", "0")
    daemon = stack.start_daemon(rarely_checking(stack))
    eventually("the first cycle is over", lambda: "0/0 protected" in daemon.text())
    before = paper.state()["now_ms"]
    paper.post("position", action="open", symbol="BTCUSDT", side="LONG", quantity="0.1")
    eventually("it is protected", lambda: fully_protected(paper))
    placed = [entry for entry in paper.journal() if entry["kind"] == "order_accepted" and entry["origin"] == "api"]
    assert placed[0]["at_ms"] - before < 50_000, "the check interval alone would have taken a minute"


def streams_are(database: Redis, **states: str) -> bool:
    """Whether the published health of the streams begins with these words."""
    found = json.loads(database.hget(f"{PREFIX}:status", "streams") or "{}")
    return all(found.get(name, "").startswith(state) for name, state in states.items())


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_an_event_is_enough_for_the_stop_while_nothing_can_be_read(stack: Stack, side: str) -> None:
    """The fast path: the venue answers every read with a web page, and the new position has its stop all the same."""
    database = stack.start_redis()
    paper = stack.start_paper("flat", "--price-interval-s", "0")
    daemon = stack.start_daemon(rarely_checking(stack))
    eventually("the first cycle is over", lambda: "0/0 protected" in daemon.text())
    eventually("the stream delivers", lambda: streams_are(database, user="LIVE"))
    paper.post("fault", name="html", method="GET")
    paper.post("position", action="open", symbol="BTCUSDT", side=side, quantity="0.1")
    stops = eventually("its stop rests", lambda: paper.resting(origin="api"))
    assert [(row["orderType"], row["closePosition"], row["side"]) for row in stops] == [
        ("STOP_MARKET", True, "SELL" if side == "LONG" else "BUY")
    ]
    eventually("nothing is claimed of it", lambda: database.hget(f"{PREFIX}:status", "risk_status") == "UNKNOWN")
    paper.clear_faults()
    eventually("the ladder follows once it was read", lambda: fully_protected(paper))
    assert len([row for row in paper.resting() if row["closePosition"]]) == 1
    assert "Traceback" not in daemon.text()


def test_a_trailing_stop_follows_the_streamed_mark(stack: Stack) -> None:
    """With a minute between checks, the working stop moves when the mark price does."""
    database = stack.start_redis()
    paper = stack.start_paper("flat", "--price-interval-s", "0")
    paper.post("price", symbol="BTCUSDT", price="40000")
    paper.post("position", action="open", symbol="BTCUSDT", side="LONG", quantity="0.3")
    stack.start_daemon(rarely_checking(stack))
    eventually("it is protected", lambda: fully_protected(paper))
    eventually("marks arrive", lambda: streams_are(database, marks="LIVE"))
    paper.post("price", symbol="BTCUSDT", price="41500")

    def trails() -> bool:
        stops = [r for r in of_position(paper.resting(), "BTCUSDT", "LONG") if r["orderType"] == "STOP_MARKET"]
        return any(not row["closePosition"] and Decimal(row["triggerPrice"]) > 40_500 for row in stops)

    eventually("a working stop rests in profit", trails)


def test_without_a_stream_protection_goes_on_and_the_state_says_so(stack: Stack) -> None:
    """The venue gives no listen key: positions are found in turn, and the health is published."""
    database = stack.start_redis()
    paper = stack.start_paper("flat", "--price-interval-s", "0")
    paper.post("fault", name="error", path="/fapi/v1/listenKey", code=-1125)
    stack.start_daemon(stack.config())
    eventually("a state is published", lambda: database.hgetall(f"{PREFIX}:status"))
    paper.post("position", action="open", symbol="BTCUSDT", side="LONG", quantity="0.1")
    eventually("it is protected", lambda: fully_protected(paper))
    eventually("the health is told", lambda: streams_are(database, user="DOWN", marks="LIVE"))
    paper.clear_faults()
    eventually("the stream comes back", lambda: streams_are(database, user="LIVE"))
    said = [json.loads(fields["data"]) for _, fields in database.xrange(f"{PREFIX}:events")]
    ups_and_downs = [e["type"] for e in said if e["type"].startswith("Stream") and e["stream"] == "user"]
    assert ups_and_downs == ["StreamLost", "StreamBack"]
