"""Positions that begin, grow, shrink, turn, end and begin again."""

from __future__ import annotations

from tests.explore.lives import BTC, ENTRY, ETH, life
from tests.explore.play import Play
from tests.sim.stage import Held

LONG = Held(BTC, "LONG", "0.300", entry=ENTRY)
SHORT = Held(BTC, "SHORT", "0.300", entry=ENTRY)


@life("open", paired=True)
async def opened(play: Play) -> None:
    """A flat account; a position is opened, and its fill is heard."""
    play.start()
    await play.rest(6)
    play.act("the trader opens", lambda: play.trade("open", BTC, "LONG", "0.300"))
    await play.rest(12)


@life("open_polled", stream=False)
async def opened_without_streams(play: Play) -> None:
    """The same, found by looking."""
    play.start()
    await play.rest(6)
    play.act("the trader opens", lambda: play.trade("open", BTC, "SHORT", "0.300"))
    await play.rest(14)


@life("found", LONG, Held(ETH, "SHORT", "3.000"), paired=True)
async def found_naked(play: Play) -> None:
    """Two positions without any order when the daemon comes."""
    play.start()
    await play.rest(16)


@life("add", SHORT)
async def added(play: Play) -> None:
    """A position grows twice, at a worse and at a better price."""
    play.start()
    await play.rest(7)
    play.act("the mark rises", lambda: play.price(BTC, 42_100))
    play.act("the trader adds", lambda: play.trade("add", BTC, "SHORT", "0.200"))
    await play.rest(8)
    play.act("the mark falls", lambda: play.price(BTC, 41_950))
    play.act("the trader adds", lambda: play.trade("add", BTC, "SHORT", "0.100"))
    await play.rest(9)


@life("reduce", LONG)
async def reduced(play: Play) -> None:
    """A third of the position is closed: the stop covers more than there is, the ladder has to shrink."""
    play.start()
    await play.rest(8)
    play.act("the trader reduces", lambda: play.trade("reduce", BTC, "LONG", "0.100"))
    await play.rest(14)


@life("flip", LONG)
async def flipped(play: Play) -> None:
    """Long becomes short in one moment."""
    play.start()
    await play.rest(8)
    play.act("the trader turns", lambda: play.trade("flip", BTC, "LONG"))
    await play.rest(16)


@life("close", LONG, Held(ETH, "SHORT", "3.000"))
async def closed(play: Play) -> None:
    """One of two positions is closed: its ladder and stops go, the other's stay."""
    play.start()
    await play.rest(8)
    play.act("the trader closes", lambda: play.trade("close", BTC, "LONG"))
    await play.rest(20)


@life("reenter", LONG)
async def reentered(play: Play) -> None:
    """Closed, and opened again two seconds later at another price and size."""
    play.start()
    await play.rest(8)
    play.act("the trader closes", lambda: play.trade("close", BTC, "LONG"))
    await play.rest(2)
    play.act("the mark rises", lambda: play.price(BTC, 42_300))
    play.act("the trader opens again", lambda: play.trade("open", BTC, "LONG", "0.200"))
    await play.rest(16)


@life("reenter_at_once", LONG)
async def reentered_at_once(play: Play) -> None:
    """Closed and opened again in the same moment: no look can tell."""
    play.start()
    await play.rest(8)
    play.act("the trader closes", lambda: play.trade("close", BTC, "LONG"))
    play.act("the trader opens again", lambda: play.trade("open", BTC, "LONG", "0.450"))
    await play.rest(16)


@life("reenter_down", LONG)
async def reentered_while_nobody_looked(play: Play) -> None:
    """The old position's orders rest, its backstop is gone with it, and another position is there at the start."""
    play.start()
    await play.rest(8)
    play.act("the daemon is killed", lambda: play.end("a", kill=True))
    play.act("the trader closes", lambda: play.trade("close", BTC, "LONG"))
    await play.rest(1)
    play.act("the mark rises", lambda: play.price(BTC, 42_500))
    play.act("the trader opens again", lambda: play.trade("open", BTC, "LONG", "0.200"))
    play.act("the daemon starts", lambda: play.begin_again("a"))
    await play.rest(18)


@life("hedge", LONG, SHORT, hedge=True)
async def both_legs(play: Play) -> None:
    """A long and a short leg of one symbol: one shrinks, the other grows."""
    play.start()
    await play.rest(8)
    play.act("the trader reduces the long leg", lambda: play.trade("reduce", BTC, "LONG", "0.100"))
    await play.rest(4)
    play.act("the trader adds to the short leg", lambda: play.trade("add", BTC, "SHORT", "0.150"))
    await play.rest(12)


@life("fills")
async def filled_piece_by_piece(play: Play) -> None:
    """An opening order is filled in five pieces, half a second apart."""
    play.start()
    await play.rest(5)
    for _ in range(5):
        play.act("a piece is filled", lambda: play.trade("add", BTC, "LONG", "0.040"))
        await play.pass_time()
    await play.rest(14)


@life("dca", Held(BTC, "LONG", "0.100", entry=ENTRY))
async def averaged_in_while_losing(play: Play) -> None:
    """The price falls, and the loser is made larger."""
    play.start()
    await play.rest(6)
    for mark, quantity in ((41_800, "0.200"), (41_600, "0.400")):
        play.act("the mark falls", lambda mark=mark: play.price(BTC, mark))
        play.act("the trader adds", lambda quantity=quantity: play.trade("add", BTC, "LONG", quantity))
        await play.rest(8)
