"""freqtrade with its stop on the exchange, and the daemon beside it on the same account."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.freqtrade_peer import install
from tests.bench.processes import BenchFailed, daemon, venue
from tests.beside.freqtrade_bot import Bot, Led, freqtrade
from tests.beside.record import Shared

pytestmark = pytest.mark.skipif(not os.environ.get("BESIDE"), reason="takes minutes and a venv of its own: make beside")
COINS = ("ETH", "SOL", "LTC")
BEHIND = """
[protection]
stop_loss_pct = 4.0
take_profits = false
trailing = false
"""
"""What docs/beside-a-bot.md recommends first: ours lies behind what the bot does by itself."""
GIVES_WAY = f"{BEHIND}foreign_stop_grace_s = 20\nyield_to_foreign_stop = true\n"
"""What it recommends where nothing of ours is to rest beside the bot's stop."""
QUIET_S = 45.0
ORDERS_PER_LIFE = 5
"""A stop, a take-profit where one is wanted, and what is removed or expires at the end, with one to spare."""


@pytest.fixture
def led(tmp_path: Path) -> Led:
    """freqtrade believes it is on the venue: ccxt chooses the class of an error by the address."""
    return Led.beside(tmp_path)


@pytest.fixture
def shared(led: Led) -> Iterator[Shared]:
    """A venue whose prices stand until somebody moves them."""
    try:
        install()
    except BenchFailed as failed:
        pytest.skip(str(failed))
    with venue("flat", *led.options()) as exchange:
        exchange.tell("freeze")
        yield Shared(exchange)


def entered(shared: Shared, bot: Bot) -> bool:
    """freqtrade holds every coin, and both its stop and ours rest for each."""
    symbols = {f"{coin}USDT" for coin in COINS}
    return set(bot.open_amounts()) == symbols == shared.stops(ours=False) == shared.stops(ours=True)


def test_a_stop_behind_the_bots_own_is_never_in_its_way(shared: Shared, led: Led) -> None:
    """Entries, a quiet while, its stop, its profit, entries again: nothing it believes is wrong."""
    with daemon(shared.exchange, settings=BEHIND) as running, freqtrade(shared.exchange, COINS, led) as bot:
        running.manager.wait_ready(90)
        shared.reached("three positions with both stops", lambda: entered(shared, bot))
        place = shared.place()
        time.sleep(QUIET_S)
        assert shared.writes(place) == [], "nothing of ours is written in a quiet while"

        _stopped_out_and_in_again(shared, bot, lambda: entered(shared, bot))
        assert shared.targets_of_ours() == set(), "no take-profit of ours rests"
        assert shared.busiest_minute() <= ORDERS_PER_LIFE * 5
        assert shared.exchange.ask("usage")["limited"] == 0
        running.require_alive()


def test_ours_gives_way_to_the_bots_own_and_comes_back_when_the_bot_is_gone(shared: Shared, led: Led) -> None:
    """While it guards its trades nothing of ours rests; when its stop is taken away ours is there."""
    symbols = {f"{coin}USDT" for coin in COINS}

    def guarded() -> bool:
        return set(bot.open_amounts()) == symbols == shared.stops(ours=False) and shared.stops(ours=True) == set()

    with daemon(shared.exchange, settings=GIVES_WAY) as running:
        with freqtrade(shared.exchange, COINS, led) as bot:
            running.manager.wait_ready(90)
            shared.reached("three positions with its stops alone", guarded)
            place = shared.place()
            time.sleep(QUIET_S)
            assert shared.writes(place) == [], "nothing of ours is written in a quiet while"

            _stopped_out_and_in_again(shared, bot, guarded)
            assert shared.busiest_minute() <= ORDERS_PER_LIFE * 5
        shared.take_away(shared.orders(ours=False))
        shared.reached("ours rests for each", lambda: shared.stops(ours=True) == symbols)
        running.require_alive()


def _stopped_out_and_in_again(shared: Shared, bot: Bot, settled: Callable[[], bool]) -> None:
    shared.move("ETHUSDT", -0.8, -1.0)
    shared.reached("its stop ended its trade", lambda: bot.ended_by("ETHUSDT") == ["stoploss_on_exchange"])
    shared.move("SOLUSDT", 1.2, 1.2)
    shared.reached("it took its profit", lambda: bot.ended_by("SOLUSDT") == ["roi"])
    shared.reached("it is in again", settled)
    assert bot.open_amounts() == shared.held(), "it holds what it believes to hold"
    assert shared.refused() == [], "nothing was refused to it"
    assert bot.complaints() == []
    assert shared.reused_ids() == []


def test_at_the_same_distance_ours_ends_its_trade_and_it_finds_out(shared: Shared, led: Led) -> None:
    """The shipped defaults: our close-all stop fires first, then freqtrade's stop and its exit are refused, and it
    finds the fill in the order history.

    That is why the page recommends another distance.  What holds even so: its own stop was taken, no id is used twice,
    and in the end it believes what is.
    """
    with daemon(shared.exchange) as running, freqtrade(shared.exchange, COINS, led) as bot:
        running.manager.wait_ready(90)
        shared.reached("three positions with both stops", lambda: entered(shared, bot))
        assert shared.refused() == [], "its stops are taken beside ours"
        place = shared.place()
        time.sleep(QUIET_S)
        assert shared.writes(place) == []

        shared.move("ETHUSDT", -0.8, -1.0)
        shared.reached("its trade is ended", lambda: bot.ended_by("ETHUSDT"))
        assert bot.ended_by("ETHUSDT") in (["sold_on_exchange"], ["stoploss_on_exchange"])
        assert {code for _, _, code in shared.refused()} <= {-2022}
        shared.reached("it holds what it believes to hold", lambda: bot.open_amounts() == shared.held())
        assert shared.reused_ids() == []
        assert shared.busiest_minute() <= ORDERS_PER_LIFE * 5
        running.require_alive()
