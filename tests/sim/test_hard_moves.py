"""A stop moves: make before break at every journal entry, at every crash, under every reason there is to move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.sim.stage import EVERY_SIDE, EVERY_WORLD, TWO_WORLDS, Held, Stage, against, staged
from tests.sim.stage_process import Process
from tests.sim.virtual_time import true_ms

BTC = "BTCUSDT"
ENTRY = 42_000
REBASE = {"protection": {"rebase_on_add": True}}


def btc(side: str, quantity: str = "0.300") -> Held:
    return Held(BTC, side, quantity, entry=ENTRY)


def write_config(path: Path, stop_loss_pct: str, more: str = "") -> Path:
    path.write_text(
        "[loop]\ncheck_interval_s = 5\nfull_sweep_s = 20\n"
        '[exchange]\nrequest_timeout_s = 4.0\nrest_url = "http://127.0.0.1:1"\n'
        f"[protection]\nstop_loss_pct = {stop_loss_pct}\n{more}",
        encoding="utf-8",
    )
    return path


def levels(stage: Stage, symbol: str, side: str) -> list[Decimal]:
    """The tightest resting stop of ours after each journal entry, repetitions dropped."""
    resting: dict[int, Decimal] = {}
    best: list[Decimal] = []
    for entry in stage.entries(symbol=symbol, ours=True):
        if entry.detail["type"] != "STOP_MARKET" or entry.kind == "order_refused":
            continue
        if entry.detail["status"] == "NEW":
            resting[entry.detail["order_id"]] = Decimal(entry.detail["trigger"])
        else:
            resting.pop(entry.detail["order_id"], None)
        if resting:
            tightest = max(resting.values()) if side == "LONG" else min(resting.values())
            if best[-1:] != [tightest]:
                best.append(tightest)
    return best


def never_loosens(stage: Stage, side: str) -> bool:
    found = levels(stage, BTC, side)
    return found == sorted(found, reverse=side == "SHORT")


@EVERY_WORLD
@staged
async def test_a_tighter_configuration_moves_the_stop_without_a_gap(hedge: bool, side: str, tmp_path: Path) -> None:
    """Invariants 2 and 8: three reloads, each tighter: backstop untouched, one working stop in the end, never less."""
    async with Stage(btc(side), hedge=hedge) as stage:
        path = write_config(tmp_path / "config.toml", "3.0")
        daemon = stage.start(path=path)
        await stage.until("protected", stage.is_protected)
        backstop = stage.own(BTC, side, "b")[0].algo_id
        with stage.never_uncovered():
            for pct in ("2.4", "1.8", "1.2"):
                write_config(path, pct)
                daemon.service.request_reload()
                await stage.run(20)
                stage.must_be_protected()
                assert [order.trigger for order in stage.own(BTC, side, "w")] == [against(ENTRY, side, pct)]
        assert [order.algo_id for order in stage.own(BTC, side, "b")] == [backstop]
        assert never_loosens(stage, side)


@EVERY_WORLD
@staged
async def test_a_looser_configuration_moves_nothing(hedge: bool, side: str, tmp_path: Path) -> None:
    """G5, invariant 8: on reload the stop of an open position never loosens; an invalid file changes nothing at all."""
    async with Stage(btc(side), hedge=hedge) as stage:
        path = write_config(tmp_path / "config.toml", "1.5")
        daemon = stage.start(path=path)
        await stage.until("protected", stage.is_protected)
        before = {order.algo_id for order in stage.stops(BTC, side)}
        for pct in ("4.0", "-1", "1.45"):  # looser, invalid, and a move too small to be worth an order
            write_config(path, pct)
            daemon.service.request_reload()
            await stage.run(20)
            assert {order.algo_id for order in stage.stops(BTC, side)} == before
            assert stage.verdict(BTC, side) == "PROTECTED"


@EVERY_WORLD
@pytest.mark.parametrize("change_pct", [-1, 0.8], ids=["added-higher", "added-lower"])
@staged
async def test_rebasing_on_an_added_quantity_replaces_the_backstop_without_a_gap(
    change_pct: float, hedge: bool, side: str
) -> None:
    """`rebase_on_add`: levels follow the new entry; a working stop of full size holds while the backstop changes."""
    async with Stage(btc(side), hedge=hedge, config=REBASE) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        stage.price(BTC, against(ENTRY, side, change_pct))
        with stage.never_uncovered():
            stage.trade("add", BTC, side, "0.300")
            await stage.run(40)
        stage.must_be_protected()
        entry = stage.world.account.position(BTC, side if hedge else "BOTH").entry
        (backstop,) = stage.own(BTC, side, "b")
        assert abs(backstop.trigger - against(entry, side, 1.5)) <= Decimal("0.1")
        assert not stage.own(BTC, side, "w")


@EVERY_WORLD
@staged
async def test_rebasing_again_while_still_rebasing_ends_at_the_last_entry(hedge: bool, side: str) -> None:
    """X14 during a move: growth every few seconds; each stage has the whole cover or a close-all stop resting."""
    async with Stage(btc(side), hedge=hedge, config=REBASE) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        for number in range(1, 6):
            stage.price(BTC, against(ENTRY, side, -0.3 * number))
            stage.trade("add", BTC, side, "0.100")
            await stage.until("covered", lambda: stage.covered(BTC, side), within_s=7)
            await stage.run(1.5 * number)
        await stage.run(40)
        stage.must_be_protected()
        entry = stage.world.account.position(BTC, side if hedge else "BOTH").entry
        (backstop,) = stage.own(BTC, side, "b")
        assert abs(backstop.trigger - against(entry, side, 1.5)) <= Decimal("0.1")


# -- a crash at every transport call during a move


Move = Callable[[Stage, Process, str], None]


def _tighten_by_reload(path: Path) -> Move:
    def move(stage: Stage, daemon: Process, side: str) -> None:
        write_config(path, "1.2")
        daemon.service.request_reload()

    return move


def _rebase(stage: Stage, daemon: Process, side: str) -> None:
    stage.price(BTC, against(ENTRY, side, -1))
    stage.trade("add", BTC, side, "0.200")


def _drain_the_wallet(stage: Stage, daemon: Process, side: str) -> None:
    stage.world.account.wallet = Decimal(200)
    stage.world.account.revalue(BTC)


async def crashed_at_every_call(
    play: Callable[[], Stage], start: Callable[[Stage], Process], move: Move, side: str
) -> None:
    """Do the move once in peace to see how many calls it takes, then once per call with a death there."""

    async def prepared(stage: Stage) -> Process:
        daemon = start(stage)
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        return daemon

    async with play() as stage:
        daemon = await prepared(stage)
        begun = daemon.transport.calls
        move(stage, daemon, side)
        await stage.run(30)
        stage.must_be_protected()
        calls, wanted = daemon.transport.calls - begun, stage.book()
    assert calls > 20
    for number in range(1, calls + 1):
        for moment in ("die_before", "die_after"):
            async with play() as stage:
                daemon = await prepared(stage)
                with stage.never_uncovered():
                    move(stage, daemon, side)
                    setattr(daemon.transport, moment, daemon.transport.calls + number)
                    await stage.until("it died", lambda dying=daemon: not dying.alive, within_s=60)
                    start(stage)
                    await stage.run(25)
                stage.must_be_protected()
                assert stage.book() == wanted, (number, moment)


@TWO_WORLDS
@staged
async def test_crash_at_every_call_of_a_tightening(hedge: bool, side: str, tmp_path: Path) -> None:
    """P1, P2: killed before or after any single call of the move, the restart with empty memory ends in one book."""
    path = tmp_path / "config.toml"

    def start(stage: Stage) -> Process:
        if not stage.processes:
            write_config(path, "3.0")
        return stage.start(path=path)

    await crashed_at_every_call(lambda: Stage(btc(side), hedge=hedge), start, _tighten_by_reload(path), side)


@TWO_WORLDS
@staged
async def test_crash_at_every_call_of_a_clamped_move(hedge: bool, side: str) -> None:
    """P1, P2 for the move the liquidation price demands."""

    def play() -> Stage:
        return Stage(btc(side), hedge=hedge)

    await crashed_at_every_call(play, lambda stage: stage.start(), _drain_the_wallet, side)


@TWO_WORLDS
@staged
async def test_crash_at_every_call_of_a_rebase(hedge: bool, side: str) -> None:
    """P1, P2 for the longest move: working stop, old backstop away, new backstop, working stop away."""

    async def one(moment: str, number: int) -> bool:
        async with Stage(btc(side), hedge=hedge, config=REBASE) as stage:
            daemon = stage.start()
            await stage.until("protected", stage.is_protected)
            await stage.run(6)
            with stage.never_uncovered():
                _rebase(stage, daemon, side)
                setattr(daemon.transport, moment, daemon.transport.calls + number)
                await stage.run(16)
                reached = not daemon.alive
                if reached:
                    stage.start()
                    await stage.run(20)
            stage.must_be_protected()
            return reached

    for moment in ("die_before", "die_after"):
        number = 1
        while await one(moment, number) and number < 120:
            number += 1
        assert number > 20


# -- the liquidation price


def liquidation(stage: Stage, side: str) -> Decimal:
    return stage.world.account.liquidation_price(BTC, side if stage.world.account.hedge else "BOTH")


def set_wallet(stage: Stage, amount: object) -> None:
    """The user moves money out of the account, or back in."""
    stage.world.account.wallet = Decimal(str(amount))
    stage.world.account.revalue(BTC)


@EVERY_WORLD
@staged
async def test_no_liquidation_price_means_no_clamp(hedge: bool, side: str) -> None:
    """DESIGN 9: a rich account has none (long: 0; short: far away); the stop is the policy's."""
    async with Stage(btc(side), hedge=hedge, wallet="900000") as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        assert [order.trigger for order in stage.stops(BTC, side)] == [against(ENTRY, side, 1.5)]


@EVERY_WORLD
@staged
async def test_a_liquidation_price_that_comes_nearer_pushes_a_working_stop_before_it(hedge: bool, side: str) -> None:
    """The clamp: at most 80 % of the way to liquidation, re-checked each cycle, bridged, never beyond, never back."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        with stage.never_uncovered():
            for wallet in (240, 200, 160, 140):
                set_wallet(stage, wallet)
                await stage.run(20)
                limit = liquidation(stage, side)
                clamp = ENTRY + (limit - ENTRY) * Decimal("0.8")
                (working,) = stage.own(BTC, side, "w")
                assert abs(working.trigger - clamp) < Decimal(ENTRY) / 1000, (wallet, working.trigger, clamp)
                assert (working.trigger > limit) == (side == "LONG")
                stage.must_be_protected()
            set_wallet(stage, 500_000)
            before = stage.book()
            await stage.run(20)
            assert stage.book() == before, "what was tightened stays"
        assert never_loosens(stage, side)


@EVERY_WORLD
@staged
async def test_a_stop_beyond_the_liquidation_price_is_not_called_protection(hedge: bool, side: str) -> None:
    """Invariant 6: when liquidation passes the backstop it protects nothing; not PROTECTED until a nearer one rests."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("unavailable_503", method="POST", path="algoOrder")
        set_wallet(stage, 120)
        await stage.run(7)
        (backstop,) = stage.own(BTC, side, "b")
        assert (liquidation(stage, side) > backstop.trigger) == (side == "LONG")
        assert stage.verdict(BTC, side) == "NAKED"
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=10)
        assert [o for o in stage.own(BTC, side, "w") if (o.trigger > liquidation(stage, side)) == (side == "LONG")]


@EVERY_SIDE
@staged
async def test_a_liquidation_price_on_the_winning_side_is_ignored(side: str) -> None:
    """Hedge mode, cross margin: both legs show the larger one's price; the smaller leg must not be clamped by it."""
    small = "SHORT" if side == "LONG" else "LONG"
    async with Stage(btc(side, "0.300"), btc(small, "0.100"), hedge=True, wallet="400") as stage:
        assert (liquidation(stage, small) < ENTRY) == (side == "LONG"), "it lies where the small leg wins"
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(10)
        stage.must_be_protected()
        assert [order.trigger for order in stage.stops(BTC, small)] == [against(ENTRY, small, 1.5)]


@EVERY_SIDE
@staged
async def test_a_creeping_liquidation_price_does_not_burn_the_order_budget(side: str) -> None:
    """Invariant 10: a stop moves only for a tenth of a percent; a hundred small steps are few orders."""
    async with Stage(btc(side), wallet="240") as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        with stage.never_uncovered():
            for step in range(100):
                set_wallet(stage, 240 - step)
                await stage.run(5)
        assert never_loosens(stage, side)
        placed = [e for e in stage.entries("order_accepted", ours=True) if e.detail["type"] == "STOP_MARKET"]
        assert len(placed) <= 14
        assert len(stage.own(BTC, side, "w")) == 1


# -- the AI engine's advice


def _advises(stop_loss_pct: str) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    async def answer(request: httpx.Request) -> httpx.Response:
        stamp = datetime.fromtimestamp(true_ms() / 1000, UTC).isoformat()
        signal = {"action": "HOLD", "confidence": 0.9, "timestamp": stamp, "sl_pct": float(stop_loss_pct)}
        return httpx.Response(200, json=signal)

    return answer


@EVERY_WORLD
@staged
async def test_advice_tightens_and_its_end_does_not_loosen(hedge: bool, side: str) -> None:
    """D5, D6, invariant 8, S9: a second answer that agrees moves the stop that rests, to 60 % of the own distance at
    most; when advice ends, asks for more room or is in another unit, nothing moves."""
    said = {"pct": "0.8"}

    async def ai(request: httpx.Request) -> httpx.Response:
        return await _advises(said["pct"])(request)

    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start(ai=ai)
        await stage.until("the stop follows the advice", lambda: stage.own(BTC, side, "w"), within_s=75)
        with stage.never_uncovered():
            await stage.run(15)
            stage.must_be_protected()
            assert [order.trigger for order in stage.own(BTC, side, "w")] == [against(ENTRY, side, 0.9)]
            for pct in ("4.9", "0.01", "49"):
                said["pct"] = pct
                await stage.run(70)
                assert levels(stage, BTC, side)[-1] == against(ENTRY, side, 0.9), "it stays"
        assert never_loosens(stage, side)


@staged
async def test_a_flapping_adviser_does_not_burn_the_order_budget() -> None:
    """D5: opinions that jump every time move the stop only inward; ten minutes of it are a handful of orders."""
    calls = 0

    async def ai(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return await _advises(str(0.6 + (calls * 7 % 10) / 10))(request)

    async with Stage(btc("LONG")) as stage:
        stage.start(ai=ai)
        await stage.run(600)
        stage.must_be_protected()
        assert never_loosens(stage, "LONG")
        placed = [e for e in stage.entries("order_accepted", ours=True) if e.detail["type"] == "STOP_MARKET"]
        assert len(placed) <= 10
