"""Each change of who controls exits is one `ModeChanged` with before, after and cause (exits.md 1, row 24)."""

from __future__ import annotations

import pytest

from position_monitor.config import Config
from position_monitor.service.exits import exits_state
from position_monitor.service.telling import Teller

NOW_MS = 1_780_000_000_000


class Clock:
    def now_ms(self):
        return NOW_MS


def config(**switches):
    return Config.from_data({"exit": switches})


def teller():
    """Hands its events to nobody."""
    return Teller(clock=Clock(), exchange=None, store=None, advisor=None, breaker=None, owner="host:1:aaaa")  # type: ignore[arg-type]


def changes(one):
    """What was announced about exits."""
    told = [event for event in one._pending if event.type == "ModeChanged"]
    assert all(event.details["subject"] == "exits" and event.at_ms == NOW_MS for event in told)
    return [(event.details["before"], event.details["after"], event.details["cause"]) for event in told]


def test_the_start_says_who_controls_exits():
    one = teller()
    one.started(config(mode="EXIT_BRAIN_V3", live_rollout_pct=20))
    after = "EXIT_BRAIN_V3 live for 20 % of the symbols, LEGACY (hybrid) for the others"
    assert changes(one) == [("", after, "start")]


BRAIN = "EXIT_BRAIN_V3 live"
KILLED = "LEGACY (hybrid) live, EXIT_BRAIN_V3 held back by EXIT_EXECUTOR_KILL_SWITCH=true"
HALF = "EXIT_BRAIN_V3 live for 50 % of the symbols, LEGACY (hybrid) for the others"
LEGACY = "LEGACY (static) live"


@pytest.mark.parametrize(
    ("after", "described", "cause"),
    [
        ({"mode": "EXIT_BRAIN_V3", "kill_switch": True}, KILLED, "kill_switch"),
        ({"mode": "EXIT_BRAIN_V3", "live_rollout_pct": 50}, HALF, "rollout"),
        ({"mode": "LEGACY", "legacy_policy": "static"}, LEGACY, "reload"),
    ],
)
def test_a_reload_that_changes_it_is_one_event(after, described, cause):
    one = teller()
    one.reloaded(config(mode="EXIT_BRAIN_V3"), config(**after), [])
    assert changes(one) == [(BRAIN, described, cause)]


def test_a_reload_of_something_else_is_none():
    one = teller()
    before = Config.from_data({"exit": {"mode": "EXIT_BRAIN_V3"}})
    after = Config.from_data({"exit": {"mode": "EXIT_BRAIN_V3"}, "protection": {"stop_loss_pct": 2}})
    one.reloaded(before, after, [])
    assert changes(one) == []


def test_what_is_published_names_every_switch():
    told = exits_state(config(mode="EXIT_BRAIN_V3", kill_switch="on", live_rollout_pct=50, executor_mode="SHADOW"))
    assert (told.requested, told.live, told.legacy_policy, told.shadow) == (
        "EXIT_BRAIN_V3",
        "LEGACY",
        "hybrid",
        "EXIT_BRAIN_V3",
    )
    assert (told.kill_switch, told.rollout_pct, told.executor_mode) == (True, 50, "SHADOW")
    assert told.held_back_by == ("EXIT_EXECUTOR_KILL_SWITCH=true", "EXIT_EXECUTOR_MODE=SHADOW")
