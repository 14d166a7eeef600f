"""What the process answers the daemon: rights by wish, lease and signs, and in words what is missing to them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from position_monitor.config import load_config
from position_monitor.core.model.actions import Mode
from position_monitor.edge.redis.state import HeldByOther, Owned, Stale, Unavailable
from position_monitor.edge.venues.binance.traits import TRAITS
from position_monitor.errors import ConfigError
from position_monitor.service import ConfigInForce, Streams
from position_monitor.service.surroundings import ProcessSurroundings

OURS = Owned(7)
ANOTHERS = HeldByOther("host-b:1:x", "")
NOBODYS = Unavailable("Redis is away")
UNTENDED = Stale("somebody")


class Store:
    def __init__(self, lease):
        self.lease = lease

    def lease_state(self):
        return self.lease


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "position-monitor.toml"
    path.write_text("")
    return path


def around(file, lease, text=""):
    file.write_text(text)
    in_force = ConfigInForce(load_config(file, {}), file, TRAITS)
    return ProcessSurroundings(in_force, Store(lease), SimpleNamespace(), Streams(), SimpleNamespace())


@pytest.mark.parametrize(
    ("lease", "signs", "mode"),
    [
        (OURS, False, Mode.LIVE),
        (OURS, True, Mode.SECOND_WRITER),
        (ANOTHERS, True, Mode.STANDBY),
        (UNTENDED, False, Mode.STALE_OWNER),
        (NOBODYS, False, Mode.PLACE_ONLY),
    ],
)
def test_rights_follow_from_the_lease_and_the_signs_of_a_second_writer(file, lease, signs, mode):
    assert around(file, lease).mode(second_writer=signs) is mode


@pytest.mark.parametrize(
    ("lease", "mode", "reasons"),
    [
        (OURS, Mode.LIVE, ()),
        (OURS, Mode.OBSERVE, ("protection.mode is observe: nothing is written",)),
        (ANOTHERS, Mode.STANDBY, ("host-b:1:x holds the lease: this daemon stands by",)),
        (
            OURS,
            Mode.SECOND_WRITER,
            ("a second daemon writes (BTCUSDT qpmx is not of this process): only missing stops are placed",),
        ),
        (
            UNTENDED,
            Mode.STALE_OWNER,
            (
                "no lease (the lease says somebody, and nobody renews that): "
                "missing stops are placed, nothing is removed",
            ),
        ),
        (
            NOBODYS,
            Mode.PLACE_ONLY,
            ("no lease (Redis is away): missing stops are placed, nothing is removed",),
        ),
    ],
)
def test_what_is_missing_to_the_rights_of_an_owner_is_said(file, lease, mode, reasons):
    assert tuple(around(file, lease).degraded_reasons(mode, foreign_order="BTCUSDT qpmx")) == reasons


def test_a_reload_reaches_the_daemon_in_one_step_and_a_bad_file_reaches_nobody(file):
    surroundings = around(file, OURS)
    file.write_text('[loop]\ncheck_interval_s = 20\nfull_sweep_s = 40\n[protection]\nmode = "observe"\n')
    surroundings.in_force.reload(0)
    now = surroundings.settings.check_interval_s, surroundings.full_sweep_s, surroundings.mode(second_writer=False)
    assert now == (20, 40, Mode.OBSERVE)
    file.write_text("[loop]\ncheck_interval_s = -1\n")
    with pytest.raises(ConfigError, match="check_interval_s"):
        surroundings.in_force.reload(0)
    assert surroundings.settings.check_interval_s == 20


def test_without_streams_no_event_is_relied_on_and_no_mark_is_streamed(file):
    surroundings = around(file, OURS)
    assert not surroundings.events_delivered()
    assert surroundings.streamed_mark("BTCUSDT") is None
    surroundings.order_accepted("qpm1")
