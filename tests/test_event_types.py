"""One list of events: what the code makes, what the shipped schema describes, what docs/redis.md says of each field."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from position_monitor import schemas
from tests.event_schema import fields_by_type, problems_of

ROOT = Path(__file__).parent.parent
DESIGN_5 = {
    "Started",
    "Stopped",
    "ConfigReloaded",
    "ConfigRefused",
    "PositionAppeared",
    "PositionGrew",
    "PositionShrank",
    "PositionFlipped",
    "PositionFlat",
    "TakeProfitPlaced",
    "TakeProfitFilled",
    "TakeProfitRetired",
    "StopPlaced",
    "StopReadBack",
    "StopFired",
    "StopRetired",
    "OrderVanished",
    "ForeignOrderSeen",
    "ForeignOrderGone",
    "WriteRefused",
    "WriteAmbiguous",
    "VerdictChanged",
    "EmergencyClose",
    "ModeChanged",
    "LeaseTaken",
    "LeaseLost",
    "SecondWriterSeen",
    "BreakerChanged",
    "ConfigConflict",
    "BanBegan",
    "BanEnded",
    "RedisLost",
    "RedisBack",
    "StreamLost",
    "StreamBack",
    "ControlAccepted",
    "ControlRefused",
    "RecordFinal",
}
BEYOND = {"LeaseGivenUp", "MarginCalled", "ForeignWeightSeen"}
"""Facts for which the contract has no name."""
CONTROL = {"ControlAccepted", "ControlRefused"}


def texts_in(path: Path) -> Iterator[str]:
    """Every text in a module that could be the name of a type."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[A-Z]\w+", node.value):
            yield node.value


def made_in_code() -> set[str]:
    """The names of types that stand in the code of whoever makes events."""
    rooms = ("core", "daemon", "service", "edge/redis")
    paths = [path for room in rooms for path in (ROOT / "position_monitor" / room).rglob("*.py")]
    return {text for path in paths for text in texts_in(path)} & set(fields_by_type())


def named_in_calls() -> set[str]:
    """The first argument of everything that makes an event by name."""
    names: set[str] = set()
    for path in (ROOT / "position_monitor").rglob("*.py"):
        if "paper" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Event", "_event") and node.args:
                first = node.args[0]
                names |= {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, str) else set()
    return names


def test_every_type_of_the_contract_is_described_and_nothing_else() -> None:
    assert set(fields_by_type()) == {*DESIGN_5, *BEYOND}


def test_the_code_makes_exactly_these() -> None:
    assert made_in_code() | CONTROL == {*DESIGN_5, *BEYOND}
    assert named_in_calls() <= {*DESIGN_5, *BEYOND}
    assert {"Started", "PositionFlat", "BanBegan", "StreamLost", "RedisBack"} <= named_in_calls()


def test_the_docs_have_one_row_for_each_with_its_fields() -> None:
    rows = re.findall(
        r"^\| `([A-Z]\w+)` \| (.*?) \| .+ \|$", (ROOT / "docs" / "redis.md").read_text("utf-8"), re.MULTILINE
    )
    documented = {kind: set(" ".join(re.findall(r"`([^`]*)`", cell)).split()) for kind, cell in rows}
    described = {kind: {*required, *optional} for kind, (required, optional) in fields_by_type().items()}
    assert documented == described
    assert len(rows) == len(documented)


def test_the_schema_is_one_and_takes_what_it_describes() -> None:
    Draft202012Validator.check_schema(schemas.load("event"))
    usual = {"schema": 1, "id": "x", "at_ms": 1, "account": "main", "symbol": "BTCUSDT", "side": "LONG"}
    fired = dict.fromkeys(("price", "quantity", "result_gross", "fees", "result_net"))
    fired |= {"client_id": "qpm1", "order_id": "", "role": "backstop", "rungs": "", "type": "StopFired"}
    assert problems_of(json.dumps(usual | fired)) == []
    assert not list(Draft202012Validator(schemas.load("event")).iter_errors(usual | fired))


@pytest.mark.parametrize(
    "change",
    [
        {"price": 59100},
        {"price": "59100 USDT"},
        {"client_id": ""},
        {"role": "stop"},
        {"more": "x"},
        {"type": "StopFire"},
    ],
)
def test_the_schema_sees_what_is_wrong(change: dict[str, object]) -> None:
    usual = {"schema": 1, "id": "x", "at_ms": 1, "account": "main", "symbol": "BTCUSDT", "side": "LONG"}
    fired = dict.fromkeys(("price", "quantity", "result_gross", "fees", "result_net"))
    fired |= {"client_id": "qpm1", "order_id": "", "role": "backstop", "rungs": "", "type": "StopFired"}
    assert len(problems_of(json.dumps(usual | fired | change))) == 1
