"""Orders of ours from another time rest on the account: duplicates, surplus working stops, ladders of the wrong size.

A crash between two writes leaves such a thing behind, a second daemon, a restored host. Each is an order that a daemon
of this run placed once; it is placed again, as it was or of another size, by nobody the daemon knows.
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

AT_ONCE = (1, 3, 8, 20)
SIZES = ("1", "1", "0.5", "2")


@power("leftovers", later_s=30.0, why="what is too much goes after reads that show it, a few orders in each check")
async def leftovers(run: Simulation, rng: random.Random) -> None:
    """Now and then some orders of before are back."""
    while True:
        await sleep(rng.uniform(5, 20))
        earlier = [
            entry
            for entry in run.engine.world.journal.after(0)
            if entry.kind == "order_accepted" and is_own(entry.detail) and entry.detail["order_kind"] == "algo"
        ]
        if not earlier:
            continue
        run.engine.advance_to(true_ms())
        run.counts["fault leftovers"] += 1
        if rng.random() < 0.5:  # all of them for one symbol, and perhaps all of them stops
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
