"""What Binance USDⓈ-M grants an account, and what its reads cost (Binance, change log of 2025-12-29)."""

from __future__ import annotations

from typing import Final

from position_monitor.core.model.traits import ReadCosts, VenueTraits
from position_monitor.edge.http.rate_budget import WEIGHT_1M
from position_monitor.edge.venues.transport import Endpoint

_OF_ONE: Final = {"symbol": ""}
_LISTS: Final = (Endpoint.OPEN_ORDERS, Endpoint.OPEN_ALGO_ORDERS)

READ_COSTS: Final = ReadCosts(
    positions=Endpoint.POSITIONS.weight({}),
    symbol_orders=sum(orders.weight(_OF_ONE) for orders in _LISTS),
    all_orders=sum(orders.weight({}) for orders in _LISTS),
    weight_1m=WEIGHT_1M,
)
"""Positions 5, both order lists of one symbol 2, both of all symbols 80, of 2,400 a minute."""

TRAITS: Final = VenueTraits(conditional_orders_max=200, read_costs=READ_COSTS)
"""200 conditional orders over all symbols of an account; the filter of each symbol that said so before is retired."""
