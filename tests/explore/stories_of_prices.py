"""What the market does to a position: rungs, trails, stops that fire, levels that are passed already."""

from __future__ import annotations

from tests.explore.lives import BTC, ENTRY, ETH, life
from tests.explore.play import Play
from tests.sim.stage import Held

LONG = Held(BTC, "LONG", "0.300", entry=ENTRY)


@life("rung", LONG, paired=True)
async def a_rung_is_taken(play: Play) -> None:
    """The first take-profit fills, and the stop follows to breakeven."""
    play.start()
    await play.rest(8)
    play.act("the mark reaches the first rung", lambda: play.price(BTC, 42_700))
    await play.rest(18)


@life("trail", Held(BTC, "SHORT", "0.300", entry=ENTRY))
async def the_stop_trails(play: Play) -> None:
    """The mark runs in the position's favour in four steps, and then back a little."""
    play.start()
    await play.rest(6)
    for mark in (41_700, 41_450, 41_420, 41_500):
        play.act("the mark moves", lambda mark=mark: play.price(BTC, mark))
        await play.rest(5)


@life("stop_fires", LONG, Held(ETH, "SHORT", "3.000"))
async def a_stop_fires(play: Play) -> None:
    """The mark falls through the stop of one position; the other's does not move."""
    play.start()
    await play.rest(8)
    play.act("the mark falls through the stop", lambda: play.price(BTC, 41_300))
    await play.rest(18)


@life("wick", Held(BTC, "LONG", "0.300", entry=ENTRY, mark=41_900))
async def a_wick(play: Play) -> None:
    """The mark comes close to the stop and leaves again within a second."""
    play.start()
    await play.rest(7)
    play.act("the mark falls near the stop", lambda: play.price(BTC, 41_420))
    await play.rest(1)
    play.act("the mark is back", lambda: play.price(BTC, 41_950))
    await play.rest(10)


@life("passed", Held(BTC, "LONG", "0.300", entry=ENTRY, mark=41_000))
async def the_level_is_passed_already(play: Play) -> None:
    """At first sight the mark is beyond the desired stop, which is put before the mark instead."""
    play.start()
    await play.rest(8)
    play.act("the mark recovers a little", lambda: play.price(BTC, 41_200))
    await play.rest(10)


CLOSE = {"protection": {"on_breach": "close", "max_loss_pct": 5}}


@life("close_ladder", Held(BTC, "SHORT", "0.300", entry=ENTRY, mark=45_000), Held(ETH, "LONG", "3.000"), config=CLOSE)
async def it_lost_more_than_allowed(play: Play) -> None:
    """The daemon itself closes what has lost more than the operator allows, and leaves the other alone."""
    play.start()
    await play.rest(22)


@life("liquidation_near", Held(BTC, "LONG", "0.300", entry=ENTRY, leverage=50, isolated=True))
async def liquidation_is_near(play: Play) -> None:
    """An isolated position whose liquidation price clamps the stop; margin comes and the mark moves."""
    play.start()
    await play.rest(8)
    play.act("the mark rises", lambda: play.price(BTC, 42_200))
    await play.rest(12)
