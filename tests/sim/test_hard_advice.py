"""An AI engine that is dead, lies, is slow or speaks in fractions: what rests is what rests without it (S9).

And `explain` says in words what became of its advice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import httpx
import pytest

from tests.sim.explaining import Explainer, under
from tests.sim.stage import Answer, Stage, against, staged
from tests.sim.stage_process import hangs
from tests.sim.virtual_time import true_ms

BTC, ENTRY, QUANTITY = "BTCUSDT", Decimal(42_000), "0.238"
POLICIES = ("hybrid", "dynamic", "brain")
ASKED_S = 75.0
"""Long enough for two answers and what would follow from them."""


def stamp(age_s: float = 0.0) -> str:
    return datetime.fromtimestamp(true_ms() / 1000 - age_s, UTC).isoformat()


def signal(age_s: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A signal that would bring the stop nearer and stretch the ladder, with some of it changed."""
    return {"action": "HOLD", "confidence": 0.9, "timestamp": stamp(age_s), **changes}


def says(make: Callable[[int], dict[str, Any] | str], status: int = 200) -> Answer:
    """An engine whose nth answer (from 0) is made by `make`."""
    count = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        body = make(count - 1)
        return httpx.Response(status, content=body if isinstance(body, str) else json.dumps(body))

    return answer


async def refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def bare(**values: str) -> Callable[[int], str]:
    """A signal with these values written as they are, whether that is JSON or not."""
    shown = ", ".join(f'"{name}": {value}' for name, value in values.items())
    return lambda _: f'{{"action": "HOLD", "confidence": 0.9, "timestamp": "{stamp()}", {shown}}}'


ENGINES: dict[str, tuple[Answer, str]] = {
    "dead": (refused, "none: the AI engine is DOWN: could not be reached"),
    "500": (says(lambda _: "{}", 500), "none: the AI engine is DOWN: answered HTTP 500"),
    "404": (says(lambda _: "{}", 404), "none: the AI engine has no signal for it"),
    "hangs": (hangs, "none: the AI engine"),
    "html": (says(lambda _: "<html>down</html>"), "none: the AI engine is DOWN: answered something else than a signal"),
    "NaN": (says(bare(sl_pct="NaN", tp_pct="NaN")), "none: the AI engine is DOWN: answered something else"),
    "text": (says(bare(sl_pct='"0.8"', tp_pct='"4"')), "none: the AI engine is DOWN: answered something else"),
    "text confidence": (says(lambda _: signal(confidence="0.9", sl_pct=0.8)), "DOWN: answered something else"),
    "negative": (says(lambda _: signal(sl_pct=-0.8, tp_pct=-4)), "none: the AI engine is DOWN: answered something"),
    "zero": (says(lambda _: signal(sl_pct=0, tp_pct=0)), "none: the AI engine is DOWN: answered something else"),
    "fractions": (
        says(lambda _: signal(sl_pct=0.015, tp_pct=0.025)),
        "The stop: ignored as a whole: it looks like another unit (advice ignored: its stop was 0.015 %",
    ),
    "fraction of a target": (
        says(lambda _: signal(sl_pct=0.8, tp_pct=0.025)),
        "The stop: ignored as a whole: it looks like another unit (advice ignored: its take-profit was 0.025 %",
    ),
    "flapping": (
        says(lambda count: signal(sl_pct=0.6 if count % 2 else 0.9)),
        "The stop: not yet: the last two answers differ by more than 10 %",
    ),
    "good and bad by turns": (
        says(lambda count: "<html>" if count % 2 else signal(sl_pct=0.8)),
        "The stop: not yet: a stop that rests moves once two answers in a row agree",
    ),
    "stale": (says(lambda _: signal(600, sl_pct=0.8)), "none: the AI engine is STALE: its signal is 600 s old"),
    "from the future": (says(lambda _: signal(-600, sl_pct=0.8)), "DOWN: its timestamp is not a time of the past"),
    "unknown regime": (says(lambda _: signal(regime="lunar")), "regime lunar. The stop: it names no stop distance"),
    "against the position": (
        says(lambda _: signal(action="AGAINST", confidence=1)),
        "The stop: it names no stop distance",
    ),
    "unsure": (says(lambda _: signal(confidence=0.19, sl_pct=0.8)), "The stop: ignored: its confidence is below 0.20"),
    "wider": (says(lambda _: signal(sl_pct=4.9)), "The stop: changes nothing: its stop is not nearer"),
}

Rests = dict[str, Counter[tuple[object, ...]]]


async def live(stage: Stage, policy: str, side: str, ai: Answer | None, explainer: Explainer) -> tuple[Rests, str]:
    """A position opens when candles are there, is won a little and lost a little; what rests, and what is explained."""
    process = stage.start(ai=ai)
    if policy != "hybrid":
        await stage.until("an ATR", lambda: process.service.candles.market(BTC), within_s=300)
    stage.price(BTC, ENTRY)
    stage.trade("open", BTC, side, QUANTITY)
    await stage.until("protected", lambda: stage.covered(BTC, side) and stage.verdict(BTC, side) == "PROTECTED")
    rests: Rests = {}
    with stage.never_uncovered():
        for name, pct in (("opened", 0), ("lost", 0.1), ("won", -0.1)):
            stage.price(BTC, against(ENTRY, side, pct))
            await stage.run(ASKED_S if name == "opened" else 15)
            rests[name] = stage.book()
    return rests, explainer.text(process, BTC, side)


_alone: dict[tuple[str, str], Rests] = {}


async def without_engine(policy: str, side: str, config: dict[str, Any], explainer: Explainer) -> Rests:
    """What rests where no AI engine is configured; worked out once."""
    if (policy, side) not in _alone:
        async with Stage(config=config) as stage:
            rests, text = await live(stage, policy, side, None, explainer)
            assert "none: no AI engine is configured" in text
            _alone[policy, side] = rests
    return _alone[policy, side]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ENGINES)
@staged
async def test_what_rests_is_what_rests_without_the_engine(
    name: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = "LONG" if len(name) % 2 else "SHORT"
    explainer, config = Explainer(monkeypatch), under(policy)
    alone = await without_engine(policy, side, config, explainer)
    ai, words = ENGINES[name]
    if name == "against the position":
        ai = says(lambda _: signal(action="SELL" if side == "LONG" else "BUY", confidence=1))
    async with Stage(config=config) as stage:
        rests, text = await live(stage, policy, side, ai, explainer)
        assert rests == alone
        assert words in text, text
        stage.must_be_protected() if policy == "hybrid" else stage.must_be_tidy()


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
@pytest.mark.parametrize("policy", POLICIES)
@staged
async def test_two_answers_that_agree_bring_the_stop_nearer_and_no_further(
    policy: str, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S9 allows three fifths of the policy's own distance, and the least distance; the backstop stays where it was."""
    explainer, config = Explainer(monkeypatch), under(policy)
    alone = await without_engine(policy, side, config, explainer)
    async with Stage(config=config) as stage:
        ai = says(lambda _: signal(sl_pct=0.3, regime="unknown"))
        rests, text = await live(stage, policy, side, ai, explainer)
        working = [order.trigger for order in stage.own(BTC, side, "w")]
        if policy != "hybrid":  # the policy's own stop is at the least distance already
            assert rests == alone and "The stop: changes nothing" in text, text
            return
        entry = Decimal(stage.published(BTC, side)["entry_price"])
        nearest, way = against(entry, side, "0.9"), ROUND_CEILING if side == "LONG" else ROUND_FLOOR
        assert working == [nearest.quantize(Decimal("0.1"), way)]
        assert "The stop: agreed: two answers in a row say so" in text, text
        assert rests["opened"] - alone["opened"] == Counter({key: 1 for key in rests["opened"] if key[1][0] == "w"})
        assert not alone["opened"] - rests["opened"], "advice removes nothing"


@pytest.mark.parametrize("policy", POLICIES)
@staged
async def test_after_the_engine_died_its_word_counts_until_it_is_too_old_and_nothing_moves_back(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer, config = Explainer(monkeypatch), under(policy)
    said = {"dead": False}

    async def ai(request: httpx.Request) -> httpx.Response:
        return await (refused if said["dead"] else says(lambda _: signal(sl_pct=0.95)))(request)

    async with Stage(config=config) as stage:
        await live(stage, policy, "LONG", ai, explainer)
        said["dead"] = True
        before = stage.book()
        with stage.never_uncovered():
            await stage.run(400)
        assert stage.book() == before
        text = explainer.text(stage.processes[0], BTC, "LONG")
        assert "none: the AI engine is DOWN: could not be reached" in text, text
