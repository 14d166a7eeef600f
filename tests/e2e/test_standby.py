"""A second daemon by real processes: whatever happens to the owner, a new position gets its stop, the old ones keep
theirs, and no order is sent twice. How long each takes is measured by `python -m tests.e2e.standby`, not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.sentinels import Sentinels
from tests.e2e.stack import PREFIX, Stack, eventually, fully_protected
from tests.e2e.standby import DIFFERENT, EVENTS, OPENED, Outcome, Pair, killed, measured, nothing

STOP_AND_LADDER = 4


def in_order(outcome: Outcome) -> None:
    """One stop and three rungs for the new position and nothing else."""
    assert outcome.worst_cover == ""
    assert outcome.duplicates == []
    assert outcome.orders == STOP_AND_LADDER


@pytest.mark.parametrize("event", [name for name in EVENTS if name != "nothing"])
def test_whatever_happens_to_the_owner(event: str) -> None:
    in_order(measured(event))


def test_a_standby_takes_the_work_of_the_owner_for_no_other_hand(stack: Stack) -> None:
    """A ladder is replaced because its position grew: the owner's removals are no warning of the other daemon."""
    pair = Pair(stack)
    in_order(pair.after(nothing))
    pair.paper.post("position", action="add", symbol=OPENED[0], side=OPENED[1], quantity="20")
    eventually("the ladder is that of the larger position", lambda: fully_protected(pair.paper))
    pair.first.daemon.terminate()
    eventually("the second owns the account", lambda: "Lease: ours" in pair.second.daemon.text())
    assert "not by this program" not in pair.second.daemon.text()


def test_a_standby_with_another_configuration_works_against_nothing_that_rests(stack: Stack) -> None:
    """Its own distance is for what it opens itself: the stops that rest stay (invariants 2 and 8)."""
    pair = Pair(stack, second=DIFFERENT)
    before = {row["clientAlgoId"] for row in pair.paper.resting() if row["closePosition"]}
    in_order(pair.after(killed))
    assert before <= {row["clientAlgoId"] for row in pair.paper.resting()}


def test_sentinel_promotes_a_replica_under_load(stack: Stack, tmp_path: Path) -> None:
    """The primary dies with its host while it is written to: nothing is naked, nothing is doubled, and the state is
    published by the new one."""
    sentinels = Sentinels(tmp_path)
    stack.closing.callback(sentinels.close)
    pair = Pair(stack, redis_url=sentinels.url)
    load = sentinels.database(sentinels.primary).pipeline(transaction=False)
    for number in range(20_000):
        load.xadd("load", {"number": number}, maxlen=1_000)
    load.execute()
    in_order(pair.after(lambda _: sentinels.kill_primary()))
    eventually("the replica is promoted", sentinels.promoted)
    database = sentinels.database(sentinels.replica)
    key = f"{PREFIX}:position:{':'.join(OPENED)}"
    eventually("it is published there", lambda: database.hget(key, "verdict") == "PROTECTED")
