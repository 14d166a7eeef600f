"""Market data, statistics and rarer account calls as ccxt, ccxt.pro and the exchange's own SDK ask for them."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import ccxt.async_support
import ccxt.pro
import pytest

from position_monitor.paper.server import PaperOptions, PaperServer
from tests.paper.test_clients_ccxt import BTC, ETH, pointed, settings, until
from tests.paper.test_clients_sdk import ask, unknown_fields

NOW_MS = 1_795_000_000_000


@pytest.fixture
async def server():
    running = PaperServer(PaperOptions(port=0, price_interval_s=0.05))
    await running.start()
    running.engine.world.market.frozen = True
    yield running
    await running.stop()


@pytest.fixture
async def client(server):
    made = pointed(ccxt.async_support.binanceusdm(settings()), server)
    await made.load_markets()
    yield made
    await made.close()


@pytest.fixture
async def streaming(server):
    made = pointed(ccxt.pro.binanceusdm(settings()), server)
    await made.load_markets()
    yield made
    await made.close()


async def test_trades_candles_and_interest_through_ccxt(client):
    trades = await client.fetch_trades(BTC, limit=50)
    assert len(trades) == 50 and trades[-1]["price"] == 42035.4
    assert trades == sorted(trades, key=lambda trade: trade["timestamp"])
    since = trades[10]["timestamp"]
    assert (await client.fetch_trades(BTC, since=since, limit=5))[0]["timestamp"] == since
    for kind in ("mark", "index", "premiumIndex"):
        candles = await client.fetch_ohlcv(BTC, "5m", limit=10, params={"price": kind})
        assert len(candles) == 10
    assert (await client.fetch_open_interest(BTC))["openInterestAmount"] == 10_000
    assert len(await client.fetch_open_interest_history(BTC, "1h", limit=7)) == 7
    assert (await client.fetch_long_short_ratio_history(BTC, "1h"))[0]["longShortRatio"] == 1.2222


async def test_lists_of_orders_are_changed_and_cancelled_through_ccxt(client):
    """ccxt spells the list names of a batch cancel in lower case."""
    rows = [{"symbol": ETH, "type": "limit", "side": "buy", "amount": 0.1, "price": price} for price in (2200, 2190)]
    made = await client.create_orders(rows)
    changed = await client.edit_orders([{**rows[0], "id": made[0]["id"], "price": 2195}])
    assert (changed[0]["id"], changed[0]["price"]) == (made[0]["id"], 2195)
    (amended,) = await client.fapiPrivateGetOrderAmendment({"symbol": "ETHUSDT"})
    assert str(amended["orderId"]) == made[0]["id"]
    assert amended["amendment"]["price"] == {"before": "2200.00", "after": "2195.00"}
    await client.cancel_orders([order["id"] for order in made], ETH)
    assert await client.fetch_open_orders(ETH) == []


async def test_margin_of_an_isolated_position_through_ccxt(client, server):
    symbol = "LTC/USDT:USDT"
    with pytest.raises(ccxt.BaseError, match="-4049"):
        await client.add_margin(BTC, 10)
    await client.set_margin_mode("isolated", symbol)
    with pytest.raises(ccxt.BaseError, match="-4054"):
        await client.add_margin(symbol, 10)
    await client.create_order(symbol, "market", "buy", 2)
    (before,) = await client.fetch_positions([symbol])
    await client.add_margin(symbol, 10)
    (after,) = await client.fetch_positions([symbol])
    assert after["liquidationPrice"] < before["liquidationPrice"], "more margin, further from liquidation"
    with pytest.raises(ccxt.BaseError, match="-4051"):
        await client.reduce_margin(symbol, 11)
    with pytest.raises(ccxt.BaseError, match="-4050"):
        await client.add_margin(symbol, 1_000_000)
    await client.reduce_margin(symbol, 4)
    moves = await client.fetch_margin_adjustment_history(symbol)
    assert [(move["type"], move["amount"]) for move in moves] == [("add", 10), ("reduce", 4)]


async def test_tickers_of_ccxt_pro_come_as_mini_tickers(streaming):
    assert (await asyncio.wait_for(streaming.watch_ticker(BTC), 30))["last"] == 42035.4
    assert ETH in await asyncio.wait_for(streaming.watch_tickers(), 30)


async def test_the_book_of_ccxt_pro_follows_the_price(streaming, server):
    """The client checks that no message of the depth stream was lost."""
    book = await asyncio.wait_for(streaming.watch_order_book(BTC), 30)
    for price in ("42040", "42036.3", "42036.3", "42051.7"):
        server.control.handle("POST", "price", {"symbol": "BTCUSDT", "price": price})
        async with asyncio.timeout(30):
            while book["bids"][0][0] != float(price):
                book = await streaming.watch_order_book(BTC)
        assert book["asks"][0][0] == pytest.approx(float(price) + 0.1)


async def test_liquidations_reach_those_who_listen(streaming, server):
    waiting = asyncio.create_task(streaming.watch_liquidations(BTC))
    await until(lambda: server.hub.listening("market", "btcusdt@forceOrder"))
    server.control.handle("POST", "price", {"symbol": "BTCUSDT", "price": "2000"})
    (seen,) = await asyncio.wait_for(waiting, 30)
    assert seen["info"]["S"] == "SELL" and server.engine.liquidation.forced


READS = {
    "compressed_aggregate_trades_list": {"symbol": "BTCUSDT"},
    "recent_trades_list": {"symbol": "BTCUSDT"},
    "old_trades_lookup": {"symbol": "BTCUSDT", "from_id": NOW_MS - 3_600_000},
    "open_interest": {"symbol": "BTCUSDT"},
    "open_interest_statistics": {"symbol": "BTCUSDT", "period": "5m"},
    "long_short_ratio": {"symbol": "BTCUSDT", "period": "5m"},
    "top_trader_long_short_ratio_accounts": {"symbol": "BTCUSDT", "period": "5m"},
    "top_trader_long_short_ratio_positions": {"symbol": "BTCUSDT", "period": "5m"},
    "taker_buy_sell_volume": {"symbol": "BTCUSDT", "period": "5m"},
    "basis": {"pair": "BTCUSDT", "contract_type": "PERPETUAL", "period": "5m"},
    "index_price_kline_candlestick_data": {"pair": "BTCUSDT", "interval": "1m"},
    "premium_index_kline_data": {"symbol": "BTCUSDT", "interval": "1m"},
    "continuous_contract_kline_candlestick_data": {
        "pair": "BTCUSDT", "contract_type": "PERPETUAL", "interval": "1m",
    },
    "query_index_price_constituents": {"symbol": "BTCUSDT"},
    "adl_risk": {"symbol": "BTCUSDT"},
    "asset_index": {},
    "composite_index_symbol_information": {},
    "query_insurance_fund_balance_snapshot": {},
    "trading_schedule": {},
    "rpi_order_book": {"symbol": "BTCUSDT"},
    "quarterly_contract_settlement_price": {"pair": "BTCUSDT"},
    "get_order_modify_history": {"symbol": "BTCUSDT"},
    "get_position_margin_change_history": {"symbol": "BTCUSDT"},
    "get_bnb_burn_status": {},
    "toggle_bnb_burn_on_futures_trade": {"fee_burn": "true"},
    "change_multi_assets_mode": {"multi_assets_margin": "true"},
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
async def test_the_sdk_reads_what_it_documents(server, name):
    assert unknown_fields(await ask(server, name, **READS[name])) <= {"isRPITrade"}


def test_a_move_of_the_book_is_the_difference_of_two_snapshots():
    """Whatever the price does, the messages turn the old book into the new one, and their ids leave no gap."""
    from position_monitor.paper import scenario
    from position_monitor.paper.market_bodies import depth
    from position_monitor.paper.stream_bodies import stream_depth

    world = scenario.build("seven-naked", 1, NOW_MS).world
    sides = {"b": {}, "a": {}}
    start = depth(world, "BTCUSDT", 1000)
    for side, rows in (("b", start["bids"]), ("a", start["asks"])):
        sides[side] = dict(rows)
    last_id = start["lastUpdateId"]
    for number, price in enumerate(("42040.1", "42040.1", "42031.0", "42055.5")):
        world.market.set_price("BTCUSDT", NOW_MS, Decimal(price), Decimal(price))
        message = stream_depth(world, "BTCUSDT", world.market.publish_book("BTCUSDT"), None)
        assert message["U"] <= last_id <= message["u"] if number == 0 else message["pu"] == last_id
        last_id = message["u"]
        for side, rows in sides.items():
            rows.update(message[side])
        bids = [Decimal(p) for p, quantity in sides["b"].items() if Decimal(quantity)]
        asks = [Decimal(p) for p, quantity in sides["a"].items() if Decimal(quantity)]
        assert (max(bids), min(asks)) == (Decimal(price), Decimal(price) + Decimal("0.1"))
