"""The page of faults tells the truth about itself: all 89 are there, and every test it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from tests.sim.mutants import all_mutants
from tests.sim.powers import all_powers

HERE = Path(__file__).resolve().parents[2]
NUMBERS = {"N": 12, "X": 27, "C": 5, "R": 10, "P": 11, "G": 7, "D": 8, "H": 9}


def _page() -> str:
    return (HERE / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_fault_is_on_the_page_once() -> None:
    wanted = [f"{group}{number}" for group, count in NUMBERS.items() for number in range(1, count + 1)]
    assert len(wanted) == 89
    assert re.findall(r"^\| ([A-Z]\d+) \|", _page(), re.MULTILINE) == wanted


def test_every_test_it_names_exists() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (HERE / "tests").rglob("test_*.py"))
    known = set(re.findall(r"def (test_\w+)\(", sources))
    missing = sorted(set(re.findall(r"`(test_\w+)`", _page())) - known)
    assert not missing


def test_expected_failures_are_said_to_be_so() -> None:
    """A scenario that is marked as wanted and not there yet stands in a row that says so."""
    rows = [row for row in _page().splitlines() if "xpected failure" in row]
    for path in (HERE / "tests" / "sim").glob("test_hard_*.py"):
        decorated = re.findall(
            r"^@pytest\.mark\.xfail\(.*?def (test_\w+)\(", path.read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
        assert all(any(f"`{name}`" in row for row in rows) for name in decorated), decorated


def test_every_row_that_was_found_from_outside_names_what_holds_it() -> None:
    """A test, the power of the simulated world that draws it, and the planted bug it catches, or why there is none."""
    part = _page().split("## Found from outside")[1].split("### 7.")[0]
    rows = re.findall(r"^\| (\d\.\d) \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$", part, re.MULTILINE)
    assert len(rows) == 43
    assert [number for number, *columns in rows if not all(column.strip() for column in columns)] == []
    powers = {*all_powers(), "over_exit"}
    drawn = {name for _, _, power, _ in rows for name in re.findall(r"`(\w+)`", power)}
    assert drawn <= powers, drawn - powers
    planted = {name for *_, bug in rows for name in re.findall(r"`(\w+)`", bug)}
    assert planted <= (bugs := {mutant.name for mutant in all_mutants()}), planted - bugs
