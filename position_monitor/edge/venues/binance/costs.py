"""What reads cost at Binance USDⓈ-M, from the weights of its endpoints (Binance, request weights of each call)."""

from __future__ import annotations

from typing import Final

from position_monitor.edge.exchange import ReadCosts
from position_monitor.edge.http.rate_budget import WEIGHT_1M
from position_monitor.edge.venues.transport import Endpoint

_OF_ONE: Final = {"symbol": ""}
_BOOKS: Final = (Endpoint.OPEN_ORDERS, Endpoint.OPEN_ALGO_ORDERS)

READ_COSTS: Final = ReadCosts(
    positions=Endpoint.POSITIONS.weight({}),
    symbol_orders=sum(book.weight(_OF_ONE) for book in _BOOKS),
    all_orders=sum(book.weight({}) for book in _BOOKS),
    weight_1m=WEIGHT_1M,
)
"""Positions 5, both order lists of one symbol 2, both of all symbols 80, of 2,400 a minute."""
