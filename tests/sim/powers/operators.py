"""Operators that ask by `P:control`: what is valid, and what is expired, replayed, of the future, or garbage."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.paper.amounts import round_to
from position_monitor.paper.errors import VenueRefusal
from tests.sim.control_model import put_control
from tests.sim.operators import Asked
from tests.sim.powers import power
from tests.sim.truth import PREFIX
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

CATEGORIES = ("pause", "pause", "pause", "hold", "hold", "hold", "resume", "expired", "replayed", "future", "garbage")
GARBAGE = ("", "null", "[]", "{", "\x00", "x" * 9_000, '{"id": []}', '{"id": "g", "type": "flatten"}', "7")
FAR_PCT = (Decimal(3), Decimal(5), Decimal(7), Decimal(9))


def _ask(run: Simulation, rng: random.Random, category: str, symbol: str, lasts_s: float) -> None:
    now_ms, asked = true_ms(), run.judges.operators.asked
    entry = {
        "id": f"{category}-{len(asked)}",
        "type": category if category in ("pause", "hold", "resume") else rng.choice(("pause", "hold")),
        "symbol": symbol,
        "side": rng.choice((None, None, "LONG", "SHORT")) if symbol != "*" else None,
        "until_ms": now_ms + round(1_000 * lasts_s),
        "reason": category,
        "by": "sim",
        "at_ms": now_ms,
    }
    if category == "expired":
        entry["at_ms"], entry["until_ms"] = now_ms - 60_000, now_ms - rng.randint(0, 30_000)
    if category == "future":
        entry["at_ms"], entry["until_ms"] = now_ms + 3_600_000, now_ms + 7_200_000
    data = json.dumps(entry)
    if category == "replayed":
        valid = [one for one in asked if one.category in ("pause", "hold")]
        if not valid:
            return
        data = json.dumps({**entry, "id": rng.choice(valid).request_id, "reason": "replay"})
        entry["id"] = ""
    if category == "garbage":
        data, entry["id"] = rng.choice(GARBAGE), ""
    asked.append(Asked(now_ms, str(entry["id"]), category, symbol))
    run.counts[f"operator asks: {category}"] += 1
    put_control(run.redis, data)


def _loosened_by_hand(run: Simulation, rng: random.Random, symbol: str) -> None:
    """The trader rests a stop further away and cancels ours, as a hold permits."""
    world = run.engine.world
    for leg in world.account.open_positions():
        if leg.symbol != symbol:
            continue
        way = 1 if leg.amount > 0 else -1
        trigger = round_to(leg.entry * (1 - way * rng.choice(FAR_PCT) / 100), world.instruments[symbol].tick)
        params = {"algoType": "CONDITIONAL", "symbol": symbol, "side": "SELL" if way > 0 else "BUY"}
        params |= {"positionSide": leg.side, "type": "STOP_MARKET", "triggerPrice": str(trigger)}
        params |= {"quantity": str(abs(leg.amount)), "workingType": "MARK_PRICE"}
        params |= {"reduceOnly": "true"} if leg.side == "BOTH" else {}
        with suppress(VenueRefusal):
            run.engine.place_algo(params, origin="foreign")
        for order in world.algo.open_of(symbol):
            is_stop = order.client_id.startswith(PREFIX) and order.client_id[4] in "bw" and order.status == "NEW"
            if is_stop and order.side == params["side"]:
                run.engine.cancel_algo({"algoId": str(order.algo_id)}, origin="foreign")


def everything_is_resumed(run: Simulation, rng: random.Random) -> None:
    """What is in force ends with the faults."""
    _ask(run, rng, "resume", "*", 3_600.0)


@power(
    "operators_ask",
    chance=0.08,
    foggy=False,
    gentle=True,
    end=everything_is_resumed,
    later_s=8.0,
    why="a request is heard within a look at the stream",
    removals_rest_s=8.0,
    silences=("over_exit", "settled_ladder"),
)
async def operators_ask(run: Simulation, rng: random.Random) -> None:
    """Requests of every kind, and a trader who uses what a hold permits."""
    while True:
        await sleep(rng.uniform(0.5, 8))
        category, symbol = rng.choice(CATEGORIES), rng.choice(run.symbols)
        _ask(run, rng, category, rng.choice((symbol, symbol, "*")), rng.uniform(2, 25))
        if category == "hold" and rng.random() < 0.7:
            await sleep(rng.uniform(0.5, 4))
            run.engine.advance_to(true_ms())
            _loosened_by_hand(run, rng, symbol)
