"""Redis that does not take the state is told with its place and its reason, each reason once a spell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from position_monitor.edge.redis.reachability import EVENTS_KEPT, REASONS_MAX, Reachability

PLACE = "redis.internal:6379"
REFUSED = "Redis does not take the state (redis.internal:6379 did not answer: connection refused); protection goes on"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    heard: list[str] = []
    number = logger.add(lambda message: heard.append(message.record["message"]), level="INFO", format="{message}")
    yield heard
    logger.remove(number)


def refused() -> Exception:
    fault = RedisConnectionError("Error 111 connecting to redis.internal:6379. Connection refused.")
    fault.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return fault


def test_the_line_names_the_place_and_what_happened(lines: list[str]) -> None:
    reachability = Reachability(PLACE)
    reachability.failed(refused(), 1_000)
    assert [line for line in lines if line.startswith(REFUSED)] == lines and len(lines) == 1
    (event,) = reachability.take()
    assert event.details == {"reason": "redis.internal:6379 did not answer: connection refused"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "is full"),
        (ReadOnlyError("You can't write against a read only replica."), "is a replica that only reads"),
        (RedisTimeoutError("Timeout reading from socket"), "did not answer: nothing came within 1 s"),
        (ResponseError("MISCONF Errors writing to the AOF file"), "answered with an error: MISCONF Errors writing"),
    ],
)
def test_no_reason_is_the_name_of_a_class(fault: Exception, words: str, lines: list[str]) -> None:
    Reachability(PLACE).failed(fault, 1_000)
    assert f"({PLACE} {words}" in lines[0] and type(fault).__name__ not in lines[0]


def test_reasons_that_take_turns_are_told_once_each(lines: list[str]) -> None:
    """A server that is starting refuses, then loads, then times out, and so on by turns for an hour."""
    reachability = Reachability(PLACE)
    for moment in range(0, 3_600_000, 1_000):
        reachability.failed((refused(), RedisTimeoutError("Timeout"))[moment // 1_000 % 2], moment)
    assert len(lines) == 2 and len(reachability.take()) == 1
    reachability.answered(3_600_000, dropped=0)
    reachability.failed(refused(), 3_601_000)
    assert [line.startswith("Redis takes the state again, after 3600 s") for line in lines] == [
        False,
        False,
        True,
        False,
    ]


def test_a_server_that_says_something_else_each_time_does_not_fill_the_journal(lines: list[str]) -> None:
    reachability = Reachability(PLACE)
    for number in range(EVENTS_KEPT * 10):
        reachability.failed(ResponseError(f"ERR number {number}"), number)
    assert len(lines) == REASONS_MAX
