"""What the unit files say, judged by systemd itself and by DESIGN 10."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
GUARDIAN = "quantum-position-monitor.service"
TEMPLATE = "quantum-position-monitor@.service"
NOTIFIER = "quantum-position-monitor-failed@.service"
PROGRAM = "/opt/quantum/position-monitor/venv/bin/position-monitor"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
TIMERS = sorted(path.name for path in UNITS.glob("*.timer"))
EXPOSURE_MAX_TENTHS = 15

needs_systemd_analyze = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed on this machine"
)


def values(unit: str, key: str) -> list[str]:
    return re.findall(rf"(?m)^{key}=(.*)$", (UNITS / unit).read_text())


@pytest.fixture
def installed(tmp_path):
    """The units with a program that exists, side by side as in /etc/systemd/system."""
    for unit in UNITS.glob("quantum-*"):
        text = unit.read_text().replace(PROGRAM, "/bin/sh")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@needs_systemd_analyze
@pytest.mark.parametrize("unit", [name.replace("@", "@main") for name in (*SERVICES, *TIMERS)])
def test_systemd_finds_nothing_to_complain_about(installed, unit):
    """`verify` answers 0 for unknown keys: its standard error must be empty."""
    command = ["systemd-analyze", "verify", "--man=no", str(installed / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd_analyze
@pytest.mark.parametrize("unit", SERVICES)
def test_the_exposure_is_low(installed, unit):
    """`systemd-analyze security` at most 1.5 of 10."""
    options = ["--offline=true", f"--threshold={EXPOSURE_MAX_TENTHS}", "--no-pager"]
    command = ["systemd-analyze", "security", *options, str(installed / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", [GUARDIAN, TEMPLATE])
def test_the_directives_of_the_contract(unit):
    """DESIGN 10, word for word."""
    expected = {
        "Type": ["notify"],
        "NotifyAccess": ["main"],
        "WatchdogSec": ["60"],
        "Restart": ["always"],
        "RestartSec": ["5"],
        "RestartPreventExitStatus": ["78"],
        "DynamicUser": ["yes"],
        "StartLimitIntervalSec": ["0"],
        "MemoryDenyWriteExecute": ["yes"],
        "Requires": [],
        "BindsTo": [],
        "ExecStartPre": [],
    }
    assert {key: values(unit, key) for key in expected} == expected
    assert "redis-server.service" in values(unit, "Wants")[0]
    assert "redis-server.service" in values(unit, "After")[0]
    assert values(unit, "OnFailure") == ["quantum-position-monitor-failed@%N.service"]
    assert values(unit, "SyslogIdentifier") == ["quantum-position-monitor"]
    [start] = values(unit, "ExecStart")
    assert start.startswith(f"{PROGRAM} run --config /etc/quantum/position-monitor")
    config = start.split()[-1]
    assert values(unit, "ExecReload") == [
        f"{PROGRAM} check --config {config} --before-reload",
        "/bin/kill -HUP $MAINPID",
        f"{PROGRAM} check --config {config} --after-reload",
    ]
    [memory] = values(unit, "MemoryMax")
    assert int(memory.removesuffix("M")) >= 256


PAIRS = [
    (GUARDIAN, TEMPLATE),
    ("quantum-position-monitor-verify.service", "quantum-position-monitor-verify@.service"),
    ("quantum-position-monitor-verify.timer", "quantum-position-monitor-verify@.timer"),
]


@pytest.mark.parametrize(("unit", "template"), PAIRS)
def test_the_template_differs_only_in_the_account(unit, template):
    """Two files, one unit."""

    def plain(name):
        text = (UNITS / name).read_text().replace("-%i", "").replace("/%i", "").replace(" of %i", "")
        return [line for line in text.splitlines() if not line.startswith("#")]

    assert plain(unit) == plain(template)


def test_an_instance_has_files_and_directories_of_its_own():
    """What is shared between two instances would be the plain unit's."""
    for key in ("EnvironmentFile", "LoadCredential", "StateDirectory", "RuntimeDirectory", "ExecStart"):
        assert all("%i" in value for value in values(TEMPLATE, key))
    assert all("%i" in value for value in values("quantum-position-monitor-verify@.service", "LoadCredential"))


def test_what_fails_is_told():
    """The guardian and verify call the notifier, each with its own name."""
    telling = [name for name in SERVICES if values(name, "OnFailure") == ["quantum-position-monitor-failed@%N.service"]]
    assert telling == [name for name in SERVICES if not re.search("paper|failed|dashboard", name)]


def test_the_example_environment_sets_nothing_and_names_only_known_variables():
    """Every line is a comment; the names are those of DESIGN 4; no secrets belong there."""
    lines = (UNITS / "position-monitor.env.example").read_text().splitlines()
    assert all(line.startswith("#") or not line for line in lines)
    named = {match[1] for line in lines if (match := re.match(r"#([A-Z0-9_]+)=", line))}
    assert named == {
        "ALERTS_URLS",
        "ALERTS_WEBHOOK_URL",
        "ALERTS_PING_URL",
        "CHECK_INTERVAL",
        "REDIS_URL",
        "AI_ENGINE_URL",
        "BACKEND_URL",
        "EXIT_MODE",
        "EXIT_EXECUTOR_MODE",
        "EXIT_BRAIN_V3_ENABLED",
        "EXIT_BRAIN_V3_LIVE_ROLLOUT",
        "EXIT_BRAIN_PROFILE",
    }
