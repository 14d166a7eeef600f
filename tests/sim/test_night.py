"""The story of a scripted night as a person reads it in the journal, through the daemon's own writer (DESIGN 7)."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from loguru import logger

from position_monitor.edge import log
from tests.documents.reading import ROOT, blocks
from tests.sim.records_model import KeptRecords
from tests.sim.stage import Held, Stage, staged

BTC = "BTCUSDT"
LINES_MAX = 60
SETTINGS = """
[exchange]
rest_url = "http://127.0.0.1:1"
[redis]
prefix = "q"
[loop]
check_interval_s = 5
full_sweep_s = 20
"""
DEBUG, INFO, NOTICE, WARNING, ERROR = "7", "6", "5", "4", "3"


class Journald:
    """Takes entries as the journal's socket does."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []

    def send(self, fields: Mapping[str, str]) -> bool:
        self.entries.append(dict(fields))
        return True


@contextmanager
def journal_of(level: str = "INFO") -> Iterator[Journald]:
    """What the daemon's journal gets, beside what the stage listens to."""
    journald = Journald()
    sink = log._Sink(io.StringIO(), for_journal=True, native=journald)  # type: ignore[arg-type]
    number = logger.add(sink, level=level, format="{message}", backtrace=False, diagnose=False)
    try:
        yield journald
    finally:
        sink.flush(10)
        logger.remove(number)


def told_in_order(entries: list[dict[str, str]], story: list[tuple[str, str, str]]) -> None:
    """Each (priority, event, words) of a story is there, one after the other."""
    left = iter(entries)
    for priority, event, words in story:
        for entry in left:
            if words in entry["MESSAGE"] and entry.get("EVENT", "") == event:
                assert entry["PRIORITY"] == priority, entry
                break
        else:
            lines = "\n".join(entry["MESSAGE"] for entry in entries)
            raise AssertionError(f"not told, or not in its order: {event} {words}\n{lines}")


NAMES = {DEBUG: "debug", INFO: "info", NOTICE: "notice", WARNING: "warning", ERROR: "err"}
OF_EACH_RUN = re.compile(r"\bqpm[0-9a-z]{20,}|\bweb_\w+|(?<=configuration )[0-9a-f]{12}|(?<=hash )[0-9a-f]{12}")
"""What differs between two runs of the same night, or two versions of the program: ids and the configuration's hash."""


def as_shown(entries: list[dict[str, str]]) -> str:
    """The journal in the form in which the documentation shows it."""
    return "".join(f"{NAMES[entry['PRIORITY']]:<7} {entry['MESSAGE']}\n" for entry in entries)


def night_in_the_documentation() -> str:
    (shown,) = (code.text for code in blocks(ROOT / "docs" / "journal.md") if "Started - checking" in code.text)
    return shown


STORY = [
    (INFO, "Started", "✅ Started - checking positions every 5s (version "),
    (INFO, "", "🛡️ 0/0 protected (100%)"),
    (INFO, "", "⚠️ BTCUSDT has no TP/SL - setting protection (LONG 0.2 @ 42000.1, opened just now)"),
    (INFO, "StopPlaced", "✅ SL order placed: BTCUSDT -1.5% (LONG, STOP_MARKET close-all @ 41370.1)"),
    (INFO, "TakeProfitPlaced", "✅ TP order placed: BTCUSDT +2.5% (LONG, ladder of 3: 0.06 at +1.5%"),
    (INFO, "", "🛡️ 1/1 protected (100%)"),
    (INFO, "PositionGrew", "BTCUSDT LONG grew from 0.2 to 0.3 @ 42000.1"),
    (INFO, "TakeProfitPlaced", "ladder of 3: 0.09 at +1.5%, 0.09 at +2.5%, 0.12 at +4%)"),
    (INFO, "TakeProfitFilled", "🎯 TP filled: BTCUSDT LONG rung 1, 0.09 @ 42640 (id qpm"),
    (INFO, "StopPlaced", "BTCUSDT +0.1% (LONG, STOP_MARKET 0.21 @ 42042.2): breakeven (hybrid)"),
    (INFO, "PositionShrank", "BTCUSDT LONG shrank from 0.3 to 0.21"),
    (INFO, "TakeProfitFilled", "rung 2, 0.09 @ 43100 (id qpm"),
    (
        INFO,
        "StopPlaced",
        "✅ SL order placed: BTCUSDT +2.02% (LONG, STOP_MARKET 0.12 @ 42847.5): 1.5 % behind the price 43500",
    ),
    (INFO, "StopPlaced", "✅ SL order placed: BTCUSDT +2.25% (LONG"),
    (INFO, "StopFired", "🛑 Stop fired: BTCUSDT LONG 0.12 @ 42700 (id qpm"),
    (INFO, "RecordFinal", ": 0.3 @ 42802, net 227.85 USDT = 1.21 R (gross 240.57, fees 12.72)"),
    (INFO, "PositionFlat", "BTCUSDT LONG is flat"),
    (INFO, "PositionFlipped", "BTCUSDT SHORT: the position turned, it was LONG and is 0.1 @ 42700 now"),
    (INFO, "StopPlaced", "✅ SL order placed: BTCUSDT -1.5% (SHORT, STOP_MARKET close-all @ 43340.5)"),
    (INFO, "RecordFinal", "🏁 BTCUSDT LONG closed by an order that is not ours (EXTERNAL, order web_"),
    (WARNING, "ForeignOrderSeen", "BTCUSDT SHORT: an order that is not ours rests: STOP_MARKET 0.1 @ 42900"),
    (INFO, "ForeignOrderGone", "BTCUSDT SHORT: an order that is not ours is gone: STOP_MARKET 0.1 @ 42900"),
    (WARNING, "OrderVanished", "⚠️ BTCUSDT SHORT: our take-profit of rung 3 was cancelled, and not by this program"),
    (INFO, "TakeProfitPlaced", "✅ TP order placed: BTCUSDT +4% (SHORT"),
    (ERROR, "BanBegan", "🚨 The exchange has banned this address (HTTP 418)"),
    (NOTICE, "BanEnded", "its ban is over"),
    (WARNING, "RedisLost", "Redis does not take the state (127.0.0.1:6379 did not answer: the connection was lost)"),
    (NOTICE, "RedisBack", "Redis takes the state again, after "),
    (INFO, "ConfigReloaded", "changed: protection.trailing_pct 1.5 -> 1.2"),
    (INFO, "Stopped", "Stopped (account main); all orders stay on the exchange"),
]


def _write(path: Path, text: str) -> None:
    path.write_text(text)


async def night(stage: Stage, path: Path) -> None:
    """Open, add, two rungs, breakeven, trail, stop, flip, another's stop, a cancel by hand, ban, Redis away, reload."""
    process = stage.start(path=path, stream=True, records=KeptRecords())
    await stage.run(10)
    stage.trade("open", BTC, "LONG", "0.2")
    await stage.run(8)
    stage.trade("add", BTC, "LONG", "0.1")
    await stage.run(8)
    for price in (42_000, 42_640, 43_100, 43_500, 43_600):
        stage.price(BTC, price)
        await stage.run(12)
    stage.price(BTC, 42_700)
    await stage.run(20)
    stage.trade("open", BTC, "LONG", "0.1")
    await stage.run(8)
    stage.trade("open", BTC, "SHORT", "0.2")
    await stage.run(12)
    foreign = stage.foreign_stop(BTC, "SHORT", 42_900, "0.1")
    await stage.run(25)
    stage.cancel_by_hand(foreign)
    await stage.run(50)
    stage.cancel_by_hand(stage.targets(BTC, "SHORT")[0])
    await stage.run(10)
    stage.fault("banned", count=1)
    await stage.run(140)
    stage.heal()
    await stage.run(30)
    stage.redis.down = True
    await stage.run(20)
    stage.redis.down = False
    await stage.run(15)
    _write(path, SETTINGS + "[protection]\ntrailing_pct = 1.2\n")
    process.service.request_reload()
    await stage.run(8)
    process.service.stop()
    await stage.run(5)


@staged
async def test_a_night_reads_as_a_person_would_tell_it() -> None:
    """Every fact once and in its order, the priorities right, the fields there, and not a page too long."""
    async with Stage() as stage:
        with tempfile.TemporaryDirectory() as folder, journal_of() as journald:
            path = Path(folder) / "night.toml"
            _write(path, SETTINGS)
            stage.price(BTC, 42_000)
            await night(stage, path)
            fills = [event for kind in ("TakeProfitFilled", "StopFired") for event in stage.events(kind)]
            records = stage.events("RecordFinal")
    entries = journald.entries
    told_in_order(entries, STORY)
    assert len(entries) <= LINES_MAX, "\n".join(entry["MESSAGE"] for entry in entries)
    shown = as_shown(entries)
    assert OF_EACH_RUN.sub("…", shown) == OF_EACH_RUN.sub("…", night_in_the_documentation()), shown
    assert all(entry["MESSAGE"].startswith("[POSITION-MONITOR] ") for entry in entries)
    assert [entry["EVENT"] for entry in entries if entry["PRIORITY"] <= ERROR] == ["BanBegan"]
    for entry in entries:
        if entry.get("EVENT", "").startswith(("Stop", "TakeProfit", "Position", "Order", "Foreign", "Record")):
            assert entry["EVENT"] == "Stopped" or (entry["SYMBOL"], entry["SIDE"] != "") == (BTC, True), entry
    assert [(fill["quantity"], fill["price"]) for fill in fills] == [
        ("0.09", "42640"),
        ("0.09", "43100"),
        ("0.12", "42700"),
    ]
    assert all(fill["result_net"] is None and fill["client_id"].startswith("qpm") for fill in fills)
    assert [(record["side"], record["result_gross"]) for record in records] == [("LONG", "240.57"), ("LONG", "-0.01")]


@staged
async def test_intents_are_debug_and_nothing_else_of_them_is_louder() -> None:
    async with Stage(Held(BTC, "LONG", "0.3", entry=42_000, mark=42_000)) as stage:
        with journal_of("DEBUG") as journald:
            stage.start()
            await stage.until("protected", stage.is_protected)
    intents = [entry for entry in journald.entries if "→ " in entry["MESSAGE"]]
    assert len(intents) == 4 and {entry["PRIORITY"] for entry in intents} == {DEBUG}


@staged
async def test_a_position_without_a_stop_at_the_start_needs_eyes_and_one_that_gets_none_wakes_somebody() -> None:
    """The venue refuses every stop for half a minute: told when found, when it lasts 15 s, and when it is over."""
    async with Stage(Held(BTC, "LONG", "0.3", entry=42_000, mark=42_000)) as stage:
        with journal_of() as journald:
            stage.fault("error", method="POST", path="algoOrder", code=-4045)
            stage.start()
            await stage.run(40)
            stage.heal()
            await stage.until("protected", stage.is_protected, within_s=60)
            await stage.run(10)
    told_in_order(
        journald.entries,
        [
            (INFO, "PositionAppeared", "BTCUSDT LONG appeared: 0.3 @ 42000, NAKED"),
            (WARNING, "", "⚠️ BTCUSDT has no TP/SL - setting protection (LONG 0.3 @ 42000, it was there at the start)"),
            (ERROR, "WriteRefused", "SL order for BTCUSDT LONG @ 41370 was refused"),
            (ERROR, "VerdictChanged", "🚨 BTCUSDT LONG has no full stop cover for 1"),
            (INFO, "StopPlaced", "✅ SL order placed: BTCUSDT -1.5%"),
            (NOTICE, "VerdictChanged", "BTCUSDT LONG has its full stop cover again, after "),
        ],
    )
    naked = [entry for entry in journald.entries if "has no full stop cover" in entry["MESSAGE"]]
    assert len(naked) == 1 and naked[0]["VERDICT"] == "NAKED"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "polling"])
@staged
async def test_fills_are_told_once_each_with_and_without_a_stream(*, stream: bool) -> None:
    """Without a stream what became of an order is learned by asking for it, or from the record, and told then."""
    async with Stage() as stage:
        stage.price(BTC, 42_000)
        stage.start(stream=stream, records=KeptRecords())
        await stage.run(5)
        stage.trade("open", BTC, "LONG", "0.3")
        await stage.run(10)
        stage.must_be_protected()
        stage.price(BTC, 42_650)
        await stage.run(15)
        stage.price(BTC, 41_300)
        await stage.run(40)
        assert stage.open_keys() == []
        [rung], [stop] = stage.events("TakeProfitFilled"), stage.events("StopFired")
        assert (rung["quantity"], rung["price"], rung["rungs"]) == ("0.09", "42650", "1")
        assert (stop["quantity"], stop["price"]) == ("0.21", "41300")
        [record] = stage.events("RecordFinal")
        assert record["client_id"] == stop["client_id"]
        assert not stage.events("OrderVanished")


@staged
async def test_a_refused_key_wakes_somebody_once() -> None:
    async with Stage(Held(BTC, "LONG", "0.3", entry=42_000, mark=42_000)) as stage:
        with journal_of() as journald:
            stage.start()
            await stage.until("protected", stage.is_protected)
            stage.fault("bad_key")
            await stage.run(40)
            stage.heal()
            await stage.run(30)
    key = [entry for entry in journald.entries if "our key" in entry["MESSAGE"]]
    assert [entry["PRIORITY"] for entry in key] == [ERROR, NOTICE]
