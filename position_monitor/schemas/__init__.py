"""JSON Schemas of what this program publishes to Redis (docs/redis.md) and of what its dashboard answers."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal

Name = Literal[
    "status", "position", "event", "shadow", "record", "performance", "pair", "dashboard_state", "dashboard_events"
]


def load(name: Name) -> dict[str, Any]:
    """The schema of the `status` hash, of the `doc` of a position, shadow book or totals, of the `data` of an event,
    record or pair; `dashboard_state` and `dashboard_events` are what the dashboard answers (docs/dashboard.md)."""
    schema: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema
