"""`exits`: who controls exits, for people and for the scripts of the old stack."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from position_monitor.cli import exits as exits_command
from position_monitor.cli.main import main
from position_monitor.cli.status import Overview
from position_monitor.config import Config
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.publication.state import ExitsState, OrderCount
from position_monitor.service.exits import exits_state
from tests.edge.redis.conftest import account_state, position_state

MARKET = MarketState(
    atr=Decimal(340),
    close=Decimal(42000),
    adx=Decimal("27.1"),
    plus_di=Decimal(30),
    minus_di=Decimal(15),
    regime=Regime.TRENDING,
    closed_at_ms=1_780_000_000_000,
    expires_at_ms=1_780_007_200_000,
)
DECIDED_MS = 1_780_000_000_000
ORDERS = (
    OrderCount("hybrid", "take_profit", "placed, level from hybrid", 9),
    OrderCount("hybrid", "backstop", "placed, level from hybrid", 3),
    OrderCount("brain", "working_stop", "removed, no longer wanted", 2),
)


def under(**switches: object) -> ExitsState:
    """What a daemon with these exit switches publishes once it decided."""
    return exits_state(Config.from_data({"exit": switches}), decided_at_ms=DECIDED_MS, orders=ORDERS)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Redis holds this account; None where the daemon is not heard."""

    def holds(exits: ExitsState | None, *, daemon: bool = True) -> None:
        account = replace(account_state(), exits=exits) if daemon else None
        held = (
            (replace(position_state(), policy="brain", profile="TREND", regime="TRENDING", market=MARKET),)
            if daemon
            else ()
        )

        async def look() -> Overview:
            return Overview(account, held)

        monkeypatch.setattr(exits_command, "redis_look", lambda config: look)

    return holds


def said(config_file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main(["exits", "--config", str(config_file)])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("switches", "line"),
    [
        ({}, "LEGACY (hybrid) decides exits, quantum-position-monitor sends them"),
        (
            {"brain_v3_enabled": True},
            "LEGACY (hybrid) decides exits, quantum-position-monitor sends them; Exit Brain V3 only computes in shadow",
        ),
        ({"mode": "EXIT_BRAIN_V3"}, "Exit Brain V3 decides exits, quantum-position-monitor sends them"),
        (
            {"mode": "EXIT_BRAIN_V3", "live_rollout_pct": 20},
            "Exit Brain V3 on 20 % of the symbols and LEGACY (hybrid) elsewhere decides exits, "
            "quantum-position-monitor sends them",
        ),
    ],
)
def test_the_first_line_says_which_module_decides_and_which_sends(switches, line, heard, config_file, capsys) -> None:
    heard(under(**switches))
    code, lines = said(config_file, capsys)
    assert (code, lines[0]) == (0, line)


def test_switches_positions_orders_and_rates_are_shown(heard, config_file, capsys) -> None:
    heard(under(mode="EXIT_BRAIN_V3", kill_switch=True))
    _, lines = said(config_file, capsys)
    text = "\n".join(lines)
    assert "kill switch ON" in text
    assert "! held back by EXIT_EXECUTOR_KILL_SWITCH=true" in text
    rows = [line.split() for line in lines]
    regime = ["TRENDING", "(ATR", "0.81", "%,", "ADX", "27,", "+DI", "30,", "-DI", "15)"]
    assert ["BTCUSDT:LONG", "brain", "TREND", *regime, "hybrid", "off", "1"] in rows
    assert ["hybrid", "take_profit", "placed,", "level", "from", "hybrid", "9"] in rows
    assert ["CHOP", "0.32", "R", "75.8", "%", "80.8", "%", "85.9", "%"] in rows


@pytest.mark.parametrize(
    ("switches", "state", "running", "mode"),
    [
        ({}, "LEGACY", False, None),
        ({"brain_v3_enabled": True}, "LEGACY", True, "SHADOW"),
        ({"mode": "EXIT_BRAIN_V3", "executor_mode": "SHADOW"}, "EXIT_BRAIN_V3_SHADOW", True, "SHADOW"),
        ({"mode": "EXIT_BRAIN_V3", "kill_switch": True}, "EXIT_BRAIN_V3_SHADOW", True, "SHADOW"),
        ({"mode": "EXIT_BRAIN_V3"}, "EXIT_BRAIN_V3_LIVE", True, "LIVE"),
    ],
)
def test_the_keys_of_the_old_status_are_there(switches, state, running, mode, heard, config_file, capsys) -> None:
    heard(under(**switches))
    assert main(["exits", "--json", "--config", str(config_file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["operational_state"] == state
    assert told["config"] == {
        "exit_mode": switches.get("mode", "LEGACY"),
        "exit_executor_mode": switches.get("executor_mode", "LIVE"),
        "exit_brain_live_rollout": "ENABLED",
        "live_mode_active": state == "EXIT_BRAIN_V3_LIVE",
    }
    assert (told["executor"]["running"], told["executor"]["effective_mode"]) == (running, mode)
    assert told["executor"]["last_decision_timestamp"].startswith("2026-05-28T")
    assert told["metrics"] == {
        "total_exit_orders": 12,
        "blocked_legacy_orders": 0,
        "ownership_conflicts": 0,
        "orders_by_module": {"hybrid": 12, "brain": 2},
        "orders_by_kind": {"take_profit": 9, "backstop": 3, "working_stop": 2},
    }


def test_a_brain_that_never_decided_does_not_run(heard, config_file, capsys) -> None:
    heard(replace(under(mode="EXIT_BRAIN_V3"), decided_at_ms=0))
    assert main(["exits", "--json", "--config", str(config_file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["operational_state"] == "EXIT_BRAIN_V3_NOT_RUNNING"
    assert told["executor"] == {"running": False, "effective_mode": None, "last_decision_timestamp": None}


def test_a_daemon_that_is_not_heard_controls_nothing(heard, config_file, capsys) -> None:
    heard(None, daemon=False)
    assert main(["exits", "--json", "--config", str(config_file)]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["heard"], told["operational_state"], told["executor"]["running"]) == (False, "UNKNOWN", False)
    assert main(["exits", "--config", str(config_file)]) == 3
    assert "the daemon was not heard" in capsys.readouterr().err


def test_a_daemon_of_an_earlier_version_does_not_say(heard, config_file, capsys) -> None:
    heard(None)
    assert main(["exits", "--config", str(config_file)]) == 1
    assert "earlier version" in capsys.readouterr().err
