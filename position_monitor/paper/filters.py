"""The published symbol filters, each with the code the venue answers with."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.errors import refusal
from position_monitor.paper.instruments import Instrument


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def check_price(instrument: Instrument, price: Decimal) -> None:
    """PRICE_FILTER for a limit price."""
    if price < 0:
        raise refusal(-4001)
    _check_grid(instrument, price, too_high=-4002)


def check_trigger(instrument: Instrument, trigger: Decimal) -> None:
    """PRICE_FILTER for a trigger price.

    A field note of 2026-09 saw the test venue accept a trigger off the tick;
    nothing promises that, so the paper exchange is the stricter one.
    """
    if trigger <= 0:
        raise refusal(-4006)
    _check_grid(instrument, trigger, too_high=-4007)


def _check_grid(instrument: Instrument, price: Decimal, too_high: int) -> None:
    if _decimals(price) > instrument.price_precision:
        raise refusal(-1111)
    if price > instrument.max_price:
        raise refusal(too_high)
    if price < instrument.min_price:
        raise refusal(-4013, f"Price less than min price. minPrice: {instrument.min_price}")
    if price % instrument.tick:
        raise refusal(-4014)


def check_quantity(instrument: Instrument, quantity: Decimal, market: bool) -> None:
    """LOT_SIZE, or MARKET_LOT_SIZE for market-type orders."""
    if quantity <= 0:
        raise refusal(-4003)
    if _decimals(quantity) > instrument.qty_decimals:
        raise refusal(-1111)
    if quantity < instrument.min_qty:
        raise refusal(-4004)
    if quantity > (instrument.market_max_qty if market else instrument.max_qty):
        raise refusal(-4005)
    if quantity % instrument.step:
        raise refusal(-4023)


def check_notional(instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    """MIN_NOTIONAL; the caller exempts reduceOnly and closePosition orders."""
    if quantity * price < instrument.min_notional:
        raise refusal(
            -4164,
            f"Order's notional must be no smaller than {instrument.min_notional} (unless you choose reduce only).",
        )


def check_percent_price(
    instrument: Instrument, side: str, price: Decimal, base: Decimal, *, conditional: bool = False
) -> None:
    """PERCENT_PRICE: a buy not too far above, a sell not too far below the base price.

    The base is the mark price, or the trigger price for a conditional limit order.
    """
    if side == "BUY" and price > base * instrument.multiplier_up:
        raise refusal(-4183 if conditional else -4016)
    if side == "SELL" and price < base * instrument.multiplier_down:
        raise refusal(-4184 if conditional else -4024)


def market_price_allowed(instrument: Instrument, side: str, counter_price: Decimal, mark: Decimal) -> bool:
    """Whether the counterparty's best price lies inside PERCENT_PRICE (-4131 if not)."""
    if side == "BUY":
        return counter_price <= mark * instrument.multiplier_up
    return counter_price >= mark * instrument.multiplier_down
