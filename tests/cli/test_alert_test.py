"""`alert-test` and what `check` says of [alerts] and [metrics], as a shell sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.edge.web_target import web_target


def run(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "position_monitor", *arguments, "--config", str(path)]
    environ = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environ)


def test_each_target_gets_one_and_the_exit_code_says_whether_all_took_it(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with web_target() as good, web_target("refuse") as bad:
        host = good.origin.removeprefix("http://")
        text = f'[alerts]\nwebhook_url = "{good.origin}/token-1234"\nping_url = "{good.origin}/ping-5678"\n'
        path.write_text(text)
        done = run(path, "alert-test", "--json", ALERTS_URLS=f"json://{host}/service-9")
        assert done.returncode == 0, done.stdout + done.stderr
        assert {one["target"]: one["taken"] for one in json.loads(done.stdout)["targets"]} == {
            "urls[0] (json)": True, "webhook_url": True, "ping_url": True,
        }  # fmt: skip
        assert sorted(where for _, where, _ in good.arrived) == ["/ping-5678", "/service-9", "/token-1234"]
        path.write_text(text.replace(good.origin + "/token", bad.origin + "/token"))
        done = run(path, "alert-test")
        assert done.returncode == 1 and "alerts.webhook_url: answered HTTP 500" in done.stdout
        assert "token-1234" not in done.stdout + done.stderr


def test_with_no_target_nobody_would_be_called(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("")
    done = run(path, "alert-test")
    assert done.returncode == 1 and "nobody would be called" in done.stderr


def test_check_finds_an_address_that_nobody_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[alerts]\nurls = ["nosuch://token-1234"]\n[metrics]\ntextfile = "/nosuch/a.prom"\n')
    done = run(path, "check")
    assert done.returncode == 1 and "token-1234" not in done.stdout + done.stderr
    assert "alerts.urls[0] (nosuch)" in done.stdout and "there is no directory /nosuch" in done.stdout


def test_a_refused_address_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[alerts]\nwebhook_url = "ftp://host/token-1234"\n')
    done = run(path, "check")
    assert done.returncode == 78 and "token-1234" not in done.stdout + done.stderr and "ftp://***" in done.stderr
