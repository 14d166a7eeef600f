"""`check --before-reload` and `--after-reload`: what `ExecReload=` of the unit runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from position_monitor.edge.systemd import answer_reload, forget_reload_answer, note_variables, reload_answer


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    return tmp_path


def check(config: Path, when: str, runtime: Path, **variables: str) -> tuple[int, str]:
    """Exit code and every word of the command, as started by the unit."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RUNTIME_DIRECTORY": str(runtime),
        "INVOCATION_ID": "0",
        **variables,
    }
    command = [sys.executable, "-m", "position_monitor", "check", "--config", str(config), when]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_good_file_passes_without_a_word_and_without_keys(runtime: Path) -> None:
    """The unit's credentials are not readable for it; the answer to an earlier reload is gone then."""
    answer_reload("an old problem")
    (runtime / "c.toml").write_text('[exchange]\nenvironment = "live"\n')
    assert check(runtime / "c.toml", "--before-reload", runtime) == (0, "")
    assert reload_answer() is None


def test_a_bad_file_is_an_error_of_the_journal(runtime: Path) -> None:
    """78, and lines with prefix and priority."""
    (runtime / "c.toml").write_text("check_intervall = 5\n")
    code, words = check(runtime / "c.toml", "--before-reload", runtime)
    assert code == 78
    assert "check_intervall" in words
    assert all(line.startswith("<3>[POSITION-MONITOR] ") for line in words.splitlines())


def test_a_changed_env_file_is_named_without_its_values(runtime: Path) -> None:
    """systemd reads it anew for the check, and the daemon keeps what it was started with; an empty one is unset."""
    note_variables({"REDIS_URL": "redis://:open-sesame@h/0", "EXIT_MODE": "LEGACY"})
    now = {"REDIS_URL": "redis://:another-word@h/0", "EXIT_MODE": "LEGACY", "EXIT_BRAIN_PROFILE": ""}
    (runtime / "c.toml").write_text("")
    code, words = check(runtime / "c.toml", "--before-reload", runtime, **now)
    assert (code, words.count("\n")) == (0, 1)
    assert words.endswith("Changed in the env file, and in effect only after a restart: REDIS_URL\n")
    assert "open-sesame" not in (runtime / "variables").read_text()


@pytest.mark.parametrize(("problem", "code"), [("", 0), ("cycle_deadline_s is too short", 78)])
def test_the_daemon_has_the_last_word(runtime: Path, problem: str, code: int) -> None:
    """What it answered is the exit code; it says why itself."""
    answer_reload(problem)
    assert check(runtime / "c.toml", "--after-reload", runtime) == (code, "")


def test_without_a_runtime_directory_nobody_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit of the operator's own may have none: a reload is not held up."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    answer_reload("a problem")
    forget_reload_answer()
    assert reload_answer() == ""
