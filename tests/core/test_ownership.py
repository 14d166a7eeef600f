"""The table of ownership: the document shows it, planner and gate obey it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from position_monitor.core.decision.ownership import RIGHTS, LeaseStanding, Rights, mode_of, under_pause
from position_monitor.core.model.actions import Mode

DOCUMENT = Path(__file__).parents[2] / "docs" / "ownership.md"


def test_the_table_of_ownership_is_the_one_in_the_document():
    rows = re.findall(r"^\| `(\w+)` \| ((?:yes|no)(?: \| (?:yes|no)){5}) \|$", DOCUMENT.read_text(), re.MULTILINE)
    shown = {Mode(name): Rights(*(cell == "yes" for cell in cells.split(" | "))) for name, cells in rows}
    assert shown == RIGHTS
    assert set(RIGHTS) == set(Mode)


@pytest.mark.parametrize(
    ("observes", "lease", "second_writer", "mode"),
    [
        (False, LeaseStanding.OURS, False, Mode.LIVE),
        (False, LeaseStanding.OURS, True, Mode.SECOND_WRITER),
        (False, LeaseStanding.ANOTHERS, False, Mode.STANDBY),
        (False, LeaseStanding.ANOTHERS, True, Mode.STANDBY),
        (False, LeaseStanding.STALE, False, Mode.STALE_OWNER),
        (False, LeaseStanding.STALE, True, Mode.SECOND_WRITER),
        (False, LeaseStanding.SILENT, False, Mode.PLACE_ONLY),
        (False, LeaseStanding.SILENT, True, Mode.SECOND_WRITER),
        *((True, lease, second, Mode.OBSERVE) for lease in LeaseStanding for second in (False, True)),
    ],
)
def test_the_state_follows_from_wish_lease_and_signs(observes, lease, second_writer, mode):
    assert mode_of(observes=observes, lease=lease, second_writer=second_writer) is mode


def test_rights_only_grow_from_a_standby_to_the_owner():
    """Who may remove may do everything; nobody but an observer by configuration leaves a long naked position alone."""
    assert [mode for mode, rights in RIGHTS.items() if rights.removals or rights.take_profits] == [Mode.LIVE]
    assert [mode for mode, rights in RIGHTS.items() if not rights.long_missing_stops] == [Mode.OBSERVE]
    assert all(rights.long_missing_stops for rights in RIGHTS.values() if rights.missing_stops)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_published_word_is_one_of_four(mode):
    assert mode.published in ("live", "place_only", "paused", "observe")


@pytest.mark.parametrize("mode", list(Mode))
def test_a_pause_gives_no_right_to_anybody(mode):
    before, after = RIGHTS[mode], RIGHTS[under_pause(mode, paused=True)]
    assert all(had or not has for had, has in zip(before, after, strict=True))
    assert after.missing_stops is before.missing_stops
    assert after.long_missing_stops is before.long_missing_stops
    assert not (after.moves or after.take_profits or after.removals)
    assert under_pause(mode, paused=False) is mode
