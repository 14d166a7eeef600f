"""Servers that will not do: too old, evicting, read-only, closed to this user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError

from position_monitor.config import Config
from position_monitor.preflight import redis_server
from position_monitor.preflight.findings import Finding

NO = NoPermissionError("this user has no permissions to run the command")
GOOD: Mapping[str, Any] = {
    "PING": True, "INFO server": {"redis_version": "7.2.4"}, "INFO memory": {"maxmemory_policy": "noeviction"},
    "HELLO": ["server", "redis", "version", "7.2.4"], "CONFIG GET maxmemory-policy": NO, "eval": 1, "hget": None,
}  # fmt: skip


class Server:
    """Stands in for a client of redis-py."""

    def __init__(self, **changes: Any) -> None:
        self.answers = {**GOOD, **changes}

    def _answer(self, name: str) -> Any:
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def execute_command(self, *command: str) -> Any:
        return self._answer(" ".join(command))

    async def eval(self, *_: object) -> Any:
        return self._answer("eval")

    async def hget(self, *_: object) -> Any:
        return self._answer("hget")

    async def aclose(self) -> None: ...


async def found(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, Finding]:
    monkeypatch.setattr(redis_server, "connect", lambda _: Server(**changes))
    return {finding.subject: finding for finding in await redis_server.redis_findings(Config.from_data({}))}


async def test_a_server_as_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to look at; a daemon that is not there yet is no fault."""
    findings = await found(monkeypatch)
    assert {one.outcome.value for one in findings.values()} == {"ok"} and findings["daemon"].words == "not heard"


@pytest.mark.parametrize(
    ("changes", "subject", "outcome", "words"),
    [
        ({"INFO server": {"redis_version": "6.0.16"}}, "redis version", "error", "6.2 or newer"),
        ({"INFO server": {"redis_version": "6.2.0"}}, "redis version", "ok", "6.2.0"),
        ({"INFO server": {"redis_version": "10.0.1"}}, "redis version", "ok", "10.0.1"),
        ({"INFO server": NO}, "redis version", "ok", "7.2.4"),
        ({"INFO server": NO, "HELLO": NO}, "redis version", "not known", "may not ask"),
        ({"INFO memory": {"maxmemory_policy": "allkeys-lru"}}, "redis eviction", "error", "allkeys-lru"),
        ({"INFO memory": NO}, "redis eviction", "not known", "may not ask"),
        (
            {"INFO memory": NO, "CONFIG GET maxmemory-policy": {"maxmemory-policy": "volatile-ttl"}},
            "redis eviction", "error", "volatile-ttl",
        ),
        ({"eval": NO}, "redis writing", "error", "ACL"),
        ({"eval": ReadOnlyError("You can't write against a read only replica.")}, "redis writing", "error", "replica"),
        ({"eval": ResponseError("OOM command not allowed")}, "redis writing", "error", "OOM"),
        ({"hget": ResponseError("WRONGTYPE")}, "daemon", "warning", "no hash"),
        ({"PING": TimeoutError()}, "redis (live)", "error", "did not answer: nothing came within 1 s"),
        ({"PING": ResponseError("LOADING")}, "redis (live)", "error", "LOADING"),
        ({"INFO memory": ConnectionError()}, "redis (live)", "error", "did not answer: the connection was lost"),
    ],
)  # fmt: skip
async def test_a_server_that_will_not_do(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], subject: str, outcome: str, words: str
) -> None:
    """What is wrong, and what to do about it."""
    finding = (await found(monkeypatch, **changes))[subject]
    assert finding.outcome.value == outcome and words in finding.words
    assert outcome == "ok" or finding.advice
