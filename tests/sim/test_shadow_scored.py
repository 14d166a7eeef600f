"""A shadow scored on the way that the mark really took: the daemon's service in virtual time, the venue in memory.

The live side is what the venue did. The shadow side is what its policy would have done with the same marks. Nothing of
it may change what rests, so every script is played twice where it matters: with the shadow and without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.shadow.comparison import Difference, compared, is_calibrated
from position_monitor.core.shadow.pair import Censored
from position_monitor.daemon.following import ShadowFollowing
from tests.core.shadow.closed import closed
from tests.sim.lives import BTC, ENTRY, StageOfALife, stop_levels
from tests.sim.market_made import NORMAL_VOL
from tests.sim.pairs_model import KeptPairs
from tests.sim.stage import staged

D = Decimal
BESIDE = {"exit": {"mode": "EXIT_BRAIN_V3", "executor_mode": "SHADOW"}}
"""LEGACY (hybrid) protects, the Exit Brain computes beside it."""
EARLIER = [
    closed((0, "entry", "100", "1"), (60, role, price, "1"))
    for role, price in (("backstop", "98.5"), ("stop", "101"), ("target", "103"))
    for _ in range(5)
]
"""Earlier records of the account: its exits were filled where they were meant, as those of this venue are."""


class ShadowStage(StageOfALife):
    """A stage whose daemons keep pairs as well."""

    def __init__(self, config: Any = BESIDE, *, side: str = "LONG", scored: bool = True) -> None:
        super().__init__(config, side=side, hedge=False, market=NORMAL_VOL)
        self.pairs = KeptPairs()
        self._scored = scored
        self._percent = D(0)

    def start(self, **words: Any) -> Any:
        if not self._scored:
            return super().start(**words)
        process = super().start(**words, pairs=self.pairs)
        keeper = process.service._pairs
        now = keeper.records
        keeper.records = lambda: (*EARLIER, *now())
        return process

    async def walk(self, *percents: str, every_s: float = 1.0, step: str = "0.05") -> None:
        """The mark walks to so many percent in favour of the position, to one after the other, in small steps."""
        for percent in percents:
            towards = D(percent)
            while self._percent != towards and self.held:
                left = towards - self._percent
                self._percent += max(min(left, D(step)), -D(step))
                way = ENTRY * self._percent / 100
                self.put(ENTRY + (way if self.side == "LONG" else -way))
                await asyncio.sleep(every_s)
                self.observe()

    async def paired(self, within_s: float = 120) -> Any:
        """The one pair, once it is there."""
        for _ in range(round(within_s / 5)):
            await asyncio.sleep(5)
            self.observe()
            if self.pairs.entries:
                return self.pairs.only
        raise AssertionError(f"no pair within {within_s} s")

    async def crashed(self) -> None:
        """The mark goes where no book holds on."""
        way = ENTRY * D("0.06")
        self.put(ENTRY + (-way if self.side == "LONG" else way))


@staged
async def both_sides_leave_by_their_own_exits(side: str) -> None:
    async with ShadowStage(side=side) as stage:
        await stage.opened(stream=True)
        await stage.walk("1.55", "-0.1")
        pair = await stage.paired()
        record = stage.records.only
        assert pair.record_id == record.record_id
        assert (pair.live.policy, pair.shadow.policy, pair.own.policy) == ("hybrid", "brain", "hybrid")
        assert pair.final
        assert pair.live.gross == record.money.gross
        # R of the brain: 1.5 ATR of 420 is 630, 1.5 %; rungs at 0.75 % and 1.5 %, then the lock at the level of rung 1
        assert [fill.reason for fill in pair.shadow.exits] == ["TP1", "TP2", "LOCK"]
        assert [fill.reason for fill in pair.own.exits] == ["TP1", "BREAKEVEN"]
        assert [fill.reason for fill in record.exits] == ["TP1", "BREAKEVEN"]
        assert pair.shadow.censored is Censored.NO
        assert abs(pair.own.net - pair.live.net) < D("0.02") * pair.risk


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_both_sides_leave_by_their_own_exits(side: str) -> None:
    both_sides_leave_by_their_own_exits(side)


@staged
async def test_a_book_outlives_the_live_position_and_goes_on_by_candles() -> None:
    """Live static leaves at its one target of 1 %; the brain has one rung done, and its runner goes on."""
    live = {"exit": {**BESIDE["exit"], "legacy_policy": "static"}, "protection": {"take_profit_pct": "1.0"}}
    async with ShadowStage(live) as stage:
        await stage.opened(stream=True)
        await stage.walk("1.0")
        await stage.until("flat", lambda: not stage.held, within_s=30)
        await stage.run(60)
        assert stage.pairs.entries == []
        for percent in ("1.6", "1.8", "0.7", "0.7"):
            stage.put(ENTRY * (1 + D(percent) / 100))
            await stage.run(150)
        pair = await stage.paired(within_s=900)
        assert [fill.reason for fill in pair.shadow.exits] == ["TP1", "TP2", "LOCK"]
        assert pair.marks_from == "candles"
        assert pair.shadow.closed_at_ms > pair.closed_at_ms


@staged
async def test_closed_by_hand_is_censored_at_once() -> None:
    async with ShadowStage() as stage:
        await stage.opened(stream=True)
        await stage.walk("0.3")
        stage.trade("close", BTC, "LONG")
        pair = await stage.paired()
        assert pair.shadow.censored is pair.own.censored is Censored.BY_HAND


@staged
async def test_what_the_user_adds_and_reduces_is_followed() -> None:
    async with ShadowStage() as stage:
        await stage.opened(stream=True)
        await stage.walk("0.2")
        stage.trade("add", BTC, "LONG", "0.1")
        await stage.run(12)
        stage.trade("reduce", BTC, "LONG", "0.138")
        await stage.run(12)
        await stage.walk("-0.8", "-1.7")
        pair, record = await stage.paired(), stage.records.only
        assert record.quantity_entered == D("0.338")
        assert [fill.reason for fill in pair.own.exits] == ["EXTERNAL", "SL"]
        assert sum(fill.quantity for fill in pair.own.exits) == D("0.338")
        assert abs(pair.own.net - pair.live.net) < D("0.02") * pair.risk


@staged
async def test_after_a_restart_a_book_goes_on_by_candles() -> None:
    async with ShadowStage() as stage:
        await stage.opened(stream=True)
        await stage.walk("0.3")
        await stage.run(20)
        await stage.again(empty_redis=False, stream=True)
        await stage.walk("0.1", "-1.7", "-1.8", every_s=40)
        pair = await stage.paired(within_s=1_200)
        assert pair.shadow.censored is Censored.NO
        assert pair.marks_from == "candles"
        assert [fill.reason for fill in pair.own.exits] == ["SL"]


@staged
async def test_after_a_restart_with_nothing_left_a_position_is_followed_by_nobody() -> None:
    """A lost history is not invented: the record is there, and no pair of it."""
    async with ShadowStage() as stage:
        await stage.opened(stream=True)
        stage.pairs.flush()
        stage.daemon.kill()
        stage.pairs.flush()
        stage.begin(stream=True)
        await stage.run(20)
        assert stage.daemon.service.following.open == {}
        await stage.walk("-1.7")
        await stage.run(90)
        assert stage.records.only.reason == "SL"
        assert stage.pairs.entries == []


@staged
async def test_another_setting_censors_what_is_open() -> None:
    async with ShadowStage() as stage:
        await stage.opened(stream=True)
        stage.daemon.service.following.settings_hash = lambda: "another"
        await stage.run(12)
        await stage.walk("-1.7")
        assert (await stage.paired()).shadow.censored is Censored.SETTINGS


async def lived(percents: Sequence[str], *, scored: bool) -> tuple[list[Any], list[Any]]:
    """What was written at the venue, when, and where the stop rested, with the scoring of the shadow and without."""
    async with ShadowStage(scored=scored) as stage:
        await stage.opened(stream=True)
        await stage.walk(*percents)
        entries = stage.entries(ours=True)
        orders = [
            (
                entry.at_ms - entries[0].at_ms,
                entry.kind,
                [str(entry.detail.get(name)) for name in ("trigger", "quantity")],
            )
            for entry in entries
        ]
        return orders, stop_levels(stage, BTC, "LONG")


@staged
async def test_what_rests_is_the_same_with_the_scoring_and_without() -> None:
    way = ("0.7", "1.6", "1.2", "2.6", "2.2", "3.4", "2.9")
    beside, alone = await lived(way, scored=True), await lived(way, scored=False)
    assert beside == alone
    assert len(beside[0]) > 8


@staged
async def test_a_book_that_fails_changes_nothing_that_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted defect: every step of following raises."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(ShadowFollowing, "_looked", broken)
    async with ShadowStage() as stage:
        await stage.opened(stream=True)
        await stage.walk("0.8")
        stage.must_be_protected()
        assert stage.daemon.service.following.open == {}
        assert any("planted" in line for line in stage.log)


@staged
async def test_a_calibration_on_many_positions_is_within_two_hundredths_of_r() -> None:
    """A/A: the live policy followed beside itself, against what the venue did, over positions on different ways."""
    results: list[tuple[int, Difference]] = []
    ways = (
        ("0.5", "1.6", "0.05"),
        ("-0.6", "0.2", "-1.6"),
        ("1.6", "2.6", "1.4"),
    )
    for number, way in enumerate(ways):
        async with ShadowStage(side="LONG" if number % 2 else "SHORT") as stage:
            await stage.opened(stream=True)
            await stage.walk(*way)
            await stage.crashed()
            pair = await stage.paired(within_s=1_200)
            results.append((number, Difference(float(pair.in_r(pair.live.net)), float(pair.in_r(pair.own.net)))))
    verdict = compared(results).verdict()
    assert verdict.n == len(ways)
    assert is_calibrated(verdict), verdict
