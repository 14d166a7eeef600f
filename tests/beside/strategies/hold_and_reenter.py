"""A strategy for freqtrade that always wants to be long: a stop on the exchange, its profit taken, in again at once."""

from __future__ import annotations

from freqtrade.strategy import IStrategy


class HoldAndReenter(IStrategy):
    """Long on every pair, 1.5 % stop on the exchange, out at 2 % profit, and back in."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {"0": 0.02}  # noqa: RUF012 - the form freqtrade reads
    stoploss = -0.015
    startup_candle_count = 1
    process_only_new_candles = False
    order_types = {  # noqa: RUF012
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
        "stoploss_on_exchange_interval": 10,
    }

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe
