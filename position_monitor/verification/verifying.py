"""Two looks a short time apart: only what both show, with a claim newer than the first look, is reported.

The venue and Redis cannot be read in one moment. A stop that moves, a fill, a position that opens make a difference for
as long as the daemon's next cycle takes. So a difference of the first look is asked about again: the claim must have
been made after the first look began, and the venue must still say the same. What Redis shows by itself (a missing
status, an old one) needs the second look only.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from position_monitor.verification.claims import ClaimReader, Claims
from position_monitor.verification.comparison import compare
from position_monitor.verification.differences import OF_THE_CLAIM_ALONE, Difference, Kind
from position_monitor.verification.expectations import Expectations
from position_monitor.verification.signed_reads import SignedReads, now_ms
from position_monitor.verification.venue_look import VenueLook, look_at

PAUSE_S: Final = 1.0
"""Least time between two looks."""
POLL_S: Final = 0.25
"""How often a newer claim is asked for."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one verification found out."""

    differences: tuple[Difference, ...]
    """Confirmed by both looks."""
    passed: tuple[Difference, ...]
    """Of the first look, and gone or not confirmed in the second: not reported as differences."""
    looks: int
    positions: int
    orders: int
    claimed_mode: str
    """The daemon's mode as claimed; empty where none is."""
    observed_at_ms: int

    @property
    def agrees(self) -> bool:
        """Whether Redis and the venue agree."""
        return not self.differences

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "agrees": self.agrees, "looks": self.looks, "positions": self.positions, "orders": self.orders,
            "mode": self.claimed_mode, "observed_at_ms": self.observed_at_ms,
            "differences": [difference.document() for difference in self.differences],
            "passed": [difference.document() for difference in self.passed],
        }  # fmt: skip


@dataclass(slots=True)
class Verification:
    """Compares the venue with Redis, as often as it is asked to."""

    reads: SignedReads
    claims: ClaimReader
    expected: Expectations
    pause_s: float = PAUSE_S
    poll_s: float = POLL_S

    async def verify(self) -> Report:
        """One verification of one or two looks. Raises `VenueUnread` or `RedisUnread`."""
        await self.reads.measure_clock()  # the cheapest request: it says as well how much of the minute is used
        first, claims, differences = await self._look()
        if not differences:
            return _report(first, claims, (), (), looks=1)
        await asyncio.sleep(self.pause_s)
        if any(difference.kind not in OF_THE_CLAIM_ALONE for difference in differences):
            await self._until_newer(first)
        second, claims, again = await self._look()
        earlier = {difference.identity for difference in differences}
        confirmed = tuple(one for one in again if _is_confirmed(one, earlier, claims, first.began_ms))
        kept = {one.identity for one in confirmed}
        passed = tuple(one for one in differences if one.identity not in kept)
        return _report(second, claims, confirmed, passed, looks=2)

    async def aclose(self) -> None:
        """Close both connections."""
        await self.reads.aclose()
        await self.claims.aclose()

    async def _look(self) -> tuple[VenueLook, Claims, list[Difference]]:
        look = await look_at(self.reads)
        claims = await self.claims.read()
        return look, claims, compare(claims, look, self.expected, now_ms=now_ms())

    async def _until_newer(self, first: VenueLook) -> None:
        """Wait until all of the claims were observed after the first look began, as long as a claim may live."""
        until_ms = now_ms() + self.expected.stale_after_ms
        while now_ms() < until_ms:
            claims = await self.claims.read()
            if claims.status is None or claims.status.mode == "stopped":
                return  # nobody renews anything
            keys = [key for key, claim in claims.positions.items() if claim is not None]
            if min([claims.status.observed_at_ms, *map(claims.observed_at_ms, keys)]) >= first.began_ms:
                return
            await asyncio.sleep(self.poll_s)


def _is_confirmed(one: Difference, earlier: set[tuple[str, ...]], claims: Claims, first_began_ms: int) -> bool:
    """Whether a difference of the second look counts."""
    if one.kind in OF_THE_CLAIM_ALONE:
        return True
    if one.identity not in earlier:
        return False
    if claims.status is None:
        return one.kind is Kind.POSITION_MISSING  # the key of the whole account is missing: nothing newer can come
    if claims.status.mode == "stopped":
        return True
    return claims.observed_at_ms(one.subject) >= first_began_ms


def _report(
    look: VenueLook,
    claims: Claims,
    differences: tuple[Difference, ...],
    passed: tuple[Difference, ...],
    *,
    looks: int,
) -> Report:
    status = claims.status
    return Report(
        differences=differences,
        passed=passed,
        looks=looks,
        positions=len(look.positions),
        orders=look.order_count,
        claimed_mode=status.mode if status is not None else "",
        observed_at_ms=status.observed_at_ms if status is not None else 0,
    )
