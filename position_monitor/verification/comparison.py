"""Claims against a look at the venue: every difference, position by position and in the account's totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from position_monitor.verification.claims import Claims
from position_monitor.verification.differences import Difference, Kind
from position_monitor.verification.expectations import Expectations
from position_monitor.verification.position_claims import StatusClaim
from position_monitor.verification.position_comparison import Both, position_differences
from position_monitor.verification.stop_cover import HUNDRED, StopCover, stop_cover
from position_monitor.verification.venue_look import VenueLook
from position_monitor.verification.venue_rows import VenuePosition

ACCOUNT: Final = "account"
COVERAGE_TOLERANCE_PCT: Final = Decimal(1)
"""Weights of the positions move with the marks between the daemon's look and this one."""
EXPOSED_TOLERANCE_PCT: Final = Decimal(3)
_NO_CLAIM_OF_COVER: Final = ("UNKNOWN", "CLOSING")
_GOOD: Final = ("PROTECTED", "DEGRADED")


@dataclass(frozen=True, slots=True)
class _Sides:
    """Everything a comparison is made from."""

    claims: Claims
    look: VenueLook
    covers: Mapping[str, StopCover]
    """The stop cover of each position at the venue."""
    expected: Expectations
    now_ms: int

    @property
    def managed(self) -> list[VenuePosition]:
        """The positions at the venue that the operator did not list as left alone."""
        return [position for key, position in self.look.positions.items() if not self.expected.is_unmanaged(key)]


def compare(claims: Claims, look: VenueLook, expected: Expectations, *, now_ms: int) -> list[Difference]:
    """Every difference, those of the account first."""
    held = {key for key, claim in claims.positions.items() if claim is not None and claim.held_until_ms > now_ms}
    covers = {
        key: stop_cover(position, look.orders_of(position), expected.foreign_stops(position.symbol, held=key in held))
        for key, position in look.positions.items()
    }
    sides = _Sides(claims=claims, look=look, covers=covers, expected=expected, now_ms=now_ms)
    differences = list(_of_account(sides))
    for key in sorted({*look.positions, *claims.positions, *claims.unread}):
        differences += _of_position(key, sides)
    return differences


def _of_position(key: str, sides: _Sides) -> Iterator[Difference]:
    claims, position = sides.claims, sides.look.positions.get(key)
    if key in claims.unread:
        yield Difference(Kind.POSITION_UNREADABLE, key, f"something unreadable ({claims.unread[key]})", _held(position))
    elif key not in claims.positions:
        if position is not None and not _is_claimed_as_the_other_side(key, sides):
            words = f"{_held(position)}, {sides.covers[key].described}"
            yield Difference(Kind.POSITION_MISSING, key, "no such position", words, settled=False)
    elif (claim := claims.positions[key]) is None:
        yield Difference(Kind.POSITION_EXPIRED, key, "a position whose own key is gone", _held(position))
    elif position is not None:
        both = Both(
            claim=claim, position=position, cover=sides.covers[key], orders=sides.look.orders_of(position),
            expected=sides.expected, now_ms=sides.now_ms,
        )  # fmt: skip
        yield from position_differences(both)
    elif _is_claimed_as_the_other_side(_other(key), sides):
        opposite = sides.look.positions[_other(key)]
        words = f"{_held(opposite)}, {sides.covers[opposite.key].described}"
        yield Difference(Kind.SIDE, key, str(claim.side), words, settled=False)
    else:
        size = "unknown" if claim.quantity is None else f"{claim.quantity:f}"
        yield Difference(Kind.POSITION_FLAT, key, f"{size} {claim.verdict}", "it is flat")


def _is_claimed_as_the_other_side(key: str, sides: _Sides) -> bool:
    """Whether a position at the venue is not claimed, and its opposite, which the venue has not, is."""
    there, claimed = sides.look.positions, sides.claims.positions
    return key in there and key not in claimed and _other(key) not in there and claimed.get(_other(key)) is not None


def _other(key: str) -> str:
    """The other side of the same symbol."""
    symbol, _, side = key.rpartition(":")
    return f"{symbol}:{'SHORT' if side == 'LONG' else 'LONG'}"


def _held(position: VenuePosition | None) -> str:
    return "it is flat" if position is None else f"{position.side} {position.quantity} @ {position.entry_price}"


def _of_account(sides: _Sides) -> Iterator[Difference]:
    claims, count = sides.claims, len(sides.look.positions)
    status = claims.status
    if claims.status_unread:
        words = f"something unreadable ({claims.status_unread})"
        yield Difference(Kind.STATUS_UNREADABLE, ACCOUNT, words, f"{count} positions are open", settled=False)
    elif status is None:
        words = "nothing: the status is missing"
        yield Difference(Kind.STATUS_MISSING, ACCOUNT, words, f"{count} positions are open", settled=False)
    if status is None:
        return
    if status.mode == "stopped":
        words = "that nobody watches (mode stopped)"
        yield Difference(Kind.STOPPED, ACCOUNT, words, f"{count} positions are open", settled=False)
        return
    yield from _of_daemon(status, sides)
    yield from _of_totals(status, sides)


def _of_daemon(status: StatusClaim, sides: _Sides) -> Iterator[Difference]:
    allowed_ms, owner = sides.expected.stale_after_ms, sides.claims.lease_owner
    age_ms = sides.now_ms - status.observed_at_ms
    if age_ms > allowed_ms:
        words = f"what was read {age_ms / 1000:.0f} s ago" if status.observed_at_ms else "to have read nothing yet"
        allowed = f"it is older than the {allowed_ms / 1000:g} s that are allowed"
        yield Difference(Kind.STALE, ACCOUNT, words, allowed, settled=False)
    if status.environment != sides.expected.environment:
        yield Difference(Kind.ENVIRONMENT, ACCOUNT, status.environment, sides.expected.environment)
    if status.mode == "live" and owner is None:
        yield Difference(Kind.LEASE, ACCOUNT, "mode live", "nothing of it: no lease is held in Redis")
    elif status.mode == "live" and status.owner and owner != status.owner:
        yield Difference(Kind.LEASE, ACCOUNT, f"owner {status.owner}", f"the lease is held by {owner}")


def _of_totals(status: StatusClaim, sides: _Sides) -> Iterator[Difference]:
    managed = sides.managed
    whole = [position for position in managed if sides.covers[position.key].whole]
    verdicts = {key: claim.verdict for key, claim in sides.claims.positions.items() if claim is not None}
    if status.positions != len(managed):
        yield Difference(Kind.POSITIONS_TOTAL, ACCOUNT, f"{status.positions} positions", str(len(managed)))
    silent = sum(verdicts.get(position.key) in _NO_CLAIM_OF_COVER for position in whole)
    if not len(whole) - silent <= status.protected <= len(whole):
        words = f"{len(whole)} of {len(managed)}"
        yield Difference(Kind.PROTECTED_TOTAL, ACCOUNT, f"{status.protected} with full stop cover", words)
    if status.risk_status in _GOOD and len(whole) < len(managed):
        naked = ", ".join(position.key for position in managed if position not in whole)
        yield Difference(Kind.RISK_STATUS, ACCOUNT, status.risk_status, f"stops do not cover {naked[:200]}")
    if not any(verdict in _NO_CLAIM_OF_COVER for verdict in verdicts.values()):
        yield from _of_amounts(status, sides)


def _of_amounts(status: StatusClaim, sides: _Sides) -> Iterator[Difference]:
    """Coverage and exposed notional. Where a verdict is UNKNOWN or CLOSING they follow another rule, and are left."""
    managed, nothing = sides.managed, Decimal(0)
    total = sum((position.notional for position in managed), nothing)
    exposed = sum((one.notional * (HUNDRED - sides.covers[one.key].pct) / HUNDRED for one in managed), nothing)
    coverage = (total - exposed) / total * HUNDRED if total else HUNDRED
    if abs(coverage - status.coverage_pct) > COVERAGE_TOLERANCE_PCT:
        words = f"{status.coverage_pct:.1f} % of the notional covered"
        yield Difference(Kind.COVERAGE, ACCOUNT, words, f"{coverage:.1f} %", settled=False)
    if abs(exposed - status.exposed_notional) > max(exposed, status.exposed_notional) * EXPOSED_TOLERANCE_PCT / HUNDRED:
        words = f"{status.exposed_notional:.2f} exposed"
        yield Difference(Kind.EXPOSED, ACCOUNT, words, f"{exposed:.2f} without a stop", settled=False)
