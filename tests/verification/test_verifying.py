"""Two looks: what both show counts, and only with a claim that is newer than the first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from position_monitor.verification import VenueUnread, verifying
from position_monitor.verification.claims import Claims
from position_monitor.verification.venue_look import VenueLook, look_at
from position_monitor.verification.verifying import Report, Verification
from tests.verification.sides import NOW_MS, claims, expected, look, position_claim, status_claim

LATER = NOW_MS - 100
FIRST = replace(look(), began_ms=NOW_MS - 500)
NAKED = replace(look(orders=[]), began_ms=NOW_MS - 500)


def observed(at_ms: int, **changes: Any) -> Claims:
    return claims(position_claim(observed_at_ms=at_ms, **changes), status=status_claim(observed_at_ms=str(at_ms)))


class Reads:
    async def measure_clock(self) -> int:
        return 0


class Told:
    """Claims one after the other; the last one stays."""

    def __init__(self, *some: Claims) -> None:
        self.left = list(some)

    async def read(self) -> Claims:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


async def verified(monkeypatch: pytest.MonkeyPatch, looks: list[VenueLook], *told: Claims) -> Report:
    left = list(looks)

    async def look_at(_: object) -> VenueLook:
        return left.pop(0)

    monkeypatch.setattr(verifying, "look_at", look_at)
    clock = iter(range(NOW_MS, NOW_MS + 10_000_000, 1_000))
    monkeypatch.setattr(verifying, "now_ms", lambda: next(clock))
    verification = Verification(Reads(), Told(*told), expected(), pause_s=0, poll_s=0)  # type: ignore[arg-type]
    return await verification.verify()


async def test_what_agrees_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weight is spent on a second look."""
    report = await verified(monkeypatch, [FIRST], observed(LATER))
    assert report.agrees and report.looks == 1


async def test_a_difference_that_is_gone_in_the_second_look_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that is being moved, a fill that the next cycle sees: said as passed, not as a difference."""
    report = await verified(monkeypatch, [NAKED, FIRST], observed(NOW_MS - 900), observed(LATER))
    assert report.agrees and report.looks == 2
    assert "verdict_too_high" in [one.kind.value for one in report.passed]


async def test_a_difference_that_stays_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim of the second look was made after the first one began."""
    report = await verified(monkeypatch, [NAKED, NAKED], observed(NOW_MS - 900), observed(LATER))
    assert "verdict_too_high" in [one.kind.value for one in report.differences] and not report.passed


async def test_a_claim_that_is_not_renewed_confirms_nothing_but_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for as long as a claim lives; then the one thing that is sure is that it is old."""
    report = await verified(monkeypatch, [NAKED, NAKED], observed(NOW_MS - 900))
    assert {one.kind.value for one in report.differences} == {"stale", "position_stale"}


async def test_a_venue_that_says_something_else_each_time_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quantity differs in both looks and is another one in each: the account is just trading."""
    sized = [replace(FIRST, positions={k: replace(p, quantity=p.quantity + n) for k, p in FIRST.positions.items()})
             for n in (1, 2)]  # fmt: skip
    report = await verified(monkeypatch, sized, observed(NOW_MS - 900), observed(LATER))
    assert "quantity" not in [one.kind.value for one in report.differences]


async def test_a_stopped_daemon_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing newer will come: what it last claimed is compared."""
    stopped = claims(status=status_claim(mode="stopped", risk_status="UNKNOWN", observed_at_ms=str(NOW_MS - 900)))
    report = await verified(monkeypatch, [NAKED, NAKED], stopped)
    assert "stopped" in [one.kind.value for one in report.differences]


async def test_an_account_that_is_not_heard_of_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every open position is named with what covers it."""
    silent = Claims(status=None, status_unread="", positions={}, unread={}, lease_owner=None)
    report = await verified(monkeypatch, [NAKED, NAKED], silent)
    assert [one.kind.value for one in report.differences] == ["status_missing", "position_missing"]


@pytest.mark.parametrize("body", [{}, None, "[]", [1], [{"symbol": "BTCUSDT"}]])
async def test_an_answer_that_is_no_list_of_rows_is_never_flat(body: object) -> None:
    """Half of a list, or none, proves nothing: it is an error that names the place and the path."""

    class Garbled:
        place = "venue:443"

        async def make_room(self, weight: int) -> None: ...

        async def ask(self, path: str, params: object) -> object:
            return body

    with pytest.raises(VenueUnread, match=r"venue:443 .*\[GET /fapi/v3/positionRisk\]"):
        await look_at(Garbled())  # type: ignore[arg-type]
