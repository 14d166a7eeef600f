"""Closed positions, shadow against live, and a position's past: from a real Valkey, as the page shows them."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.shadow.report import report_of
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.outcome_reader import OutcomeReader, Outcomes
from position_monitor.edge.redis.pair_documents import pair_text
from position_monitor.edge.redis.record_documents import record_text
from tests.core.shadow.samples import sample
from tests.dashboard.conftest import PREFIX, Page, Publisher, eventually, now_ms
from tests.dashboard.scene import publish, records
from tests.dashboard.test_page import HOSTILE
from tests.edge.redis.conftest import position_state

OWN = {"account": "main", "symbol": "BTCUSDT", "side": "LONG"}


async def read(url: str, *, any_pairs: bool = True) -> Outcomes:
    reader = OutcomeReader(url, prefix=PREFIX, account="main")
    try:
        return await reader.outcomes(any_pairs=any_pairs)
    finally:
        await reader.close()


async def test_closed_positions_are_those_of_the_stream(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    """The last revision of each, with the figures of the record; an entry that is none is counted."""
    made = records()
    for record in made:
        await daemon.client.xadd(f"{daemon.p}:exits", {"data": record_text(record)})
    await daemon.client.xadd(f"{daemon.p}:exits", {"data": "no record"})
    came = await read(valkey.url)
    assert came.unreadable == 1
    assert len(came.closed) == len(made)
    newest, record = came.closed[-1], made[-1]
    assert (newest.key, newest.reason, newest.is_final) == (record.key, record.reason, record.final)
    assert newest.net_r == pytest.approx(record.net_r, abs=Decimal("0.00001"))
    assert newest.mfe_r == pytest.approx(record.mfe_r, abs=Decimal("0.00001"))
    assert newest.mae_r == pytest.approx(record.mae_r, abs=Decimal("0.00001"))
    assert came.shadow is None


@pytest.mark.parametrize(
    ("count", "shift", "own_shift", "word"),
    [
        (12, 0.0, 0.0, "NOT ENOUGH"),
        (100, 0.0, 0.0, "NO DIFFERENCE SEEN"),
        (100, 0.3, 0.0, "BETTER"),
        (100, -0.3, 0.0, "WORSE"),
        (100, 0.3, 0.05, "BIASED RULER"),
    ],
)
async def test_the_word_is_that_of_shadow_report(
    valkey: EmbeddedRedis, daemon: Publisher, count: int, shift: float, own_shift: float, word: str
) -> None:
    pairs = sample(count, shift=shift, own_shift=own_shift)[1]
    for pair in pairs:
        await daemon.client.xadd(f"{daemon.p}:shadow_exits", {"data": pair_text(pair)})
    shadow, made = (await read(valkey.url)).shadow, report_of(pairs, ())
    assert shadow is not None
    assert made is not None
    assert (shadow.word, shadow.n, shadow.days) == (word, made.verdict.n, made.verdict.days)
    assert shadow.mean_r == pytest.approx(made.verdict.mean, abs=1e-6)


async def test_keys_of_another_kind_are_nothing(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    for name in ("exits", "shadow_exits"):
        await daemon.client.set(f"{daemon.p}:{name}", "x")
    assert await read(valkey.url) == Outcomes()


async def test_the_page_shows_them_and_what_comes_later(page: Page, daemon: Publisher, monkeypatch: Any) -> None:
    monkeypatch.setattr("position_monitor.dashboard.outcomes.LOOK_EVERY_S", 0.0)
    monkeypatch.setattr("position_monitor.dashboard.outcomes.IDLE_FACTOR", 0)
    await publish(daemon)

    async def shown(*words: str) -> bool:
        await page.board.look()
        text = (await page.get())[1]
        return all(one in text for one in words)

    await eventually(
        lambda: shown("MFE against R", "MAE against R", "NO DIFFERENCE SEEN", "The newest closed positions")
    )
    for pair in sample(100, shift=0.4)[1]:
        await daemon.client.xadd(f"{daemon.p}:shadow_exits", {"data": pair_text(pair._replace(revision=9))})
    await eventually(lambda: shown(">BETTER<"))
    await daemon.client.delete(f"{daemon.p}:exits", f"{daemon.p}:shadow_exits", f"{daemon.p}:performance")

    async def gone() -> bool:
        return not await shown("MFE against R")

    await eventually(gone)


async def test_levels_over_time_are_those_of_this_life(page: Page, daemon: Publisher) -> None:
    """As stops were placed since it was last flat, then as the page has seen it; fills are points."""
    await daemon.positions([position_state(stop_price=Decimal("63500"), backstop_price=Decimal("63158.2"))])
    await daemon.status()
    at = now_ms() - 7_200_000
    for minute, fields in enumerate(
        (
            {"type": "StopPlaced", "trigger_price": "11111", "role": "backstop"},
            {"type": "PositionFlat"},
            {"type": "StopPlaced", "trigger_price": "63158.2", "role": "backstop"},
            {"type": "StopPlaced", "trigger_price": "63300", "role": "working_stop"},
            {"type": "TakeProfitFilled", "price": "65081.8"},
        )
    ):
        await daemon.event(at_ms=at + minute * 60_000, **fields)
    await page.board.look()
    text = (await page.get("/position", params=OWN))[1]
    said = re.search(r"<desc>([^<]*stop from[^<]*)</desc>", text)
    assert said is not None
    assert "stop from 63,158.2 to 63,500" in said[1]
    assert "backstop from 63,158.2 to 63,158.2" in said[1]
    assert "mark from 64,880.5 to 64,880.5" in said[1]
    assert "TakeProfitFilled 65,081.8" in text
    assert text.count("11,111") == 0


async def test_the_policy_in_shadow_stands_beside_the_live_one(page: Page, daemon: Publisher) -> None:
    book = {
        "policy": "brain",
        "profile": "TREND",
        "regime": "TRENDING",
        "at_ms": now_ms(),
        "decision": {"type": "HOLD", "stop_price": "62000.5", "targets": [{"price": "66000"}], "reason": HOSTILE},
    }
    await daemon.positions([position_state()])
    await daemon.status()
    await daemon.client.hset(f"{daemon.p}:shadow:BTCUSDT:LONG", "doc", json.dumps(book))
    await page.board.look()
    text = (await page.get("/position", params=OWN))[1]
    for words in ("The policy in shadow", "brain, TREND", "62000.5", "66000", "63,158.2", "65,081.8"):
        assert words in text, words
    assert "<img" not in text
    for doc in ("[]", "{", "null", '{"decision": 5}', '{"decision": {"targets": [1, {}]}}'):
        await daemon.client.hset(f"{daemon.p}:shadow:BTCUSDT:LONG", "doc", doc)
        assert (await page.get("/position", params=OWN))[0] == 200, doc
