"""`verify --self-test` as an operator runs it."""

from __future__ import annotations

import json

import pytest

from position_monitor.cli.main import main
from position_monitor.rehearsal import Outcome
from position_monitor.rehearsal.planted import PLANTED


def test_every_planted_difference_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """0 only when all are, and the honest account is silent."""
    code = main(["verify", "--self-test", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0 and document["missed"] == 0
    assert [one["seen"] for one in document["planted"]] == [True] * (len(PLANTED) + 1)
    assert document["planted"][0]["reported"] == []


@pytest.mark.parametrize(
    ("outcome", "right"),
    [
        (Outcome("side", "", ("quantity", "side")), True),
        (Outcome("side", "", ("quantity",)), False),
        (Outcome("", "", ("quantity",)), False),
    ],
)
def test_a_difference_that_is_missed_or_made_up_fails(outcome: Outcome, right: bool) -> None:
    """The self-test can fail."""
    assert outcome.right is right
