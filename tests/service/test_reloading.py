"""A configuration that was read again: what of it takes effect now, and what is said of it."""

from __future__ import annotations

import pytest

from position_monitor.config import Config
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.venues.binance.traits import TRAITS
from position_monitor.errors import ConfigError
from position_monitor.service.reloading import ConfigInForce, taken_over

PASSWORD = "open-sesame"


def config(**sections):
    return Config.from_data(sections)


def test_every_changed_key_is_named_with_both_values():
    """A symbol's own value that came or went is one too."""
    before = config(protection={"stop_loss_pct": "1.5"}, symbols={"ETHUSDT": {"stop_loss_pct": 2}})
    after = config(protection={"stop_loss_pct": "1.7"}, symbols={"BTCUSDT": {"stop_loss_pct": 3}})
    assert taken_over(before, after).changed == (
        "protection.stop_loss_pct 1.5 -> 1.7",
        "symbols.BTCUSDT.stop_loss_pct not set -> 3",
        "symbols.ETHUSDT.stop_loss_pct 2 -> not set",
    )


def test_a_value_written_differently_did_not_change():
    """1.50 is 1.5, and a default that is written down is the default."""
    assert taken_over(config(), config(protection={"stop_loss_pct": "1.50"})).changed == ()


def test_the_hash_is_that_of_what_is_effective():
    """It is made once for a configuration; one that keeps some sections of the running one has a hash of its own."""
    running, fresh = config(), config(redis={"url": "redis://r/1"}, protection={"stop_loss_pct": "1.7"})
    hashes = {running.config_hash, fresh.config_hash}
    effective = taken_over(running, fresh).config
    assert effective.config_hash not in hashes
    assert effective.config_hash == config(protection={"stop_loss_pct": "1.7"}).config_hash


def test_what_waits_for_a_restart_is_named_without_its_value_and_is_not_among_what_changed():
    """An address may hold a password."""
    after = config(redis={"url": f"redis://:{PASSWORD}@r/0"}, ai_engine={"url": "http://a:8001"})
    reloaded = taken_over(config(), after)
    assert (reloaded.waiting, reloaded.changed) == (("redis.url", "ai_engine.url"), ())
    assert reloaded.config.config_hash == config().config_hash


def test_a_file_that_does_not_fit_what_still_runs_is_refused():
    """The time-out waits for a restart; the deadline that fits the new one does not fit the old one."""
    after = config(exchange={"request_timeout_s": 1}, loop={"cycle_deadline_s": 3})
    with pytest.raises(ConfigError, match=r"with exchange.request_timeout_s as .* until a restart: .*cycle_deadline_s"):
        taken_over(config(), after)


def test_what_is_open_at_the_first_reads_of_the_account_is_older_than_the_policy_here():
    """A position that grew between the start of the process and its first read states that moment as its last change:
    it was closed for its age by a process that knew nothing of the time before (seed 1815). So was one that shrank
    after a first list without it, which was a mistake of the venue (seed 4711)."""
    in_force = ConfigInForce(config(), None, TRAITS)
    since = []
    for read_ms in (5_000, 9_000, 14_000, 19_000):
        since.append(live_since_ms(in_force))
        in_force.account_read(read_ms)
    assert since == [None, None, None, 14_000], "nobody knows before; three reads prove flat"
    assert live_since_ms(in_force) == 14_000


def live_since_ms(in_force: ConfigInForce) -> int | None:
    since_ms = in_force.settings.rules.live_since_ms
    return None if since_ms is None else since_ms(PositionKey("BTCUSDT", Side.LONG))
