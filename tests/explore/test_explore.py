"""Every fault at every step: a fixed share of all single faults, and that the explorer itself can fail.

The whole of it is `make explore`. The share of this run is chosen by the runs' names, never by date or chance.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.explore.contacts import Kind, Strike, parsed, spec
from tests.explore.exploring import explore, in_share, pairs_after, singles
from tests.explore.faults import FAULTS, possible
from tests.explore.lives import Life, all_lives
from tests.explore.open_rows import shown_by
from tests.explore.report import failure
from tests.sim.mutants import MUTANTS
from tests.sim.report import kind

LIVES = all_lives()
LIVES_MIN = 20
SHARE, SHARES = 7, 90
"""This share takes a minute or two on two cores, all of them ninety times that: `make explore SHARE=7/90 PAIRS=0`."""
PRINT_RUN = "import sys; from tests.explore.test_explore import told; print(told(sys.argv[1]))"
REPEATED = (("flip", ""), ("reduce", "answer_lost:once"), ("standby", "suspended:8s"), ("kill", "dies_after:once"))

every_life = pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)


def told(name: str) -> str:
    """What happened in a run, as one text."""
    life, strikes = parsed(name)
    outcome = explore(LIVES[life], strikes)
    return f"{outcome.digest} {[str(contact) for contact in outcome.contacts]}"


def a_run(life: str, fault: str) -> str:
    """The name of a run in the middle of a life that this fault is put into."""
    runs = [spec(*run) for run in singles([LIVES[life]]) if spec(*run).endswith(f":{fault}")]
    return runs[len(runs) // 2] if fault else life


@every_life
def test_a_life_without_faults_is_lawful(life: Life) -> None:
    outcome = explore(life)
    assert not outcome.violations or shown_by(outcome.name, outcome.violations), failure(outcome)


@every_life
def test_a_share_of_all_single_faults(life: Life) -> None:
    """Every fault at every contact, once and lasting: the share 7 of 90."""
    if explore(life).violations:
        pytest.skip("the life is broken without any fault, see above")
    outcomes = (
        explore(LIVES[name], strikes) for name, strikes in singles([life]) if in_share((name, strikes), SHARE, SHARES)
    )
    broken = [failure(one) for one in outcomes if one.violations and not shown_by(one.name, one.violations)]
    assert not broken, "\n".join(broken)


def test_who_stands_by_may_count_a_life_that_began_at_once_as_the_one_before() -> None:
    """Closed and opened again in one instant, the position has no stop in any look of thirteen seconds."""
    life, strikes = parsed("reenter_at_once:2:lease_taken:once")
    assert not explore(LIVES[life], strikes).violations


def test_there_are_enough_lives_and_every_fault_has_its_place() -> None:
    assert len(LIVES) >= LIVES_MIN
    contacts = [contact for life in LIVES.values() for contact in explore(life).contacts]
    assert {fault.name for contact in contacts for fault, _ in possible(contact)} == set(FAULTS)
    assert {contact.kind for contact in contacts} == set(Kind)
    assert any(life.paired for life in LIVES.values())


def test_what_a_fault_may_delay_is_granted_with_a_reason() -> None:
    granted = [fault for fault in FAULTS.values() if fault.later_s or fault.order_later_s]
    assert all(fault.why for fault in granted)
    assert all(not fault.why for fault in FAULTS.values() if fault not in granted)
    assert all(bool(life.why) == bool(life.blind_s) for life in LIVES.values())


@pytest.mark.parametrize(("life", "fault"), REPEATED)
def test_a_run_is_one_run(life: str, fault: str) -> None:
    """Twice in this process, and once in another whose sets and dicts of strings hash differently."""
    name = a_run(life, fault)
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    command = [sys.executable, "-c", PRINT_RUN, name]
    elsewhere = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told(name) == told(name) == elsewhere.stdout.strip()


def test_looking_does_not_change_a_run() -> None:
    trace: list[str] = []
    life, strikes = parsed(a_run("reduce", "answer_lost:once"))
    assert explore(LIVES[life], strikes, trace).digest == explore(LIVES[life], strikes).digest
    text = "\n".join(trace)
    for expected in (
        f"fault answer_lost (once) at contact {strikes[0].point}",
        "venue: order_accepted by api",
        "daemon 0: INFO",
        "story: ",
    ):
        assert expected in text


def test_up_to_the_fault_a_run_is_the_one_without() -> None:
    life = LIVES["add"]
    contacts = explore(life).contacts
    for point in (10, 60, 150):
        fault, span = possible(contacts[point])[0]
        struck = explore(life, [Strike(point, fault.name, span.name)]).contacts
        assert struck[: point + 1] == contacts[: point + 1]


def test_a_name_is_read_back() -> None:
    strikes = (Strike(17, "answer_lost", "once"), Strike(31, "redis_down", "8s"))
    assert spec("reduce", strikes) == "reduce:17:answer_lost:once+31:redis_down:8s"
    assert parsed(spec("reduce", strikes)) == ("reduce", strikes)
    assert parsed("reduce") == ("reduce", ())


def test_a_fault_where_it_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be put at"):
        explore(LIVES["reduce"], [Strike(0, "answer_lost", "once")])


def test_a_second_fault_finds_the_contacts_that_the_first_one_made() -> None:
    first = next(run for run in singles([LIVES["open"]]) if run[1][0].fault == "answer_lost")
    seconds = list(pairs_after(first))
    assert len(seconds) > 100
    assert all(strikes[0] == first[1][0] and strikes[1].point > strikes[0].point for _, strikes in seconds)
    assert not explore(LIVES["open"], seconds[len(seconds) // 2][1]).violations


FOUND_BY = {
    "ambiguous_write_is_sent_again_with_a_new_id": ("open", "answer_lost"),
    "acknowledgement_is_believed": ("open", "request_lost"),
    "one_empty_read_is_flat": ("close", "empty_list"),
    "unreadable_is_flat": ("close", "html"),
    "nothing_is_placed_without_redis": ("found", "redis_down"),
}
"""Planted bugs of the simulator, each with a life and a fault that must show it."""


@pytest.mark.parametrize("name", FOUND_BY)
def test_a_planted_bug_is_found(name: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    life, fault = FOUND_BY[name]
    with mutant.planted():
        runs = [strikes for _, strikes in singles([LIVES[life]]) if strikes[0].fault == fault]
        shown = (explore(LIVES[life], strikes).violations for strikes in runs)
        caught = any(mutant.expected & {kind(violation) for violation in violations} for violations in shown)
    assert caught, f"none of {len(runs)} runs of {life} under {fault} shows {name}"
    assert not explore(LIVES[life]).violations
