"""The venue's documented rows, and rows that are not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from position_monitor.verification.venue_rows import Leg, RowUnread, algo_order_of, plain_order_of, position_of

POSITION_ROW = {
    "symbol": "ADAUSDT", "positionSide": "BOTH", "positionAmt": "30", "entryPrice": "0.385",
    "breakEvenPrice": "0.385077", "markPrice": "0.41047590", "unRealizedProfit": "0.76427700", "liquidationPrice": "0",
    "isolatedMargin": "0", "notional": "12.31427700", "marginAsset": "USDT", "isolatedWallet": "0",
    "initialMargin": "0.61571385", "maintMargin": "0.08004280", "positionInitialMargin": "0.61571385",
    "openOrderInitialMargin": "0", "adl": 2, "bidNotional": "0", "askNotional": "0", "updateTime": 1720736417660,
}  # fmt: skip
"""Binance, USDⓈ-M futures, Position Information V3."""
ALGO_ROW = {
    "algoId": 2148627, "clientAlgoId": "MRumok0dkhrP4kCm12AHaB", "algoType": "CONDITIONAL", "orderType": "TAKE_PROFIT",
    "symbol": "BNBUSDT", "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.01",
    "algoStatus": "NEW", "actualOrderId": "", "actualPrice": "0.00000", "triggerPrice": "750.000", "price": "750.000",
    "icebergQuantity": None, "tpTriggerPrice": "0.000", "tpPrice": "0.000", "slTriggerPrice": "0.000",
    "slPrice": "0.000", "tpOrderType": "", "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": "CONTRACT_PRICE",
    "priceMatch": "NONE", "closePosition": False, "priceProtect": False, "reduceOnly": False,
    "createTime": 1750514941540, "updateTime": 1750514941540, "triggerTime": 0, "goodTillDate": 0,
}  # fmt: skip
"""Current All Algo Open Orders."""
PLAIN_ROW = {
    "avgPrice": "0.00000", "clientOrderId": "abc", "cumQuote": "0", "executedQty": "0", "orderId": 1917641,
    "origQty": "0.40", "origType": "TRAILING_STOP_MARKET", "price": "0", "reduceOnly": False, "side": "BUY",
    "positionSide": "SHORT", "status": "NEW", "stopPrice": "9300", "closePosition": False, "symbol": "BTCUSDT",
    "time": 1579276756075, "timeInForce": "GTC", "type": "TRAILING_STOP_MARKET", "activatePrice": "9020",
    "priceRate": "0.3", "updateTime": 1579276756075, "workingType": "CONTRACT_PRICE", "priceProtect": False,
    "priceMatch": "NONE", "selfTradePreventionMode": "NONE", "goodTillDate": 0,
}  # fmt: skip
"""Current All Open Orders."""


def test_the_documented_rows_are_read() -> None:
    """Side, size, entry, and no liquidation price where it is 0."""
    position = position_of(POSITION_ROW)
    assert position is not None and (position.key, position.quantity) == ("ADAUSDT:LONG", Decimal(30))
    assert position.liquidation_price is None and not position.hedged
    algo = algo_order_of(ALGO_ROW)
    assert (algo.type, algo.quantity, algo.reduces, algo.side) == ("TAKE_PROFIT", Decimal("0.01"), False, Leg.LONG)
    plain = plain_order_of(PLAIN_ROW)
    assert plain.hedged and plain.reduces and (plain.side, plain.quantity) == (Leg.SHORT, Decimal("0.40"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"positionAmt": "-30"}, "ADAUSDT:SHORT"),
        ({"positionAmt": "-30", "positionSide": "SHORT"}, "ADAUSDT:SHORT"),
        ({"positionAmt": "30", "positionSide": "LONG"}, "ADAUSDT:LONG"),
        ({"positionAmt": "0.000"}, None),
    ],
)
def test_the_side_follows_the_sign_or_the_leg(change: dict[str, Any], key: str | None) -> None:
    """A row of a flat position is no position."""
    position = position_of(POSITION_ROW | change)
    assert (position.key if position else None) == key


def test_an_order_that_is_left_in_part_counts_with_what_is_left() -> None:
    """`actualQty` and `executedQty` are taken off; a close-all order has no size of its own."""
    assert algo_order_of(ALGO_ROW | {"quantity": "3", "actualQty": "1"}).quantity == 2
    assert plain_order_of(PLAIN_ROW | {"executedQty": "0.1"}).quantity == Decimal("0.3")
    close_all = algo_order_of(ALGO_ROW | {"closePosition": True, "quantity": "0", "orderType": "STOP_MARKET"})
    assert close_all.reduces and close_all.close_all and close_all.quantity == 0


def test_another_kind_of_algo_order_is_no_stop() -> None:
    """A TWAP that calls itself STOP_MARKET would not be one."""
    assert algo_order_of(ALGO_ROW | {"algoType": "VP", "orderType": "STOP_MARKET"}).type == "VP STOP_MARKET"


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (POSITION_ROW, {"positionAmt": None}),
        (POSITION_ROW, {"positionAmt": 0.5}),
        (POSITION_ROW, {"positionAmt": True}),
        (POSITION_ROW, {"positionAmt": "NaN"}),
        (POSITION_ROW, {"positionAmt": "1e999999"}),
        (POSITION_ROW, {"symbol": ""}),
        (POSITION_ROW, {"positionSide": "UP"}),
        (POSITION_ROW, {"positionSide": "LONG", "positionAmt": "-1"}),
        (POSITION_ROW, {"markPrice": "x"}),
        (ALGO_ROW, {"side": ["SELL"]}),
        (ALGO_ROW, {"closePosition": 1}),
        (ALGO_ROW, {"algoStatus": None}),
        (ALGO_ROW, {"quantity": "9" * 100}),
        (PLAIN_ROW, {"clientOrderId": 5}),
    ],
)
def test_a_row_that_is_not_as_documented_is_an_error(row: dict[str, Any], change: dict[str, Any]) -> None:
    """Half of a list proves nothing: the name of the field and what it was are said."""
    read = {id(POSITION_ROW): position_of, id(ALGO_ROW): algo_order_of, id(PLAIN_ROW): plain_order_of}[id(row)]
    with pytest.raises(RowUnread, match="|".join(change)):
        read(row | change)
