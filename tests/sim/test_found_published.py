"""Found from outside: the state says what is known, how old it is (6.1, 6.2, 6.4), and its words mean what they say."""

from __future__ import annotations

import json

from tests.sim.stage import EVERY_WORLD, Held, Stage, against, staged
from tests.sim.test_found_reads import spoiled
from tests.sim.virtual_time import true_ms


@staged
async def test_a_flat_account_says_when_it_was_read() -> None:
    """6.1: also when there is nothing; an alert on the age of the state must not page all weekend."""
    async with Stage() as stage:
        stage.start()
        for _ in range(4):
            await stage.run(8)
            assert 0 <= true_ms() - int(stage.status()["observed_at_ms"]) < 11_000
        assert stage.status()["risk_status"] == "PROTECTED"


@staged
async def test_the_last_good_read_keeps_its_time_while_reads_fail() -> None:
    """6.2: the state that cannot be read any more says since when."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000)) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        stage.fault("internal_503", path="positionRisk")
        failed_ms = true_ms()
        await stage.run(10)
        first = int(stage.status()["observed_at_ms"])
        assert stage.status()["risk_status"] == "UNKNOWN" and failed_ms - 12_000 < first <= failed_ms
        assert float(stage.status()["unknown_notional"]) > 12_000 and stage.status()["exposed_notional"] == "0"
        await stage.run(10)
        assert int(stage.status()["observed_at_ms"]) == first
        stage.heal()
        await stage.until("protected", stage.is_protected)
        assert int(stage.status()["observed_at_ms"]) > first


@staged
async def test_a_position_that_was_never_readable_is_counted_and_named() -> None:
    """6.4: its size is nonsense, so nothing can be placed; it is a position all the same."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000), Held("ETHUSDT", "LONG", "2", entry=2_250)) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(spoiled("positionAmt", "lots"))
        await stage.until("the other one", lambda: stage.verdict("ETHUSDT", "LONG") == "PROTECTED")
        await stage.run(6)
        status = stage.status()
        assert (status["positions"], status["protected"], status["unread"]) == ("2", "1", '["BTCUSDT"]')
        assert float(status["coverage_pct"]) == 50 and status["risk_status"] == "UNKNOWN"
        assert "1/2 protected (50%)" in status["status_line"]


@staged
async def test_what_could_not_be_read_stays_counted_and_named_while_nothing_can_be_read() -> None:
    """Then the positions cannot be read at all: what was not known before is not known any better."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000), Held("ETHUSDT", "LONG", "2", entry=2_250)) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(spoiled("positionAmt", "lots"))
        await stage.until("the other one", lambda: stage.verdict("ETHUSDT", "LONG") == "PROTECTED")
        await stage.run(6)
        stage.fault("html", path="positionRisk")
        await stage.run(8)
        status = stage.status()
        assert "positions" in status["reason"] and status["risk_status"] == "UNKNOWN"
        assert (status["positions"], status["unread"]) == ("2", '["BTCUSDT"]')


def conditions(stage: Stage, side: str) -> dict[str, str]:
    return json.loads(stage.published("BTCUSDT", side)["doc"])["conditions"]


@EVERY_WORLD
@staged
async def test_the_backstop_that_is_told_is_ours_and_has_a_price(hedge: bool, side: str) -> None:
    """The user's own close-all stop is the cover; `BackstopLive` was True then while `backstop_price` was empty."""
    async with Stage(Held("BTCUSDT", side, "0.3", entry=42_000), hedge=hedge) as stage:
        theirs = stage.foreign_stop("BTCUSDT", side, against(42_000, side, 2))
        stage.start()
        await stage.until("the ladder rests", lambda: stage.targets("BTCUSDT", side))
        await stage.run(10)
        told = stage.published("BTCUSDT", side)
        assert (told["stop_client_ids"], told["verdict"]) == (json.dumps([theirs.client_id]), "PROTECTED")
        assert (conditions(stage, side)["BackstopLive"], told["backstop_price"]) == ("False", "")
    async with Stage(Held("BTCUSDT", side, "0.3", entry=42_000), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        [ours] = stage.own("BTCUSDT", side, "b")
        price = stage.published("BTCUSDT", side)["backstop_price"]
        assert (conditions(stage, side)["BackstopLive"], float(price)) == ("True", float(ours.trigger))


@EVERY_WORLD
@staged
async def test_take_profits_that_rest_are_told_of_a_position_without_a_stop(hedge: bool, side: str) -> None:
    """`TakeProfitsPlaced` is about take-profits; it was False for every position that was not PROTECTED."""
    async with Stage(Held("BTCUSDT", side, "0.3", entry=42_000), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        assert conditions(stage, side)["TakeProfitsPlaced"] == "True"
        daemon.kill()
        stage.cancel_by_hand(stage.own("BTCUSDT", side, "b")[0])
        stage.start(host="b", config={"protection": {"mode": "observe"}})
        await stage.until("it is naked", lambda: stage.verdict("BTCUSDT", side) == "NAKED")
        assert conditions(stage, side)["TakeProfitsPlaced"] == "True"
        assert conditions(stage, side)["StopCovered"] == "False"
        stage.cancel_by_hand(stage.targets("BTCUSDT", side)[0])
        await stage.run(12)
        assert conditions(stage, side)["TakeProfitsPlaced"] == "False"
        assert [rung["resting"] for rung in json.loads(stage.published("BTCUSDT", side)["take_profits"])].count(False)
