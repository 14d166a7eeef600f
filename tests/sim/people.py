"""Everybody else at the account: the market, a trader, a human at the web page, another program."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal

from position_monitor.core.model.outside import Advice
from position_monitor.edge.ai_engine import AdviceStatus, Answer, Question
from position_monitor.paper.amounts import floor_to, round_to
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import VenueRefusal
from tests.sim.virtual_time import SimClock, sleep, true_ms


class Market:
    """Prices that trend, wick and gap."""

    def __init__(self, engine: Engine, symbols: list[str], rng: random.Random) -> None:
        self._engine = engine
        self._symbols = symbols
        self._rng = rng
        self._drift = {symbol: rng.gauss(0, 0.0004) for symbol in symbols}
        self.calm = False
        self.paused = False
        self.apart: dict[str, Decimal] = {}
        """How far the last price of a symbol is from its mark, as a share of it; none where it is not named."""

    async def live(self) -> None:
        while True:
            await sleep(1)
            if self.paused:
                continue
            self._engine.advance_to(true_ms())
            for symbol in self._symbols:
                self._move(symbol)

    def _move(self, symbol: str) -> None:
        world, rng = self._engine.world, self._rng
        quote, tick = world.market.quotes[symbol], world.instruments[symbol].tick
        step = rng.gauss(0, 0.0001) if self.calm else rng.gauss(self._drift[symbol], 0.0008)
        if not self.calm and rng.random() < 0.01:
            step += rng.choice((-1, 1)) * rng.uniform(0.005, 0.04)
        factor = Decimal(repr(round(1 + step, 6)))
        mark = max(tick, quote.mark * factor)
        if not self.calm and rng.random() < 0.02:  # a wick: there and back
            wick = Decimal(repr(round(1 + rng.choice((-1, 1)) * rng.uniform(0.002, 0.02), 6)))
            self._engine.set_price(symbol, quote.mark * wick, round_to(quote.last * wick, tick))
        last = mark * (1 + self.apart[symbol]) if symbol in self.apart else mark
        self._engine.set_price(symbol, mark, max(tick, round_to(last, tick)))


class Trader:
    """Opens, adds, reduces, flips, closes; cancels and moves orders by hand; places its own."""

    def __init__(self, engine: Engine, symbols: list[str], rng: random.Random) -> None:
        self._engine = engine
        self._symbols = symbols
        self._rng = rng
        self.pause_s = rng.uniform(2, 12)
        self.paused = False

    async def live(self) -> None:
        while True:
            await sleep(self._rng.expovariate(1 / self.pause_s))
            if self.paused:
                continue
            self._engine.advance_to(true_ms())
            with suppress(VenueRefusal, ValueError):
                self.act()

    def act(self) -> None:
        symbol = self._rng.choice(self._symbols)
        choice = self._rng.random()
        held = {s: leg.amount for s, leg in self._engine.world.account.positions.get(symbol, {}).items() if leg.amount}
        if not held or choice < 0.1:
            self._engine.trade("open", symbol, self._rng.choice(("LONG", "SHORT")), self.size_for(symbol))
            return
        leg, amount = self._rng.choice(sorted(held.items()))
        side = "LONG" if amount > 0 else "SHORT"
        if choice < 0.3:
            self._engine.trade("add", symbol, side, self.size_for(symbol))
        elif choice < 0.45:
            step = self._engine.world.instruments[symbol].step
            self._engine.trade("reduce", symbol, side, max(step, floor_to(abs(amount) / 2, step)))
        elif choice < 0.55 and leg == "BOTH":
            self._engine.trade("flip", symbol, side, None)
        elif choice < 0.7:
            self._engine.trade("close", symbol, side, None)
        elif choice < 0.82:
            self._cancel_by_hand(symbol)
        else:
            self._place_by_hand(symbol, leg, side, abs(amount))

    def size_for(self, symbol: str) -> Decimal:
        """What a trader of this account would open or add."""
        instrument = self._engine.world.instruments[symbol]
        notional = Decimal(self._rng.choice((30, 200, 1_000, 5_000)))
        size = floor_to(notional / self._engine.world.market.mark(symbol), instrument.step)
        return max(size, instrument.min_qty, instrument.step)

    def _cancel_by_hand(self, symbol: str) -> None:
        orders = sorted(self._engine.world.algo.open_of(symbol), key=lambda order: order.algo_id)
        if orders:
            order = self._rng.choice(orders)
            self._engine.cancel_algo({"algoId": str(order.algo_id)}, origin="foreign")

    def _place_by_hand(self, symbol: str, leg: str, side: str, amount: Decimal) -> None:
        """The user's own close-all stop, partial stop, take-profit, or a limit order."""
        world = self._engine.world
        instrument, mark = world.instruments[symbol], world.market.mark(symbol)
        away = Decimal(repr(round(self._rng.uniform(0.004, 0.06), 4)))
        loss = -1 if side == "LONG" else 1
        params = {"symbol": symbol, "side": "SELL" if side == "LONG" else "BUY", "positionSide": leg}
        kind = self._rng.choice(("close_all", "partial", "target", "limit"))
        quantity = str(max(instrument.step, floor_to(amount / 2, instrument.step)))
        reduce = {} if leg != "BOTH" else {"reduceOnly": "true"}
        if kind == "limit":
            price = str(round_to(mark * (1 - loss * away), instrument.tick))
            extra = {"type": "LIMIT", "timeInForce": "GTC", "quantity": quantity, "price": price, **reduce}
            self._engine.place_order(params | extra, origin="foreign")
            return
        direction = -loss if kind == "target" else loss
        extra = {
            "algoType": "CONDITIONAL",
            "type": "TAKE_PROFIT_MARKET" if kind == "target" else "STOP_MARKET",
            "triggerPrice": str(round_to(mark * (1 + direction * away), instrument.tick)),
            "workingType": "MARK_PRICE",
        }
        extra |= {"closePosition": "true"} if kind == "close_all" else {"quantity": quantity, **reduce}
        self._engine.place_algo(params | extra, origin="foreign")


class FractionAdviser:
    """An AI engine that is sure of itself, and writes 0.025 where 2.5 % is meant."""

    def __init__(self, clock: SimClock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng

    async def fetch(self, symbol: str, question: Question) -> Answer:
        await sleep(self._rng.uniform(0.01, 1))
        now_ms = self._clock.now_ms()
        return Answer(
            AdviceStatus.OK,
            advice=Advice(
                symbol=symbol,
                action="HOLD",
                confidence=Decimal("0.95"),
                regime="",
                take_profit_pct=Decimal("0.025"),
                stop_loss_pct=self._rng.choice((None, Decimal("0.012"), Decimal("0.0125"))),
                trailing_pct=None,
                issued_at_ms=now_ms,
                expires_at_ms=now_ms + 300_000,
            ),
        )


class Adviser:
    """An AI engine full of opinions: sensible, wild, late, or out of order."""

    def __init__(self, clock: SimClock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng

    async def fetch(self, symbol: str, question: Question) -> Answer:
        await sleep(self._rng.uniform(0.01, 3))
        choice = self._rng.random()
        if choice < 0.1:
            raise RuntimeError("the model is not loaded")
        if choice < 0.3:
            return Answer(AdviceStatus.DOWN, "timeout", unreachable=self._rng.random() < 0.5)
        now_ms = self._clock.now_ms()
        return Answer(
            AdviceStatus.OK,
            advice=Advice(
                symbol=symbol,
                action=self._rng.choice(("BUY", "SELL", "HOLD")),
                confidence=self._number(0, 1),
                regime=self._rng.choice(("", "TRENDING", "HIGH_VOL")),
                take_profit_pct=self._rng.choice((None, self._number(0.05, 30))),
                stop_loss_pct=self._rng.choice((None, self._number(0.4, 1.4), self._number(0.01, 50))),
                trailing_pct=None,
                issued_at_ms=now_ms,
                expires_at_ms=now_ms + self._rng.choice((1_000, 30_000, 300_000)),
            ),
        )

    def _number(self, least: float, most: float) -> Decimal:
        return Decimal(repr(round(self._rng.uniform(least, most), 2)))
