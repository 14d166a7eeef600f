"""Run by NautilusTrader's own interpreter: buys, rests a reduce-only take-profit, and says what it believes.

Usage: holder.py REST_ORIGIN.  A line of JSON every two seconds: positions and open orders by its cache.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal

import pandas as pd
from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

HELD = ("BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE")
QUANTITY = Decimal("0.05")
PROFIT = 1.02


class HolderConfig(StrategyConfig, frozen=True):
    """Nothing to choose."""


class Holder(Strategy):
    """Long on both, out at 2 % by a resting order of its own."""

    def on_start(self):
        for name in HELD:
            instrument = self.cache.instrument(InstrumentId.from_str(name))
            quantity = instrument.make_qty(QUANTITY)
            self.submit_order(self.order_factory.market(instrument.id, OrderSide.BUY, quantity))
        self.clock.set_timer("say", pd.Timedelta(seconds=2), callback=self.say)

    def on_stop(self):
        self.clock.cancel_timer("say")

    def on_position_opened(self, event):
        price = self.cache.instrument(event.instrument_id).make_price(float(event.avg_px_open) * PROFIT)
        self.submit_order(
            self.order_factory.limit(
                event.instrument_id, OrderSide.SELL, event.quantity, price,
                time_in_force=TimeInForce.GTC, reduce_only=True,
            )
        )  # fmt: skip

    def say(self, _):
        held = {
            p.instrument_id.symbol.value.removesuffix("-PERP"): str(p.quantity) for p in self.cache.positions_open()
        }
        resting = [order.client_order_id.value for order in self.cache.orders_open()]
        print(json.dumps({"held": held, "resting": resting}), flush=True)


def main(origin):
    """Trade until SIGTERM."""
    keys = {"api_key": "paper-key", "api_secret": "paper-secret", "account_type": BinanceAccountType.USDT_FUTURES}
    keys |= {"base_url_http": origin, "instrument_provider": InstrumentProviderConfig(load_all=True)}
    streams = origin.replace("http", "ws", 1)
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("BESIDE-001"),
            logging=LoggingConfig(log_level="WARNING", log_colors=False),
            exec_engine=LiveExecEngineConfig(reconciliation=True, open_check_interval_secs=10.0),
            # This version knows no routes; the private one is named in its base.
            data_clients={BINANCE: BinanceDataClientConfig(**keys, base_url_ws=f"{streams}/public")},
            exec_clients={BINANCE: BinanceExecClientConfig(**keys, base_url_ws=f"{streams}/private")},
            timeout_connection=60, timeout_reconciliation=30, timeout_portfolio=30,
            timeout_disconnection=5, timeout_post_stop=2,
        )
    )  # fmt: skip
    node.trader.add_strategy(Holder(HolderConfig()))
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    try:
        node.run()
    finally:
        node.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
