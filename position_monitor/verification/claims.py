"""What Redis claims: the keys of one account, read in one step and parsed by code of this room (DESIGN 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, address_of, connect
from position_monitor.edge.redis.fault_words import conduct
from position_monitor.edge.redis.published_text import harmless
from position_monitor.errors import PositionMonitorError
from position_monitor.verification.position_claims import ClaimUnread, PositionClaim, StatusClaim

_POSITIONS_MAX: Final = 5_000
_ATTEMPTS: Final = 5


class RedisUnread(PositionMonitorError):
    """Redis gave no answer, so nothing is claimed that could be compared."""


@dataclass(frozen=True, slots=True)
class Claims:
    """One consistent look at the keys of the account."""

    status: StatusClaim | None
    """None where the key is missing: the daemon was not heard."""
    status_unread: str
    """What of the status cannot be read; empty when all of it can."""
    positions: Mapping[str, PositionClaim | None]
    """By `BTCUSDT:LONG`; None where it is listed and its own key is missing."""
    unread: Mapping[str, str]
    """Positions whose key cannot be read, and what is wrong."""
    lease_owner: str | None

    def observed_at_ms(self, key: str) -> int:
        """When the daemon read what it claims of a position, or of the account where it claims nothing of it."""
        claim = self.positions.get(key)
        if claim is not None:
            return claim.observed_at_ms
        return self.status.observed_at_ms if self.status is not None else 0


class ClaimReader:
    """Reads the claims of one account. Nothing is ever written."""

    def __init__(self, url: str, *, prefix: str, account: str) -> None:
        """Raises `ConfigError` for a bad URL; nothing is sent yet."""
        self._client: Any = connect(url)
        self._base = f"{prefix}:{account}"
        self.place = address_of(url)
        """Host and port, or a socket's path, for messages."""

    async def read(self) -> Claims:
        """All keys as of one moment. Raises `RedisUnread`."""
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S):
                claims = await self._read()
        except (AuthenticationError, NoPermissionError) as fault:
            words = harmless(str(fault))[:120]
            raise RedisUnread(f"Redis at {self.place} refuses: {words}; check redis.url and its ACL") from None
        except (RedisError, OSError, TimeoutError) as fault:
            raise RedisUnread(f"Redis at {self.place} {conduct(fault)}; check redis.url and that it runs") from None
        except UnicodeDecodeError:
            raise RedisUnread(f"a key of the account in Redis at {self.place} holds bytes that are no text") from None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # redis-py swallows a cancellation that meets it inside a command
        return claims

    async def aclose(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def _read(self) -> Claims:
        asked: list[str] = []
        for _ in range(_ATTEMPTS):  # the set may change between the question for it and the one for its members' keys
            answers = await self._at_once(asked)
            listed = sorted(answers[1]) if isinstance(answers[1], set | list) else []
            if set(listed) <= set(asked):
                return _claims(answers, asked)
            if len(listed) > _POSITIONS_MAX:
                raise RedisUnread(f"Redis at {self.place} lists {len(listed)} positions: more than any account has")
            asked = listed
        raise RedisUnread(f"the positions listed in Redis at {self.place} changed during each of {_ATTEMPTS} reads")

    async def _at_once(self, members: list[str]) -> list[Any]:
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(f"{self._base}:status")
            pipeline.smembers(f"{self._base}:positions")
            pipeline.get(f"{self._base}:lease")
            for member in members:
                pipeline.hgetall(f"{self._base}:position:{member}")
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not _of_another_kind(answer):
                raise answer
        return answers


def _of_another_kind(fault: Exception) -> bool:
    """Whether a key holds another type than ours: that is a finding, not a failure."""
    return isinstance(fault, ResponseError) and "WRONGTYPE" in str(fault)


def _claims(answers: list[Any], members: list[str]) -> Claims:
    status, listed, owner, *hashes = answers
    claim, status_unread = _status(status)
    if isinstance(listed, Exception):
        status_unread = "; ".join(filter(None, (status_unread, "the key of the positions is no set")))
        listed = set()
    positions: dict[str, PositionClaim | None] = {}
    unread: dict[str, str] = {}
    for member, fields in zip(members, hashes, strict=True):
        if member not in listed:
            continue
        name = harmless(member)[:80]
        try:
            positions[name] = _position(member, fields)
        except ClaimUnread as fault:
            unread[name] = str(fault)
    return Claims(
        status=claim,
        status_unread=status_unread,
        positions=positions,
        unread=unread,
        lease_owner=harmless(owner)[:255] if isinstance(owner, str) else None,
    )


def _status(fields: object) -> tuple[StatusClaim | None, str]:
    if isinstance(fields, Exception) or not isinstance(fields, Mapping):
        return None, "its key is no hash"
    if not fields:
        return None, ""
    try:
        return StatusClaim.of(fields), ""
    except ClaimUnread as fault:
        return None, str(fault)


def _position(member: str, fields: object) -> PositionClaim | None:
    if isinstance(fields, Exception) or not isinstance(fields, Mapping):
        raise ClaimUnread("its key is no hash")
    return PositionClaim.of(member, fields) if fields else None
