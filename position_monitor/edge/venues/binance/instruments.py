"""Trading rules from `exchangeInfo`. A symbol that cannot be read is skipped with a reason, never fatal.

A filter that the venue leaves out, or a bound it states as 0, is a rule that does not apply (Binance's definitions).
A position in such a symbol needs its stop all the same, so the grid then comes from the symbol's stated precision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError

from position_monitor.core.model.instruments import Instrument
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.rows import Amount, Positive, Row, SymbolId, row_reason
from position_monitor.edge.venues.transport import Endpoint

TRADING_STATUS: Final = "TRADING"
ABSENT_STATUS: Final = "ABSENT"
"""Status of a symbol that a later `exchangeInfo` no longer lists: its last known rules are kept (invariant 7)."""
_BAND_WHEN_UNSTATED: Final = (Decimal("1.05"), Decimal("0.95"))
"""PERCENT_PRICE for a symbol without one: the narrowest band the venue commonly uses, so prices stay inside."""


_UNBOUNDED: Final = Decimal(10**15)
"""Upper bound of a price or quantity for which the venue states none."""
_PRECISION_MAX: Final = 20
_SYMBOLS_AT_ONCE: Final = 25
_NO_PRICE_FILTER: Final = {"tickSize": "0", "minPrice": "0", "maxPrice": "0"}
_NO_LOT_SIZE: Final = {"stepSize": "0", "minQty": "0", "maxQty": "0"}


class _PriceFilter(Row):
    tick_size: Amount
    min_price: Amount
    max_price: Amount


class _LotSize(Row):
    step_size: Amount
    min_qty: Amount
    max_qty: Amount


class _MarketLotSize(Row):
    step_size: Amount = Decimal(0)
    min_qty: Amount
    max_qty: Amount


class _MinNotional(Row):
    notional: Amount


class _PercentPrice(Row):
    multiplier_up: Positive
    multiplier_down: Positive


class _SymbolRow(Row):
    symbol: SymbolId
    status: str
    contract_type: str = ""
    price_precision: Annotated[int | None, BeforeValidator(lambda value: _precision(value))] = None
    quantity_precision: Annotated[int | None, BeforeValidator(lambda value: _precision(value))] = None
    filters: list[dict[str, Any]] = Field(default=[], max_length=100)


async def instruments_from(
    body: object, loaded: Mapping[str, Instrument]
) -> tuple[dict[str, Instrument], dict[str, str]]:
    """Rules by symbol, and why each skipped symbol was skipped; raises Unreadable when there is not one to read.

    Symbols that were `loaded` before and could not be read now keep their rules. After every few symbols the loop has a
    turn: hundreds at once would hold up a stop.
    """
    rows = body.get("symbols") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        raise unusable(Endpoint.EXCHANGE_INFO, "the answer had no list of symbols")
    instruments: dict[str, Instrument] = {}
    skipped: dict[str, str] = {}
    for position, row in enumerate(rows, 1):
        try:
            instrument = _instrument(row)
        except ValidationError as error:
            skipped[_name(row, position - 1)] = row_reason(error)
        except ValueError as error:
            skipped[_name(row, position - 1)] = str(error)
        else:
            instruments[instrument.symbol] = instrument
        if position % _SYMBOLS_AT_ONCE == 0:
            await asyncio.sleep(0)
    if not instruments:
        raise unusable(Endpoint.EXCHANGE_INFO, "not one symbol could be read")
    for symbol, earlier in loaded.items():
        if symbol not in instruments:
            instruments[symbol] = earlier if symbol in skipped else replace(earlier, status=ABSENT_STATUS)
    return instruments, skipped


def _instrument(raw: object) -> Instrument:
    row = _SymbolRow.model_validate(raw)
    filters = {entry.get("filterType"): entry for entry in row.filters}
    price = _PriceFilter.model_validate(filters.get("PRICE_FILTER", _NO_PRICE_FILTER))
    lot = _LotSize.model_validate(filters.get("LOT_SIZE", _NO_LOT_SIZE))
    market = _MarketLotSize.model_validate(filters.get("MARKET_LOT_SIZE", filters.get("LOT_SIZE", _NO_LOT_SIZE)))
    tick = _grid(price.tick_size, row.price_precision, "tick of the price")
    # Nearly all we send is a market-type order, so where its step is the coarser one, that is the step.
    step = max(_grid(lot.step_size, row.quantity_precision, "step of the quantity"), market.step_size)
    max_price, max_quantity = price.max_price or _UNBOUNDED, lot.max_qty or _UNBOUNDED
    notional = _MinNotional.model_validate(filters.get("MIN_NOTIONAL", {"notional": "0"}))
    up, down = _BAND_WHEN_UNSTATED
    if "PERCENT_PRICE" in filters:
        band = _PercentPrice.model_validate(filters["PERCENT_PRICE"])
        up, down = band.multiplier_up, band.multiplier_down
    if not (price.min_price < max_price and lot.min_qty <= max_quantity and down < up):
        raise ValueError("a filter's minimum was above its maximum")
    return Instrument(
        symbol=row.symbol,
        tick=tick,
        step=step,
        min_quantity=lot.min_qty or step,
        max_quantity=max_quantity,
        market_min_quantity=market.min_qty,
        market_max_quantity=market.max_qty or max_quantity,
        min_price=price.min_price,
        max_price=max_price,
        min_notional=notional.notional,
        percent_up=up,
        percent_down=down,
        status=row.status,
        contract_type=row.contract_type,
    )


def _precision(value: object) -> int | None:
    """Decimal places as stated, or None for anything else: it is only the second choice."""
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _PRECISION_MAX
    return value if usable and isinstance(value, int) else None


def _grid(stated: Decimal, precision: int | None, what: str) -> Decimal:
    """The increment of a number: the filter's, else the last decimal place; raises ValueError without either."""
    if stated > 0:
        return stated
    if precision is None:
        raise ValueError(f"the {what} was not stated")
    return Decimal(1).scaleb(-precision)


def _name(raw: object, position: int) -> str:
    symbol = raw.get("symbol") if isinstance(raw, Mapping) else None
    return symbol[:40] if isinstance(symbol, str) and symbol else f"row {position}"
