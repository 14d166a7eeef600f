"""Orders of ours from another time rest on the account: duplicates, surplus working stops, ladders of the wrong size.

A crash between two writes leaves such a thing behind, a second daemon, a restored host. Each is an order that a daemon
of this run placed once; it is placed again, as it was or of another size, while no daemon runs: what appears under the
eyes of one is a second writer (invariant 9), and no leftover.
"""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from position_monitor.paper.amounts import floor_to
from position_monitor.paper.errors import VenueRefusal
from tests.sim.powers import power
from tests.sim.truth import is_own
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

AT_ONCE = (1, 3, 8, 14)
SIZES = ("1", "1", "0.5", "2")


@power(
    "leftovers",
    chance=0.06,
    later_s=30.0,
    why="what is too much goes after reads that show it, a few orders in each check",
)
async def leftovers(run: Simulation, rng: random.Random) -> None:
    """Now and then the daemon is away for a moment, and some orders of before are back when it comes again."""
    while True:
        await sleep(rng.uniform(8, 25))
        for index in run.alive:
            run.kill(index)
        await sleep(rng.uniform(0.1, 3))
        run.engine.advance_to(true_ms())
        _place(run, rng)
        run.counts["fault leftovers"] += 1
        await sleep(0.1)
        if not run.alive:
            run.start_daemon()


def _place(run: Simulation, rng: random.Random) -> None:
    earlier = [
        entry
        for entry in run.engine.world.journal.after(0)
        if entry.kind == "order_accepted" and is_own(entry.detail) and entry.detail["order_kind"] == "algo"
    ]
    if earlier and rng.random() < 0.5:  # all of them for one symbol, and perhaps all of them stops
        symbol, stops = rng.choice(earlier).symbol, rng.random() < 0.5
        earlier = [e for e in earlier if e.symbol == symbol and (not stops or e.detail["type"] == "STOP_MARKET")]
    for _ in range(rng.choice(AT_ONCE) if earlier else 0):
        entry = rng.choice(earlier)
        with suppress(VenueRefusal):
            run.engine.place_algo(_again(run, entry.symbol, entry.detail, rng), origin="foreign")


def _again(run: Simulation, symbol: str, detail: dict[str, Any], rng: random.Random) -> dict[str, str]:
    """The parameters of an order like one of before, under an id like its own that names no other order."""
    client_id, whole = detail["client_id"], detail["close_position"] and rng.random() < 0.3
    params = {
        "algoType": "CONDITIONAL",
        "symbol": symbol,
        "side": detail["side"],
        "positionSide": detail["position_side"],
        "type": detail["type"],
        "triggerPrice": detail["trigger"],
        "workingType": "MARK_PRICE",
        "clientAlgoId": _tag(client_id, whole=whole)
        + "".join(rng.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(18)),
    }
    if whole:
        return params | {"closePosition": "true"}
    step = run.engine.world.instruments[symbol].step
    size = Decimal(detail["quantity"]) or _held(run, symbol)
    quantity = max(step, floor_to(size * Decimal(rng.choice(SIZES)), step))
    reduce = {} if detail["position_side"] in ("LONG", "SHORT") else {"reduceOnly": "true"}
    return params | {"quantity": str(quantity), **reduce}


def _tag(client_id: str, *, whole: bool) -> str:
    """Role, rung and epoch of an id; a backstop that is not close-all is a working stop."""
    return client_id[:14] if whole or client_id[4] != "b" else client_id[:4] + "w" + client_id[5:14]


def _held(run: Simulation, symbol: str) -> Decimal:
    legs = run.engine.world.account.positions.get(symbol, {}).values()
    return max((abs(leg.amount) for leg in legs), default=Decimal(0))
