"""Surroundings of a daemon under test: rights, a streamed mark, and the orders that were accepted."""

from __future__ import annotations

from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import NO_CONTROL
from position_monitor.core.observation.stream_events import MarkPrice
from position_monitor.daemon.surroundings import Settings
from tests.core.build import NOW_MS, rules


class Around:
    """Nobody advises, and no stream delivers."""

    full_sweep_s = 60.0

    def __init__(self, *, may=Mode.LIVE, mark=None):
        self.settings = Settings(rules(), check_interval_s=10.0, cycle_deadline_s=20.0)
        self.may, self.mark = may, mark
        self.accepted = []
        self.in_force = NO_CONTROL
        self.degraded = []

    def mode(self, *, second_writer):
        return self.may

    def control(self):
        return self.in_force

    def degraded_reasons(self, mode, *, foreign_order):
        return self.degraded

    def advice(self, symbol):
        return None

    def ask_advice(self, questions):
        pass

    def market(self, symbol):
        return None

    def advice_missing(self, symbol):
        return ""

    def market_missing(self, symbol):
        return "candles are not read"

    def order_accepted(self, client_id):
        self.accepted.append(client_id)

    def events_delivered(self):
        return False

    def streamed_mark(self, symbol):
        return None if self.mark is None else MarkPrice(symbol, self.mark, NOW_MS)

    def positions_read(self):
        pass
