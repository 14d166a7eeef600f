"""What the account's owner may set: position mode, leverage, margin type, isolated margin, asset mode."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.errors import refusal
from position_monitor.paper.events import account_update, leverage_update, multi_assets_update
from position_monitor.paper.matching import Matching
from position_monitor.paper.trader import Trader
from position_monitor.paper.world import MarginMove, World


class Settings:
    """The account's settings by the venue's rules."""

    def __init__(self, world: World, matching: Matching, trader: Trader) -> None:
        self._world = world
        self._matching = matching
        self._trader = trader

    def set_hedge(self, hedge: bool, origin: str = "api") -> None:
        """Position mode: -4059 unchanged, -4067 with orders, -4068 with positions."""
        account = self._world.account
        if account.hedge == hedge:
            raise refusal(-4059)
        if self._world.plain.open_count or self._world.algo.open_count:
            raise refusal(-4067)
        if account.open_positions():
            raise refusal(-4068)
        account.hedge = hedge
        self._world.note("mode_changed", origin, "", hedge=hedge)

    def force_hedge(self, hedge: bool) -> None:
        """The mode flips under open positions and orders (a fault; the venue forbids it)."""
        account = self._world.account
        if account.hedge == hedge:
            return
        self._trader.convert_mode(hedge)
        self._world.note("mode_changed", "venue", "", hedge=hedge, forced=True)

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """POST /fapi/v1/leverage: -4028, -4161, -2028."""
        instrument = self._world.instrument(symbol)
        account = self._world.account
        config = account.config_of(symbol)
        if not 1 <= leverage <= instrument.brackets[0].max_leverage:
            raise refusal(-4028, f"Leverage {leverage} is not valid")
        held = [leg for leg in account.positions.get(symbol, {}).values() if leg.amount]
        if held and config.isolated and leverage < config.leverage:
            raise refusal(-4161)
        notional = sum((abs(leg.amount) for leg in held), Decimal(0))
        if notional * self._world.market.mark(symbol) > instrument.max_notional_at(leverage):
            raise refusal(-2027)
        account.set_leverage(symbol, leverage)
        self._world.note("leverage_changed", "api", symbol, leverage=leverage)
        self._world.emit(leverage_update(symbol, leverage, self._world.now_ms))

    def set_margin_type(self, symbol: str, isolated: bool) -> None:
        """POST /fapi/v1/marginType: -4046 unchanged, -4047 with orders, -4048 with a position."""
        self._world.instrument(symbol)
        account = self._world.account
        if account.config_of(symbol).isolated == isolated:
            raise refusal(-4046)
        if isolated and account.multi_assets:
            raise refusal(-4168)
        if self._world.plain.open_of(symbol) or self._world.algo.open_of(symbol):
            raise refusal(-4047)
        if any(leg.amount for leg in account.positions.get(symbol, {}).values()):
            raise refusal(-4048)
        account.set_isolated(symbol, isolated)
        self._world.note("margin_type_changed", "api", symbol, isolated=isolated)
        legs = list(account.positions.get(symbol, {}).values())
        self._world.emit(
            account_update(account, legs, self._world.market.mark(symbol), "MARGIN_TYPE_CHANGE", self._world.now_ms)
        )

    def move_margin(self, symbol: str, side: str, amount: Decimal) -> None:
        """POST /fapi/v1/positionMargin, negative to take margin out: -4049 cross, -4054 flat, -4050 and -4051."""
        self._world.instrument(symbol)
        account = self._world.account
        leg = account.position(symbol, side)
        if not account.config_of(symbol).isolated:
            raise refusal(-4049)
        if not leg.amount:
            raise refusal(-4054)
        if amount > account.available(self._matching.order_margin()):
            raise refusal(-4050)
        if -amount > account.removable_margin(leg):
            raise refusal(-4051)
        account.move_margin(leg, amount, self._world.now_ms)
        self._world.margin_moves.append(MarginMove(symbol, side, amount, self._world.now_ms))
        self._world.note("margin_moved", "api", symbol, side=side, amount=str(amount))
        mark = self._world.market.mark(symbol)
        self._world.emit(account_update(account, [leg], mark, "MARGIN_TRANSFER", self._world.now_ms))

    def set_multi_assets(self, multi_assets: bool) -> None:
        """POST /fapi/v1/multiAssetsMargin: -4171 unchanged, -4167 with isolated symbols, -4170 with orders."""
        account = self._world.account
        if account.multi_assets == multi_assets:
            raise refusal(-4171)
        if multi_assets and any(config.isolated for config in account.config.values()):
            raise refusal(-4167)
        if self._world.plain.open_count:
            raise refusal(-4170)
        account.multi_assets = multi_assets
        self._world.note("multi_assets_changed", "api", "", multi_assets=multi_assets)
        self._world.emit(multi_assets_update(multi_assets, self._world.now_ms))
