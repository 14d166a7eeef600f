"""Reads through real ccxt: whatever is not the documented form is never taken for an empty account (X5, N6, N7, D8)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from position_monitor.core.model.orders import OrderStatus, Purpose, WorkingType
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.venues.binance.reads import algo_order
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import Unreadable
from tests.edge.exchange.loopback_venue import SERVER_MS, Answer, LoopbackVenue

POSITIONS = "/fapi/v3/positionRisk"
POSITION_ROWS = "/fapi/v2/positionRisk"
OPEN_ORDERS = "/fapi/v1/openOrders"
OPEN_ALGO = "/fapi/v1/openAlgoOrders"

GARBAGE: dict[str, Answer] = {
    "html": Answer("<html><body>Please sign in to the hotel network</body></html>", content_type="text/html"),
    "empty": Answer(""),
    "object": Answer("{}"),
    "null": Answer("null"),
    "number": Answer("0"),
    "text": Answer('"ok"'),
    "truncated": Answer('[{"symbol":"BTCUSDT","positionAmt":"1"'),
    "code 0": Answer('{"code":0}'),
    "code 200": Answer('{"code":200,"msg":"success"}'),
    "list of numbers": Answer("[1,2,3]"),
    "list of nulls": Answer("[null]"),
    "list of lists": Answer("[[]]"),
    "row without a symbol": Answer('[{"positionAmt":"1"}]'),
    "row with a number for a symbol": Answer('[{"symbol":7}]'),
    "NaN": Answer('[{"symbol":"BTCUSDT","positionAmt":NaN}]'),
    "deep": Answer("[" * 100_000),
    "binary": Answer("\x00\x01\ufffd", content_type="application/octet-stream"),
}


def position_row(symbol: str = "BTCUSDT", amount: str = "0.500", **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": amount,
        "entryPrice": "61000.1",
        "breakEvenPrice": "61010.0",
        "markPrice": "61500.25000000",
        "unRealizedProfit": "250.07500000",
        "liquidationPrice": "0",
        "notional": "30750.12500000",
        "marginAsset": "USDT",
        "adl": 2,
        "updateTime": SERVER_MS - 5000,
        "somethingNewFromTheVenue": {"a": [1]},
    }
    return row | changes


def algo_row(symbol: str = "BTCUSDT", algo_id: int = 9_007_199_254_740_993, **changes: Any) -> dict[str, Any]:
    row = {
        "algoId": algo_id,
        "clientAlgoId": "qpmSB1",
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": symbol,
        "side": "SELL",
        "positionSide": "BOTH",
        "timeInForce": "GTE_GTC",
        "quantity": "0",
        "algoStatus": "NEW",
        "actualOrderId": "",
        "actualPrice": "0.00000",
        "triggerPrice": "60085.10",
        "price": "0.00",
        "icebergQuantity": None,
        "workingType": "MARK_PRICE",
        "closePosition": True,
        "priceProtect": False,
        "reduceOnly": True,
        "createTime": SERVER_MS - 900,
        "updateTime": SERVER_MS - 800,
        "triggerTime": 0,
        "goodTillDate": 0,
    }
    return row | changes


def plain_row(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    row = {
        "orderId": 1917641,
        "clientOrderId": "web_abc",
        "symbol": symbol,
        "type": "LIMIT",
        "side": "SELL",
        "positionSide": "BOTH",
        "status": "PARTIALLY_FILLED",
        "origQty": "0.40",
        "executedQty": "0.10",
        "price": "63000",
        "stopPrice": "0",
        "reduceOnly": True,
        "closePosition": False,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "goodTillDate": 0,
        "time": SERVER_MS - 100,
        "updateTime": SERVER_MS - 50,
    }
    return row | changes


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("read", ["positions", "rows", "plain orders", "algo orders", "query"])
async def test_garbage_is_unreadable_and_never_empty(
    venue: BinanceUsdm, loopback: LoopbackVenue, garbage: Answer, read: str
) -> None:
    loopback.script("GET", POSITIONS, garbage)
    loopback.script("GET", POSITION_ROWS, garbage)
    loopback.script("GET", OPEN_ORDERS, garbage if read == "plain orders" else Answer([]))
    loopback.script("GET", OPEN_ALGO, garbage if read == "algo orders" else Answer([]))
    loopback.script("GET", "/fapi/v1/algoOrder", garbage)
    if read == "plain orders":
        assert (await venue.read_orders(None)).plain_unread, "what protects is in the other list"
        return
    with pytest.raises(Unreadable):
        if read == "positions":
            await venue.read_positions()
        elif read == "rows":
            await venue.read_position_rows("BTCUSDT")
        elif read == "query":
            await venue.query_order("BTCUSDT", "qpmSB1")
        else:
            await venue.read_orders(None)


async def test_one_way_rows(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    rows = [position_row(), position_row("ETHUSDT", "-2.5", liquidationPrice="4100.5"), position_row("XRPUSDT", "0.0")]
    loopback.script("GET", POSITIONS, Answer(rows))
    read = await venue.read_positions()
    assert [str(position.key) for position in read.positions] == ["BTCUSDT:LONG", "ETHUSDT:SHORT"]
    btc, eth = read.positions
    assert (btc.quantity, btc.entry_price, btc.mark_price) == (
        Decimal("0.500"),
        Decimal("61000.1"),
        Decimal("61500.25"),
    )
    assert (btc.liquidation_price, eth.liquidation_price) == (None, Decimal("4100.5"))
    assert not btc.hedged and not read.hedged and btc.updated_at_ms == SERVER_MS - 5000
    assert read.began_at_ms == clock.now_ms() and read.symbol is None and not read.unreadable
    assert read.zero_keys == {
        PositionKey("XRPUSDT", Side.LONG),
        PositionKey("XRPUSDT", Side.SHORT),
        PositionKey("BTCUSDT", Side.SHORT),
        PositionKey("ETHUSDT", Side.LONG),
    }


async def test_hedge_rows(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    rows = [
        position_row(positionSide="LONG"),
        position_row(positionSide="SHORT", amount="0.000"),
        position_row(positionSide="BOTH", amount="0.000"),
    ]
    loopback.script("GET", POSITIONS, Answer(rows))
    read = await venue.read_positions()
    assert [str(position.key) for position in read.positions] == ["BTCUSDT:LONG"]
    assert read.hedged and read.positions[0].hedged
    assert read.zero_keys == {PositionKey("BTCUSDT", Side.SHORT)}, "a BOTH row says nothing in hedge mode"


async def test_doubt_about_a_side_figure_does_not_cost_the_stop(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    rows = [
        position_row(positionSide="SHORT"),
        position_row("ETHUSDT", positionSide="LONG", entryPrice="", liquidationPrice="-3"),
    ]
    loopback.script("GET", POSITIONS, Answer(rows))
    short, long = (await venue.read_positions()).positions
    assert str(short.key) == "BTCUSDT:SHORT" and short.quantity == Decimal("0.500")
    assert long.entry_price == 0 and long.liquidation_price is None


async def test_a_net_zero_row_proves_nothing_in_hedge_mode(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", "/fapi/v1/accountConfig", Answer({"dualSidePosition": True, "canTrade": True}))
    loopback.script("GET", POSITION_ROWS, Answer([position_row(amount="0.000")]))
    read = await venue.read_position_rows("BTCUSDT")
    assert read.hedged and read.zero_keys == frozenset()


async def test_zero_row_is_read_although_its_prices_are_missing(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    row = {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "0.000", "leverage": "4"}
    loopback.script("GET", POSITION_ROWS, Answer([row]))
    read = await venue.read_position_rows("BTCUSDT")
    assert read.zero_keys == {PositionKey("BTCUSDT", Side.LONG), PositionKey("BTCUSDT", Side.SHORT)}
    assert read.symbol == "BTCUSDT" and loopback.sent("GET", POSITION_ROWS)[0].params["symbol"] == "BTCUSDT"


MALFORMED: dict[str, dict[str, Any]] = {
    "NaN": {"positionAmt": "NaN"},
    "infinity": {"positionAmt": "Infinity"},
    "words": {"positionAmt": "one"},
    "empty": {"positionAmt": ""},
    "null": {"positionAmt": None},
    "bool": {"positionAmt": True},
    "list": {"positionAmt": ["1"]},
    "absurd exponent": {"positionAmt": "1e99"},
    "other digits": {"positionAmt": "१"},
    "spaces": {"positionAmt": " 1 "},
    "negative entry": {"entryPrice": "-1"},
    "no mark": {"markPrice": "0"},
    "liquidation": {"liquidationPrice": "soon"},
    "side": {"positionSide": "SIDEWAYS"},
    "wrong sign": {"positionSide": "LONG", "positionAmt": "-1"},
    "update time": {"updateTime": "yesterday"},
}


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_row_costs_its_symbol_only(
    venue: BinanceUsdm, loopback: LoopbackVenue, changes: dict[str, Any]
) -> None:
    loopback.script("GET", POSITIONS, Answer([position_row() | changes, position_row("ETHUSDT", "-2.5")]))
    read = await venue.read_positions()
    assert set(read.unreadable) == {"BTCUSDT"}
    if "positionAmt" in changes or "positionSide" in changes:
        assert [str(position.key) for position in read.positions] == ["ETHUSDT:SHORT"]
    else:
        btc, _ = read.positions
        assert btc.unread and btc.quantity == Decimal("0.500"), "side, size and some price are enough for its stop"
    assert not any(key.symbol == "BTCUSDT" for key in read.zero_keys)


async def test_contradicting_duplicates_make_the_symbol_unreadable(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    rows = [position_row(), position_row(amount="0.000"), position_row("ETHUSDT", "1"), position_row("ETHUSDT", "1")]
    rows += [position_row("XRPUSDT", "10"), position_row("XRPUSDT", "12")]
    loopback.script("GET", POSITIONS, Answer(rows))
    read = await venue.read_positions()
    assert set(read.unreadable) == {"BTCUSDT", "XRPUSDT"}
    assert [str(position.key) for position in read.positions] == ["ETHUSDT:LONG", "XRPUSDT:LONG"], "its side is sure"
    assert not any(key.symbol == "BTCUSDT" for key in read.zero_keys), "one of the rows says it is open"


async def test_rows_of_both_modes_at_once_are_a_contradiction(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", POSITIONS, Answer([position_row(), position_row(positionSide="LONG")]))
    assert set((await venue.read_positions()).unreadable) == {"BTCUSDT"}


@pytest.mark.parametrize("path", [POSITION_ROWS, OPEN_ALGO, OPEN_ORDERS])
async def test_an_answer_about_another_symbol_is_unreadable(
    venue: BinanceUsdm, loopback: LoopbackVenue, path: str
) -> None:
    for one in (OPEN_ALGO, OPEN_ORDERS):
        loopback.script("GET", one, Answer([]))
    wrong = {POSITION_ROWS: position_row("ETHUSDT"), OPEN_ALGO: algo_row("ETHUSDT"), OPEN_ORDERS: plain_row("ETHUSDT")}
    loopback.script("GET", path, Answer([wrong[path]]))
    if path == OPEN_ORDERS:
        read = await venue.read_orders("BTCUSDT")
        assert read.plain_unread and not read.orders, "the list of conditional orders speaks for itself"
        return
    with pytest.raises(Unreadable):
        await (venue.read_position_rows("BTCUSDT") if path == POSITION_ROWS else venue.read_orders("BTCUSDT"))


async def test_both_order_lists_become_one_answer(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", OPEN_ORDERS, Answer([plain_row()]))
    loopback.script("GET", OPEN_ALGO, Answer([algo_row(), algo_row("测试USDT", 7)]))
    read = await venue.read_orders(None)
    assert read.covers("BTCUSDT") and len(read.orders) == 3
    stop, limit, other = read.orders
    assert (stop.conditional, stop.order_id) == (True, "9007199254740993"), "ids never pass through a float"
    assert stop.quantity is None and stop.reduces and not stop.hedged and stop.trigger_price == Decimal("60085.10")
    assert (stop.key, stop.purpose) == (
        PositionKey("BTCUSDT", Side.LONG),
        Purpose.STOP,
    ) and stop.status is OrderStatus.NEW
    assert (stop.working_type, stop.limit_price, stop.client_id) == (WorkingType.MARK_PRICE, None, "qpmSB1")
    assert (limit.conditional, limit.quantity, limit.executed_quantity) == (
        False,
        Decimal("0.30"),
        Decimal("0.10"),
    )
    assert (limit.limit_price, limit.trigger_price, limit.hedged) == (Decimal(63000), None, False)
    assert other.symbol == "测试USDT"


async def test_lists_that_say_the_same_again_are_read_once_and_carry_the_new_time(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any
) -> None:
    changed = algo_row(closePosition=1)
    loopback.script("GET", OPEN_ORDERS, *[Answer([plain_row()])] * 4)
    loopback.script("GET", OPEN_ALGO, *[Answer([algo_row()])] * 2, Answer([changed]), Answer([]))
    first = await venue.read_orders(None)
    clock.advance(10)
    again = await venue.read_orders(None)
    assert again.began_at_ms == first.began_at_ms + 10_000
    assert again.orders == first.orders and again.orders[0] is first.orders[0]
    odd = await venue.read_orders(None)
    assert set(odd.unreadable) == {"BTCUSDT"}, "a value that only equals the one before is not what was said before"
    assert [order.conditional for order in (await venue.read_orders(None)).orders] == [False]


async def test_a_list_of_one_symbol_is_not_taken_for_that_of_another(
    venue: BinanceUsdm, loopback: LoopbackVenue
) -> None:
    loopback.script("GET", OPEN_ORDERS, *[Answer([])] * 2)
    loopback.script("GET", OPEN_ALGO, *[Answer([])] * 2)
    for symbol, other in (("BTCUSDT", "ETHUSDT"), ("ETHUSDT", "BTCUSDT")):
        read = await venue.read_orders(symbol)
        assert read.covers(symbol) and not read.covers(other)


async def test_json_numbers_stay_exact(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    body = Answer(algo_row(triggerPrice="T")).text.replace('"T"', "0.1000000000000000055511151231257827")
    loopback.script("GET", OPEN_ORDERS, Answer([]))
    loopback.script("GET", OPEN_ALGO, Answer(f"[{body}]"))
    order = (await venue.read_orders(None)).orders[0]
    assert order.trigger_price == Decimal("0.1000000000000000055511151231257827")


async def test_unknown_words_make_a_foreign_order_not_a_crash(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    rows = [
        algo_row(algo_id=1, orderType="STOP_ICEBERG"),
        algo_row(algo_id=2, algoStatus="PONDERING"),
        algo_row(algo_id=3, workingType="INDEX_PRICE"),
        algo_row(algo_id=4, algoType="TWAP"),
        algo_row(algo_id=5, clientAlgoId=None),
    ]
    loopback.script("GET", OPEN_ORDERS, Answer([]))
    loopback.script("GET", OPEN_ALGO, Answer(rows))
    read = await venue.read_orders(None)
    assert not read.unreadable
    purposes = [order.purpose for order in read.orders]
    assert purposes == [Purpose.OTHER, Purpose.STOP, Purpose.OTHER, Purpose.OTHER, Purpose.STOP]
    assert read.orders[1].status is OrderStatus.OTHER and read.orders[4].client_id == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "HOLD"},
        {"positionSide": None},
        {"triggerPrice": "-1"},
        {"quantity": "nan"},
        {"closePosition": "maybe"},
        {"algoId": "abc"},
        {"algoId": 1.5},
        {"reduceOnly": 1},
    ],
)
async def test_a_malformed_order_costs_its_symbol_only(
    venue: BinanceUsdm, loopback: LoopbackVenue, changes: dict[str, Any]
) -> None:
    loopback.script("GET", OPEN_ORDERS, Answer([plain_row(), plain_row("ETHUSDT")]))
    loopback.script("GET", OPEN_ALGO, Answer([algo_row() | changes]))
    read = await venue.read_orders(None)
    assert set(read.unreadable) == {"BTCUSDT"} and not read.covers("BTCUSDT") and read.covers("ETHUSDT")
    assert [order.symbol for order in read.orders] == ["BTCUSDT", "ETHUSDT"], "what can be read is shown, and named"


async def test_the_same_id_with_other_content_is_unreadable(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", OPEN_ORDERS, Answer([]))
    loopback.script("GET", OPEN_ALGO, Answer([algo_row(), algo_row(triggerPrice="1")]))
    assert set((await venue.read_orders(None)).unreadable) == {"BTCUSDT"}


async def test_query(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    unknown = Answer({"code": -2013, "msg": "Order does not exist."}, status=400)
    found = Answer(algo_row(algoStatus="CANCELED"))
    loopback.script("GET", "/fapi/v1/algoOrder", unknown, found, Answer(algo_row(clientAlgoId="other")))
    assert await venue.query_order("BTCUSDT", "qpmSB1") is None
    order = await venue.query_order("BTCUSDT", "qpmSB1")
    assert order is not None and order.status is OrderStatus.CANCELED
    with pytest.raises(Unreadable):
        await venue.query_order("BTCUSDT", "qpmSB1")


@pytest.mark.parametrize(
    "gone",
    [
        Answer("<html><h2>404 Not found</h2></html>", status=404, content_type="text/html"),
        Answer({"code": -5000, "msg": "Path /fapi/v2/positionRisk, Method GET is invalid"}, status=404),
    ],
)
async def test_zero_rows_come_from_v3_where_v2_is_gone(
    venue: BinanceUsdm, loopback: LoopbackVenue, gone: Answer
) -> None:
    loopback.script("GET", POSITION_ROWS, gone)
    loopback.script("GET", POSITIONS, Answer([position_row(amount="0.000")]))
    for _ in range(2):
        read = await venue.read_position_rows("BTCUSDT")
        assert read.zero_keys == {PositionKey("BTCUSDT", Side.LONG), PositionKey("BTCUSDT", Side.SHORT)}
        assert read.symbol == "BTCUSDT"
    assert [request.params["symbol"] for request in loopback.sent("GET", POSITIONS)] == ["BTCUSDT", "BTCUSDT"]
    assert len(loopback.sent("GET", POSITION_ROWS)) == 1, "asked once, then known"


async def test_a_v2_that_merely_fails_is_not_gone(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", POSITION_ROWS, Answer("<html>busy</html>", content_type="text/html"))
    loopback.script("GET", POSITIONS, Answer([position_row(amount="0.000")]))
    with pytest.raises(Unreadable):
        await venue.read_position_rows("BTCUSDT")
    assert not loopback.sent("GET", POSITIONS)


def test_an_unchanged_row_gives_the_same_order_and_an_equal_looking_one_does_not() -> None:
    """Python takes 1 for True; the venue's `closePosition` is a boolean or the row is malformed."""
    row = algo_row(closePosition=True, quantity="0")
    order = algo_order(row)
    assert algo_order(dict(row)) is order
    assert algo_order(row | {"triggerPrice": "1.5"}).trigger_price == Decimal("1.5")
    with pytest.raises(ValidationError):
        algo_order(row | {"closePosition": 1})
    assert algo_order(row | {"new": ["a", {"list": 1}]}) == order, "what cannot be looked up is read"
