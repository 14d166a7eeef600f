"""Values as the JSON that is published: no spaces, no escapes beyond those JSON demands."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

_quick: Callable[[Any], bytes] | None
try:
    import orjson
except ImportError:  # it is not made for every platform; then a cycle of many positions takes longer
    _quick = None
else:
    _quick = orjson.dumps

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_text(value: object) -> str:
    """A value as JSON. What `orjson` refuses, such as an integer of more than 64 bits, the standard library writes."""
    if _quick is not None:
        try:
            return _quick(value).decode()
        except TypeError:
            pass
    return _ENCODER.encode(value)
