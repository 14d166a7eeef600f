"""A strategy for freqtrade that only opens positions: every pair is bought and held with a stop on the exchange.

The first `PACED` pairs are bought one per iteration, and then nothing for `PAUSE` iterations, so that nothing else
keeps freqtrade from placing their stops. After that every other pair is bought at once.
"""

from __future__ import annotations

from freqtrade.strategy import IStrategy

PACED = 7
PAUSE = 4


class EnterEverything(IStrategy):
    """Long on every pair at once, 1.5 % stop on the exchange, no exit."""

    INTERFACE_VERSION = 3
    timeframe = "5m"
    minimal_roi = {"0": 100}  # noqa: RUF012 - the form freqtrade reads
    stoploss = -0.015
    startup_candle_count = 1
    process_only_new_candles = False
    order_types = {  # noqa: RUF012
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }
    _bought = 0
    _bought_now = 0
    _paused = 0

    def bot_loop_start(self, current_time, **_):
        self._bought_now = 0
        if self._bought == PACED:
            self._paused += 1

    def confirm_trade_entry(self, *_, **__):
        paced = self._bought < PACED
        if (paced and self._bought_now) or (self._bought == PACED and self._paused <= PAUSE):
            return False
        self._bought += 1
        self._bought_now += 1
        return True

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe
