"""Other hands at the same account: the user's own orders, another program, and the venue that changes its rules."""

from __future__ import annotations

from decimal import Decimal

from tests.explore.lives import BTC, ENTRY, ETH, life
from tests.explore.play import Play
from tests.sim.stage import Held

LONG = Held(BTC, "LONG", "0.300", entry=ENTRY)
SHORT = Held(BTC, "SHORT", "0.300", entry=ENTRY)


def cancel_all_of_ours(play: Play) -> None:
    """The human cancels whatever rests."""
    for order in play.resting(BTC):
        play.cancel_by_hand(order)


@life("cancels_all", SHORT)
async def the_user_cancels_all(play: Play) -> None:
    """A human cancels every order, twice."""
    play.start()
    await play.rest(8)
    play.act("the user cancels everything", lambda: cancel_all_of_ours(play))
    await play.rest(6)
    play.act("the user cancels everything again", lambda: cancel_all_of_ours(play))
    await play.rest(12)


@life("foreign_replaced", LONG)
async def another_program_replaces_its_stop(play: Play) -> None:
    """A close-all stop of another program is the cover; the program moves it by cancel and place."""
    play.act("the program places its stop", lambda: play.foreign_stop(BTC, "LONG", "41400"))
    play.start()
    await play.rest(8)
    play.act("the program cancels it", lambda: play.cancel_by_hand(theirs(play)))
    await play.pass_time()
    play.act("the program places another", lambda: play.foreign_stop(BTC, "LONG", "41500"))
    await play.rest(16)


def theirs(play: Play):
    """The other program's stop that rests."""
    return next(order for order in [*play.resting(BTC), None] if order is None or not order.client_id.startswith("qpm"))


@life("foreign_goes", LONG, paired=True)
async def the_users_stop_goes(play: Play) -> None:
    """The user's own quantity stop covers, and then he cancels it."""
    play.act("the user places a stop", lambda: play.foreign_stop(BTC, "LONG", "41400", "0.300"))
    play.start()
    await play.rest(8)
    play.act("the user cancels it", lambda: play.cancel_by_hand(theirs(play)))
    await play.rest(14)


@life("foreign_far", SHORT)
async def a_far_close_all_takes_the_slot(play: Play) -> None:
    """The user's close-all stop lies beyond the allowed loss: ours is a quantity stop that has to follow the size."""
    play.act("the user places a far stop", lambda: play.foreign_stop(BTC, "SHORT", "46000"))
    play.start()
    await play.rest(8)
    play.act("the trader adds", lambda: play.trade("add", BTC, "SHORT", "0.200"))
    await play.rest(16)


@life("user_targets", LONG)
async def the_user_has_a_target_of_his_own(play: Play) -> None:
    """A limit order of the user's takes part of the profit: our ladder is for the rest."""
    play.start()
    await play.rest(8)
    play.act("the user places a limit order", lambda: play.foreign_limit(BTC, "LONG", "43500", "0.150"))
    await play.rest(16)


@life("split", Held(BTC, "SHORT", "2.000", entry=ENTRY), config={"protection": {"foreign_orders": "ignore"}})
async def above_the_market_maximum(play: Play) -> None:
    """The slot for a close-all is taken, and the size needs three stops."""
    play.engine.change_instrument(BTC, market_max_qty=Decimal("0.7"))
    play.act("the user places a far stop", lambda: play.foreign_stop(BTC, "SHORT", "43500"))
    play.start()
    await play.rest(8)
    play.act("the trader reduces", lambda: play.trade("reduce", BTC, "SHORT", "0.500"))
    await play.rest(14)


@life("listed_later")
async def a_symbol_listed_after_the_start(play: Play) -> None:
    """The venue lists a contract while the daemon runs, and a position is opened in it."""
    listed = play.world.instruments.pop(ETH)
    play.start()
    await play.rest(6)
    play.act("the venue lists it", lambda: play.world.instruments.__setitem__(ETH, listed))
    await play.rest(2)
    play.act("the trader opens", lambda: play.trade("open", ETH, "LONG", "3.000"))
    await play.rest(14)


@life("new_grid", LONG)
async def the_price_steps_change(play: Play) -> None:
    """The tick becomes ten times as coarse, and the position turns just then."""
    play.start()
    await play.rest(8)
    play.act("the venue changes the tick", lambda: play.engine.change_instrument(BTC, tick=Decimal(1)))
    play.act("the trader turns", lambda: play.trade("flip", BTC, "LONG"))
    await play.rest(16)
