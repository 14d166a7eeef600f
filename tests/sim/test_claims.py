"""The judge of what daemons claim about themselves can fail, and is silent where the world excuses it."""

from __future__ import annotations

import pytest

from position_monitor.errors import ConfigError
from position_monitor.paper.journal import Entry
from tests.sim.claims import GOODBYE_MS, OWNERLESS_MS, RELOADS_1M_MAX, Claims
from tests.sim.files import Files
from tests.sim.truth import PREFIX

OWNER, OTHER = "sim:0:0-0", "sim:1:0-1"
LIVE = {"owner": OWNER, "risk_status": "PROTECTED", "mode": "live"}
STOPPED = {"owner": OWNER, "risk_status": "UNKNOWN", "mode": "stopped"}
RELOADED = "INFO Configuration reloaded, hash abc"


def test_a_stopped_daemon_claims_nothing() -> None:
    claims = Claims((), foggy=False)
    claims.ended(OWNER, 1_000)
    assert not claims.after_the_end(STOPPED, 100_000)
    assert not claims.after_the_end({}, 100_000), "nothing is claimed"
    assert not claims.after_the_end(LIVE | {"owner": OTHER}, 100_000), "another one claims it"
    assert not claims.after_the_end(LIVE, 1_000 + GOODBYE_MS)
    assert claims.after_the_end(LIVE, 1_001 + GOODBYE_MS)
    excused = Claims(("redis_down",), foggy=False)
    excused.ended(OWNER, 1_000)
    assert not excused.after_the_end(LIVE, 100_000)


@pytest.mark.parametrize("holder", ["", OTHER])
def test_a_daemon_that_wants_the_lease_gets_it(holder: str) -> None:
    claims = Claims((), foggy=False)
    assert not claims.owner_is(holder, [OWNER], 0)
    assert not claims.owner_is(holder, [OWNER], OWNERLESS_MS)
    assert claims.owner_is(holder, [OWNER], OWNERLESS_MS + 1)


def test_waiting_for_the_lease_is_excused() -> None:
    claims = Claims((), foggy=False)
    for at_ms in range(0, 5 * OWNERLESS_MS, 500):
        assert not claims.owner_is(OWNER, [OWNER, OTHER], at_ms), "another one that wants it has it"
    assert not claims.owner_is(OTHER, [], 6 * OWNERLESS_MS), "nobody wants it"
    assert not claims.owner_is(OTHER, [OWNER], 7 * OWNERLESS_MS), "it is wanted only now"
    for excused in (Claims((), foggy=True), Claims(("lease_evicted",), foggy=False)):
        assert not excused.owner_is("", [OWNER], 0)
        assert not excused.owner_is("", [OWNER], 2 * OWNERLESS_MS)


def test_reloads_are_paced() -> None:
    claims = Claims((), foggy=False)
    assert not any(claims.said(0, RELOADED, 5_000 * number) for number in range(40))
    assert not any(claims.said(1, RELOADED, number) for number in range(RELOADS_1M_MAX))
    assert claims.said(1, RELOADED, 59_000)


def test_no_clock_moves_by_itself() -> None:
    line = "WARNING The clock moved 60 s since the last cycle"
    assert Claims((), foggy=False).said(0, line, 1)
    assert not Claims(("suspend",), foggy=False).said(0, line, 1)


SECOND = "ERROR BTCUSDT: order qpm1b0x has our prefix and was not written by this process: a second daemon is at work"


def accepted(at_ms: int, *, origin: str = "api") -> Entry:
    detail = {"client_id": f"{PREFIX}1b0x"}
    return Entry(1, at_ms, "order_accepted", origin, "BTCUSDT", detail)


def test_nobody_else_writes_where_nobody_else_wrote() -> None:
    """What the predecessor placed, and what the venue makes of it when it triggers, is no sign of another daemon."""
    claims = Claims((), foggy=False)
    claims.entry(accepted(900), 0)
    claims.begins(1, 1_000, alone=True)
    claims.entry(accepted(2_000), 1)
    claims.entry(accepted(3_000, origin="venue"), None)
    assert claims.said(1, SECOND, 4_000)
    claims.entry(accepted(5_000), None)
    assert not claims.said(1, SECOND, 6_000), "a hand that nobody can name wrote"


def test_a_second_daemon_that_runs_may_be_met() -> None:
    claims = Claims((), foggy=False)
    claims.entry(accepted(900), 0)
    claims.begins(1, 1_000, alone=False)
    assert not claims.said(1, SECOND, 4_000)
    for power in ("clock_skew", "clock_step"):
        excused = Claims((power,), foggy=False)
        excused.begins(1, 1_000, alone=True)
        assert not excused.said(1, SECOND, 4_000)


def test_a_file_that_is_refused_changes_no_mode() -> None:
    files = Files({})
    assert files.is_live(0)
    files.write(0, {"protection": {"mode": "observe"}})
    assert not files.is_live(0)
    assert files.is_live(1)
    files.write(0, {"protection": {"mode": "live", "no_such_key": 1}})
    with pytest.raises(ConfigError):
        files.read(0)
    assert not files.is_live(0)
    files.put_back()
    assert files.is_live(0)
