"""`verify` and `check --live` beside a real daemon, the paper exchange and Valkey; one stack for all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from position_monitor.cli.main import main
from tests.e2e.stack import PREFIX, Running, Stack, eventually, stack_in

PASSWORD = "a-password-nobody-prints"
SECRETS = (PASSWORD, "paper-secret", "signature=")


class Account:
    """The stack with its daemon, protected."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.redis: redis.Redis = stack.start_redis()
        self.paper = stack.start_paper("with-foreign", "--price-interval-s", "0")
        self.config = stack.config("[symbols]\nunmanaged = []\n")
        self.daemon: Running = stack.start_daemon(self.config)
        eventually("covered", lambda: self.redis.hget(f"{PREFIX}:status", "protected") == "4")

    def url(self, user: str, password: str) -> str:
        assert self.stack.redis is not None
        return self.stack.redis.url.replace("//", f"//{user}:{password}@")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with stack_in(tmp_path_factory.mktemp("verify")) as stack:
        yield Account(stack)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "EXIT_MODE", "CREDENTIALS_DIRECTORY", "EXCHANGE_API_KEY", "EXCHANGE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("position_monitor.edge.log.configure", lambda **_: None)


class Said:
    """What one command printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert not any(secret in out + err for secret in SECRETS) and "Traceback" not in err

    @property
    def data(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@pytest.fixture
def run(account: Account, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: str) -> Said:
        account.paper.post("advance", ms=60_000)  # a minute of request weight for each command
        code = main([*words, "--config", str(account.config)])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return command


def findings(said: Said) -> dict[str, dict[str, str]]:
    return {one["subject"]: one for one in said.data["findings"]}


def test_a_daemon_at_work_and_the_venue_agree(account: Account, run: Any) -> None:
    """The claims of the real daemon, with foreign orders beside its own: nothing is reported."""
    said = run("verify")
    assert said.code == 0 and "Redis and the venue agree: 4 positions" in said.out
    data = run("verify", "--json").data
    assert (data["agrees"], data["differences"], data["exit_code"], data["mode"]) == (True, [], 0, "live")


def test_a_lie_that_the_daemon_corrects_is_not_reported(account: Account, run: Any) -> None:
    """Whoever writes into the key is overwritten with the next cycle: the second look sees the truth."""
    key = f"{PREFIX}:position:BTCUSDT:LONG"
    account.redis.hset(key, "stop_price", "1")
    assert run("verify").code == 0
    eventually("corrected", lambda: account.redis.hget(key, "stop_price") not in ("1", None))


def test_a_read_only_key_of_its_own(account: Account, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key than the daemon's is sent; half of one is bad configuration."""
    monkeypatch.setenv("VERIFY_API_KEY", "not-the-daemons-key")
    said = run("verify")
    assert said.code == 78 and "verify_api_secret is missing" in said.err
    monkeypatch.setenv("VERIFY_API_SECRET", PASSWORD)
    said = run("verify")
    assert said.code == 1 and "code -2015" in said.err and account.paper.url.removeprefix("http://") in said.err


def test_what_cannot_be_read_is_an_error(account: Account, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web page in the exchange's place, a dead Redis, a wrong password: words that name host and port, and 1."""
    account.paper.post("fault", name="html", path="/fapi/v1/time")  # which the daemon seldom asks
    said = run("verify", "--json")
    account.paper.clear_faults()
    assert said.code == 1 and "not JSON" in said.err and account.paper.url.removeprefix("http://") in said.err
    assert said.data["exit_code"] == 1
    monkeypatch.setenv("REDIS_URL", f"redis://:{PASSWORD}@127.0.0.1:9/0")
    said = run("verify")
    assert said.code == 1 and "Redis at 127.0.0.1:9 did not answer" in said.err
    monkeypatch.setenv("REDIS_URL", account.url("default", PASSWORD))
    account.redis.acl_setuser("reader", enabled=True, passwords=["+right"], keys=["*"], categories=["+@read"])
    monkeypatch.setenv("REDIS_URL", account.url("reader", PASSWORD))
    said = run("verify")
    assert said.code == 1 and "refuses" in said.err


def test_before_the_first_use_everything_is_asked(account: Account, run: Any) -> None:
    """One line each; foreign stops are named; the plan is told; nothing is an error."""
    said = run("check", "--live", "--json")
    asked = findings(said)
    assert said.code == 0 and not [one for one in asked.values() if one["outcome"] == "error"]
    assert "cannot withdraw" in asked["key: withdrawals"]["words"]
    assert asked["position mode"]["words"] == "one-way" and asked["margin"]["words"] == "single-asset mode"
    assert "PaPr" in asked["identity"]["words"] and "left" in asked["request weight"]["words"]
    assert "web_foreign_stop" in asked["foreign stops"]["words"]
    assert "4 positions, 4 with full stop cover" in asked["first plan"]["words"]
    assert "heard:" in asked["daemon"]["words"]
    assert account.redis.exists(f"{PREFIX}:check") == 0


def test_a_key_that_can_withdraw_is_refused(account: Account, run: Any) -> None:
    """An error, whatever else is fine; without trade permission too, and a key that can move money is a warning."""
    account.paper.post(
        "key", enableWithdrawals=True, ipRestrict=False, enableFutures=False, permitsUniversalTransfer=True
    )
    said = run("check", "--live")
    account.paper.post(
        "key", enableWithdrawals=False, ipRestrict=True, enableFutures=True, permitsUniversalTransfer=False
    )
    lines = {line.split(": ", 1)[0].split(None, 1)[1] + line[line.index(": ") :] for line in said.out.splitlines()}
    assert said.code == 1
    assert any(line.startswith("key: withdrawals: this key can withdraw. Do: create a key") for line in lines)
    assert sum(line.startswith("error ") for line in said.out.splitlines()) == 2
    assert sum(line.startswith("warning ") for line in said.out.splitlines()) >= 2


def test_permissions_that_the_venue_does_not_tell_are_a_warning(account: Account, run: Any) -> None:
    """404: not known."""
    path = "/sapi/v1/account/apiRestrictions"
    account.paper.post("fault", name="error", path=path, status=404, code=-5000, message="Path is invalid", count=1)
    said = run("check", "--live", "--json")
    key = findings(said)["key"]
    assert said.code == 0 and key["outcome"] == "warning" and "not known" in key["words"] and key["advice"]


def test_a_redis_that_will_not_do_is_an_error(account: Account, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eviction, a user that may not write, a wrong password, nobody there: 1 each, with what to do."""
    account.redis.config_set("maxmemory-policy", "allkeys-lru")
    account.redis.acl_setuser(
        "elsewhere", enabled=True, passwords=[f"+{PASSWORD}"], keys=["other:*"], categories=["+@all"]
    )
    monkeypatch.setenv("REDIS_URL", account.url("elsewhere", PASSWORD))
    asked = findings(said := run("check", "--live", "--json"))
    account.redis.config_set("maxmemory-policy", "noeviction")
    assert said.code == 1
    assert [name for name, one in asked.items() if one["outcome"] == "error"] == ["redis eviction", "redis writing"]
    for url, words in (
        (account.url("elsewhere", "wrong"), "refuses user or password"),
        ("redis://127.0.0.1:9/0", "Redis at 127.0.0.1:9 did not answer: connection refused"),
    ):
        monkeypatch.setenv("REDIS_URL", url)
        asked = findings(said := run("check", "--live", "--json"))
        assert said.code == 1 and words in asked["redis (live)"]["words"] and asked["redis (live)"]["advice"]


def test_a_watch_says_what_changed_and_ends(account: Account) -> None:
    """One line at first, nothing while all is as it was; stopping it is no failure of its unit."""
    command = [sys.executable, "-m", "position_monitor", "verify", "--watch", "--config", str(account.config)]
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert watch.stdout is not None
    assert "agree" in watch.stdout.readline()
    watch.terminate()
    assert watch.wait(30) == 0 and watch.stdout.read() == ""
    watch.stdout.close()


def test_a_daemon_that_hangs_is_reported(account: Account, run: Any) -> None:
    """It is suspended and a stop vanishes: the claims run out, and what is open is named with what covers it."""
    os.kill(account.daemon.process.pid, signal.SIGSTOP)
    try:
        stop = next(row for row in account.paper.resting(origin="api") if row["orderType"] == "STOP_MARKET")
        vanished = {"clientAlgoId": stop["clientAlgoId"], "silently": True}
        account.paper.client.request("DELETE", "/paper/order", json=vanished)
        said = run("verify", "--json")
    finally:
        os.kill(account.daemon.process.pid, signal.SIGCONT)
    kinds = {one["kind"] for one in said.data["differences"]}
    assert said.code == 2 and kinds & {"stale", "status_missing"}


def test_a_stopped_daemon_is_reported(account: Account, run: Any) -> None:
    """The last test of this stack: after a clean stop nobody watches, and the line says what to do."""
    assert account.daemon.terminate() == 0
    said = run("verify")
    assert said.code == 2
    assert "account stopped: Redis claims that nobody watches" in said.out and "do: check the daemon" in said.out
