"""Shadow books to Redis fields (`P:shadow:<SYMBOL>:<SIDE>`, DESIGN 5). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from position_monitor.core.publication.state import SCHEMA_VERSION
from position_monitor.core.shadow.shadow_book import ShadowBook
from position_monitor.edge.redis.documents import bounded_text, optional_decimal
from position_monitor.edge.redis.json_text import json_text


def shadow_document(book: ShadowBook, account: str) -> dict[str, Any]:
    """What the shadow policy would want for one position; `schemas/shadow.schema.json` describes it."""
    return {
        "schema": SCHEMA_VERSION,
        "account": account,
        "symbol": book.key.symbol,
        "side": book.key.side.value,
        "at_ms": book.at_ms,
        "since_ms": book.since_ms,
        "policy": book.policy,
        "profile": book.profile,
        "regime": book.regime,
        "quantity": optional_decimal(book.quantity),
        "entry_price": optional_decimal(book.entry_price),
        "mark_price": optional_decimal(book.mark_price),
        "decision": {
            "type": "EXIT" if book.stop_reached else "HOLD",
            "stop_price": optional_decimal(book.stop_price),
            "stop_source": book.stop_source,
            "initial_stop_price": optional_decimal(book.initial_stop),
            "targets": [
                {"price": optional_decimal(one.price), "fraction": optional_decimal(one.fraction)}
                for one in book.targets
            ],
            "rungs_done": sorted(book.rungs_done),
            "reason": bounded_text(book.reason),
        },
        "live": {
            "policy": book.live.policy,
            "stop_price": optional_decimal(book.live.stop_price),
            "stop_quantity": optional_decimal(book.live.stop_quantity),
            "take_profits": [
                {"price": optional_decimal(price), "quantity": optional_decimal(quantity)}
                for price, quantity in book.live.targets
            ],
        },
    }


def shadow_entry(book: ShadowBook, account: str) -> tuple[str, list[str]]:
    """`("BTCUSDT:LONG", [field, value, ...])`: a shadow book as the publishing script takes it."""
    document = shadow_document(book, account)
    decision: Mapping[str, Any] = document["decision"]
    fields = {
        "at_ms": str(book.at_ms),
        "policy": book.policy,
        "profile": book.profile,
        "regime": book.regime,
        "type": decision["type"],
        "stop_price": decision["stop_price"] or "",
        "stop_source": book.stop_source,
        "targets": json_text(decision["targets"]),
        "doc": json_text(document),
    }
    return str(book.key), [text for pair in fields.items() for text in pair]
