"""Scripts read orders from `plan --json` and `explain --json`: names, values and their order stay."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.cli.output import jsonable
from position_monitor.core.model.actions import Close
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.venues.binance.order_rows import algo_order, plain_order
from tests.cli.conftest import stop_order


def test_a_close_all_stop_that_rests() -> None:
    row = {"algoId": 7, "clientAlgoId": "web_1", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET"}
    row |= {"symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "algoStatus": "NEW", "quantity": "0"}
    row |= {"triggerPrice": "41000.50", "closePosition": True, "reduceOnly": True, "workingType": "MARK_PRICE"}
    row |= {"priceProtect": True, "createTime": 5, "updateTime": 6}
    document = jsonable(algo_order(row))
    expected = {
        "symbol": "BTCUSDT",
        "order_id": "7",
        "client_id": "web_1",
        "order_list": "algo",
        "kind": "STOP_MARKET",
        "side": "SELL",
        "position_side": "BOTH",
        "quantity": "0",
        "close_all": True,
        "reduce_only": True,
        "trigger_price": "41000.50",
        "price": None,
        "working_type": "MARK_PRICE",
        "price_protect": True,
        "status": "NEW",
        "executed_quantity": "0",
        "good_till_ms": 0,
        "created_at_ms": 5,
        "updated_at_ms": 6,
    }
    assert (document, list(document)) == (expected, list(expected))


def test_a_limit_order_of_a_leg() -> None:
    row = {"orderId": 8, "type": "LIMIT", "symbol": "BTCUSDT", "side": "BUY", "positionSide": "SHORT", "status": "NEW"}
    row |= {"origQty": "0.30", "executedQty": "0.10", "price": "39000", "reduceOnly": False, "goodTillDate": 9}
    document = jsonable(plain_order(row))
    told = {name: document[name] for name in ("order_list", "kind", "side", "position_side", "quantity", "close_all")}
    assert list(told.values()) == ["plain", "LIMIT", "BUY", "SHORT", "0.20", False]
    told = {name: document[name] for name in ("reduce_only", "trigger_price", "price", "good_till_ms")}
    assert list(told.values()) == [False, None, "39000", 9]


@pytest.mark.parametrize(("hedged", "leg"), [(False, "BOTH"), (True, "LONG")])
def test_an_order_that_should_rest(hedged: bool, leg: str) -> None:
    document = jsonable(stop_order()._replace(hedged=hedged))
    expected = {
        "symbol": "BTCUSDT",
        "side": "LONG",
        "role": "backstop",
        "rung": 0,
        "kind": "STOP_MARKET",
        "trigger_price": "41370",
        "quantity": None,
        "position_side": leg,
        "working_type": "MARK_PRICE",
        "client_id": "qpm1b0abc",
        "source": "hybrid",
    }
    assert (document, list(document)) == (expected, list(expected))


@pytest.mark.parametrize(("hedged", "leg"), [(False, "BOTH"), (True, "SHORT")])
def test_a_close(hedged: bool, leg: str) -> None:
    close = Close(
        key=PositionKey("BTCUSDT", Side.SHORT),
        hedged=hedged,
        quantity=Decimal("0.5"),
        client_id="qpmc",
        limit_price=None,
        reason="why",
        level=Decimal(1),
        working_type=WorkingType.MARK_PRICE,
    )
    document = jsonable(close)
    assert list(document) == [
        *("key", "position_side", "quantity", "client_id", "limit_price", "reason", "level", "working_type", "by_loss")
    ]
    assert document["position_side"] == leg and document["key"] == {"symbol": "BTCUSDT", "side": "SHORT"}
