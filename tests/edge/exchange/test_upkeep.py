"""Clock, trading rules, position mode, leverages: when they are read, what stays when they cannot be (X17, X20)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.edge.venues.binance.instruments import instruments_from
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import AuthRefused, ExchangeFailure, Refused, Unreachable, Unreadable
from tests.edge.exchange.loopback_venue import SERVER_MS, Answer, LoopbackVenue
from tests.edge.exchange.sample_actions import backstop

INFO = "/fapi/v1/exchangeInfo"
TIME = "/fapi/v1/time"
ACCOUNT = "/fapi/v1/accountConfig"
DUAL = "/fapi/v1/positionSide/dual"
CONFIG = "/fapi/v1/symbolConfig"
POSITIONS = "/fapi/v3/positionRisk"


def symbol_row(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    filters = {
        "PRICE_FILTER": {"tickSize": "0.10", "minPrice": "556.80", "maxPrice": "4529764"},
        "LOT_SIZE": {"stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        "MARKET_LOT_SIZE": {"stepSize": "0.001", "minQty": "0.002", "maxQty": "120"},
        "MAX_NUM_ORDERS": {"limit": 200},
        "MIN_NOTIONAL": {"notional": "100"},
        "PERCENT_PRICE": {"multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
    }
    filters.update(changes.pop("filters", {}))
    listed = [{"filterType": name, **content} for name, content in filters.items() if content is not None]
    return {"symbol": symbol, "status": "TRADING", "contractType": "PERPETUAL", "filters": listed} | changes


def info(*rows: Any) -> Answer:
    return Answer({"timezone": "UTC", "serverTime": SERVER_MS, "symbols": list(rows)})


@pytest.fixture(autouse=True)
def standing(loopback: LoopbackVenue) -> None:
    loopback.script("GET", INFO, info(symbol_row()))
    loopback.script("GET", POSITIONS, Answer([]))


async def test_prepare(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    await venue.prepare()
    rules = venue.instrument("BTCUSDT")
    assert rules is not None
    assert (rules.tick, rules.step, rules.min_quantity) == (Decimal("0.10"), Decimal("0.001"), Decimal("0.001"))
    assert (rules.market_min_quantity, rules.market_max_quantity) == (Decimal("0.002"), Decimal(120))
    assert (rules.min_notional, rules.percent_up, rules.percent_down) == (
        Decimal(100),
        Decimal("1.05"),
        Decimal("0.95"),
    )
    assert (rules.min_price, rules.max_price, rules.status) == (Decimal("556.8"), Decimal(4529764), "TRADING")
    assert venue.instrument("NOPEUSDT") is None and venue.can_trade
    unsigned = [request.path for request in loopback.requests if "timestamp" not in request.params]
    signed_from = next(n for n, request in enumerate(loopback.requests) if "timestamp" in request.params)
    assert TIME in [request.path for request in loopback.requests[:signed_from]], "the clock comes before signing"
    assert sorted(unsigned) == [INFO, TIME, TIME], "the first sample contains the opening of the connection"
    assert not loopback.sent("GET", DUAL), "the dear call is only the fall-back"


BROKEN: dict[str, dict[str, Any]] = {
    "no price filter": {"filters": {"PRICE_FILTER": None}},
    "no lot size": {"filters": {"LOT_SIZE": None}},
    "zero tick": {"filters": {"PRICE_FILTER": {"tickSize": "0", "minPrice": "1", "maxPrice": "2"}}},
    "negative step": {"filters": {"LOT_SIZE": {"stepSize": "-1", "minQty": "1", "maxQty": "2"}}},
    "NaN step": {"filters": {"LOT_SIZE": {"stepSize": "NaN", "minQty": "1", "maxQty": "2"}}},
    "crossed": {"filters": {"LOT_SIZE": {"stepSize": "1", "minQty": "5", "maxQty": "2"}}},
    "crossed band": {"filters": {"PERCENT_PRICE": {"multiplierUp": "0.9", "multiplierDown": "1.1"}}},
    "filters no list": {"filters": {}, "status": None},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_symbol_is_skipped_with_a_reason(
    venue: BinanceUsdm, loopback: LoopbackVenue, changes: dict[str, Any]
) -> None:
    loopback.script("GET", INFO, info(symbol_row("BADUSDT", **dict(changes)), symbol_row(), "garbage", None))
    await venue.prepare()
    assert venue.instrument("BADUSDT") is None and venue.instrument("BTCUSDT") is not None
    assert set(venue._upkeep.skipped) == {"BADUSDT", "row 2", "row 3"}
    assert all(venue._upkeep.skipped.values())


async def test_rules_the_venue_leaves_out_get_careful_defaults() -> None:
    leave_out = dict.fromkeys(("MARKET_LOT_SIZE", "MIN_NOTIONAL", "PERCENT_PRICE"))
    found, _ = await instruments_from({"symbols": [symbol_row(filters=leave_out)]}, {})
    rules = found["BTCUSDT"]
    assert rules.market_max_quantity == rules.max_quantity and rules.min_notional == 0
    assert (rules.percent_up, rules.percent_down) == (Decimal("1.05"), Decimal("0.95"))


@pytest.mark.parametrize(("stated", "step"), [("0.010", "0.01"), ("0.001", "0.001"), ("0", "0.001"), (None, "0.001")])
async def test_the_step_of_market_orders_counts_where_it_is_the_coarser_one(stated: str | None, step: str) -> None:
    market = {"minQty": "0.002", "maxQty": "120"} | ({} if stated is None else {"stepSize": stated})
    found, skipped = await instruments_from({"symbols": [symbol_row(filters={"MARKET_LOT_SIZE": market})]}, {})
    assert not skipped and found["BTCUSDT"].step == Decimal(step)


async def test_a_rule_the_venue_switches_off_does_not_cost_the_symbol_its_stop() -> None:
    off = {"PRICE_FILTER": {"tickSize": "0.0001", "minPrice": "0", "maxPrice": "0"}}
    found, skipped = await instruments_from({"symbols": [symbol_row(filters=off)]}, {})
    assert not skipped and found["BTCUSDT"].tick == Decimal("0.0001")
    assert found["BTCUSDT"].min_price == 0 and found["BTCUSDT"].max_price > 10**12


@pytest.mark.parametrize("filters", [[], None, [{"filterType": "MAX_NUM_ORDERS", "limit": 200}]])
async def test_without_filters_the_grid_is_the_stated_precision(filters: list[dict[str, Any]] | None) -> None:
    row = symbol_row(pricePrecision=4, quantityPrecision=0) | {"filters": filters}
    if filters is None:
        del row["filters"]
    found, skipped = await instruments_from({"symbols": [row]}, {})
    assert not skipped
    rules = found["BTCUSDT"]
    assert (rules.tick, rules.step, rules.min_quantity) == (Decimal("0.0001"), Decimal(1), Decimal(1))
    assert rules.market_max_quantity == rules.max_quantity > 10**12


async def test_a_symbol_that_is_listed_no_more_keeps_its_rules() -> None:
    before, _ = await instruments_from({"symbols": [symbol_row(), symbol_row("ETHUSDT")]}, {})
    broken = symbol_row("ETHUSDT", filters={"LOT_SIZE": None})
    shrunken, _ = await instruments_from({"symbols": [symbol_row("XRPUSDT"), broken]}, before)
    assert shrunken["BTCUSDT"].status == "ABSENT" and shrunken["BTCUSDT"].tick == before["BTCUSDT"].tick
    assert shrunken["ETHUSDT"] == before["ETHUSDT"]


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"symbols":{}}', '{"symbols":[]}', '{"symbols":[1]}', "<html>"])
async def test_rules_that_cannot_be_read_are_an_error_and_the_old_ones_stay(
    venue: BinanceUsdm, loopback: LoopbackVenue, body: str
) -> None:
    await venue.prepare()
    loopback.script("GET", INFO, Answer(body))
    with pytest.raises(Unreadable):
        await venue.prepare()
    assert venue.instrument("BTCUSDT") is not None


async def test_reading_hundreds_of_rules_lets_others_have_their_turn() -> None:
    """An event must become a stop while the rules are read: no stretch holds the loop for all of them."""
    body = json.loads(info(*(symbol_row(f"S{number}USDT") for number in range(200))).text)
    reading = asyncio.ensure_future(instruments_from(body, {}))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(reading.result()[0]) == 200
    assert turns >= 200 // 25


@pytest.mark.parametrize("body", ["{}", "[]", '{"serverTime":"soon"}', '{"serverTime":1}', '{"serverTime":true}', ""])
async def test_a_clock_that_cannot_be_read(venue: BinanceUsdm, loopback: LoopbackVenue, body: str) -> None:
    loopback.script("GET", TIME, Answer(body))
    with pytest.raises(Unreadable):
        await venue.prepare()


async def test_a_slow_venue_gives_one_sample(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    """The cycle waits for the measurement, so a slow venue is not asked three times."""
    await venue.prepare()
    transport = venue._wire._transport
    at_once = transport.call

    async def slow(*call: Any) -> Any:
        reply = await at_once(*call)
        clock.advance(2)
        return reply

    transport.call = slow  # type: ignore[method-assign]
    clock.wall_ms = SERVER_MS + 60_000
    loopback.requests.clear()
    loopback.script("GET", TIME, Answer({"serverTime": SERVER_MS + 61_000}))
    await venue.refresh()
    assert len(loopback.sent("GET", TIME)) == 1 and venue.clock_offset_ms == 0


async def test_the_offset_is_the_median_of_three(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    await venue.prepare()
    clock.wall_ms = SERVER_MS + 60_000
    samples = [Answer({"serverTime": SERVER_MS + 60_000 + offset}) for offset in (90_000, -1_200, -1_100)]
    loopback.script("GET", TIME, *samples)
    await venue.refresh()
    assert venue.clock_offset_ms == -1_100
    await venue.read_positions()
    assert int(loopback.sent("GET", POSITIONS)[0].params["timestamp"]) == SERVER_MS + 60_000 - 1_100


async def test_what_is_signed_at_the_start_bears_the_time_of_the_venue(
    venue: BinanceUsdm, loopback: LoopbackVenue
) -> None:
    loopback.script("GET", TIME, Answer({"serverTime": SERVER_MS - 70_000}))
    await venue.prepare()
    for path in (ACCOUNT, CONFIG):
        assert int(loopback.sent("GET", path)[0].params["timestamp"]) == SERVER_MS - 70_000


async def test_refresh_is_silent_when_nothing_is_due(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    await venue.prepare()
    sent = len(loopback.requests)
    clock.advance(10)
    await venue.refresh()
    assert len(loopback.requests) == sent


async def test_refresh_by_the_clock(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    await venue.prepare()
    loopback.requests.clear()
    clock.advance(61)
    await venue.refresh()
    assert [request.path for request in loopback.requests] == [ACCOUNT]
    clock.advance(300)
    await venue.refresh()
    assert len(loopback.sent("GET", TIME)) == 3
    clock.advance(600)
    await venue.refresh()
    assert len(loopback.sent("GET", CONFIG)) == 1
    clock.advance(24 * 3600)
    await venue.refresh()
    assert len(loopback.sent("GET", INFO)) == 1


@pytest.mark.parametrize("step_ms", [-5_000, 400, 3_600_000])
async def test_a_stepped_wall_clock_is_measured_at_once(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any, step_ms: int
) -> None:
    await venue.prepare()
    loopback.requests.clear()
    clock.wall_ms += step_ms
    await venue.refresh()
    assert len(loopback.sent("GET", TIME)) == 3 and venue.clock_offset_ms == -step_ms
    await venue.refresh()
    assert len(loopback.sent("GET", TIME)) == 3


@pytest.mark.parametrize(
    ("code", "path"), [(-1111, INFO), (-4014, INFO), (-4023, INFO), (-1121, INFO), (-4061, ACCOUNT), (-1106, ACCOUNT)]
)
async def test_refusals_that_say_what_changed(
    venue: BinanceUsdm,
    loopback: LoopbackVenue,
    clock: Any,
    approve: Callable[[Any], Any],
    code: int,
    path: str,
) -> None:
    await venue.prepare()
    clock.advance(60 if path == INFO else 1)
    await venue.refresh()
    loopback.requests.clear()
    loopback.script("POST", "/fapi/v1/algoOrder", Answer({"code": code, "msg": "no"}, status=400))
    with pytest.raises(Refused):
        await venue.place(approve(backstop()))
    await venue.refresh()
    assert len(loopback.sent("GET", path)) == 1
    await venue.refresh()
    assert len(loopback.sent("GET", path)) == 1, "once is enough"


async def test_a_symbol_nobody_knows_loads_the_rules_again_but_not_for_ever(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any
) -> None:
    await venue.prepare()
    for _ in range(30):
        assert venue.instrument("NEWUSDT") is None
        await venue.refresh()
        clock.advance(10)
    assert len(loopback.sent("GET", INFO)) == 1 + 9, "after 10, 20, 30, 40, 60 and 100 s, then every minute"


async def test_the_mode_falls_back_to_its_own_call(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", ACCOUNT, Answer("{}"))
    loopback.script("GET", DUAL, Answer({"dualSidePosition": True}))
    loopback.script("GET", "/fapi/v2/positionRisk", Answer([]))
    assert (await venue.read_position_rows("BTCUSDT")).hedged


@pytest.mark.parametrize("body", [{}, [], {"dualSidePosition": "yes"}, {"dualSidePosition": None}])
async def test_an_unreadable_mode_is_never_assumed(venue: BinanceUsdm, loopback: LoopbackVenue, body: Any) -> None:
    loopback.script("GET", ACCOUNT, Answer(body))
    loopback.script("GET", DUAL, Answer(body))
    zero = {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "0"}
    loopback.script("GET", "/fapi/v2/positionRisk", Answer([zero]))
    assert (await venue.read_position_rows("BTCUSDT")).zero_keys == frozenset(), "a zero row of an unknown mode"
    loopback.script("GET", POSITIONS, Answer([zero | {"positionAmt": "1", "markPrice": "3"}]))
    [position] = (await venue.read_positions()).positions
    assert not position.hedged, "the row itself says BOTH: its stop needs no mode (invariant 3)"


async def test_a_bad_key_is_said_in_words(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    refused = Answer({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, status=401)
    loopback.script("GET", ACCOUNT, refused)
    with pytest.raises(AuthRefused, match="no futures permission") as caught:
        await venue.prepare()
    assert caught.value.said == "-2015"


async def test_an_account_that_may_not_trade_is_known(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", ACCOUNT, Answer({"dualSidePosition": False, "canTrade": False}))
    await venue.prepare()
    assert not venue.can_trade


async def test_refresh_tries_every_step_and_raises_the_first_failure(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any
) -> None:
    await venue.prepare()
    loopback.requests.clear()
    clock.advance(301)
    loopback.script("GET", TIME, Answer("", status=502))
    with pytest.raises(Unreachable):
        await venue.refresh()
    assert loopback.sent("GET", ACCOUNT), "one failing step does not keep the others from being done"


async def test_leverages_are_shown_and_never_needed(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    row = json.loads(
        '{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"1","entryPrice":"1","markPrice":"1",'
        '"unRealizedProfit":"0","liquidationPrice":"0","updateTime":1}'
    )
    loopback.script("GET", POSITIONS, Answer([row, row | {"symbol": "ETHUSDT"}]))
    loopback.script("GET", CONFIG, Answer("<html>"))
    await venue.prepare()
    assert [position.leverage for position in (await venue.read_positions()).positions] == [None, None]
    loopback.script("GET", CONFIG, Answer([{"symbol": "BTCUSDT", "leverage": 20}]))
    clock.advance(31)
    await venue.refresh()
    assert [position.leverage for position in (await venue.read_positions()).positions] == [20, None]


async def test_v2_rows_bring_their_own_leverage(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    row = {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "1",
        "entryPrice": "1",
        "markPrice": "1",
        "unRealizedProfit": "0",
        "liquidationPrice": "0",
        "leverage": "4",
        "updateTime": 1,
    }
    loopback.script("GET", "/fapi/v2/positionRisk", Answer([row]))
    assert (await venue.read_position_rows("BTCUSDT")).positions[0].leverage == 4


async def test_rows_teach_the_mode(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    await venue.prepare()
    row = {
        "symbol": "BTCUSDT",
        "positionSide": "SHORT",
        "positionAmt": "-1",
        "entryPrice": "1",
        "markPrice": "1",
        "unRealizedProfit": "0",
        "liquidationPrice": "0",
        "updateTime": 1,
    }
    loopback.script("GET", POSITIONS, Answer([row]), Answer([]))
    loopback.script("GET", ACCOUNT, Answer({"dualSidePosition": True}))
    assert (await venue.read_positions()).hedged
    assert (await venue.read_positions()).hedged, "an empty list leaves the mode as it was learned"
    await venue.refresh()
    assert len(loopback.sent("GET", ACCOUNT)) == 2


async def test_while_rows_show_the_mode_it_is_asked_for_rarely(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any
) -> None:
    loopback.script("GET", ACCOUNT, Answer({"dualSidePosition": False, "canTrade": True}))
    await venue.prepare()
    row = {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1", "entryPrice": "1", "markPrice": "1"}
    row |= {"unRealizedProfit": "0", "liquidationPrice": "0", "updateTime": 1}
    loopback.script("GET", POSITIONS, *[Answer([row])] * 5, Answer([]))
    loopback.requests.clear()
    for _ in range(5):
        await venue.read_positions()
        clock.advance(59)
        await venue.refresh()
    assert len(loopback.sent("GET", ACCOUNT)) == 0
    clock.advance(5)
    await venue.refresh()
    assert len(loopback.sent("GET", ACCOUNT)) == 1, "whether the account may trade is asked every five minutes"
    await venue.read_positions()
    clock.advance(61)
    await venue.refresh()
    assert len(loopback.sent("GET", ACCOUNT)) == 2, "without a position nothing but the call shows the mode"


async def test_zero_rows_that_fit_another_mode_prove_nothing_and_ask_for_the_mode(
    venue: BinanceUsdm, loopback: LoopbackVenue
) -> None:
    loopback.script("GET", ACCOUNT, Answer({"dualSidePosition": False}), Answer({"dualSidePosition": True}))
    await venue.prepare()
    flat = {"symbol": "BTCUSDT", "positionAmt": "0", "entryPrice": "0", "markPrice": "1", "unRealizedProfit": "0"}
    flat |= {"liquidationPrice": "0", "updateTime": 1}
    rows = [flat | {"positionSide": side} for side in ("LONG", "SHORT")]
    loopback.script("GET", "/fapi/v2/positionRisk", Answer(rows), Answer(rows))
    assert (await venue.read_position_rows("BTCUSDT")).zero_keys == frozenset()
    await venue.refresh()
    assert len((await venue.read_position_rows("BTCUSDT")).zero_keys) == 2


async def test_every_failure_of_preparing_is_one_of_ours(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    await loopback.stop()
    with pytest.raises(ExchangeFailure):
        await venue.prepare()


async def test_a_slow_sample_changes_only_what_it_proves(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any
) -> None:
    """An answer that took 10 s was written at some moment of them: half of them would be 5 s wrong."""
    await venue.prepare()
    call = venue._wire._transport.call

    async def slowly(endpoint: Any, params: Any) -> Any:
        reply = await call(endpoint, params)
        clock.advance(10)
        return reply

    venue._wire._transport.call = slowly  # type: ignore[method-assign]
    for server_ms, expected in ((0, 0), (4_000, 0), (10_000, 0), (12_000, 2_000), (-3_000, -3_000)):
        venue._wire.time.set_offset(0)
        loopback.script("GET", TIME, Answer({"serverTime": clock.now_ms() + server_ms}))
        await venue._wire.measure_clock(samples=1)
        assert venue.clock_offset_ms == expected, server_ms
