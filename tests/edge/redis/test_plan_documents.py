"""What comes next for a stop: to JSON by the schema and back, and nothing else is read as one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from position_monitor import schemas
from position_monitor.core.publication.state import ExitPlan, PlannedLock, PlannedTrail
from position_monitor.edge.redis.documents import position_document
from position_monitor.edge.redis.plan_documents import STEPS_MAX, plan_document, read_plan
from position_monitor.edge.redis.published_values import DocumentUnreadable, read_position
from tests.edge.redis.conftest import position_state

D = Decimal
PLAN = ExitPlan(
    initial_stop=D("63158.2"),
    r=D("961.8"),
    rungs_done=1,
    trail_after_rung=2,
    trail=(PlannedTrail(D("65096.5"), D("1.5"), None), PlannedTrail(None, None, D(2))),
    locks=(PlannedLock(D("64120.0"), 1, None), PlannedLock(D("65081.8"), 0, D("66000"))),
)


@pytest.mark.parametrize("plan", [None, PLAN, ExitPlan(D(1), None, 0, 0, (), ())])
def test_there_and_back(plan: ExitPlan | None) -> None:
    state = position_state(plan=plan)
    document = json.loads(json.dumps(position_document(state, "main", published_at_ms=1)))
    Draft202012Validator(schemas.load("position")).validate(document)
    assert read_position(json.dumps(document)).plan == plan


def test_a_position_of_an_older_daemon_has_no_plan() -> None:
    document = position_document(position_state(), "main", published_at_ms=1)
    del document["plan"]
    assert read_position(json.dumps(document)).plan is None


@pytest.mark.parametrize(
    "change",
    [
        *({"initial_stop": "NaN"}, {"initial_stop": None}, {"r": "x"}, {"r": "1e999999"}, {"rungs_done": "a"}),
        *({"locks": 5}, {"locks": [5]}, {"locks": [{}]}, {"trail": [{"from_price": []}]}, {"trail": {"a": 1}}),
    ],
)
def test_what_is_no_plan_is_one_failure(change: dict[str, Any]) -> None:
    document = position_document(position_state(plan=PLAN), "main", published_at_ms=1)
    document["plan"] = {**document["plan"], **change}
    with pytest.raises(DocumentUnreadable):
        read_position(json.dumps(document))


def test_a_plan_without_end_is_cut() -> None:
    document = plan_document(PLAN)
    assert document is not None
    read = read_plan({**document, "locks": document["locks"][:1] * 9_000})
    assert read is not None
    assert len(read.locks) == STEPS_MAX
