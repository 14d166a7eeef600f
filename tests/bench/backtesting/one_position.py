"""Run inside the venv of backtesting.py: always one long position with a fixed stop and target. Prints CPU seconds."""

import json
import sys
import time

import pandas
from backtesting import Backtest, Strategy


class OnePosition(Strategy):
    """Buys whenever nothing is held."""

    def init(self):
        """Nothing to prepare."""

    def next(self):
        """One order at a time."""
        if not self.position and not self.orders:
            price = self.data.Close[-1]
            self.buy(size=1, sl=price * 0.985, tp=price * 1.025)


def main():
    """Read, run, tell."""
    data = pandas.read_csv(sys.argv[1]).rename(columns=str.capitalize)
    data.index = pandas.to_datetime(data.pop("Time"), unit="ms")
    backtest = Backtest(data, OnePosition, cash=10_000_000, commission=0.0, finalize_trades=True)
    began_s = time.process_time()
    found = backtest.run()
    elapsed_s = time.process_time() - began_s
    print(json.dumps({"candles": len(data), "cpu_s": elapsed_s, "trades": int(found["# Trades"])}))


main()
