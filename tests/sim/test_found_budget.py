"""Found from outside: request weight, bans and trading rules (rows 1.6, 1.8, 5.2, 5.8 of docs/faults.md)."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.ratelimit import WEIGHT_LIMIT
from tests.sim.stage import Held, Stage, staged
from tests.sim.virtual_time import true_ms

BTC, NEW = "BTCUSDT", "NEWUSDT"
INFO = "GET /fapi/v1/exchangeInfo"
HELD = (
    Held(BTC, "LONG", "0.300", entry=42_000),
    Held("ETHUSDT", "SHORT", "2.000", entry=2_250),
    Held("SOLUSDT", "LONG", "40", entry=98),
)


def loads(stage: Stage) -> int:
    """How often the trading rules were asked for."""
    found = stage.gateway.usage.endpoints.get(INFO)
    return found.requests if found else 0


def listed(stage: Stage, symbol: str = NEW, **facts: str) -> None:
    stage.engine.advance_to(true_ms())
    stage.engine.list_symbol(symbol, "10", "0.001", "1", **facts)


# -- rules of symbols that are new (1.6)


@pytest.mark.parametrize("after_s", [1, 8, 30, 59, 200])
@pytest.mark.parametrize("stream", [False, True], ids=["polls", "stream"])
@staged
async def test_a_symbol_listed_after_the_start_gets_its_stop_within_two_looks(after_s: int, stream: bool) -> None:
    """Row 1.6: whatever was loaded before, the rules of a symbol nobody knew are asked for when it is first seen."""
    async with Stage(*HELD) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        await stage.run(after_s)
        listed(stage)
        stage.trade("open", NEW, "LONG", "100")
        await stage.until("covered", lambda: stage.covered(NEW, "LONG"), within_s=3 if stream else 8)
        await stage.until("protected", stage.is_protected, within_s=20)


@staged
async def test_two_symbols_listed_one_after_the_other_wait_for_nobody() -> None:
    """The load made for the first one says nothing about the second, which was listed after it."""
    async with Stage(*HELD) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        for name in ("NEWAUSDT", "NEWBUSDT", "NEWCUSDT"):
            listed(stage, name)
            stage.trade("open", name, "LONG", "100")
            await stage.until("covered", lambda name=name: stage.covered(name, "LONG"), within_s=9)


@pytest.mark.parametrize("fault", ["unavailable_503", "html", "lose_request", "truncated"])
@staged
async def test_rules_that_cannot_be_read_for_a_while_come_soon_after(fault: str) -> None:
    """A load that failed was made for the new symbol: the next ones follow after ever longer pauses, not after 60 s."""
    async with Stage(*HELD) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault(fault, path=Endpoint.EXCHANGE_INFO.value.path)
        listed(stage)
        stage.trade("open", NEW, "LONG", "100")
        await stage.run(12)
        stage.heal()
        await stage.until("covered", lambda: stage.covered(NEW, "LONG"), within_s=25)


@staged
async def test_a_symbol_whose_rules_were_unreadable_gets_its_stop_when_they_are_readable() -> None:
    async with Stage(*HELD) as stage:
        process = stage.start()
        listed(stage)
        broken = True

        def without_filters(endpoint: Endpoint, _: object, body: object) -> object:
            if endpoint is not Endpoint.EXCHANGE_INFO or not broken:
                return body
            rows = [{**row, "filters": "none"} if row["symbol"] == NEW else row for row in body["symbols"]]  # type: ignore[index]
            return {**body, "symbols": rows}  # type: ignore[dict-item]

        process.transport.rewrites.append(without_filters)
        await stage.run(10)
        stage.trade("open", NEW, "LONG", "100")
        await stage.run(6)
        broken = False
        await stage.until("covered", lambda: stage.covered(NEW, "LONG"), within_s=20)


@staged
async def test_a_flood_of_unknown_symbols_costs_few_loads() -> None:
    """Invariant 10: a row of another unknown symbol in every answer, for three minutes: at most ten loads a minute."""
    async with Stage(*HELD) as stage:
        process = stage.start()
        await stage.until("protected", stage.is_protected)
        before, number = loads(stage), 0

        def another(endpoint: Endpoint, _: object, body: object) -> object:
            nonlocal number
            if endpoint is not Endpoint.OPEN_ALGO_ORDERS or not body:
                return body
            number += 1
            return [*body, {**body[0], "symbol": f"X{number}USDT", "algoId": number}]  # type: ignore[misc, index]

        process.transport.rewrites.append(another)
        await stage.run(180)
        assert number > 5 and loads(stage) - before <= 31


# -- a neighbour on the request budget (1.8)


async def neighbour(stage: Stage, weight: int) -> None:
    """Another program on the address takes this much at the beginning of every minute of the venue."""
    while True:
        stage.engine.advance_to(true_ms())
        free = WEIGHT_LIMIT - stage.gateway.limiter.weight.used(stage.engine.now_ms)
        stage.gateway.limiter.weight.add(stage.engine.now_ms, min(weight, free))
        await asyncio.sleep((60_000 - true_ms() % 60_000 + 1) / 1000)


@pytest.mark.parametrize("weight", [1_300, 2_150, 2_200])
@pytest.mark.parametrize("phase_s", [2, 17, 33, 51])
@staged
async def test_a_neighbour_on_the_budget_leaves_positions_their_reads(weight: int, phase_s: int) -> None:
    """Row 1.8, invariant 12: streams refused; in whatever part of the minute it is opened, the stop rests in 15 s."""
    async with Stage(*HELD, wallet="50000") as stage:
        busy = asyncio.create_task(neighbour(stage, weight))
        stage.start()
        await stage.until("covered", lambda: all(stage.covered(*key) for key in stage.open_keys()), within_s=30)
        await stage.run(60 - true_ms() % 60_000 / 1000 + phase_s)
        for turn, (symbol, quantity) in enumerate((("XRPUSDT", "1000"), ("DOGEUSDT", "9000"), ("ADAUSDT", "900"))):
            stage.trade("open", symbol, "LONG" if turn % 2 else "SHORT", quantity)
            key = (symbol, "LONG" if turn % 2 else "SHORT")
            await stage.until("covered", lambda key=key: stage.covered(*key), within_s=15)
            await stage.run(40)
        assert stage.gateway.usage.limited == 0, "never beyond the venue's own limit"
        busy.cancel()


@staged
async def test_quick_looks_in_trouble_leave_the_minute_its_positions() -> None:
    """The venue refuses every stop for two minutes beside a neighbour: looks are quick, and never run out of weight."""
    async with Stage(*HELD) as stage:
        busy = asyncio.create_task(neighbour(stage, 2_000))
        stage.fault("error", method="POST", path="algoOrder", code=-4045)
        stage.start()
        await stage.run(120)
        stage.heal()
        await stage.until("covered", lambda: all(stage.covered(*key) for key in stage.open_keys()), within_s=15)
        assert stage.gateway.usage.limited == 0
        busy.cancel()


# -- limits and bans with absurd ends (5.2)

ABSURD = ["", "7200", "0", "-5", "soon", "99999999999", "9" * 40, "1e9", "2035-01-01", "120, 120"]


@pytest.mark.parametrize("retry_after", ABSURD)
@staged
async def test_a_429_is_silent_for_at_most_its_minute(retry_after: str) -> None:
    """Row 5.2: request weight is counted by the minute, so nothing that the header says can last longer."""
    async with Stage(*HELD) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("rate_limited", count=1, status=429, retry_after=retry_after)
        await stage.until("told", lambda: stage.entries("fault_struck"))
        stage.trade("open", "XRPUSDT", "LONG", "1000")
        left_s = 61 - true_ms() % 60_000 / 1000
        await stage.until("covered", lambda: stage.covered("XRPUSDT", "LONG"), within_s=left_s + 6)


@pytest.mark.parametrize("retry_after", ["", "0", "-5", "soon", "99999999999", "1", "2035-01-01"])
@staged
async def test_a_ban_without_an_end_is_asked_about_ever_more_rarely(retry_after: str) -> None:
    """Row 5.2, invariants 10 and 17: few requests while it lasts, published as CRITICAL, over soon after its end."""
    async with Stage(*HELD) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        rule = stage.fault("banned", status=418, retry_after=retry_after)
        await stage.until("told", lambda: stage.entries("fault_struck"))
        await stage.run(2)
        before = rule.hits
        stage.trade("open", "XRPUSDT", "LONG", "1000")
        await stage.run(10)
        assert stage.status()["risk_status"] == "CRITICAL" and "HTTP 418" in stage.status()["reason"]
        await stage.run(590)
        assert rule.hits - before <= 12, "ten minutes"
        assert stage.events("BanBegan") and not stage.events("BanEnded")
        stage.heal()
        await stage.until("covered", lambda: stage.covered("XRPUSDT", "LONG"), within_s=310)
        await stage.until("protected", stage.is_protected, within_s=30)
        assert len(stage.events("BanBegan")) == len(stage.events("BanEnded")) == 1


@pytest.mark.parametrize("said", ["2", "1790000000", "99999999999999", str(1_790_000_000_000 - 1), "9" * 13, "never"])
@staged
async def test_a_ban_until_a_moment_that_cannot_be_is_one_without_an_end(said: str) -> None:
    """The time stands in the message as well: seconds for milliseconds, years ahead, long past."""
    async with Stage(*HELD) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("banned", status=418, retry_after="", message=f"Way too many requests; IP banned until {said}.")
        await stage.until("told", lambda: stage.entries("fault_struck"))
        stage.trade("open", "XRPUSDT", "LONG", "1000")
        await stage.run(30)
        stage.heal()
        await stage.until("covered", lambda: stage.covered("XRPUSDT", "LONG"), within_s=90)


@staged
async def test_a_ban_with_an_end_is_kept_and_then_asked_about_first() -> None:
    """Nothing is sent before its end; then one cheap request goes before all others."""
    async with Stage(*HELD) as stage:
        process = stage.start()
        await stage.until("protected", stage.is_protected)
        rule = stage.fault("banned", status=418, retry_after="240")
        await stage.until("told", lambda: stage.entries("fault_struck"))
        await stage.run(2)
        before, asked = rule.hits, process.transport.calls
        await stage.run(230)
        assert rule.hits == before and process.transport.calls == asked
        await stage.run(30)
        assert rule.hits == before + 1, "still banned: one request told it"
        stage.heal()
        await stage.until("told", lambda: stage.events("BanEnded"), within_s=260)
        stage.must_be_protected()


# -- a configuration that cannot be taken over (5.8)


@staged
async def test_an_unknown_key_in_a_ladder_leaves_the_old_configuration() -> None:
    """Row 5.8: at a reload the sentence stands in the journal, and nothing changes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.toml"
        good = '[loop]\ncheck_interval_s = 5\nfull_sweep_s = 20\n[exchange]\nrest_url = "http://127.0.0.1:1"\n'
        good += '[redis]\nprefix = "q"\n'
        path.write_text(good)
        async with Stage(*HELD) as stage:
            process = stage.start(path=path)
            await stage.until("protected", stage.is_protected)
            path.write_text(good + "[protection]\nladder = [{ target_pct = 2, share_pct = 100, shares = 3 }]\n")
            process.service.request_reload()
            await stage.run(12)
            told = [line for line in stage.log if "was not reloaded" in line]
            assert len(told) == 1 and "protection.ladder[0].shares is not a known key (was 3)" in told[0]
            assert stage.status()["risk_status"] == "PROTECTED"
            stage.must_be_protected()


# -- a venue that is slower than the time-out (1.3)


@pytest.mark.parametrize("delay_s", [5, 9, 14])
@staged
async def test_a_venue_slower_than_the_time_out_is_waited_for(delay_s: int) -> None:
    """Row 1.3: every answer takes longer than the 4 s that are waited for; the time-out grows until answers come."""
    async with Stage(*HELD) as stage:
        stage.fault("latency", delay_ms=delay_s * 1_000)
        stage.start()
        covered = await stage.until("covered", lambda: all(stage.covered(*k) for k in stage.open_keys()), within_s=120)
        assert covered <= 15 + 8 * delay_s
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=90)
        await stage.run(10)
        stage.must_be_protected()
