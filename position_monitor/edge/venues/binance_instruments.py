"""Trading rules from `exchangeInfo`. A symbol that cannot be read is skipped with a reason, never fatal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from pydantic import Field, ValidationError

from position_monitor.core.model import Instrument
from position_monitor.edge.venues.binance_failures import unusable
from position_monitor.edge.venues.binance_rows import Amount, Positive, Row, SymbolId, row_reason
from position_monitor.edge.venues.transport import Endpoint

ABSENT_STATUS: Final = "ABSENT"
"""Status of a symbol that a later `exchangeInfo` no longer lists: its last known rules are kept (invariant 7)."""
_BAND_WHEN_UNSTATED: Final = (Decimal("1.05"), Decimal("0.95"))
"""PERCENT_PRICE for a symbol without one: the narrowest band the venue commonly uses, so prices stay inside."""


class _PriceFilter(Row):
    tick_size: Positive
    min_price: Amount
    max_price: Positive


class _LotSize(Row):
    step_size: Positive
    min_qty: Amount
    max_qty: Positive


class _MarketLotSize(Row):
    min_qty: Amount
    max_qty: Positive


class _MinNotional(Row):
    notional: Amount


class _PercentPrice(Row):
    multiplier_up: Positive
    multiplier_down: Positive


class _SymbolRow(Row):
    symbol: SymbolId
    status: str
    contract_type: str = ""
    filters: list[dict[str, Any]] = Field(max_length=100)


def instruments_from(body: object, known: Mapping[str, Instrument]) -> tuple[dict[str, Instrument], dict[str, str]]:
    """Rules by symbol, and why each skipped symbol was skipped; raises Unreadable when there is not one to read.

    Symbols of `known` that could not be read now keep their last known rules.
    """
    rows = body.get("symbols") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        raise unusable(Endpoint.EXCHANGE_INFO, "the answer had no list of symbols")
    instruments: dict[str, Instrument] = {}
    skipped: dict[str, str] = {}
    for position, row in enumerate(rows):
        try:
            instrument = _instrument(row)
        except ValidationError as error:
            skipped[_name(row, position)] = row_reason(error)
        except ValueError as error:
            skipped[_name(row, position)] = str(error)
        else:
            instruments[instrument.symbol] = instrument
    if not instruments:
        raise unusable(Endpoint.EXCHANGE_INFO, "not one symbol could be read")
    for symbol, earlier in known.items():
        if symbol not in instruments:
            instruments[symbol] = earlier if symbol in skipped else replace(earlier, status=ABSENT_STATUS)
    return instruments, skipped


def _instrument(raw: object) -> Instrument:
    row = _SymbolRow.model_validate(raw)
    filters = {entry.get("filterType"): entry for entry in row.filters}
    price = _PriceFilter.model_validate(filters.get("PRICE_FILTER", {}))
    lot = _LotSize.model_validate(filters.get("LOT_SIZE", {}))
    market = _MarketLotSize.model_validate(filters.get("MARKET_LOT_SIZE", filters.get("LOT_SIZE", {})))
    notional = _MinNotional.model_validate(filters.get("MIN_NOTIONAL", {"notional": "0"}))
    up, down = _BAND_WHEN_UNSTATED
    if "PERCENT_PRICE" in filters:
        band = _PercentPrice.model_validate(filters["PERCENT_PRICE"])
        up, down = band.multiplier_up, band.multiplier_down
    if not (price.min_price < price.max_price and lot.min_qty <= lot.max_qty and down < up):
        raise ValueError("a filter's minimum was above its maximum")
    return Instrument(
        symbol=row.symbol,
        tick=price.tick_size,
        step=lot.step_size,
        min_quantity=lot.min_qty,
        max_quantity=lot.max_qty,
        market_min_quantity=market.min_qty,
        market_max_quantity=market.max_qty,
        min_price=price.min_price,
        max_price=price.max_price,
        min_notional=notional.notional,
        percent_up=up,
        percent_down=down,
        status=row.status,
        contract_type=row.contract_type,
    )


def _name(raw: object, position: int) -> str:
    symbol = raw.get("symbol") if isinstance(raw, Mapping) else None
    return symbol[:40] if isinstance(symbol, str) and symbol else f"row {position}"
