"""JSON shapes of positions, balances and account settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from position_monitor.paper.account import Position
from position_monitor.paper.amounts import ZERO, money, plain
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import PlainOrder
from position_monitor.paper.views import View
from position_monitor.paper.world import World

Body = dict[str, Any]
Facts = tuple[Any, ...]


class AccountBodies:
    """Renders the account as one view sees it.  Answers share rows that are as they were, for nobody changes a row."""

    def __init__(self, world: World, matching: Matching) -> None:
        self._world = world
        self._matching = matching
        self._rows_v2: dict[tuple[str, str], tuple[Facts, Body]] = {}
        self._rows_v3: dict[tuple[str, str], tuple[Facts, Body]] = {}

    def _facts(self, leg: Position, view: View) -> Facts:
        """All that a position's row depends on but the orders: while it stays, so does the row."""
        account, symbol = view.account, leg.symbol
        config = account.config_of(symbol)
        own = (
            view.mark(symbol), config.leverage, config.isolated, self._world.instruments[symbol],
            leg.amount, leg.entry, leg.costs, leg.isolated_wallet, leg.updated_ms,
        )  # fmt: skip
        if not leg.amount:
            return own
        legs = account.positions[symbol].values()
        of_account = (account.cross_wallet, account.cross_upnl, account.cross_maintenance)
        return (*own, *of_account, *[(one.amount, one.entry, account.exposure(symbol, one.side)) for one in legs])

    def positions_v3(self, view: View, symbol: str | None) -> list[Body]:
        """Open positions, and zero rows for symbols that only have resting orders."""
        rows = {
            (leg.symbol, leg.side): leg for leg in view.legs()
            if leg.amount and symbol in (None, leg.symbol)
        }  # fmt: skip
        keys = [(o.symbol, o.position_side) for o in view.plain_open(symbol)]
        keys += [(o.symbol, o.position_side) for o in view.algo_open(symbol)]
        ended = {(leg.symbol, leg.side): leg for leg in view.legs()} if keys else {}
        for key in keys:
            rows.setdefault(key, ended.get(key) or Position(*key))
        return [self._row_v3(leg, view) for _, leg in sorted(rows.items())]

    def _row_v3(self, leg: Position, view: View) -> Body:
        key, resting = (leg.symbol, leg.side), _resting_notional(view.plain_open(leg.symbol))
        facts = (resting, *self._facts(leg, view))
        before = self._rows_v3.get(key)
        if before is None or before[0] != facts:
            before = self._rows_v3[key] = (facts, self._written_v3(leg, view, resting))
        return before[1]

    def _written_v3(self, leg: Position, view: View, resting: tuple[Decimal, Decimal]) -> Body:
        account, instrument = view.account, self._world.instruments[leg.symbol]
        mark = view.mark(leg.symbol)
        isolated = account.config_of(leg.symbol).isolated
        exposure = account.exposure(leg.symbol, leg.side)
        upnl = leg.unrealized(mark)
        bid, ask = resting
        initial = money(exposure.initial) if leg.amount else "0"
        return {
            "symbol": leg.symbol, "positionSide": leg.side,
            "positionAmt": instrument.qty_text(leg.amount),
            "entryPrice": plain(leg.entry) if leg.amount else "0.0",
            "breakEvenPrice": plain(leg.break_even) if leg.amount else "0.0",
            "markPrice": money(mark), "unRealizedProfit": money(upnl),
            "liquidationPrice": plain(account.liquidation_price(leg.symbol, leg.side)),
            "isolatedMargin": money(leg.isolated_wallet + upnl) if isolated else "0",
            "notional": money(leg.amount * mark) if leg.amount else "0", "marginAsset": "USDT",
            "isolatedWallet": plain(leg.isolated_wallet), "initialMargin": initial,
            "maintMargin": money(exposure.maintenance) if leg.amount else "0",
            "positionInitialMargin": initial, "openOrderInitialMargin": "0",
            "adl": 2 if leg.amount else 0, "bidNotional": plain(bid), "askNotional": plain(ask),
            "updateTime": leg.updated_ms,
        }  # fmt: skip

    def positions_v2(self, view: View, symbol: str | None) -> list[Body]:
        """Every symbol asked for, zero rows included: BOTH, or LONG and SHORT in hedge mode."""
        known = {(leg.symbol, leg.side): leg for leg in view.legs()}
        symbols = sorted(view.instruments) if symbol is None else [symbol]
        sides = ("LONG", "SHORT") if view.account.hedge else ("BOTH",)
        keys = [(name, side) for name in symbols for side in sides]
        return [self._row_v2(known.get(key) or Position(*key), view) for key in keys]

    def _row_v2(self, leg: Position, view: View) -> Body:
        key, facts = (leg.symbol, leg.side), self._facts(leg, view)
        before = self._rows_v2.get(key)
        if before is None or before[0] != facts:
            before = self._rows_v2[key] = (facts, self._written_v2(leg, view))
        return before[1]

    def _written_v2(self, leg: Position, view: View) -> Body:
        account = view.account
        instrument, config = self._world.instruments[leg.symbol], account.config_of(leg.symbol)
        mark = view.mark(leg.symbol)
        upnl = leg.unrealized(mark)
        return {
            "symbol": leg.symbol, "positionAmt": instrument.qty_text(leg.amount),
            "entryPrice": plain(leg.entry) if leg.amount else "0.0",
            "breakEvenPrice": plain(leg.break_even) if leg.amount else "0.0",
            "markPrice": money(mark), "unRealizedProfit": money(upnl),
            "liquidationPrice": plain(account.liquidation_price(leg.symbol, leg.side)),
            "leverage": str(config.leverage),
            "maxNotionalValue": plain(instrument.max_notional_at(config.leverage)),
            "marginType": "isolated" if config.isolated else "cross",
            "isolatedMargin": money(leg.isolated_wallet + upnl) if config.isolated
            else "0.00000000",
            "isAutoAddMargin": "false", "positionSide": leg.side,
            "notional": money(leg.amount * mark) if leg.amount else "0",
            "isolatedWallet": plain(leg.isolated_wallet), "updateTime": leg.updated_ms,
        }  # fmt: skip

    def _totals(self, view: View) -> Body:
        account = view.account
        orders = self._matching.order_margin(view.plain_open(None))
        upnl = account.cross_upnl + account.isolated_upnl
        positions = account.cross_initial + account.isolated_initial
        available = account.available(orders)
        return {
            "walletBalance": account.wallet, "unrealizedProfit": upnl,
            "marginBalance": account.wallet + upnl,
            "maintMargin": account.cross_maintenance + account.isolated_maintenance,
            "initialMargin": positions + orders, "positionInitialMargin": positions,
            "openOrderInitialMargin": orders, "crossWalletBalance": account.cross_wallet,
            "crossUnPnl": account.cross_upnl, "availableBalance": available,
            "maxWithdrawAmount": min(available, max(ZERO, account.cross_wallet)),
        }  # fmt: skip

    def account(self, view: View, version: int) -> Body:
        """Account information, version 2 (every symbol) or 3 (only what is held or rests)."""
        totals = self._totals(view)
        asset: Body = {"asset": "USDT"} | {name: money(value) for name, value in totals.items()}
        asset |= {"updateTime": view.at_ms}
        renamed = {"walletBalance": "totalWalletBalance"}
        body: Body = {}
        for name, value in totals.items():
            if name in ("availableBalance", "maxWithdrawAmount"):
                body[name] = money(value)
            else:
                title = renamed.get(name, "total" + name[0].upper() + name[1:])
                body[title] = money(value)
        if version == 2:
            asset |= {"marginAvailable": True}
            body |= self._settings(view) | {"feeBurn": False}
            del body["dualSidePosition"]
            rows = [self._account_row_v2(r, view) for r in self.positions_v2(view, None)]
        else:
            rows = [self._account_row_v3(r) for r in self.positions_v3(view, None)]
        return body | {"assets": [asset], "positions": rows}

    def _account_row_v3(self, row: Body) -> Body:
        wanted = ("symbol", "positionSide", "positionAmt", "isolatedMargin", "notional",
                  "isolatedWallet", "initialMargin", "maintMargin", "updateTime")  # fmt: skip
        return {name: row[name] for name in wanted} | {"unrealizedProfit": row["unRealizedProfit"]}

    def _account_row_v2(self, row: Body, view: View) -> Body:
        exposure = view.account.exposure(row["symbol"], row["positionSide"])
        initial = money(exposure.initial)
        return {
            "symbol": row["symbol"], "initialMargin": initial,
            "maintMargin": money(exposure.maintenance),
            "unrealizedProfit": row["unRealizedProfit"], "positionInitialMargin": initial,
            "openOrderInitialMargin": "0", "leverage": row["leverage"],
            "isolated": row["marginType"] == "isolated", "entryPrice": row["entryPrice"],
            "breakEvenPrice": row["breakEvenPrice"], "maxNotional": row["maxNotionalValue"],
            "bidNotional": "0", "askNotional": "0", "positionSide": row["positionSide"],
            "positionAmt": row["positionAmt"], "updateTime": row["updateTime"],
        }  # fmt: skip

    def balances(self, view: View) -> list[Body]:
        """Balance v2 and v3 (the same fields)."""
        totals = self._totals(view)
        return [{
            "accountAlias": "PaPr", "asset": "USDT", "balance": money(totals["walletBalance"]),
            "crossWalletBalance": money(totals["crossWalletBalance"]),
            "crossUnPnl": money(totals["crossUnPnl"]),
            "availableBalance": money(totals["availableBalance"]),
            "maxWithdrawAmount": money(totals["maxWithdrawAmount"]), "marginAvailable": True,
            "updateTime": view.at_ms,
        }]  # fmt: skip

    def _settings(self, view: View) -> Body:
        account = view.account
        return {
            "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": False,
            "dualSidePosition": account.hedge, "updateTime": 0,
            "multiAssetsMargin": account.multi_assets, "tradeGroupId": -1,
        }  # fmt: skip

    def config(self, view: View) -> Body:
        """GET accountConfig."""
        return self._settings(view)

    def symbol_config(self, view: View, symbol: str | None) -> list[Body]:
        """GET symbolConfig."""
        symbols = sorted(view.instruments) if symbol is None else [symbol]
        return [self._symbol_row(name, view) for name in symbols]

    def _symbol_row(self, symbol: str, view: View) -> Body:
        config = view.account.config_of(symbol)
        most = self._world.instruments[symbol].max_notional_at(config.leverage)
        return {
            "symbol": symbol, "marginType": "ISOLATED" if config.isolated else "CROSSED",
            "isAutoAddMargin": False, "leverage": config.leverage,
            "maxNotionalValue": plain(most),
        }  # fmt: skip


def _resting_notional(orders: list[PlainOrder]) -> tuple[Decimal, Decimal]:
    if not orders:
        return ZERO, ZERO
    bid = sum((o.remaining * o.price for o in orders if o.side == "BUY"), ZERO)
    ask = sum((o.remaining * o.price for o in orders if o.side == "SELL"), ZERO)
    return bid, ask
