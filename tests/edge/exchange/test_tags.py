"""The venue decodes whose an order is where it reads it, and nobody asks the id again (invariant 5)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from position_monitor.core.model import ids
from position_monitor.core.model.orders import Role, Tag
from position_monitor.core.model.sides import Side
from position_monitor.edge.venues.binance.events import parse_user_message
from position_monitor.edge.venues.binance.order_rows import algo_order, plain_order

EPOCH = ids.epoch_of(1_750_000_000_000)
OURS = ids.client_id(
    account="main",
    symbol="BTCUSDT",
    side=Side.LONG,
    role=Role.TAKE_PROFIT,
    rung=2,
    trigger=Decimal(104),
    quantity=Decimal(1),
    epoch=EPOCH,
)
OWNERS = [(OURS, Tag(Role.TAKE_PROFIT, 2, EPOCH)), ("web_1", None), ("", None), (f"{OURS}x", None)]


@pytest.mark.parametrize(("client_id", "tag"), OWNERS)
def test_every_order_that_is_read_carries_its_tag(client_id: str, tag: Tag | None) -> None:
    row = {"symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "reduceOnly": True, "closePosition": False}
    plain = plain_order(row | {"orderId": 1, "clientOrderId": client_id, "origQty": "1"})
    algo = algo_order(row | {"algoId": 1, "clientAlgoId": client_id, "algoStatus": "NEW", "quantity": "1"})
    assert (plain.tag, algo.tag) == (tag, tag)


@pytest.mark.parametrize(("client_id", "tag"), OWNERS)
def test_the_event_of_an_order_carries_its_tag(client_id: str, tag: Tag | None) -> None:
    part = {"s": "BTCUSDT", "aid": 1, "caid": client_id, "X": "CANCELED", "S": "SELL", "ps": "BOTH", "cp": False}
    [event] = parse_user_message(json.dumps({"e": "ALGO_UPDATE", "E": 1, "T": 1, "o": part})).events
    assert getattr(event, "tag", "no conditional order") == tag
