"""What becomes of the daemons themselves: restarts, two of them, another configuration, no Redis."""

from __future__ import annotations

from tests.explore.lives import BTC, ENTRY, ETH, life
from tests.explore.play import Play
from tests.sim.stage import Held

LONG = Held(BTC, "LONG", "0.300", entry=ENTRY)


@life("restart", LONG)
async def restarted(play: Play) -> None:
    """Stopped politely and started again, with a position opened in between."""
    play.start()
    await play.rest(8)
    play.act("the daemon is told to stop", lambda: play.end("a", kill=False))
    await play.rest(2)
    play.act("the trader opens", lambda: play.trade("open", ETH, "SHORT", "3.000"))
    play.act("the daemon starts", lambda: play.begin_again("a"))
    await play.rest(12)


@life("kill", LONG)
async def killed(play: Play) -> None:
    """Killed just after a change and started with nothing remembered."""
    play.start()
    await play.rest(8)
    play.act("the trader reduces", lambda: play.trade("reduce", BTC, "LONG", "0.100"))
    play.act("the daemon is killed", lambda: play.end("a", kill=True))
    await play.rest(2)
    play.act("the daemon starts", lambda: play.begin_again("a"))
    await play.rest(14)


BLIND_STANDBY = {
    "blind_s": 10.0,
    "why": "a standby that cannot read the lists has not read a position naked: it waits until the lease has run out",
}


@life("standby", LONG, **BLIND_STANDBY)
async def beside_an_owner(play: Play) -> None:
    """A second daemon on another host stands by while the owner works."""
    play.start("a")
    await play.rest(3)
    play.start("b")
    await play.rest(6)
    play.act("the trader opens", lambda: play.trade("open", ETH, "SHORT", "3.000"))
    await play.rest(14)


@life("takeover", LONG, **BLIND_STANDBY)
async def the_owner_is_gone_for_good(play: Play) -> None:
    """The owner dies and does not come back: the other one takes over."""
    play.start("a")
    await play.rest(3)
    play.start("b")
    await play.rest(5)
    play.act("the owner is killed", lambda: play.end("a", kill=True))
    play.act("the trader opens", lambda: play.trade("open", ETH, "SHORT", "3.000"))
    await play.rest(22)


TIGHTER = {"protection": {"stop_loss_pct": 1.0}}


@life("reload", LONG)
async def another_configuration(play: Play) -> None:
    """The operator asks for a tighter stop."""
    play.start()
    await play.rest(8)
    play.act("the operator reloads", lambda: play.reload(play.on("a").number, TIGHTER))
    await play.rest(18)


OBSERVE, LIVE = {"protection": {"mode": "observe"}}, {"protection": {"mode": "live"}}


@life("observe_first", LONG, config=OBSERVE)
async def from_observe_to_live(play: Play) -> None:
    """Nothing is written until the operator says so."""
    play.excused = "protection.mode is observe"
    play.start()
    await play.rest(8)
    play.act("the operator goes live", lambda: play.reload(play.on("a").number, LIVE))
    play.excused = ""
    await play.rest(18)


@life("redis_late", LONG)
async def redis_comes_later(play: Play) -> None:
    """No Redis at the start: stops are placed, nothing is removed, until it is there."""
    play.redis.down = True
    play.start()
    await play.rest(6)
    play.act("the trader reduces", lambda: play.trade("reduce", BTC, "LONG", "0.100"))
    await play.rest(8)
    play.act("Redis is back", lambda: setattr(play.redis, "down", False))
    await play.rest(14)
