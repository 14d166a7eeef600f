"""Candles under fault beside a daemon that protects: stops come as soon as without them, and the state says no ATR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.stage import Held, Stage, staged

SEVEN = (
    Held("BTCUSDT", "LONG", "0.238", entry=42_000, mark="42035.4"),
    Held("ETHUSDT", "SHORT", "2.200", entry=2_250, mark="2247.35"),
    Held("SOLUSDT", "LONG", "51", entry=98, mark="97.82"),
    Held("BNBUSDT", "SHORT", "12.90", entry=310, mark="310.42"),
    Held("XRPUSDT", "LONG", "7700", entry="0.5200", mark="0.5211"),
    Held("DOGEUSDT", "SHORT", "49000", entry="0.08100", mark="0.08091"),
    Held("ADAUSDT", "LONG", "8300", entry="0.4800", mark="0.4793"),
)
CANDLES = Endpoint.MARK_CANDLES.value.path
FAULTS: dict[str, dict[str, Any]] = {
    "down": {"name": "internal_503"},
    "html": {"name": "html"},
    "empty": {"name": "empty"},
    "an object": {"name": "empty_object"},
    "cut off": {"name": "truncated"},
    "lost": {"name": "lose_request"},
    "hangs": {"name": "timeout_before", "delay_ms": 60_000},
    "slow": {"name": "latency", "delay_ms": 60_000},
    "now and then": {"name": "html", "probability": 0.5},
}
AS_SOON_S = 0.25
"""What one slice of the stage may hide."""


def account(*, candles: bool) -> Stage:
    return Stage(*SEVEN, wallet="20000", config={"exit": {"candles": candles}})


async def _times(stage: Stage) -> tuple[float, float]:
    """Seconds from the start until seven positions are protected, and from a new position until it is covered."""
    daemon = stage.start(stream=True)
    first_s = await stage.until("protected", stage.is_protected)
    await stage.run(30)
    stage.trade("open", "LTCUSDT", "LONG", "10")
    second_s = await stage.until("the new one covered", lambda: stage.covered("LTCUSDT", "LONG"))
    await stage.run(120)
    stage.must_be_protected()
    asked = daemon.transport.counts
    assert (asked["MARK_CANDLES"] > 0) == daemon.service.config.reads_candles
    return first_s, second_s


@staged
async def test_stops_come_as_soon_as_without_candles() -> None:
    async with account(candles=False) as stage:
        plain = await _times(stage)
        assert stage.processes[0].service.candles.missing("BTCUSDT") == "candles are not read (exit.candles)"
    async with account(candles=True) as stage:
        beside = await _times(stage)
        reader = stage.processes[0].service.candles
        for symbol, _ in stage.open_keys():
            assert reader.market(symbol) is not None, (symbol, reader.missing(symbol))
    assert all(ours <= theirs + AS_SOON_S for ours, theirs in zip(beside, plain, strict=True)), (beside, plain)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@staged
async def test_stops_come_as_soon_while_candles_fail(fault: dict[str, Any]) -> None:
    async with account(candles=False) as stage:
        plain = await _times(stage)
    async with account(candles=True) as stage:
        fault = dict(fault)
        stage.engine.add_fault(fault.pop("name"), path=CANDLES, **fault)
        beside = await _times(stage)
        reader = stage.processes[0].service.candles
        if "probability" not in fault:
            for symbol, _ in stage.open_keys():
                assert reader.market(symbol) is None
                assert reader.missing(symbol).startswith("no candle was read yet"), reader.missing(symbol)
            assert "mark price candles: " in reader.missing("BTCUSDT") + reader.missing("ADAUSDT")
    assert all(ours <= theirs + AS_SOON_S for ours, theirs in zip(beside, plain, strict=True)), (beside, plain)


@staged
async def test_what_rests_does_not_depend_on_candles() -> None:
    """With a policy that asks for none, the books are the same to the order."""
    books = []
    for candles in (False, True):
        async with account(candles=candles) as stage:
            await _times(stage)
            books.append(stage.book())
    assert books[0] == books[1]


@staged
async def test_a_reload_begins_and_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    def write(candles: str) -> None:
        path.write_text(
            f'[loop]\ncheck_interval_s = 5\n[exchange]\nrest_url = "http://127.0.0.1:1"\n[exit]\ncandles = {candles}\n'
        )

    write('"auto"')
    async with Stage(*SEVEN, wallet="20000") as stage:
        daemon = stage.start(path=path)
        await stage.until("protected", stage.is_protected)
        await stage.run(60)
        reader, asked = daemon.service.candles, daemon.transport.counts
        assert asked["MARK_CANDLES"] == 0, "hybrid needs none"
        write("true")
        daemon.service.request_reload()
        await stage.run(60)
        assert asked["MARK_CANDLES"] > 0 and reader.market("BTCUSDT") is not None
        write("false")
        daemon.service.request_reload()
        await stage.run(30)
        before = asked["MARK_CANDLES"]
        assert reader.market("BTCUSDT") is None and reader.missing("BTCUSDT") == "candles are not read (exit.candles)"
        await stage.run(600)
        assert asked["MARK_CANDLES"] == before
