"""Other programs at the same account, each with a habit: one moves its own close-all stop by cancel and place, one
keeps changing its own take-profits by a trifle. And a venue that takes its time between a stop's price and its fill."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.core.model import ids
from position_monitor.paper.amounts import floor_to, round_to
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.orders import AlgoOrder
from tests.sim.powers import power
from tests.sim.truth import PREFIX
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from position_monitor.paper.journal import Entry
    from tests.sim.simulation import Simulation

SLOT_TAKEN = -4130
TRIFLE_PCT = Decimal("0.12")
"""By how much of the position a bot's take-profit changes each time."""
HARMLESS = frozenset({"redis_hung", "ai_advice", "slow_triggers", "other_program_moves_its_stop"})
HARMLESS |= {"other_program_changes_its_targets"}
"""What may happen beside a program that is judged."""
TRIGGERS_MS = (4, 40, 400, 2_000, 6_000, 30_000)


def _judged(run: Simulation) -> bool:
    """Whether what the daemon does about a program follows from what it could read: else only the cover is judged."""
    return not run.swarm.venue and HARMLESS.issuperset(run.swarm.host)


def _exit(run: Simulation, symbol: str, leg: str, amount: Decimal, kind: str, pct: Decimal) -> dict[str, str]:
    """The parameters of a program's own conditional order, `pct` behind (or, below zero, beyond) the mark."""
    way = 1 if amount > 0 else -1
    tick = run.engine.world.instruments[symbol].tick
    trigger = round_to(run.engine.world.market.mark(symbol) * (1 - way * pct / 100), tick)
    return {
        "algoType": "CONDITIONAL",
        "symbol": symbol,
        "side": "SELL" if amount > 0 else "BUY",
        "positionSide": leg,
        "type": kind,
        "triggerPrice": str(trigger),
        "workingType": "MARK_PRICE",
    }


def _own(run: Simulation, symbol: str, side: str, roles: str) -> list[AlgoOrder]:
    open_orders = run.engine.world.algo.open_of(symbol)
    ours = [order for order in open_orders if order.client_id.startswith(PREFIX) and order.client_id[4] in roles]
    return [order for order in ours if order.side == side and order.status == "NEW"]


@power(
    "other_program_moves_its_stop",
    chance=0.06,
    foggy=False,
    gentle=False,
    later_s=2.0,
    why="its stop may be gone just then",
)
async def other_program_moves_its_stop(run: Simulation, rng: random.Random) -> None:
    """It never has two stops: it cancels the one and places the next a moment later. Once its stop was the cover of a
    position, the venue's only slot for one must be free for it, as long as that position lives."""
    while True:
        await sleep(rng.uniform(0.5, 4))
        legs = run.engine.world.account.open_positions()
        if legs:
            leg = rng.choice(sorted(legs, key=lambda one: (one.symbol, one.side)))
            await _guard_for_a_while(run, rng, leg.symbol, leg.side)


async def _guard_for_a_while(run: Simulation, rng: random.Random, symbol: str, leg: str) -> None:
    stop: AlgoOrder | None = None
    before = run.engine.world.account.amount(symbol, leg)
    for _ in range(rng.randint(2, 6)):
        run.engine.advance_to(true_ms())
        amount = run.engine.world.account.amount(symbol, leg)
        if not amount or (amount > 0) != (before > 0):
            return
        params = _exit(run, symbol, leg, amount, "STOP_MARKET", Decimal(repr(round(rng.uniform(0.6, 1.3), 2))))
        try:
            placed = run.engine.place_algo(params | {"closePosition": "true"}, origin="foreign")
        except VenueRefusal as refused:
            ours = _own(run, symbol, params["side"], "b")
            if refused.code == SLOT_TAKEN and stop is not None and ours and _judged(run):
                sentence = f"INV-5: the slot of another program's stop of {symbol} was taken by {ours[0].client_id}"
                run.checker.violations.append(sentence)
            return
        stop = placed
        await sleep(rng.uniform(6, 12))  # long enough to be read
        run.engine.advance_to(true_ms())
        if stop.status != "NEW":
            return
        run.engine.cancel_algo({"algoId": str(stop.algo_id)}, origin="foreign")
        await sleep(rng.uniform(0.05, 7))


@power("other_program_changes_its_targets", chance=0.06, foggy=False)
async def other_program_changes_its_targets(run: Simulation, rng: random.Random) -> None:
    """A bot's take-profit of about a tenth of a position, changed by a trifle again and again."""
    while True:
        await sleep(rng.uniform(6, 12))
        legs = run.engine.world.account.open_positions()
        if legs:
            leg = rng.choice(sorted(legs, key=lambda one: (one.symbol, one.side)))
            with suppress(VenueRefusal):
                await _trifle(run, rng, leg.symbol, leg.side)


async def _trifle(run: Simulation, rng: random.Random, symbol: str, leg: str) -> None:
    """A ladder that rested for a while beside the bot's own is not replaced because that changed by a trifle."""
    amount = run.engine.world.account.amount(symbol, leg)
    step = run.engine.world.instruments[symbol].step
    params = _exit(run, symbol, leg, amount, "TAKE_PROFIT_MARKET", Decimal(-9))
    params |= {} if leg in ("LONG", "SHORT") else {"reduceOnly": "true"}
    sizes = [floor_to(abs(amount) * (10 + n * TRIFLE_PCT) / 100, step) for n in (0, 1, 2, 1)]
    if min(sizes) <= 0:
        return
    before: set[str] = set()
    for number, size in enumerate(sizes):
        run.engine.advance_to(true_ms())
        order = run.engine.place_algo(params | {"quantity": str(size)}, origin="foreign")
        sequence = run.engine.world.journal.last_sequence
        await sleep(16)
        run.engine.advance_to(true_ms())
        after = {one.client_id for one in _own(run, symbol, params["side"], "t")}
        quiet = not any(
            entry.symbol == symbol and (entry.origin != "api" or entry.position_before != entry.position_after)
            for entry in run.engine.world.journal.after(sequence)
        )
        if number and quiet and before and after != before and _judged(run):
            run.checker.violations.append(f"INV-10: a ladder of {symbol} was replaced for a trifle: {before} {after}")
        before = after if quiet else set()
        if order.status == "NEW":
            run.engine.cancel_algo({"algoId": str(order.algo_id)}, origin="foreign")


def _at_once(run: Simulation, rng: random.Random) -> None:
    run.engine.world.trigger_delay_ms = 0


@power(
    "slow_triggers",
    chance=0.06,
    end=_at_once,
    foggy=False,
    later_s=45.0,
    why="a stop may take 30 s, and its grace",
)
async def slow_triggers(run: Simulation, rng: random.Random) -> None:
    """From a stop's price to its fill it takes 4 ms to 30 s."""
    while True:
        run.engine.world.trigger_delay_ms = rng.choice(TRIGGERS_MS)
        await sleep(rng.uniform(3, 15))


def _positions_lag(run: Simulation, rng: random.Random) -> None:
    run.engine.add_fault("replica_lag", path="positionRisk", delay_ms=rng.choice((1_500, 4_000)))


@power("closed_positions_linger", chance=0.04, prepare=_positions_lag, stale_ms=4_200, later_s=5.0, why="rows lag")
async def closed_positions_linger(run: Simulation, rng: random.Random) -> None:
    """Rows of positions lag behind orders. What our own stop has closed gets nothing new, though it is listed; that is
    judged where nothing else spoils what a daemon can know of its stop."""
    told: set[str] = set()
    while not run.swarm.venue:
        await sleep(1)
        journal = run.engine.world.journal
        for entry in journal.after(max(0, journal.last_sequence - 200)):
            detail = entry.detail
            ours = str(detail.get("client_id", "")).startswith(PREFIX)
            if not ours or entry.kind != "order_refused" or detail.get("code") != -4509:
                continue
            if detail["client_id"] not in told and _by_our_stop(run, entry):
                told.add(detail["client_id"])
                run.checker.violations.append(f"INV-16: placed after our own stop had closed it: {detail}")


def _by_our_stop(run: Simulation, refused: Entry) -> bool:
    """Whether a stop of ours closed the position, between one and eight seconds before the refusal, and nobody opened
    it again since: what was opened and closed again by hand may be taken for the old one as long as rows lag."""
    journal = run.engine.world.journal
    changes = [
        entry
        for entry in journal.after(max(0, journal.last_sequence - 400))
        if entry.symbol == refused.symbol
        and entry.sequence < refused.sequence
        and entry.position_before != entry.position_after
    ]
    if not changes:
        return False
    last = changes[-1]
    tag = ids.tag_of(str(last.detail.get("client_id", "")))
    is_stop = tag is not None and tag.role.is_stop and last.detail["side"] == refused.detail["side"]
    return is_stop and 1_000 <= refused.at_ms - last.at_ms <= 8_000
