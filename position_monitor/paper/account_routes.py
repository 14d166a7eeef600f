"""Signed endpoints about the account: positions, balances, settings, stream key."""

from __future__ import annotations

from typing import Any

from position_monitor.paper.account_bodies import AccountBodies
from position_monitor.paper.amounts import plain
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import missing, refusal
from position_monitor.paper.market_bodies import RATE_LIMITS, leverage_brackets
from position_monitor.paper.parameters import (
    Params,
    amount,
    flag,
    integer,
    need,
    optional,
    position_side_of,
)
from position_monitor.paper.routes import Access, Route, Table

Body = dict[str, Any]
DONE: Body = {"code": 200, "msg": "success"}


class AccountRoutes:
    """Handlers over the account."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._world = engine.world
        self._bodies = AccountBodies(engine.world, engine.matching)
        self._fee_burn = False

    def table(self) -> Table:
        """Endpoint to route."""
        key = Access.KEY
        return {
            ("GET", "/fapi/v2/positionRisk"): Route(self.positions_v2, weight=5),
            ("GET", "/fapi/v3/positionRisk"): Route(self.positions_v3, weight=5),
            ("GET", "/fapi/v2/account"): Route(self.account_v2, weight=5),
            ("GET", "/fapi/v3/account"): Route(self.account_v3, weight=5),
            ("GET", "/fapi/v2/balance"): Route(self.balances, weight=5),
            ("GET", "/fapi/v3/balance"): Route(self.balances, weight=5),
            ("GET", "/fapi/v1/accountConfig"): Route(self.config, weight=5),
            ("GET", "/fapi/v1/symbolConfig"): Route(self.symbol_config, weight=5),
            ("GET", "/fapi/v1/leverageBracket"): Route(self.brackets),
            ("GET", "/fapi/v1/positionSide/dual"): Route(self.mode, weight=30),
            ("POST", "/fapi/v1/positionSide/dual"): Route(self.set_mode),
            ("POST", "/fapi/v1/leverage"): Route(self.set_leverage),
            ("POST", "/fapi/v1/marginType"): Route(self.set_margin_type),
            ("POST", "/fapi/v1/positionMargin"): Route(self.move_margin),
            ("GET", "/fapi/v1/multiAssetsMargin"): Route(self.multi_assets, weight=30),
            ("POST", "/fapi/v1/multiAssetsMargin"): Route(self.set_multi_assets),
            ("GET", "/fapi/v1/feeBurn"): Route(self.fee_burn, weight=30),
            ("POST", "/fapi/v1/feeBurn"): Route(self.set_fee_burn),
            ("GET", "/fapi/v1/commissionRate"): Route(self.commission, weight=20),
            ("GET", "/fapi/v1/apiTradingStatus"): Route(self.trading_status, weight=1,
                                                        weight_all=10),
            ("GET", "/fapi/v1/rateLimit/order"): Route(self.rate_limit),
            ("GET", "/fapi/v1/adlQuantile"): Route(self.adl, weight=5),
            ("GET", "/sapi/v1/account/apiRestrictions"): Route(lambda _: self._world.key_permissions.body()),
            ("POST", "/fapi/v1/listenKey"): Route(self.issue_key, key),
            ("PUT", "/fapi/v1/listenKey"): Route(self.extend_key, key),
            ("DELETE", "/fapi/v1/listenKey"): Route(self.close_key, key),
        }  # fmt: skip

    def _symbol(self, params: Params) -> str | None:
        symbol = optional(params, "symbol")
        if symbol is not None:
            self._world.instrument(symbol)
        return symbol

    def positions_v2(self, params: Params) -> list[Body]:
        """GET v2/positionRisk."""
        symbol = self._symbol(params)
        view = self._engine.view(symbol, "/fapi/v2/positionRisk")
        return self._faulty(self._bodies.positions_v2(view, symbol), "/fapi/v2/positionRisk")

    def positions_v3(self, params: Params) -> list[Body]:
        """GET v3/positionRisk."""
        symbol = self._symbol(params)
        view = self._engine.view(symbol, "/fapi/v3/positionRisk")
        return self._faulty(self._bodies.positions_v3(view, symbol), "/fapi/v3/positionRisk")

    def _faulty(self, rows: list[Body], path: str) -> list[Body]:
        """The lies a replica may tell: nothing at all, or only some of the rows."""
        faults = self._world.faults
        if faults.take(("false_flat",), path=path, method="GET"):
            return []
        named = faults.first("shrunken_positions")
        about = named.symbol if named is not None else None
        rule = faults.take(("shrunken_positions",), symbol=about, path=path, method="GET")
        if rule is None:
            return rows
        if rule.symbol is not None:
            return [row for row in rows if row["symbol"] != rule.symbol]
        return rows[: rule.keep]

    def account_v2(self, _: Params) -> Body:
        """GET v2/account."""
        return self._account(2)

    def account_v3(self, _: Params) -> Body:
        """GET v3/account."""
        return self._account(3)

    def _account(self, version: int) -> Body:
        path = f"/fapi/v{version}/account"
        body = self._bodies.account(self._engine.view(None, path), version)
        return body | {"positions": self._faulty(body["positions"], path)}

    def balances(self, _: Params) -> list[Body]:
        """GET balance."""
        return self._bodies.balances(self._engine.replica(None, "/fapi/v3/balance"))

    def config(self, _: Params) -> Body:
        """GET accountConfig."""
        return self._bodies.config(self._engine.replica(None, "/fapi/v1/accountConfig"))

    def symbol_config(self, params: Params) -> list[Body]:
        """GET symbolConfig."""
        symbol = self._symbol(params)
        return self._bodies.symbol_config(self._engine.replica(symbol, "/fapi/v1/symbolConfig"), symbol)

    def brackets(self, params: Params) -> list[Body]:
        """GET leverageBracket."""
        symbol = self._symbol(params)
        names = sorted(self._world.instruments) if symbol is None else [symbol]
        return [leverage_brackets(self._world.instruments[name]) for name in names]

    def mode(self, _: Params) -> Body:
        """GET positionSide/dual."""
        return {"dualSidePosition": self._engine.replica(None, "/fapi/v1/positionSide/dual").account.hedge}

    def set_mode(self, params: Params) -> Body:
        """POST positionSide/dual."""
        value = flag(params, "dualSidePosition")
        if value is None:
            raise missing("dualSidePosition")
        self._engine.set_hedge(value)
        return DONE

    def set_leverage(self, params: Params) -> Body:
        """POST leverage."""
        symbol = need(params, "symbol")
        leverage = integer(params, "leverage")
        if leverage is None:
            raise missing("leverage")
        self._engine.set_leverage(symbol, leverage)
        most = self._world.instruments[symbol].max_notional_at(leverage)
        return {"leverage": leverage, "maxNotionalValue": plain(most), "symbol": symbol}

    def set_margin_type(self, params: Params) -> Body:
        """POST marginType."""
        symbol, kind = need(params, "symbol"), need(params, "marginType")
        if kind not in ("ISOLATED", "CROSSED"):
            raise refusal(-1130, "Data sent for parameter 'marginType' is not valid.")
        self._engine.set_margin_type(symbol, kind == "ISOLATED")
        return DONE

    def move_margin(self, params: Params) -> Body:
        """POST positionMargin: type 1 adds, 2 takes out."""
        symbol, kind = need(params, "symbol"), need(params, "type")
        size = amount(params, "amount")
        if size is None:
            raise missing("amount")
        if kind not in ("1", "2"):
            raise refusal(-1130, "Data sent for parameter 'type' is not valid.")
        if size <= 0:
            raise refusal(-4055)
        side = position_side_of(params, self._world.account.hedge)
        self._engine.move_margin(symbol, side, size if kind == "1" else -size)
        return {"amount": float(size), "code": 200, "msg": "Successfully modify position margin.", "type": int(kind)}

    def set_multi_assets(self, params: Params) -> Body:
        """POST multiAssetsMargin."""
        value = flag(params, "multiAssetsMargin")
        if value is None:
            raise missing("multiAssetsMargin")
        self._engine.set_multi_assets(value)
        return DONE

    def fee_burn(self, _: Params) -> Body:
        """GET feeBurn: whether fees would be paid in another coin; they never are here."""
        return {"feeBurn": self._fee_burn}

    def set_fee_burn(self, params: Params) -> Body:
        """POST feeBurn: remembered, without effect."""
        value = flag(params, "feeBurn")
        if value is None:
            raise missing("feeBurn")
        self._fee_burn = value
        return DONE

    def multi_assets(self, _: Params) -> Body:
        """GET multiAssetsMargin."""
        return {"multiAssetsMargin": self._world.account.multi_assets}

    def commission(self, params: Params) -> Body:
        """GET commissionRate."""
        symbol = need(params, "symbol")
        self._world.instrument(symbol)
        return {
            "symbol": symbol, "makerCommissionRate": "0.000200",
            "takerCommissionRate": "0.000500", "rpiCommissionRate": "0.000050",
        }  # fmt: skip

    def trading_status(self, _: Params) -> Body:
        """GET apiTradingStatus: nothing is locked."""
        return {"indicators": {}, "updateTime": self._world.now_ms}

    def rate_limit(self, _: Params) -> list[Body]:
        """GET rateLimit/order."""
        return [dict(row) for row in RATE_LIMITS if row["rateLimitType"] == "ORDERS"]

    def adl(self, params: Params) -> list[Body]:
        """GET adlQuantile of symbols with a position."""
        symbol = self._symbol(params)
        rows: dict[str, dict[str, int]] = {}
        for leg in self._world.account.open_positions():
            if symbol in (None, leg.symbol):
                rows.setdefault(leg.symbol, {})[leg.side] = 2
        return [{"symbol": name, "adlQuantile": sides} for name, sides in rows.items()]

    def issue_key(self, _: Params) -> Body:
        """POST listenKey."""
        return {"listenKey": self._engine.listen_keys.issue()}

    def extend_key(self, _: Params) -> Body:
        """PUT listenKey."""
        return {"listenKey": self._engine.listen_keys.extend()}

    def close_key(self, _: Params) -> Body:
        """DELETE listenKey."""
        self._engine.listen_keys.close()
        return {}
