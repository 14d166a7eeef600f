"""The shipped schema of events as the tests ask it: by type, and closed, so that no field goes without a word."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from position_monitor import schemas


@cache
def fields_by_type() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Type -> the fields it always has, and those it may have."""
    listed = {}
    for rule in schemas.load("event")["allOf"]:
        required = tuple(rule["then"]["required"])
        optional = tuple(name for name in rule["then"]["properties"] if name not in required)
        listed[rule["if"]["properties"]["type"]["const"]] = (required, optional)
    return listed


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = schemas.load("event")
    then = next(rule["then"] for rule in schema["allOf"] if rule["if"]["properties"]["type"]["const"] == kind)
    properties: dict[str, Any] = {**schema["properties"], **then["properties"]}
    required = [*schema["required"], *then["required"]]
    return Draft202012Validator(
        {"type": "object", "required": required, "properties": properties, "additionalProperties": False}
    )


def problems_of(text: str) -> list[str]:
    """What is wrong with one published event."""
    event = json.loads(text)
    if event["type"] not in fields_by_type():
        return [f"{event['type']} is no type of the schema"]
    return [f"{event['type']}: {error.message}" for error in _validator(event["type"]).iter_errors(event)]
