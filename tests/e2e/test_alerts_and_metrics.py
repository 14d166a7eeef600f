"""A daemon that calls somebody and shows figures, with real processes: what arrived, and what it leaves untouched."""

from __future__ import annotations

import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import redis

from tests.e2e.stack import Running, Stack, eventually, fully_protected, stack_in
from tests.edge.web_target import WebTarget, web_target

TOKENS = ("path-token-4711", "query-token-4712", "user-4713", "password-4714", "ping-token-4715", "dead-token-4716")


class Night(NamedTuple):
    stack: Stack
    daemon: Running
    config: Path
    web: WebTarget
    origin: str
    textfile: Path
    hanging: WebTarget


def written(web: WebTarget, hanging: WebTarget, port: int, textfile: Path, mode: str) -> str:
    host = web.origin.removeprefix("http://")
    services = f'["json://{hanging.origin.removeprefix("http://")}/dead-token-4716"]'
    return (
        f'[protection]\nmode = "{mode}"\n'
        f'[alerts]\nwebhook_url = "http://user-4713:password-4714@{host}/path-token-4711?key=query-token-4712"\n'
        f'ping_url = "{web.origin}/ping-token-4715"\nurls = {services}\nnaked_after_s = 2\n'
        f'[metrics]\nport = {port}\ntextfile = "{textfile}"\n'
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Seven naked positions that a daemon only observes; one of its services never answers."""
    folder = tmp_path_factory.mktemp("alerts")
    with stack_in(folder) as stack, web_target() as web, web_target("hang") as hanging:
        stack.start_redis()
        stack.start_paper("seven-naked")
        port, textfile = free_port(), folder / "position_monitor.prom"
        config = stack.config(written(web, hanging, port, textfile, "observe"))
        daemon = stack.start_daemon(config)
        yield Night(stack, daemon, config, web, f"http://127.0.0.1:{port}", textfile, hanging)


def figure(text: str, name: str, **labels: str) -> float:
    """The value of one line of the exposition."""
    for line in text.splitlines():
        matched = re.fullmatch(rf"{name}\{{(.*)\}} (\S+)", line)
        if matched and all(f'{label}="{value}"' in matched[1] for label, value in labels.items()):
            return float(matched[2])
    raise AssertionError(f"no figure {name} {labels} in:\n{text}")


def test_a_night_from_naked_to_protected_to_stopped(night: Night) -> None:
    """One stack for all steps, in this order."""
    naked_positions_call_once_for_all_and_are_called_over_when_protected(night)
    health_and_readiness(night)
    the_text_file_is_for_everybody_and_the_same_figures(night)
    no_address_is_written_anywhere(night)
    a_clean_stop_takes_the_file_away_and_is_not_held_up(night)


def naked_positions_call_once_for_all_and_are_called_over_when_protected(night: Night) -> None:
    raised = eventually("naked positions are told", lambda: night.web.of_kind("naked", "raised"))
    assert len(raised) == 1 and raised[0]["in_force"] == 7
    assert eventually("a ping", lambda: night.web.pings("/ping-token-4715")) == 1
    text = httpx.get(f"{night.origin}/metrics").text
    assert figure(text, "position_monitor_positions", verdict="NAKED") == 7
    assert figure(text, "position_monitor_risk_status", status="CRITICAL") == 1
    assert figure(text, "position_monitor_longest_naked_seconds") >= 2
    assert figure(text, "position_monitor_exposed_notional") > 0
    assert figure(text, "position_monitor_alerts_in_force", kind="naked") == 7

    live = night.config.read_text().replace('mode = "observe"', 'mode = "live"')
    night.config.write_text(live)
    night.daemon.process.send_signal(signal.SIGHUP)
    eventually("stops rest", lambda: fully_protected(night.stack.paper))
    [over] = eventually("it is called over", lambda: night.web.of_kind("naked", "recovered"))
    assert {one["subject"] for one in over["subjects"]} == {one["subject"] for one in raised[0]["subjects"]}
    assert len(over["subjects"]) == 7 and night.web.of_kind("naked", "repeated") == []
    eventually("the service that never answers was asked all the while", lambda: night.hanging.arrived)


def health_and_readiness(night: Night) -> None:
    eventually("protected", lambda: httpx.get(f"{night.origin}/readyz").text.startswith("PROTECTED"))
    assert httpx.get(f"{night.origin}/healthz").status_code == 200
    assert httpx.get(f"{night.origin}/readyz").status_code == 200
    assert httpx.get(f"{night.origin}/elsewhere").status_code == 404
    assert httpx.post(f"{night.origin}/metrics").status_code == 405


def the_text_file_is_for_everybody_and_the_same_figures(night: Night) -> None:
    def protected() -> str:
        content = night.textfile.read_text()
        return content if 'verdict="PROTECTED"} 7.0' in content else ""

    text = eventually("the file says that all are protected", protected)
    assert stat.S_IMODE(night.textfile.stat().st_mode) == 0o644
    assert figure(text, "position_monitor_cycles_total", result="read") > 0
    assert figure(text, "position_monitor_request_weight_total", lane="positions") > 0
    assert [path.name for path in night.textfile.parent.iterdir() if path.name.endswith((".tmp", ".prom"))] == [
        night.textfile.name
    ]


def no_address_is_written_anywhere(night: Night) -> None:
    """Journal, Redis, the shown configuration: neither a token in a path, in a query nor before the host."""
    assert night.stack.redis is not None
    connection = redis.Redis.from_url(night.stack.redis.url, decode_responses=True)
    published = "".join(_text(connection, key) for key in connection.scan_iter())
    assert "PROTECTED" in published
    said = night.daemon.text() + published + httpx.get(f"{night.origin}/metrics").text
    assert [token for token in TOKENS if token in said] == []
    assert "Alert: " in said


def _text(connection: redis.Redis, key: str) -> str:
    reads = {"hash": connection.hgetall, "stream": connection.xrange, "set": connection.smembers}
    return str(reads.get(connection.type(key), connection.get)(key))


def a_clean_stop_takes_the_file_away_and_is_not_held_up(night: Night) -> None:
    assert night.daemon.terminate() == 0
    assert not night.textfile.exists()
