"""Orders as `plan --json` and `explain --json` print them: names that scripts rely on, whatever the core calls them."""

from __future__ import annotations

from collections.abc import Mapping

from position_monitor.core.model.orders import LiveOrder


def order_document(value: object) -> Mapping[str, object] | None:
    """The document of an order; None for every other value."""
    if not isinstance(value, LiveOrder):
        return None
    return {name: field for name, field in value._asdict().items() if name != "tag"}
