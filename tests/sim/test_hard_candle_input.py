"""Candles that cannot be believed, under the policies that live on them: the floor stop rests, and `explain` says why.

A position that opens later, when candles can be believed again, gets its stop by ATR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.explaining import Explainer, under
from tests.sim.stage import Stage, against, staged

BTC, ENTRY = "BTCUSDT", Decimal(42_000)
HOUR_MS = 3_600_000
Rows = list[list[Any]]


def changed(place: int, value: object) -> Callable[[Rows], Rows]:
    """Every answer with one field of its last candle but two changed."""

    def change(rows: Rows) -> Rows:
        return [*rows[:-3], [*rows[-3][:place], value, *rows[-3][place + 1 :]], *rows[-2:]]

    return change


def shifted(by_ms: int) -> Callable[[Rows], Rows]:
    return lambda rows: [[row[0] + by_ms, *row[1:6], row[6] + by_ms, *row[7:]] for row in rows]


BAD: dict[str, tuple[Callable[[Rows], Any], str]] = {
    "gaps": (lambda rows: [row for at, row in enumerate(rows) if at % 20], "closed candles in a row of 30 that are"),
    "few": (lambda rows: rows[-12:], "closed candles in a row of 30 that are needed"),
    "wrong order": (lambda rows: rows[::-1], "comes after the one of"),
    "twice": (lambda rows: [*rows[1:5], *rows[4:]], "comes after the one of"),
    "from the future": (shifted(400 * HOUR_MS), "is from the future"),
    "old": (shifted(-48 * HOUR_MS), "the last candle closed"),
    "off the grid": (shifted(60_000), "does not begin with its interval"),
    "NaN": (changed(2, "NaN"), "no ATR: no candle was read yet"),
    "infinite": (changed(2, "Infinity"), "no ATR: no candle was read yet"),
    "negative": (changed(3, "-1"), "has a price that is no finite number above zero"),
    "zero": (changed(4, "0"), "has a price that is no finite number above zero"),
    "closed outside of its range": (changed(4, "99999999"), "closed outside of its own range"),
    "words": (changed(2, "high"), "was malformed: not an exact number"),
    "short rows": (lambda rows: [row[:2] for row in rows], "was not a candle"),
    "an object": (lambda rows: {"code": 0}, "the answer was not a list"),
    "empty": (lambda rows: [], "the venue has no candle of the last hour"),
    "no move": (
        lambda rows: [[row[0], *["42000"] * 4, *row[5:]] for row in rows],
        "no ATR: the price did not move",
    ),
}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "dead": ({"name": "lose_request"}, "no ATR: no candle was read yet"),
    "503": ({"name": "internal_503"}, "no ATR: no candle was read yet"),
    "html": ({"name": "html"}, "no ATR: no candle was read yet"),
    "hangs": ({"name": "timeout_before", "delay_ms": 60_000}, "no ATR: no candle was read yet"),
}
POLICIES = ("dynamic", "brain")


async def opens(stage: Stage, side: str) -> tuple[Decimal, list[Decimal]]:
    """A position opens at a daemon that has been asking for candles for a while: its entry, and the stops that rest."""
    await stage.run(90)
    stage.price(BTC, ENTRY)
    stage.trade("open", BTC, side, "0.238")
    await stage.until("protected", lambda: stage.covered(BTC, side) and stage.verdict(BTC, side) == "PROTECTED")
    with stage.never_uncovered():
        await stage.run(60)
    return Decimal(stage.published(BTC, side)["entry_price"]), [one.trigger for one in stage.stops(BTC, side)]


def floor(entry: Decimal, side: str) -> Decimal:
    """Where the floor's stop lies: 1.5 % from the entry, on the tick grid."""
    rounding = ROUND_CEILING if side == "LONG" else ROUND_FLOOR
    return against(entry, side, "1.5").quantize(Decimal("0.1"), rounding)


def must_be_the_floor(stage: Stage, explainer: Explainer, side: str, reason: str) -> None:
    process = stage.processes[0]
    exits, text = explainer.exits(process, BTC, side), explainer.text(process, BTC, side)
    assert exits.explanation.market is None and "no ATR: " in text and reason in text, text
    if exits.explanation.policy == "dynamic":
        assert "no ATR at entry, so the first stop and the target are the floor's" in text, text


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", BAD)
@staged
async def test_candles_that_cannot_be_believed(name: str, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    side = "LONG" if len(name) % 2 else "SHORT"
    explainer, config = Explainer(monkeypatch), under(policy)
    spoil, reason = BAD[name]

    def spoiled(endpoint: Endpoint, params: Mapping[str, str], body: Any) -> Any:
        return spoil(body) if endpoint is Endpoint.MARK_CANDLES else body

    async with Stage(config=config) as stage:
        process = stage.start()
        process.transport.rewrites.append(spoiled)
        entry, stops = await opens(stage, side)
        assert process.transport.counts["MARK_CANDLES"] > 0
        assert stops == [floor(entry, side)]
        must_be_the_floor(stage, explainer, side, reason)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", FAULTS)
@staged
async def test_candles_that_do_not_come(name: str, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    side = "LONG" if len(name) % 2 else "SHORT"
    explainer, config = Explainer(monkeypatch), under(policy)
    fault, reason = FAULTS[name]
    async with Stage(config=config) as stage:
        stage.engine.add_fault(path=Endpoint.MARK_CANDLES.value.path, **fault)
        stage.start()
        entry, stops = await opens(stage, side)
        assert stops == [floor(entry, side)]
        must_be_the_floor(stage, explainer, side, reason)


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
@pytest.mark.parametrize("policy", POLICIES)
@staged
async def test_candles_that_come_make_another_stop(policy: str, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the tests above would also pass where nobody ever looks at a candle."""
    explainer, config = Explainer(monkeypatch), under(policy)
    async with Stage(config=config) as stage:
        stage.start()
        entry, stops = await opens(stage, side)
        assert len(stops) == 1 and abs(stops[0] - entry) < abs(floor(entry, side) - entry)
        text = explainer.text(stage.processes[0], BTC, side)
        assert "no ATR" not in text and "% of the price), its candle closed" in text, text


@pytest.mark.parametrize("policy", POLICIES)
@staged
async def test_what_was_placed_without_an_atr_stays_when_candles_come(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: the floor is pinned, and `explain` shows today's ATR beside it."""
    explainer, config = Explainer(monkeypatch), under(policy)
    async with Stage(config=config) as stage:
        stage.engine.add_fault("html", path=Endpoint.MARK_CANDLES.value.path)
        process = stage.start()
        entry, stops = await opens(stage, "LONG")
        before = stage.book()
        stage.heal()
        await stage.until("an ATR", lambda: process.service.candles.market(BTC), within_s=900)
        await stage.run(60)
        assert stops == [floor(entry, "LONG")] and stage.book() == before
        text = explainer.text(process, BTC, "LONG")
        assert "% of the price), its candle closed" in text, text
        assert "resting stop 41,370.1, first stop, placed at entry" in text, text
