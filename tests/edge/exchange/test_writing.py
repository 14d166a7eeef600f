"""What orders look like on the wire, parsed back from the signed request (X4, X20, X23, X24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from position_monitor.core.model.actions import Place
from position_monitor.core.model.orders import Purpose, Role, WorkingType
from position_monitor.core.model.sides import Side
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.sides import OrderSide, PositionSide, key_of, only_reduces
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.binance.writes import close_request, place_lane, place_request
from position_monitor.errors import Ambiguous, Refused, RequestInvalid
from tests.edge.exchange.loopback_venue import SERVER_MS, Answer, LoopbackVenue
from tests.edge.exchange.sample_actions import backstop, cancel_algo, cancel_plain, close_market, desired

ALGO = "/fapi/v1/algoOrder"
ORDER = "/fapi/v1/order"
TAKEN = {"algoId": 5, "clientAlgoId": "qpmBTC1", "algoStatus": "NEW", "symbol": "BTCUSDT"}
SENT = {"orderId": 9, "clientOrderId": "qpmCLOSE1", "status": "NEW", "symbol": "BTCUSDT"}
Approve = Callable[[Any], Any]
ALWAYS = {"timestamp": str(SERVER_MS), "recvWindow": "5000"}

SHAPES = [
    # side, hedged -> what every order for that position carries, and what a reducing quantity order adds
    (Side.LONG, False, {"side": "SELL", "positionSide": "BOTH"}, {"reduceOnly": "true"}),
    (Side.SHORT, False, {"side": "BUY", "positionSide": "BOTH"}, {"reduceOnly": "true"}),
    (Side.LONG, True, {"side": "SELL", "positionSide": "LONG"}, {}),
    (Side.SHORT, True, {"side": "BUY", "positionSide": "SHORT"}, {}),
]


def sent_params(request: Any) -> dict[str, str]:
    return {name: value for name, value in request.params.items() if name != "signature"}


@pytest.mark.parametrize(("side", "hedged", "common", "reducing"), SHAPES)
@pytest.mark.parametrize("role", [Role.BACKSTOP, Role.WORKING_STOP, Role.TAKE_PROFIT])
async def test_conditional_orders(
    venue: BinanceUsdm,
    loopback: LoopbackVenue,
    approve: Approve,
    side: Side,
    hedged: bool,
    common: dict[str, str],
    reducing: dict[str, str],
    role: Role,
) -> None:
    loopback.script("POST", ALGO, Answer(TAKEN))
    order = desired(role, side=side, hedged=hedged, quantity=None if role is Role.BACKSTOP else "0.0500")
    assert await venue.place(approve(Place(order, "test"))) == "5"
    size = {"closePosition": "true"} if role is Role.BACKSTOP else {"quantity": "0.05", **reducing}
    kind = "TAKE_PROFIT_MARKET" if role is Role.TAKE_PROFIT else "STOP_MARKET"
    assert sent_params(loopback.sent("POST", ALGO)[0]) == {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "type": kind,
        "triggerPrice": "60085.1",
        "workingType": "MARK_PRICE",
        "priceProtect": "false",
        "clientAlgoId": "qpmBTC1",
        **common,
        **size,
        **ALWAYS,
    }
    assert not loopback.bad_signatures and not loopback.sent("POST", ORDER)


@pytest.mark.parametrize(("side", "hedged", "common", "reducing"), SHAPES)
async def test_a_rung_that_rests_as_a_limit_order(
    venue: BinanceUsdm,
    loopback: LoopbackVenue,
    approve: Approve,
    side: Side,
    hedged: bool,
    common: dict[str, str],
    reducing: dict[str, str],
) -> None:
    """It goes to the matching engine and not to the service of conditional orders."""
    body = {"orderId": 7, "clientOrderId": "qpmBTC1", "symbol": "BTCUSDT", "status": "NEW"}
    loopback.script("POST", ORDER, Answer(body))
    order = desired(Role.TAKE_PROFIT, side=side, hedged=hedged, quantity="0.0500", purpose=Purpose.LIMIT)
    assert await venue.place(approve(Place(order, "test"))) == "7"
    assert sent_params(loopback.sent("POST", ORDER)[0]) == {
        "symbol": "BTCUSDT",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "60085.1",
        "quantity": "0.05",
        "newClientOrderId": "qpmBTC1",
        **common,
        **reducing,
        **ALWAYS,
    }
    assert not loopback.bad_signatures and not loopback.sent("POST", ALGO)


@pytest.mark.parametrize("part", [{"clientOrderId": "web_1"}, {"symbol": "ETHUSDT"}, {"status": "REJECTED"}])
async def test_an_acknowledgement_of_another_limit_order_is_ambiguous(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, part: dict[str, str]
) -> None:
    body = {"orderId": 7, "clientOrderId": "qpmBTC1", "symbol": "BTCUSDT", "status": "NEW"}
    loopback.script("POST", ORDER, Answer(body | part))
    order = desired(Role.TAKE_PROFIT, quantity="0.0500", purpose=Purpose.LIMIT)
    with pytest.raises(Ambiguous):
        await venue.place(approve(Place(order, "test")))


@pytest.mark.parametrize(("side", "hedged", "common", "reducing"), SHAPES)
@pytest.mark.parametrize("limit", [None, "61000.50"])
async def test_closing_orders(
    venue: BinanceUsdm,
    loopback: LoopbackVenue,
    approve: Approve,
    side: Side,
    hedged: bool,
    common: dict[str, str],
    reducing: dict[str, str],
    limit: str | None,
) -> None:
    loopback.script("POST", ORDER, Answer(SENT))
    await venue.close(approve(close_market(side=side, hedged=hedged, limit=limit)))
    kind = {"type": "MARKET"} if limit is None else {"type": "LIMIT", "timeInForce": "IOC", "price": "61000.5"}
    assert sent_params(loopback.sent("POST", ORDER)[0]) == {
        "symbol": "BTCUSDT",
        "quantity": "0.5",
        "newClientOrderId": "qpmCLOSE1",
        **common,
        **kind,
        **reducing,
        **ALWAYS,
    }
    assert not loopback.bad_signatures


@pytest.mark.parametrize("hedged", [False, True])
@pytest.mark.parametrize("side", list(Side))
def test_whatever_is_sent_can_only_reduce_its_position(side: Side, hedged: bool) -> None:
    """Invariant 1 once more, by what the reader makes of such a row."""
    sizes = {Role.BACKSTOP: None, Role.WORKING_STOP: "1", Role.TAKE_PROFIT: "1"}
    sent = [place_request(desired(role, side=side, hedged=hedged, quantity=size)) for role, size in sizes.items()]
    sent.append(place_request(desired(Role.TAKE_PROFIT, side=side, hedged=hedged, quantity="1", purpose=Purpose.LIMIT)))
    sent += [close_request(close_market(side=side, hedged=hedged, limit=limit)) for limit in (None, "61000.50")]
    for params in sent:
        direction, leg = OrderSide(params["side"]), PositionSide(params["positionSide"])
        whole, reduce_only = params.get("closePosition") == "true", params.get("reduceOnly") == "true"
        assert key_of("BTCUSDT", direction, leg).side is side
        assert only_reduces(direction, leg, reduce_only=reduce_only, close_position=whole)
        assert (leg is PositionSide.BOTH) is not hedged


async def test_cancel_goes_to_the_list_the_order_lives_in(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve
) -> None:
    loopback.script("DELETE", ALGO, Answer({"algoId": 5, "clientAlgoId": "x", "code": "200", "msg": "success"}))
    plain = {"orderId": 5, "clientOrderId": "qpmBTC1", "symbol": "BTCUSDT", "status": "CANCELED"}
    loopback.script("DELETE", ORDER, Answer(plain))
    await venue.cancel(approve(cancel_algo()))
    assert sent_params(loopback.sent("DELETE", ALGO)[0]) == {"algoId": "5", **ALWAYS}
    await venue.cancel(approve(cancel_plain()))
    assert sent_params(loopback.sent("DELETE", ORDER)[0]) == {"symbol": "BTCUSDT", "orderId": "5", **ALWAYS}
    assert not loopback.bad_signatures


@pytest.mark.parametrize("code", [-2011, -2013])
async def test_a_cancel_of_nothing_is_refused_not_done(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, code: int
) -> None:
    loopback.script("DELETE", ALGO, Answer({"code": code, "msg": "Unknown order sent."}, status=400))
    with pytest.raises(Refused) as caught:
        await venue.cancel(approve(cancel_algo()))
    assert caught.value.said == str(code)


@pytest.mark.parametrize(
    "changes",
    [
        {"clientAlgoId": "somebody-else"},
        {"symbol": "ETHUSDT"},
        {"algoStatus": "REJECTED"},
        {"algoStatus": "EXPIRED"},
        {"algoStatus": "SOMETHING"},
        {"algoStatus": None},
        {"algoId": None},
        {"algoId": "not a number"},
    ],
)
async def test_an_acknowledgement_that_is_not_ours_is_ambiguous(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, changes: dict[str, Any]
) -> None:
    loopback.script("POST", ALGO, Answer(TAKEN | changes))
    with pytest.raises(Ambiguous):
        await venue.place(approve(backstop()))


@pytest.mark.parametrize("status", ["REJECTED", "", "NEW?"])
async def test_a_close_that_was_not_taken_is_ambiguous(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, status: str
) -> None:
    loopback.script("POST", ORDER, Answer(SENT | {"status": status}))
    with pytest.raises(Ambiguous):
        await venue.close(approve(close_market()))


@pytest.mark.parametrize("code", [-4116, -4130, -2021, -2022, -4061, -4045])
async def test_refusals_the_caller_interprets(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, code: int
) -> None:
    loopback.script("POST", ALGO, Answer({"code": code, "msg": "no"}, status=400))
    with pytest.raises(Refused) as caught:
        await venue.place(approve(backstop()))
    assert caught.value.said == str(code)


IMPOSSIBLE = [
    desired(purpose=Purpose.LIMIT),
    desired(purpose=Purpose.TRAILING_STOP),
    desired(Role.CLOSE, quantity="1"),
    desired(quantity="0"),
    desired(quantity="-1"),
    desired(trigger="0"),
    desired(trigger="NaN"),
    desired(client_id="with spaces"),
    desired(client_id=""),
    desired(client_id="q" * 37),
    desired(client_id="测试"),
]


@pytest.mark.parametrize("order", IMPOSSIBLE)
async def test_what_must_never_be_sent_is_not(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, order: Any
) -> None:
    with pytest.raises(RequestInvalid):
        await venue.place(approve(Place(order, "test")))
    assert loopback.requests == []


async def test_symbols_outside_ascii_are_signed_correctly(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve
) -> None:
    loopback.script("POST", ALGO, Answer(TAKEN | {"symbol": "测试USDT"}))
    await venue.place(approve(Place(desired(symbol="测试USDT"), "test")))
    assert loopback.requests[0].params["symbol"] == "测试USDT" and not loopback.bad_signatures


async def test_the_working_type_is_the_orders_own(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve
) -> None:
    loopback.script("POST", ALGO, Answer(TAKEN))
    await venue.place(approve(Place(desired(working_type=WorkingType.CONTRACT_PRICE), "test")))
    assert loopback.requests[0].params["workingType"] == "CONTRACT_PRICE"


def test_stops_have_the_lane_with_the_reserve() -> None:
    assert place_lane(Place(desired(Role.BACKSTOP), "")) is Lane.STOP
    assert place_lane(Place(desired(Role.WORKING_STOP, quantity="1"), "")) is Lane.STOP
    assert place_lane(Place(desired(Role.TAKE_PROFIT, quantity="1"), "")) is Lane.OTHER_WRITE
