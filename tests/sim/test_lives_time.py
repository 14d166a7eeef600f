"""What time does to a position: the time stop, quiet hours, and a trend that turns against it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sim.lives import BTC, ENTRY, QUANTITY, StageOfALife
from tests.sim.market_made import NORMAL_VOL, RANGING, TREND_DOWN, TREND_UP, MadeMarket
from tests.sim.stage import EVERY_SIDE, staged
from tests.sim.test_lives import BRAIN, CASES, Case

D = Decimal
SLOW = {"loop": {"check_interval_s": 60, "full_sweep_s": 300}}


def half_an_hour(profile: str) -> dict[str, Any]:
    """A profile that is too old after half an hour instead of a day: a day of this takes too long."""
    return BRAIN | {"profile": profile, "profiles": {profile: {"max_hours": 0.5}}}


TIMED = {
    # name: its settings, its market, its hours, its first stop as long and as short
    "CHALLENGE_100": (BRAIN | {"profile": "CHALLENGE_100"}, RANGING, 2, "41160", "42840"),
    "TREND_FOLLOW": (half_an_hour("TREND_FOLLOW"), RANGING, 0.5, "41370", "42630"),
    "FAST_TP": (half_an_hour("FAST_TP"), RANGING, 0.5, "41370", "42630"),
    "DEFENSIVE_TRAIL": (half_an_hour("DEFENSIVE_TRAIL"), RANGING, 0.5, "41496", "42504"),
    "dynamic": (
        {"legacy_policy": "dynamic", "regimes": {"NORMAL_VOL": {"max_hours": 1}}},
        NORMAL_VOL,
        1,
        "41370",
        "42630",
    ),
}
every_timed = pytest.mark.parametrize("name", TIMED)


def old_stage(name: str, side: str, **exit: Any) -> StageOfALife:
    settings, market, *_ = TIMED[name]
    config = SLOW | {"exit": settings | exit}
    return StageOfALife(config, side=side, hedge=side == "SHORT", market=market)


async def is_opened(stage: StageOfALife) -> None:
    await stage.opened()
    await stage.hours(0.1)


@every_timed
@EVERY_SIDE
@staged
async def test_an_old_position_gets_its_stop_near_the_mark(name: str, side: str) -> None:
    """S8, tighten: to 0.5 % behind the mark once it is too old, and nothing before that."""
    *_, hours, long, short = TIMED[name]
    async with old_stage(name, side) as stage:
        await is_opened(stage)
        first, near, mark = (long, "41889.5", 42_100) if side == "LONG" else (short, "42109.5", 41_900)
        stage.put(D(mark))
        before = stage.writes()
        await stage.hours(hours * 0.75)
        assert (stage.stop, stage.writes()) == (D(first), before)
        await stage.hours(TIMED[name][2] * 0.4)
        assert stage.stop == D(near)
        stage.must_stand()
        await stage.hours_of_quiet(0.3)


@every_timed
@staged
async def test_an_old_position_is_closed_where_that_is_asked_for(name: str) -> None:
    """S8, close: at market, with the reason in its record; nothing of ours is left."""
    side = "LONG" if len(name) % 2 else "SHORT"
    async with old_stage(name, side, time_stop="close") as stage:
        await is_opened(stage)
        await stage.hours(TIMED[name][2] * 0.75)
        assert stage.held == D(QUANTITY)
        await stage.hours(TIMED[name][2] * 0.4)
        assert not stage.held and not stage.own()
        await stage.until("its record", lambda: stage.records.entries and stage.records.only.final, within_s=300)
        record = stage.records.only
        assert [fill.reason for fill in record.exits] == ["TIME"]
        assert (record.money.residual_realised, record.money.residual_fees) == (0, {})


SOON = {"profiles": {"CHALLENGE_100": {"max_hours": 0.5}}}
OTHERS = {"off": {"time_stop": "off"}, "adopted": {"time_stop": "close"}, "profit": {"time_stop": "close"}}


@pytest.mark.parametrize("why", OTHERS)
@EVERY_SIDE
@staged
async def test_who_is_not_too_old(why: str, side: str) -> None:
    """S8: switched off, adopted (open before this process began), or its rung at 1 R was taken."""
    async with old_stage("CHALLENGE_100", side, **OTHERS[why], **SOON) as stage:
        await is_opened(stage)
        if why == "adopted":
            await stage.again(empty_redis=True)
        if why == "profit":
            stage.put(stage.rungs[0][0])
        await stage.hours(0.7)
        assert stage.held == D(QUANTITY if why != "profit" else "0.167")
        stage.must_stand()


@EVERY_SIDE
@staged
async def test_adopted_positions_are_too_old_as_well_where_the_operator_says_so(side: str) -> None:
    async with old_stage("CHALLENGE_100", side, time_stop_adopted=True, **SOON) as stage:
        await is_opened(stage)
        await stage.again(empty_redis=True)
        await stage.hours(0.7)
        assert stage.stop == (D("41790") if side == "LONG" else D("42210"))


@EVERY_SIDE
@staged
async def test_the_time_stop_before_a_rung_ends_with_it_for_a_later_process_too(side: str) -> None:
    """CHALLENGE_100: two hours *only while TP1 is not taken*; the process that begins after it was taken knows."""
    async with old_stage("CHALLENGE_100", side, time_stop_adopted=True, **SOON) as stage:
        await is_opened(stage)
        stage.put(stage.rungs[0][0])
        await stage.hours(0.1)
        await stage.again(empty_redis=True)
        stage.put(ENTRY + (400 if side == "LONG" else -400))
        await stage.hours(0.7)
        assert stage.stop == (D("42042") if side == "LONG" else D("41958")), "breakeven, and not 0.5 % behind the mark"


# -- a quiet account


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@staged
async def test_a_quiet_hour_writes_nothing(case: Case) -> None:
    """After the first rung, if there is more: the mark trembles, a candle closes, no order is sent or removed."""
    config = {"exit": case.exit, "loop": {"check_interval_s": 30, "full_sweep_s": 60}}
    async with StageOfALife(config, side="LONG", hedge=False, market=case.market) as stage:
        await is_opened(stage)
        if len(stage.rungs) > 1 or case.runner != "0":
            stage.put(stage.rungs[0][0])
            await stage.hours(0.1)
        await stage.trembling(1.1)
        stage.must_stand()


# -- a trend against the position (S10)


def trending(side: str, *, with_it: bool) -> MadeMarket:
    return TREND_UP if (side == "LONG") is with_it else TREND_DOWN


@EVERY_SIDE
@staged
async def test_a_trend_against_the_position_is_no_trend_for_it(side: str) -> None:
    """Profile RANGE, with the first stop of the regime TRENDING: R is 1.8 ATR, 756."""
    async with StageOfALife({"exit": BRAIN}, side=side, hedge=False, market=trending(side, with_it=False)) as stage:
        await stage.opened()
        assert stage.published(BTC, side)["profile"] == "RANGE"
        long = stage.side == "LONG"
        assert stage.stop == (D(41_244) if long else D(42_756))
        levels = ("42151.2", "42302.4", "42529.2") if long else ("41848.8", "41697.6", "41470.8")
        assert [price for price, _ in stage.rungs] == [D(level) for level in levels]


@EVERY_SIDE
@staged
async def test_a_trend_that_turns_brings_the_trail_of_normal_and_never_back(side: str) -> None:
    """TREND stays the pinned profile; from 1 R on its trail is 1.5 % instead of 2 %, turning back loosens nothing."""
    async with StageOfALife({"exit": BRAIN}, side=side, hedge=False, market=trending(side, with_it=True)) as stage:
        await stage.opened()
        long = side == "LONG"
        for _ in range(2):
            stage.put(stage.rungs[0][0])
            await stage.run(16)
        stage.put(D(43_400) if long else D(40_600))
        await stage.run(16)
        assert stage.stop == (D("42532") if long else D("41412"))  # 2 % from 1.5 R on
        stage.market = trending(side, with_it=False)
        await stage.again(empty_redis=True)
        assert stage.published(BTC, side)["profile"] == "TREND"
        assert stage.stop == (D("42749") if long else D("41209"))  # 1.5 %
        stage.market = trending(side, with_it=True)
        await stage.again(empty_redis=True)
        assert stage.stop == (D("42749") if long else D("41209"))
        stage.must_stand()
