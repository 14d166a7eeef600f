"""JSON Schemas of everything this program publishes to Redis (docs/redis.md), for consumers and for our own tests."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal

Name = Literal["status", "position", "event", "shadow", "record", "performance", "pair"]


def load(name: Name) -> dict[str, Any]:
    """The schema of the `status` hash, of the `doc` of a position, shadow book or totals, of the `data` of an event,
    record or pair."""
    schema: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema
