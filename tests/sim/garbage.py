"""What a stream may deliver instead of what the venue documents: half JSON, other types, senseless fields."""

from __future__ import annotations

import json
import random
from typing import Any

from aiohttp import WSMsgType

NOT_OBJECTS = ("", "pong", "null", "[]", "[[[[", "1e999", '"ACCOUNT_UPDATE"', "{}", '{"e":7}', '{"e":"ACCOUNT_UPDATE"}')
NOT_JSON = ("<html>502</html>", "{'e': 1}", '{"e":"ACCOUNT_UPDATE","a":{"P":[', "\x00\x01", "NaN", "{" * 5_000)
VALUES: tuple[Any, ...] = (None, "", "NaN", "Infinity", "-Infinity", "1e999", "0x10", "--1", {}, [], True)
"""Nothing that could be meant: a venue that invents positions is not among the faults."""
WORDS = ("NO_SUCH_TYPE", "account_update", "ACCOUNT_UPDATE ", "🛡️", "A" * 3_000)


def garbled(text: str, rng: random.Random) -> tuple[WSMsgType, Any]:
    """A frame made from a good message, or of nothing."""
    choice = rng.random()
    if choice < 0.1:
        return WSMsgType.BINARY, text.encode()
    if choice < 0.3:
        return WSMsgType.TEXT, text[: rng.randrange(len(text))]
    if choice < 0.45:
        return WSMsgType.TEXT, rng.choice(NOT_OBJECTS + NOT_JSON)
    body = json.loads(text)
    if isinstance(body, dict) and choice < 0.55:
        body["e"] = rng.choice(WORDS)
    else:
        _spoil(body, rng)
    return WSMsgType.TEXT, json.dumps(body)


def _spoil(body: Any, rng: random.Random) -> None:
    """Put something senseless in one field anywhere in the message, or take the field away."""
    while True:
        keys = sorted(body) if isinstance(body, dict) else range(len(body))
        if not keys:
            return
        key = rng.choice(list(keys))
        inner = body[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            body = inner
            continue
        if isinstance(body, dict) and rng.random() < 0.2:
            del body[key]
        else:
            body[key] = rng.choice(VALUES)
        return
