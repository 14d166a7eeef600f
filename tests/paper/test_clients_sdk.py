"""The exchange's own Python SDK against the running paper exchange: its typed models are the judge."""

from __future__ import annotations

import asyncio
import json

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

from position_monitor.paper.server import PaperOptions, PaperServer


@pytest.fixture
async def server():
    running = PaperServer(PaperOptions(port=0, price_interval_s=0.2))
    await running.start()
    running.engine.world.market.frozen = True
    yield running
    await running.stop()


def sdk(server: PaperServer, secret: str = "paper-secret") -> DerivativesTradingUsdsFutures:
    keys = {"api_key": "paper-key", "api_secret": secret}
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(**keys, base_path=server.url, retries=0, timeout=30_000),
        config_ws_api=ConfigurationWebSocketAPI(**keys, stream_url=server.stream_url + "/ws-fapi/v1"),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=server.stream_url),
    )


async def ask(server, name, secret="paper-secret", **arguments):
    """One blocking SDK call, from a thread, parsed into the SDK's model."""
    method = getattr(sdk(server, secret).rest_api, name)
    return await asyncio.to_thread(lambda: method(**arguments).data())


READS = [
    "exchange_information", "account_information_v2", "account_information_v3", "futures_account_balance_v2",
    "futures_account_balance_v3", "position_information_v2", "position_information_v3",
    "futures_account_configuration", "symbol_configuration", "get_current_multi_assets_mode",
    "query_user_rate_limit", "notional_and_leverage_brackets", "current_all_open_orders",
    "current_all_algo_open_orders", "mark_price", "symbol_price_ticker", "symbol_price_ticker_v2",
    "ticker24hr_price_change_statistics", "symbol_order_book_ticker", "get_income_history", "users_force_orders",
    "position_adl_quantile_estimation", "futures_trading_quantitative_rules_indicators",
    "get_funding_rate_history", "get_funding_rate_info", "all_orders",
]  # fmt: skip


@pytest.mark.parametrize("name", READS)
async def test_reads_parse_without_unknown_shapes(server, name):
    """Every field we send must be one the SDK's model knows (documented extras excepted)."""
    data = await ask(server, name)
    extras = {"futuresType", "permissionSets", "maxMoveOrderLimit", "actualQty", "isActivated", "breakEvenPrice"}
    assert unknown_fields(data) <= extras


def unknown_fields(value) -> set[str]:
    """Names the SDK put aside as not part of its models, at any depth."""
    if isinstance(value, list | tuple):
        return set().union(*(unknown_fields(item) for item in value))
    if not hasattr(value, "__dict__"):
        return set()
    found = set(getattr(value, "additional_properties", None) or {})
    for name, inner in vars(value).items():
        if name != "additional_properties":
            found |= unknown_fields(inner)
    return found


async def test_positions_and_mode(server):
    rows = {row.symbol: row for row in await ask(server, "position_information_v3")}
    assert (rows["BTCUSDT"].position_amt, rows["BTCUSDT"].entry_price) == ("0.238", "42000")
    assert rows["ETHUSDT"].position_amt.startswith("-")
    assert (await ask(server, "get_current_position_mode")).dual_side_position is False


async def test_algo_orders(server):
    stop = {
        "algo_type": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET",
        "trigger_price": 41400, "close_position": "true", "working_type": "MARK_PRICE",
    }  # fmt: skip
    made = await ask(server, "new_algo_order", **stop, client_algo_id="sdk-stop")
    assert (made.algo_status, made.time_in_force, made.reduce_only) == ("NEW", "GTE_GTC", True)
    assert unknown_fields(made) == set()
    with pytest.raises(BadRequestError, match="GTE and closePosition"):
        await ask(server, "new_algo_order", **stop)
    (listed,) = await ask(server, "current_all_algo_open_orders", symbol="BTCUSDT")
    assert (listed.algo_id, listed.client_algo_id) == (made.algo_id, "sdk-stop")
    gone = await ask(server, "cancel_algo_order", client_algo_id="sdk-stop")
    assert (gone.code, gone.msg) == ("200", "success")
    assert (await ask(server, "query_algo_order", algo_id=made.algo_id)).algo_status == "CANCELED"
    assert len(await ask(server, "query_all_algo_orders", symbol="BTCUSDT")) == 1
    assert (await ask(server, "cancel_all_algo_open_orders", symbol="BTCUSDT")).code == 200


async def test_plain_orders(server):
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
    made = await ask(server, "new_order", **order, quantity=0.1, price=2200, new_client_order_id="sdk-limit")
    assert (made.status, unknown_fields(made)) == ("NEW", set())
    find = {"symbol": "ETHUSDT", "orig_client_order_id": "sdk-limit"}
    changed = await ask(server, "modify_order", **find, side="BUY", quantity=0.2, price=2190)
    assert (changed.price, changed.orig_qty) == ("2190.00", "0.200")
    assert (await ask(server, "query_current_open_order", **find)).avg_price == "0.00000"
    assert (await ask(server, "cancel_order", **find)).status == "CANCELED"
    assert (await ask(server, "query_order", **find)).status == "CANCELED"
    closing = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": 2.2, "reduce_only": "true"}
    await ask(server, "new_order", **closing, new_order_resp_type="RESULT")
    (trade,) = await ask(server, "account_trade_list", symbol="ETHUSDT")
    assert trade.price == "2247.36"
    with pytest.raises(BadRequestError, match="ReduceOnly"):
        await ask(server, "new_order", **closing)


async def test_other_writes(server):
    assert (await ask(server, "change_initial_leverage", symbol="ETHUSDT", leverage=9)).leverage == 9
    assert (await ask(server, "auto_cancel_all_open_orders", symbol="ETHUSDT", countdown_time=0)).symbol == "ETHUSDT"
    rows = [{"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1",
             "price": "2200"}]  # fmt: skip
    assert (await ask(server, "place_multiple_orders", batch_orders=rows))[0].status == "NEW"
    assert (await ask(server, "user_commission_rate", symbol="BTCUSDT")).taker_commission_rate == "0.000500"
    assert len(await ask(server, "kline_candlestick_data", symbol="BTCUSDT", interval="5m", limit=7)) == 7


async def test_wrong_secret_and_wrong_symbol(server):
    with pytest.raises(BadRequestError, match="Signature"):
        await ask(server, "account_information_v3", secret="wrong")
    with pytest.raises(BadRequestError, match="Invalid symbol"):
        await ask(server, "current_all_open_orders", symbol="NOUSDT")
    server.engine.add_fault("bad_key", count=1)
    with pytest.raises(UnauthorizedError):
        await ask(server, "account_information_v3")


async def test_user_and_market_streams(server):
    client = sdk(server)
    key = (await ask(server, "start_user_data_stream")).listen_key
    connection = await client.websocket_streams.create_connection()
    private: asyncio.Queue = asyncio.Queue()
    marks: asyncio.Queue = asyncio.Queue()
    (await connection.user_data(key)).on("message", private.put_nowait)
    (await connection.mark_price_stream(symbol="btcusdt")).on("message", marks.put_nowait)
    try:
        await asyncio.wait_for(marks.get(), 30)
        server.control.handle("POST", "order", {
            "algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET",
            "triggerPrice": "41400", "closePosition": "true", "workingType": "MARK_PRICE"})  # fmt: skip
        server.control.handle("POST", "price", {"symbol": "BTCUSDT", "price": "41400"})
        names = []
        for _ in range(8):
            event = (await asyncio.wait_for(private.get(), 30)).actual_instance
            names.append(type(event).__name__)
        assert names == [
            "AlgoUpdate", "AlgoUpdate", "AlgoUpdate", "OrderTradeUpdate", "TradeLite", "AccountUpdate",
            "OrderTradeUpdate", "AlgoUpdate",
        ]  # fmt: skip
    finally:
        await connection.close_connection(close_session=True)


async def test_websocket_api(server):
    connection = await sdk(server).websocket_api.create_connection()
    try:
        rows = (await connection.position_information_v2()).data().result
        assert len(rows) == 7
        made = (await connection.new_algo_order(
            algo_type="CONDITIONAL", symbol="BTCUSDT", side="SELL", type="STOP_MARKET", trigger_price=41400,
            close_position="true", working_type="MARK_PRICE", client_algo_id="ws-stop")).data()  # fmt: skip
        assert (made.status, made.result.algo_status) == (200, "NEW")
        gone = (await connection.cancel_algo_order(client_algo_id="ws-stop")).data()
        assert gone.result.code == "200"
        assert server.engine.world.algo.open_count == 0
        await connection.new_order(symbol="SOLUSDT", side="SELL", type="MARKET", quantity=51, reduce_only="true")
        assert json.dumps(server.engine.world.amounts("SOLUSDT")) == "{}"
    finally:
        await connection.close_connection(close_session=True)
