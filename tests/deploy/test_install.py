"""`make install`, `rollback` and `uninstall` below a DESTDIR: what is there afterwards, and what is not touched."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREFIX = "opt/quantum/position-monitor"
PACKAGES = sysconfig.get_path("purelib")
UNITS = sorted(path.name for path in (ROOT / "deploy" / "systemd").glob("quantum-*"))


def make(target: str, destdir: Path, *, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a target of the Makefile with a systemctl on the PATH that leaves a trace when it is called."""
    trap = destdir.parent / "bin"
    trap.mkdir(exist_ok=True)
    (trap / "systemctl").write_text(f"#!/bin/sh\ntouch {destdir.parent}/systemctl-was-called\n")
    (trap / "systemctl").chmod(0o755)
    given = {"DESTDIR": str(destdir), "PACKAGES": PACKAGES, "PYTHON": shutil.which("python3") or "", **variables}
    command = ["make", "-C", str(ROOT), target, *(f"{name}={value}" for name, value in given.items())]
    environ = {**os.environ, "PATH": f"{trap}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=150)
    assert not check or done.returncode == 0, done.stderr
    return done


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(root: Path) -> set[str]:
    """Everything below a directory, links not followed."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter of this version that a unit could use, or the reason why there is none."""
    for candidate in ("/usr/bin/python3", shutil.which("python3") or ""):
        if candidate and not os.path.realpath(candidate).startswith(("/root/", "/home/")):
            told = subprocess.run([candidate, "-c", "import sysconfig; print(sysconfig.get_python_version())"],
                                  capture_output=True, text=True, check=False).stdout.strip()  # fmt: skip
            if told == sysconfig.get_python_version():
                return candidate
    pytest.skip(f"no python {sysconfig.get_python_version()} outside of /root and /home")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, python: str) -> Path:
    """One installation for the tests of what is in it."""
    destdir = tmp_path_factory.mktemp("install") / "root"
    make("install", destdir, PYTHON=python)
    return destdir


def test_everything_is_where_the_documents_say(installed: Path) -> None:
    """Program, link, units, man page, completion, configuration, env file 0600, credentials 0700."""
    assert os.readlink(installed / "usr/local/bin/position-monitor") == f"/{PREFIX}/venv/bin/position-monitor"
    assert sorted(path.name for path in (installed / "etc/systemd/system").iterdir()) == UNITS
    etc = installed / "etc/quantum"
    assert [mode(etc / name) for name in ("position-monitor.toml", "position-monitor.env", "credentials")] == [
        0o644, 0o600, 0o700,
    ]  # fmt: skip
    assert (etc / "position-monitor.toml").read_text() == (ROOT / "config.example.toml").read_text()
    for link in ("man/man1/position-monitor.1", "bash-completion/completions/position-monitor"):
        target = os.readlink(installed / "usr/local/share" / link)
        assert (installed / target.removeprefix("/")).stat().st_size > 500


def test_nothing_in_it_names_where_it_was_built(installed: Path) -> None:
    """Scripts name the release by its final path; byte code is there, because the service may not write any."""
    release = (installed / PREFIX / "venv").resolve()
    program = (release / "bin/position-monitor").read_text()
    assert program.startswith(f"#!/{PREFIX}/releases/{release.name}/bin/python\n")
    naming = [
        path
        for path in release.rglob("*")
        if path.is_file() and not path.is_symlink() and str(installed).encode() in path.read_bytes()
    ]
    assert naming == []
    package = next(release.glob("lib/python*/site-packages/position_monitor"))
    modules = {path.stem for path in package.glob("core/**/*.py")}
    assert {path.name.split(".")[0] for path in package.glob("core/**/*.pyc")} == modules


def test_nothing_outside_of_destdir_is_touched(installed: Path) -> None:
    """No systemctl, nothing beside the directory."""
    assert {path.name for path in installed.parent.iterdir()} == {"root", "bin"}


def test_a_second_install_is_an_upgrade_and_rollback_takes_it_back(tmp_path: Path, python: str) -> None:
    """The operator's files stay byte for byte; rollback is one command; uninstall leaves /etc/quantum."""
    root = tmp_path / "root"
    prefix = f"/{PREFIX}-of-mine"
    place = {"PYTHON": python, "PREFIX": prefix}
    (root / prefix.removeprefix("/") / "venv" / "bin").mkdir(parents=True)  # as the documents once said
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/position-monitor").write_text("somebody's own")
    make("install", root, **place)
    home = root / prefix.removeprefix("/")
    assert (home / "venv-made-by-hand" / "bin").is_dir()
    first = os.readlink(home / "venv")
    etc = root / "etc/quantum"
    (etc / "position-monitor.toml").write_text("account = 'mine'\n")
    (etc / "credentials/exchange_api_key").write_text("k")
    (root / "etc/systemd/system/other.service").write_text("[Service]\n")

    assert "position-monitor.toml stays as it is" in make("install", root, **place).stderr
    second = os.readlink(home / "venv")
    assert (second == first, os.readlink(home / "previous")) == (False, first)
    assert (etc / "position-monitor.toml").read_text() == "account = 'mine'\n"
    [start] = [
        line
        for line in (root / "etc/systemd/system/quantum-position-monitor.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    ]
    assert start.startswith(f"ExecStart={prefix}/venv/bin/position-monitor run ")

    (etc / "position-monitor-other.toml").write_text("acount = 'other'\n")
    for target in ("install", "rollback"):
        refused = make(target, root, check=False, **place)
        assert refused.returncode != 0
        assert "cannot use /etc/quantum/position-monitor-other.toml" in refused.stderr
        assert "acount" in refused.stderr
    assert (os.readlink(home / "venv"), len(list((home / "releases").iterdir()))) == (second, 2)
    (etc / "position-monitor-other.toml").unlink()

    make("rollback", root, **place)
    assert (os.readlink(home / "venv"), os.readlink(home / "previous")) == (first, second)

    # Where the clone is gone, the release has the same commands.
    alone = subprocess.run(
        [home / "venv/share/position-monitor/install", "rollback"],
        env={**os.environ, "DESTDIR": str(root), "PREFIX": prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (alone.returncode, os.readlink(home / "venv")) == (0, second), alone.stderr

    make("uninstall", root, **place)
    assert files(root) == {
        "etc/quantum/position-monitor.toml",
        "etc/quantum/position-monitor.env",
        "etc/quantum/credentials/exchange_api_key",
        "etc/systemd/system/other.service",
        "usr/local/bin/position-monitor",
    }
    assert (root / "usr/local/bin/position-monitor").read_text() == "somebody's own"
    assert [path.name for path in home.iterdir()] == ["venv-made-by-hand"]
    assert not (tmp_path / "systemctl-was-called").exists()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PREFIX": "opt/here"}, "PREFIX was 'opt/here', expected an absolute path"),
        ({"PREFIX": "/"}, "PREFIX was /"),
        ({"PREFIX": "/opt/two words"}, "may hold letters"),
        ({"PYTHON": "/bin/false"}, "/bin/false is not Python 3.11 or newer"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    """No half installation."""
    root = tmp_path / "root"
    done = make("install", root, check=False, **variables)
    assert done.returncode != 0
    assert words in done.stderr
    assert not root.exists() or files(root) == set()


def test_a_rollback_without_an_earlier_release_says_so(tmp_path: Path) -> None:
    """Nothing is changed."""
    done = make("rollback", tmp_path / "root", check=False)
    assert done.returncode != 0
    assert "there is no earlier release" in done.stderr
