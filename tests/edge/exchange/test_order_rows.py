"""What a row of either list means in the core's words: which position it reduces, its size, and its caveats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.model.orders import LiveOrder, Purpose
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.venues.binance.order_rows import algo_order, plain_order

LONG, SHORT = Side.LONG, Side.SHORT
LISTS = pytest.mark.parametrize("listed", ["plain", "algo"])


def read(listed: str, **changes: Any) -> LiveOrder:
    """A reduce-only sale of one, in one-way mode, as either list says it."""
    row = {"symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "reduceOnly": True, "closePosition": False}
    row |= {"workingType": "MARK_PRICE", "price": "0"}
    if listed == "plain":
        row |= {"orderId": 1, "type": "STOP_MARKET", "status": "NEW", "origQty": "1", "stopPrice": "98"}
        return plain_order(row | changes)
    row |= {"algoId": 1, "algoType": "CONDITIONAL", "orderType": "STOP_MARKET", "algoStatus": "NEW", "quantity": "1"}
    return algo_order(row | {"triggerPrice": "98"} | changes)


@LISTS
@pytest.mark.parametrize(
    ("direction", "position_side", "reduce_only", "close_position", "side", "reduces"),
    [
        ("SELL", "BOTH", True, False, LONG, True),
        ("BUY", "BOTH", True, False, SHORT, True),
        ("SELL", "BOTH", False, True, LONG, True),
        ("SELL", "BOTH", False, False, LONG, False),
        ("BUY", "BOTH", False, False, SHORT, False),
        ("SELL", "LONG", False, False, LONG, True),
        ("BUY", "SHORT", False, False, SHORT, True),
        ("BUY", "LONG", False, False, LONG, False),
        ("SELL", "SHORT", False, False, SHORT, False),
        ("BUY", "LONG", True, True, LONG, False),
    ],
)
def test_which_position_an_order_is_for_and_whether_it_only_reduces(
    listed: str,
    direction: str,
    position_side: str,
    reduce_only: bool,
    close_position: bool,
    side: Side,
    reduces: bool,
) -> None:
    flags = {"reduceOnly": reduce_only, "closePosition": close_position}
    order = read(listed, side=direction, positionSide=position_side, **flags)
    assert (order.key, order.reduces) == (PositionKey("BTCUSDT", side), reduces)
    assert order.hedged is (position_side != "BOTH")


@LISTS
def test_a_close_all_order_has_no_size_of_its_own(listed: str) -> None:
    whole, part = read(listed, closePosition=True), read(listed)
    assert whole.quantity is None and whole.close_all and whole.part_of(Decimal(3)) == 3
    assert part.quantity == 1 and not part.close_all and part.part_of(Decimal(3)) == 1


@LISTS
@pytest.mark.parametrize(
    ("changes", "caveat"),
    [
        ({}, ""),
        ({"goodTillDate": 1_750_000_999_000}, "it expires"),
        ({"priceProtect": True}, "priceProtect lets the venue withhold it while mark and last price differ"),
        ({"priceProtect": True, "goodTillDate": 5}, "it expires"),
    ],
)
def test_what_may_keep_an_order_from_protecting_is_said(listed: str, changes: dict[str, Any], caveat: str) -> None:
    assert read(listed, **changes).caveat == caveat


def test_the_list_says_whether_an_order_takes_a_slot() -> None:
    assert read("algo").conditional and not read("plain").conditional


@pytest.mark.parametrize(
    ("order_type", "purpose"),
    [
        ("STOP_MARKET", Purpose.STOP),
        ("STOP", Purpose.STOP_LIMIT),
        ("TAKE_PROFIT_MARKET", Purpose.TAKE_PROFIT),
        ("TAKE_PROFIT", Purpose.TAKE_PROFIT_LIMIT),
        ("TRAILING_STOP_MARKET", Purpose.TRAILING_STOP),
        ("LIMIT", Purpose.LIMIT),
        ("MARKET", Purpose.MARKET),
        ("STOP_ICEBERG", Purpose.OTHER),
        ("", Purpose.OTHER),
    ],
)
def test_what_an_order_does(order_type: str, purpose: Purpose) -> None:
    assert read("plain", type=order_type).purpose is read("algo", orderType=order_type).purpose is purpose
    assert read("algo", orderType=order_type, algoType="TWAP").purpose is Purpose.OTHER
