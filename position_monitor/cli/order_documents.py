"""Orders as `plan --json` and `explain --json` print them: names that scripts rely on, whatever the core calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal

from position_monitor.core.model.actions import Close
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.sides import leg_name

_LIVE = (
    *("symbol", "order_id", "client_id", "order_list", "kind", "side", "position_side", "quantity", "close_all"),
    *("reduce_only", "trigger_price", "price", "working_type", "price_protect", "status", "executed_quantity"),
    *("good_till_ms", "created_at_ms", "updated_at_ms"),
)
"""What is printed of an order that rests, in this order. What the core does not know of it, the venue's facts say."""
_NAMES = {"purpose": "kind", "hedged": "position_side"}


def order_document(value: object) -> Mapping[str, object] | None:
    """The document of an order, or of a close; None for every other value."""
    if isinstance(value, LiveOrder):
        return _resting(value)
    if isinstance(value, DesiredOrder):
        wanted = {_NAMES.get(name, name): field for name, field in value._asdict().items()}
        return wanted | {"position_side": leg_name(value.side, hedged=value.hedged)}
    if isinstance(value, Close):
        close = {_NAMES.get(one.name, one.name): getattr(value, one.name) for one in fields(value)}
        return close | {"position_side": leg_name(value.key.side, hedged=value.hedged)}
    return None


def _resting(order: LiveOrder) -> Mapping[str, object]:
    facts: dict[str, object] = order._asdict() | dict(order.venue_facts)
    facts |= {"symbol": order.symbol, "kind": order.purpose, "price": order.limit_price}
    facts |= {"quantity": order.quantity or Decimal(0), "close_all": order.close_all}
    return {name: facts[name] for name in _LIVE if name in facts}
