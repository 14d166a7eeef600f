"""The real daemon under the real unit in a real systemd: what `systemctl`, the journal, Redis and the exchange show."""

from __future__ import annotations

import pytest

UNIT = "quantum-position-monitor.service"
P = "quantum:position_monitor:main"
STATUS = "risk_status"
IDENTIFIER = "quantum-position-monitor"


@pytest.fixture
def guarded(box, eventually):
    """Seven naked positions, and the daemon started."""
    box.start_neighbours()
    box.systemctl("start", UNIT)
    return box


def test_started_means_every_position_has_its_stop(guarded, eventually):
    """`systemctl start` returns at READY, and READY comes after the verdicts: 7 of 7, on the exchange."""
    assert len(guarded.stops()) == 7
    shown = guarded.show("ActiveState", "SubState", "StatusText", "NRestarts")
    assert (shown["ActiveState"], shown["SubState"], shown["NRestarts"]) == ("active", "running", "0")
    assert "7/7 protected" in shown["StatusText"]
    eventually(lambda: guarded.redis_hash(f"{P}:status").get("protected") == "7")
    eventually(lambda: str(guarded.redis("GET", f"{P}:lease")).split(":")[1] == guarded.show("MainPID")["MainPID"])


def test_the_journal_speaks_with_prefix_and_priority(guarded, eventually):
    """Every line has the prefix, and `journalctl -p warning` shows what was wrong and nothing else."""
    eventually(lambda: any("7/7 protected (100%)" in line for line in guarded.journal("-u", UNIT, "-t", IDENTIFIER)))
    lines = guarded.journal("-u", UNIT, "-t", IDENTIFIER)
    assert any("✅ Started - checking positions every 1s" in line for line in lines)
    assert [line for line in lines if not line.startswith("[POSITION-MONITOR] ")] == []
    warnings = guarded.journal("-u", UNIT, "-t", IDENTIFIER, "-p", "warning")
    assert any("has no TP/SL" in line for line in warnings)
    assert not any("Started" in line for line in warnings)


def test_the_journal_can_be_searched_by_its_fields(guarded, eventually):
    """Account, symbol and event are fields; what wakes somebody is apart from ordinary life."""
    placed = eventually(lambda: guarded.journal("ACCOUNT=main", "SYMBOL=BTCUSDT", "EVENT=StopPlaced"))
    assert all("BTCUSDT" in line for line in placed)
    assert guarded.journal("-u", UNIT, "-t", IDENTIFIER, "-p", "err") == []
    assert guarded.journal("_TRANSPORT=journal", "-t", IDENTIFIER)


def test_a_killed_daemon_comes_back_with_the_lease_of_its_predecessor(guarded, eventually):
    """P5, P6: SIGKILL, restart, and no waiting for the old lease to expire."""
    owner = guarded.redis("GET", f"{P}:lease")
    guarded.systemctl("kill", "-s", "SIGKILL", UNIT)
    eventually(lambda: guarded.show("NRestarts", "ActiveState") == {"NRestarts": "1", "ActiveState": "active"})
    eventually(lambda: guarded.redis("GET", f"{P}:lease") not in (None, owner))
    successor = eventually(lambda: published_after(guarded, owner))
    assert (successor["mode"], successor["epoch"]) == ("live", "2")
    assert len(guarded.stops()) == 7


def published_after(box, owner):
    """The state of whoever followed `owner`; what `owner` itself published may still be there."""
    found = box.redis_hash(f"{P}:status")
    return found if found.get("owner", owner) != owner and found["mode"] == "live" else None


def whole_book(box):
    """The orders on the exchange, once every stop and every rung of the seven positions rests."""
    orders = box.exchange()["orders"]
    return orders if len(orders) == 7 + 21 else None


def test_a_hung_daemon_is_killed_by_the_watchdog_and_restarted(box, in_the_box, eventually):
    """P3: SIGSTOP is the cheapest real hang. The orders stay; protection comes back by itself."""
    box.start_neighbours()
    box.drop_in(f"{in_the_box}WatchdogSec=8\n")  # not so short that a busy machine alone would exceed it
    box.systemctl("start", UNIT)
    box.systemctl("kill", "-s", "SIGSTOP", UNIT)
    eventually(lambda: box.show("NRestarts")["NRestarts"] == "1")
    eventually(lambda: "7/7 protected" in box.show("StatusText")["StatusText"])
    assert any("Watchdog timeout" in line for line in box.journal("-u", UNIT))
    assert len(box.stops()) == 7


def test_a_finished_cycle_feeds_the_watchdog(guarded, eventually):
    """systemd notes when it was last told that the daemon lives; more cycles move that moment on."""

    def fed():
        return int(guarded.show("WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])

    first = eventually(fed)
    second = eventually(lambda: (now := fed()) > first and now)
    eventually(lambda: fed() > second)
    assert guarded.show("NRestarts")["NRestarts"] == "0"


def test_a_bad_configuration_ends_with_78_and_is_told_not_retried(box, eventually):
    """G1: the unit fails with the key in the journal, and the notifier speaks and runs the operator's hook."""
    box.write("/etc/quantum/position-monitor.toml", "[protection]\nstop_los_pct = 1.5\n")
    box.write("/etc/quantum/on-failure", '#!/bin/sh\necho "hook for $1"\n', mode="0755")
    assert box.systemctl("start", UNIT, check=False).returncode != 0
    shown = box.show("ActiveState", "ExecMainStatus", "NRestarts", "Result")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0", "Result": "exit-code"}
    assert any("stop_los_pct" in line for line in box.journal("-u", UNIT))
    notifier = "quantum-position-monitor-failed@quantum-position-monitor.service"
    eventually(lambda: "hook for quantum-position-monitor" in box.journal("-u", notifier))
    alerts = eventually(lambda: box.journal("-p", "alert", "SYSLOG_IDENTIFIER=quantum-position-monitor"))
    assert "quantum-position-monitor failed: exit-code, exit 78" in alerts[0]


CONFIG_FILE = "/etc/quantum/position-monitor.toml"


def test_a_bad_reload_fails_and_keeps_the_old_configuration_running(guarded, eventually):
    """G5: `systemctl reload` fails, the error is in the journal, the same process goes on with what it has."""
    before = guarded.show("MainPID", "NRestarts")
    good = guarded.run("cat", CONFIG_FILE).stdout
    config_hash = eventually(lambda: guarded.redis_hash(f"{P}:status").get("config_hash"))
    guarded.write(CONFIG_FILE, "check_intervall = 5\n")
    assert guarded.systemctl("reload", UNIT, check=False).returncode != 0
    eventually(lambda: any("check_intervall" in line for line in guarded.journal("-u", UNIT, "-p", "err")))

    # The file is good for a start, and not for this process, whose request time-out waits for a restart.
    both = good.replace("[loop]", "request_timeout_s = 1\n[loop]\ncycle_deadline_s = 3")
    guarded.write(CONFIG_FILE, both)
    assert guarded.run("position-monitor", "check").returncode == 0
    assert guarded.systemctl("reload", UNIT, check=False).returncode != 0
    eventually(lambda: any("cycle_deadline_s" in line for line in guarded.journal("-u", UNIT, "-p", "err")))

    eventually(lambda: guarded.show("ActiveState")["ActiveState"] == "active")
    assert guarded.show("MainPID", "NRestarts") == before
    assert guarded.redis_hash(f"{P}:status")["config_hash"] == config_hash
    assert len(guarded.stops()) == 7


def test_a_good_reload_is_in_force_when_it_returns_and_names_what_changed(guarded, eventually):
    """What takes effect now with both values, what waits for a restart by its name alone: it may hold a password."""
    before = guarded.show("MainPID", "NRestarts")
    good = guarded.run("cat", CONFIG_FILE).stdout.replace("check_interval_s = 1", "check_interval_s = 2")
    guarded.write(CONFIG_FILE, good.replace("redis://127", "redis://:open-sesame@127"))
    guarded.write("/etc/quantum/position-monitor.env", "EXIT_BRAIN_PROFILE=TREND\n", mode="0600")
    guarded.systemctl("reload", UNIT)
    eventually(lambda: any("changed: loop.check_interval_s 1 -> 2" in line for line in guarded.journal("-u", UNIT)))
    lines = guarded.journal("-u", UNIT)
    assert any("only after a restart: redis.url" in line for line in lines)
    assert any("env file, and in effect only after a restart: EXIT_BRAIN_PROFILE" in line for line in lines)
    assert not any("open-sesame" in line for line in lines)
    assert guarded.show("MainPID", "NRestarts") == before
    eventually(lambda: guarded.show("ActiveState")["ActiveState"] == "active")


def test_a_stop_leaves_all_orders_and_gives_the_lease_back(guarded, in_the_box, eventually):
    """P4: SIGTERM ends it well; what rests on the exchange stays, and the published state expires."""
    ask = f"ExecStopPost=+/bin/sh -c 'systemctl show -p StatusText {UNIT} > /run/last-words'"
    guarded.drop_in(f"{in_the_box}{ask}\n")
    orders = eventually(lambda: whole_book(guarded))
    guarded.systemctl("stop", UNIT)
    assert guarded.show("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    assert guarded.run("cat", "/run/last-words").stdout == "StatusText=stopping; all orders stay on the exchange\n"
    assert guarded.exchange()["orders"] == orders
    assert guarded.redis("GET", f"{P}:lease") is None
    eventually(lambda: guarded.redis("KEYS", f"{P}:status") + guarded.redis("KEYS", f"{P}:position*") == [])
    assert guarded.redis("EXISTS", f"{P}:events") == 1


def test_a_stop_of_redis_does_not_touch_the_guardian(guarded, eventually):
    """Invariant 9: never Requires=. A new naked position is protected with Redis gone, and told when it is back."""
    before = guarded.show("MainPID")
    guarded.systemctl("stop", "valkey-server")
    cancel_stop_of(guarded, "BTCUSDT")
    eventually(lambda: len(guarded.stops()) == 7)
    assert guarded.show("MainPID") == before
    guarded.systemctl("start", "valkey-server")
    eventually(lambda: guarded.redis_hash(f"{P}:status").get("protected") == "7")


def test_an_exchange_and_a_redis_that_are_away_do_not_fail_the_start(box):
    """N5, R1: READY with the state UNKNOWN and no claim of protection, and no restart loop."""
    box.remove_neighbour("valkey-server")
    try:
        box.systemctl("start", UNIT)
        shown = box.show("ActiveState", "StatusText", "NRestarts")
        assert (shown["ActiveState"], shown["NRestarts"]) == ("active", "0")
        assert "UNKNOWN" in shown["StatusText"]
        assert any("place_only" in line for line in box.journal("-u", UNIT))
    finally:
        box.install_neighbours()


def test_an_exchange_that_comes_back_is_protected_in_a_few_cycles(box, eventually):
    """N5: the host booted before its network; the first answer of the exchange must be enough."""
    box.systemctl("start", UNIT)
    box.systemctl("start", "paper-exchange")
    eventually(lambda: len(box.exchange()["positions"]) == 7)
    eventually(lambda: "7/7 protected" in box.show("StatusText")["StatusText"])
    assert len(box.stops()) == 7


def cancel_stop_of(box, symbol):
    """As a human would: one position is naked again."""
    orders = [o for o in box.exchange()["orders"] if o["symbol"] == symbol and o["orderType"] == "STOP_MARKET"]
    for order in orders:
        box.python(CANCEL, order["clientAlgoId"])


def test_a_hung_redis_does_not_delay_a_stop(guarded, eventually):
    """R2: Redis accepts and never answers; the stop comes, the watchdog is fed, and the state returns with Redis."""
    before = guarded.show("MainPID", "NRestarts")
    guarded.systemctl("kill", "-s", "SIGSTOP", "valkey-server")
    cancel_stop_of(guarded, "ETHUSDT")
    eventually(lambda: len(guarded.stops()) == 7)
    eventually(lambda: any("does not take the state" in line for line in guarded.journal("-u", UNIT, "-p", "warning")))
    guarded.systemctl("kill", "-s", "SIGCONT", "valkey-server")
    eventually(lambda: guarded.redis_hash(f"{P}:status").get("protected") == "7")
    assert guarded.show("MainPID", "NRestarts") == before


def test_an_outage_of_the_network_is_unknown_and_then_over(guarded, eventually):
    """N5: nothing is claimed while nothing can be read, and nobody restarts anything."""
    before = guarded.show("MainPID", "NRestarts")
    guarded.run("ip", "link", "set", "lo", "down")
    try:
        eventually(lambda: "UNKNOWN" in guarded.show("StatusText")["StatusText"])
    finally:
        guarded.run("ip", "link", "set", "lo", "up")
    eventually(lambda: "7/7 protected" in guarded.show("StatusText")["StatusText"])
    eventually(lambda: guarded.redis_hash(f"{P}:status").get(STATUS) in ("PROTECTED", "DEGRADED"))
    assert guarded.show("MainPID", "NRestarts") == before
    assert len(guarded.stops()) == 7


def test_a_second_copy_observes_and_takes_over_when_the_first_stops(guarded, in_the_box, eventually):
    """R4, H5: somebody starts another daemon for the same account. It writes nothing until the lease is free."""
    first = guarded.redis("GET", f"{P}:lease")
    orders = eventually(lambda: whole_book(guarded))
    twin = "quantum-position-monitor@twin.service"
    guarded.drop_in(in_the_box, unit=twin)
    guarded.run("cp", CONFIG_FILE, "/etc/quantum/position-monitor-twin.toml")
    guarded.systemctl("start", twin)
    try:
        eventually(lambda: any(f"held by {first}" in line for line in guarded.journal("-u", twin)))
        assert guarded.redis("GET", f"{P}:lease") == first
        assert eventually(lambda: guarded.redis_hash(f"{P}:status").get("owner")) == first
        assert guarded.exchange()["orders"] == orders
        guarded.systemctl("stop", UNIT)
        assert eventually(lambda: published_after(guarded, first))["epoch"] == "2"
        cancel_stop_of(guarded, "BTCUSDT")
        eventually(lambda: len(guarded.stops()) == 7)
    finally:
        guarded.systemctl("stop", twin)


CANCEL = """
import json, sys, urllib.request
body = json.dumps({"clientAlgoId": sys.argv[1]}).encode()
ask = urllib.request.Request("http://127.0.0.1:8799/paper/order", body, method="DELETE")
ask.add_header("Content-Type", "application/json")
json.dump(json.load(urllib.request.urlopen(ask, timeout=60)), sys.stdout)
"""


TELL = """
import sys
from position_monitor.edge.systemd import Systemd, credential
key, secret = credential("exchange_api_key"), credential("exchange_api_secret")
print("credentials", key, secret, file=sys.stderr, flush=True)
Systemd().ready("🛡️ told")
import signal
signal.pause()
"""


def tells(box, in_the_box):
    """What a program under the unit sees of its credentials."""
    box.write("/srv/tell.py", TELL)
    start = "ExecStart=\nExecStart=/opt/quantum/position-monitor/venv/bin/python /srv/tell.py"
    box.drop_in(f"{in_the_box}{start}\n")
    box.systemctl("start", UNIT)
    assert box.show("StatusText")["StatusText"] == "🛡️ told"
    [line] = [line for line in box.journal("-u", UNIT) if line.startswith("credentials")][-1:]
    box.systemctl("stop", UNIT)
    return line.split()[1:]


def test_credentials_reach_the_daemon_and_their_absence_does_not_stop_it(box, in_the_box):
    """LoadCredential= of a missing file would fail the start for ever; here it is simply not there."""
    assert tells(box, in_the_box) == ["None", "None"]
    box.write("/etc/quantum/credentials/exchange_api_key", "vmPUZE6mv9SD5\n", mode="0600")
    box.write("/etc/quantum/credentials/exchange_api_secret", "NhqPtmdSJYdKjVHjA7PZ\n", mode="0600")
    assert tells(box, in_the_box) == ["vmPUZE6mv9SD5", "NhqPtmdSJYdKjVHjA7PZ"]


def test_encrypted_credentials_replace_the_plain_ones(box, in_the_box):
    """The drop-in of docs/operations.md, with the host's own key."""
    box.run("install", "-d", "/etc/credstore.encrypted")
    lines = ["LoadCredential="]
    for name, value in (("exchange_api_key", "first key"), ("exchange_api_secret", "second key")):
        path = f"/etc/credstore.encrypted/{name}"
        box.run(
            "systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", path, stdin=value.replace(" ", "-")
        )
        lines.append(f"LoadCredentialEncrypted={name}:{path}")
    assert tells(box, "\n".join([in_the_box, *lines, ""])) == ["first-key", "second-key"]


def test_a_live_account_without_keys_says_so_and_stops(box):
    """The missing key is the daemon's own message and exit 78, not a restart loop of systemd."""
    config = '[exchange]\nenvironment = "live"\n'
    box.write("/etc/quantum/position-monitor.toml", config)
    box.systemctl("start", UNIT, check=False)
    assert box.show("ExecMainStatus", "NRestarts") == {"ExecMainStatus": "78", "NRestarts": "0"}
    assert any("exchange_api_key" in line for line in box.journal("-u", UNIT))


def test_two_instances_and_the_command_line_of_each(box, in_the_box, eventually):
    """Own configuration, own environment, own keys in Redis; `--account NAME` asks the one that `@NAME` runs."""
    box.start_neighbours()
    config = box.run("cat", CONFIG_FILE).stdout
    watcher = f'{config}\n[protection]\nmode = "observe"\n'
    box.write("/etc/quantum/position-monitor-first.toml", config.replace('"main"', '"first"'))
    box.write("/etc/quantum/position-monitor-first.env", "CHECK_INTERVAL=2\n", mode="0600")
    box.write("/etc/quantum/position-monitor-second.toml", watcher.replace('"main"', '"second"'))
    instances = [f"quantum-position-monitor@{name}.service" for name in ("first", "second")]
    box.drop_in(in_the_box, unit=instances[0])
    box.systemctl("start", *instances)
    try:
        assert "7/7 protected" in box.show("StatusText", unit=instances[0])["StatusText"]
        assert any("every 2s" in line for line in box.journal("-u", instances[0]))
        for name in ("first", "second"):
            eventually(
                lambda name=name: box.redis_hash(f"quantum:position_monitor:{name}:status").get("protected") == "7"
            )
            assert "7/7" in box.run("position-monitor", "--account", name, "status").stdout
        assert box.redis_hash("quantum:position_monitor:second:status")["mode"] == "observe"
        shown = box.run("position-monitor", "--account", "first", "config", "show").stdout
        [row] = [line for line in shown.splitlines() if line.startswith("loop.check_interval_s")]
        assert row.split(maxsplit=2)[1:] == ["2", "env file CHECK_INTERVAL"]
        box.systemctl("reload", instances[0])
        eventually(lambda: any("Configuration reloaded" in line for line in box.journal("-u", instances[0])))
        assert not any("Configuration reloaded" in line for line in box.journal("-u", instances[1]))
    finally:
        box.systemctl("stop", *instances)


def test_the_command_line_uses_the_installed_keys_and_says_when_it_may_not_read_them(box):
    """As root it has what the daemon has; somebody else reads the state and is told what is out of reach."""
    box.write(CONFIG_FILE, '[exchange]\nenvironment = "live"\n')
    box.write("/etc/quantum/position-monitor.env", "EXIT_BRAIN_PROFILE=TREND\n", mode="0600")
    box.run("install", "-d", "-m", "0700", "/etc/quantum/credentials")
    for name in ("exchange_api_key", "exchange_api_secret"):
        box.write(f"/etc/quantum/credentials/{name}", "vmPUZE6mv9SD5\n", mode="0600")
    shown = box.run("position-monitor", "config", "show")
    assert "env file EXIT_BRAIN_PROFILE" in shown.stdout
    assert "credential files in /etc/quantum/credentials" in shown.stdout
    assert "vmPUZE6mv9SD5" not in shown.stdout + shown.stderr
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    refused = box.run(*nobody, "position-monitor", "check", check=False)
    assert refused.returncode == 78
    for path in ("/etc/quantum/position-monitor.env", "/etc/quantum/credentials"):
        assert f"{path} could not be read (Permission denied)" in refused.stderr


def test_uninstall_says_that_it_stops_the_daemon_and_leaves_what_is_the_operators(guarded, eventually):
    """Configuration and every order stay; nothing else of the program is left; installing again brings it back."""
    orders = eventually(lambda: whole_book(guarded))
    guarded.systemctl("enable", UNIT, "quantum-position-monitor@other.service")
    words = guarded.make("uninstall").stderr
    try:
        assert f"stopping {UNIT}" in words
        assert "all orders stay" in words
        assert guarded.exchange()["orders"] == orders
        assert guarded.show("ActiveState", "LoadState") == {"ActiveState": "inactive", "LoadState": "not-found"}
        left = guarded.run("sh", "-c", "find /opt /usr/local /etc/systemd -name '*position-monitor*' -not -name '*.d'")
        assert left.stdout == ""
        assert guarded.run("test", "-s", CONFIG_FILE).returncode == 0
    finally:
        guarded.make("install")
    guarded.systemctl("start", UNIT)
    assert guarded.show("ActiveState", "UnitFileState") == {"ActiveState": "active", "UnitFileState": "disabled"}


def test_an_upgrade_leaves_the_daemon_on_its_release_until_it_is_restarted(guarded):
    """The process keeps the files it was started from; a restart takes the new ones, and a rollback the old ones."""
    program = "/opt/quantum/position-monitor/venv"

    def release():
        return guarded.run("tr", "\\0", " ", stdin=guarded.run("cat", f"/proc/{pid()}/cmdline").stdout).stdout.split()[
            0
        ]

    def pid():
        return guarded.show("MainPID")["MainPID"]

    first = release()
    words = guarded.make("install").stderr
    assert f"systemctl restart {UNIT}" in words
    assert release() == first
    guarded.systemctl("restart", UNIT)
    second = guarded.run("readlink", "-f", f"{program}/share").stdout.strip()
    assert release() != first
    assert second.startswith(release().removesuffix("/bin/python"))
    guarded.make("rollback")
    guarded.systemctl("restart", UNIT)
    assert release() == first
    assert len(guarded.stops()) == 7
