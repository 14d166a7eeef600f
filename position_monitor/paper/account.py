"""The account: positions, wallet, margin, liquidation price.

Money is USDT.  A position's amount is signed (negative = short).  Totals of the
cross margin account are kept up to date per symbol, so one price move costs only
the positions of that symbol.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple, Protocol

from position_monitor.paper.amounts import CENT8, ZERO
from position_monitor.paper.instruments import Bracket, Instrument

TAKER_FEE = Decimal("0.0005")
MAKER_FEE = Decimal("0.0002")
AVERAGE = Decimal("1e-12")  # averaged prices keep more decimals than any tick


@dataclass(slots=True)
class SymbolConfig:
    """Leverage and margin type of one symbol."""

    leverage: int = 20
    isolated: bool = False


@dataclass(slots=True)
class Position:
    """One position: symbol and side (BOTH in one-way mode, LONG or SHORT in hedge mode)."""

    symbol: str
    side: str
    amount: Decimal = ZERO
    entry: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    costs: Decimal = ZERO  # fees paid less profit taken since it was opened
    realized: Decimal = ZERO
    updated_ms: int = 0

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit at this mark."""
        return self.amount * (mark - self.entry)

    @property
    def break_even(self) -> Decimal:
        """Price at which the position and its costs come out at zero."""
        if not self.amount:
            return ZERO
        return (self.entry + self.costs / self.amount).quantize(AVERAGE, ROUND_HALF_EVEN)

    def copy(self) -> Position:
        """An independent copy."""
        return Position(
            self.symbol, self.side, self.amount, self.entry, self.isolated_wallet, self.costs, self.realized,
            self.updated_ms,
        )  # fmt: skip


class Exposure(NamedTuple):
    """What one position adds to the account's totals."""

    upnl: Decimal
    maintenance: Decimal
    initial: Decimal
    isolated_wallet: Decimal


NO_EXPOSURE = Exposure(ZERO, ZERO, ZERO, ZERO)


class Marks(Protocol):
    """Where the account takes its mark prices from."""

    def mark(self, symbol: str) -> Decimal:
        """Mark price."""


class Account:
    """Wallet, modes, per-symbol configuration and positions."""

    def __init__(self, instruments: dict[str, Instrument], market: Marks, wallet: Decimal) -> None:
        self._instruments = instruments
        self._market = market
        self.wallet = wallet
        self.hedge = False
        self.multi_assets = False
        self.config: dict[str, SymbolConfig] = {}
        self.positions: dict[str, dict[str, Position]] = {}
        self._exposures: dict[tuple[str, str], Exposure] = {}
        self.cross_upnl = ZERO
        self.cross_maintenance = ZERO
        self.cross_initial = ZERO
        self.isolated_wallets = ZERO
        self.isolated_upnl = ZERO
        self.isolated_initial = ZERO
        self.isolated_maintenance = ZERO

    def copied(self, marks: Marks, same: Account | None = None) -> Account:
        """A copy with other marks, for a reader of the past; it shares the positions of `same` if only prices moved."""
        other = copy(self)
        other._market, other._exposures = marks, dict(self._exposures)
        if same is not None:
            other.config, other.positions = same.config, same.positions
        else:
            other.config = {name: SymbolConfig(one.leverage, one.isolated) for name, one in self.config.items()}
            held = self.positions.items()
            other.positions = {name: {side: leg.copy() for side, leg in legs.items()} for name, legs in held}
        return other

    def config_of(self, symbol: str) -> SymbolConfig:
        """The symbol's configuration, created with defaults at first use."""
        found = self.config.get(symbol)
        if found is None:
            top = self._instruments[symbol].brackets[0].max_leverage
            found = self.config[symbol] = SymbolConfig(leverage=min(20, top))
        return found

    def position(self, symbol: str, side: str) -> Position:
        """The position object of a side, created flat at first use."""
        legs = self.positions.setdefault(symbol, {})
        if side not in legs:
            legs[side] = Position(symbol, side)
        return legs[side]

    def amount(self, symbol: str, side: str) -> Decimal:
        """Signed amount of a side, zero if never opened."""
        leg = self.positions.get(symbol, {}).get(side)
        return leg.amount if leg else ZERO

    def open_positions(self) -> list[Position]:
        """Every non-flat position, by symbol then side."""
        return [
            leg for symbol in sorted(self.positions) for _, leg in sorted(self.positions[symbol].items()) if leg.amount
        ]

    def fill(self, symbol: str, side: str, change: Decimal, price: Decimal, fee: Decimal, now_ms: int) -> Decimal:
        """Apply an execution of a signed quantity; returns the realized profit."""
        leg = self.position(symbol, side)
        closing = min(abs(change), abs(leg.amount)) if leg.amount * change < 0 else ZERO
        realized = ZERO
        if closing:
            direction = 1 if leg.amount > 0 else -1
            realized = (closing * (price - leg.entry) * direction).quantize(CENT8, ROUND_HALF_EVEN)
            self._reduce(leg, closing * direction)
            change += closing * direction
        if change:
            fresh = not leg.amount
            self._grow(leg, change, price)
            leg.costs = fee if fresh else leg.costs + fee - realized
        elif leg.amount:
            leg.costs += fee - realized
        else:
            leg.entry, leg.costs, leg.isolated_wallet = ZERO, ZERO, ZERO
        leg.realized += realized
        leg.updated_ms = now_ms
        self.wallet += realized - fee
        self.revalue(symbol)
        return realized

    def _reduce(self, leg: Position, signed: Decimal) -> None:
        kept = (leg.amount - signed) / leg.amount
        leg.isolated_wallet = (leg.isolated_wallet * kept).quantize(CENT8)
        leg.amount -= signed

    def _grow(self, leg: Position, change: Decimal, price: Decimal) -> None:
        total = leg.amount + change
        cost = leg.entry * leg.amount + price * change
        leg.entry = (cost / total).quantize(AVERAGE, ROUND_HALF_EVEN)
        leg.amount = total
        config = self.config_of(leg.symbol)
        if config.isolated:
            leg.isolated_wallet += (abs(change) * price / config.leverage).quantize(CENT8)

    def revalue(self, symbol: str) -> None:
        """Bring the totals up to date after a price, fill or leverage change."""
        legs = self.positions.get(symbol)
        if not legs:
            return
        config, mark = self.config_of(symbol), self._market.mark(symbol)
        for side, leg in legs.items():
            before, fresh = self.exposure(symbol, side), self._exposure(leg, mark, config)
            self._exposures[symbol, side] = fresh
            self._count(before, fresh, config.isolated)

    def _exposure(self, leg: Position, mark: Decimal, config: SymbolConfig) -> Exposure:
        notional = abs(leg.amount) * mark
        bracket = self._instruments[leg.symbol].bracket_at(notional)
        return Exposure(
            leg.unrealized(mark),
            maintenance_of(notional, bracket) if leg.amount else ZERO,
            notional / config.leverage,
            leg.isolated_wallet,
        )

    def _count(self, before: Exposure, fresh: Exposure, isolated: bool) -> None:
        if isolated:
            self.isolated_upnl = self.isolated_upnl - before.upnl + fresh.upnl
            self.isolated_initial = self.isolated_initial - before.initial + fresh.initial
            self.isolated_maintenance = self.isolated_maintenance - before.maintenance + fresh.maintenance
        else:
            self.cross_upnl = self.cross_upnl - before.upnl + fresh.upnl
            self.cross_maintenance = self.cross_maintenance - before.maintenance + fresh.maintenance
            self.cross_initial = self.cross_initial - before.initial + fresh.initial
        self.isolated_wallets = self.isolated_wallets - before.isolated_wallet + fresh.isolated_wallet

    def exposure(self, symbol: str, side: str) -> Exposure:
        """What this position adds to the totals now."""
        return self._exposures.get((symbol, side), NO_EXPOSURE)

    def move_margin(self, leg: Position, amount: Decimal, now_ms: int) -> None:
        """Put cross balance into an isolated position (negative: take it out)."""
        leg.isolated_wallet += amount
        leg.updated_ms = now_ms
        self.revalue(leg.symbol)

    def removable_margin(self, leg: Position) -> Decimal:
        """How much of an isolated position's margin is beyond what its size and loss need."""
        exposure = self.exposure(leg.symbol, leg.side)
        return max(ZERO, leg.isolated_wallet + min(ZERO, exposure.upnl) - exposure.initial)

    def receive(self, amount: Decimal, leg: Position | None) -> None:
        """Money from the venue (negative: to it), into an isolated position's own wallet where one is named."""
        self.wallet += amount
        if leg is not None:
            leg.isolated_wallet += amount
            self.revalue(leg.symbol)

    def set_isolated(self, symbol: str, isolated: bool) -> None:
        """Margin type of a symbol without a position."""
        self.config_of(symbol).isolated = isolated

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Leverage of a symbol; exposures follow."""
        self.config_of(symbol).leverage = leverage
        self.revalue(symbol)

    @property
    def cross_wallet(self) -> Decimal:
        """Wallet balance outside isolated positions."""
        return self.wallet - self.isolated_wallets

    def available(self, order_margin: Decimal = ZERO) -> Decimal:
        """Balance free for new cross margin, never below zero."""
        free = self.cross_wallet + self.cross_upnl - self.cross_initial - order_margin
        return max(ZERO, free)

    def liquidation_price(self, symbol: str, side: str) -> Decimal:
        """The mark at which the position's margin falls to its maintenance.

        The venue's published formula: isolated positions use their own wallet,
        cross positions the cross wallet plus the other symbols' profit less
        their maintenance.  Zero when no positive price liquidates.
        """
        both = self.positions.get(symbol, {})
        leg = both.get(side)
        if leg is None or not leg.amount:
            return ZERO
        if self.config_of(symbol).isolated:
            return self._solve(symbol, [leg], leg.isolated_wallet)
        legs = [p for p in both.values() if p.amount]
        own_upnl = own_maintenance = ZERO
        for one in legs:
            exposure = self.exposure(symbol, one.side)
            own_upnl += exposure.upnl
            own_maintenance += exposure.maintenance
        others_upnl, others_maintenance = self.cross_upnl - own_upnl, self.cross_maintenance - own_maintenance
        return self._solve(symbol, legs, self.cross_wallet + others_upnl - others_maintenance)

    def _solve(self, symbol: str, legs: list[Position], wallet: Decimal) -> Decimal:
        """Solve wallet + sum(amount*(P-entry)) = sum(|amount|*P*rate - cum) for P,
        taking the brackets that hold at the solution itself."""
        instrument = self._instruments[symbol]
        price = self._market.mark(symbol)
        brackets = [instrument.bracket_at(abs(p.amount) * price) for p in legs]
        for _ in range(len(instrument.brackets) + 1):
            solved = _breakeven_of_margin(legs, brackets, wallet)
            if solved is None or solved <= 0:
                return ZERO
            price, before = solved, brackets
            brackets = [instrument.bracket_at(abs(p.amount) * price) for p in legs]
            if brackets == before:
                break
        return price


def maintenance_of(notional: Decimal, bracket: Bracket) -> Decimal:
    """Maintenance margin of a notional in its bracket."""
    return notional * bracket.maintenance - bracket.cum


def _breakeven_of_margin(legs: list[Position], brackets: list[Bracket], wallet: Decimal) -> Decimal | None:
    numerator, slope = wallet, ZERO
    for leg, bracket in zip(legs, brackets, strict=True):
        numerator += bracket.cum - leg.amount * leg.entry
        slope += abs(leg.amount) * bracket.maintenance - leg.amount
    return (numerator / slope).quantize(CENT8, ROUND_HALF_EVEN) if slope else None
