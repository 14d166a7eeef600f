"""The operator's control interface as plain calls: JSON in, JSON out, no sockets.

Not part of the venue: it moves prices, trades as a human, places foreign orders
and switches faults.  Its state shows the truth, whatever faults tell the API.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from position_monitor.paper import bodies
from position_monitor.paper.account_bodies import AccountBodies
from position_monitor.paper.amounts import plain
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.ratelimit import Usage
from position_monitor.paper.views import LiveView

Body = dict[str, Any]
JOURNAL_PAGE = 10_000


class Control:
    """One method per control endpoint, and `handle` that picks it."""

    def __init__(self, engine: Engine, usage: Usage | None = None) -> None:
        self.engine = engine
        self._usage = usage or Usage()
        self._bodies = AccountBodies(engine.world, engine.matching)
        self._table: dict[tuple[str, str], Callable[[Body], Any]] = {
            ("GET", "state"): self.state,
            ("GET", "journal"): self.journal,
            ("GET", "faults"): self.faults,
            ("GET", "usage"): lambda _: self._usage.body(),
            ("POST", "price"): self.price,
            ("POST", "freeze"): lambda _: self.freeze(True),
            ("POST", "resume"): lambda _: self.freeze(False),
            ("POST", "position"): self.position,
            ("POST", "order"): self.order,
            ("DELETE", "order"): self.cancel,
            ("POST", "fault"): self.fault,
            ("DELETE", "fault"): self.clear,
            ("POST", "mode"): self.mode,
            ("POST", "filters"): self.filters,
            ("POST", "limits"): self.limits,
            ("POST", "leverage"): self.leverage,
            ("POST", "margin-type"): self.margin_type,
            ("POST", "advance"): self.advance,
        }

    def handle(self, method: str, name: str, values: Body) -> tuple[int, Any]:
        """HTTP status and JSON answer of one control request."""
        action = self._table.get((method, name))
        if action is None:
            return 404, {"error": f"no control endpoint {method} /paper/{name}"}
        try:
            return 200, action(values)
        except VenueRefusal as refused:
            return 400, refused.body()
        except (ValueError, KeyError, TypeError, InvalidOperation) as problem:
            return 400, {"error": f"{type(problem).__name__}: {problem}"}

    def state(self, values: Body) -> Body:
        """Positions, orders, prices, faults; `history=false` leaves ended orders out."""
        world = self.engine.world
        ended = _text(values.get("history", True)) == "true"
        view = LiveView(world)
        quotes = world.market.quotes
        return {
            "now_ms": self.engine.now_ms, "server_time_ms": self.engine.server_time_ms(),
            "offset_ms": self.engine.offset_ms, "hedge": world.account.hedge,
            "wallet": plain(world.account.wallet), "frozen": world.market.frozen,
            "journal_sequence": world.journal.last_sequence,
            "positions": [
                row for row in self._bodies.positions_v3(view, None)
                if Decimal(row["positionAmt"])
            ],
            "plain_orders": [
                bodies.order_read(o, world.instruments[o.symbol]) | {"origin": o.origin}
                for o in world.plain.history_of(None) if ended or o.open
            ],
            "algo_orders": [
                bodies.algo_read(o, world.instruments[o.symbol])
                | {"origin": o.origin, "reason": o.reason}
                for o in world.algo.history_of(None) if ended or o.open
            ],
            "prices": {
                symbol: {"mark": plain(q.mark), "last": plain(q.last)}
                for symbol, q in sorted(quotes.items())
            },
            "faults": [rule.body() for rule in world.faults.active()],
        }  # fmt: skip

    def journal(self, values: Body) -> Body:
        """Entries after a sequence number, at most a page."""
        entries = self.engine.world.journal.after(int(values.get("after", 0)))[:JOURNAL_PAGE]
        last = self.engine.world.journal.last_sequence
        return {"last_sequence": last, "entries": [entry.body() for entry in entries]}

    def price(self, values: Body) -> Body:
        """Set mark and/or last; `price` sets both."""
        both = values.get("price")
        mark, last = (_decimal(values.get(name, both)) for name in ("mark", "last"))
        if mark is None and last is None:
            raise ValueError("one of mark, last, price is needed")
        symbol = values["symbol"]
        self.engine.set_price(symbol, mark, last)
        quote = self.engine.world.market.quotes[symbol]
        return {"symbol": symbol, "mark": plain(quote.mark), "last": plain(quote.last)}

    def freeze(self, frozen: bool) -> Body:
        """Stop or resume the walk."""
        self.engine.world.market.frozen = frozen
        return {"frozen": frozen}

    def position(self, values: Body) -> Body:
        """A trader's market order."""
        symbol = values["symbol"]
        orders = self.engine.trade(values["action"], symbol, values.get("side"), _decimal(values.get("quantity")))
        return {
            "position": self.engine.world.amounts(symbol),
            "orders": [bodies.order_read(o, self.engine.world.instruments[symbol]) for o in orders],
        }

    def order(self, values: Body) -> Body:
        """A foreign order through the venue's own rules; with `algoType` a conditional one."""
        params = {key: _text(value) for key, value in values.items()}
        instruments = self.engine.world.instruments
        if "algoType" in params:
            algo = self.engine.place_algo(params, origin="foreign")
            return bodies.algo_written(algo, instruments[algo.symbol])
        order = self.engine.place_order(params, origin="foreign")
        return bodies.order_read(order, instruments[order.symbol])

    def cancel(self, values: Body) -> Body:
        """Cancel any order as its owner would; `silently` removes an algo without a trace."""
        params = {key: _text(value) for key, value in values.items() if key != "silently"}
        if "algoId" not in params and "clientAlgoId" not in params:
            order = self.engine.cancel_order(params, origin="foreign")
            return bodies.order_written(order, self.engine.world.instruments[order.symbol])
        if _text(values.get("silently", False)) == "true":
            found = self.engine.algos.find(params)
            if found is None or not found.open:
                raise ValueError("no such open algo order")
            self.engine.triggers.vanish(found)
            return {"algoId": found.algo_id, "vanished": True}
        return bodies.algo_cancelled(self.engine.cancel_algo(params, origin="foreign"))

    def fault(self, values: Body) -> Body:
        """Switch a fault on."""
        settings = {key: value for key, value in values.items() if key != "name"}
        return self.engine.add_fault(values["name"], **settings).body()

    def clear(self, values: Body) -> Body:
        """Switch faults off: by id, by name, or all."""
        fault_id = values.get("fault_id")
        number = int(fault_id) if fault_id is not None else None
        return {"removed": self.engine.remove_fault(values.get("name"), number)}

    def faults(self, _: Body) -> list[Body]:
        """Active faults."""
        return [rule.body() for rule in self.engine.world.faults.active()]

    def mode(self, values: Body) -> Body:
        """Position mode; `force` flips it under open positions."""
        hedge = _text(values["hedge"]) == "true"
        if _text(values.get("force", False)) == "true":
            self.engine.force_hedge(hedge)
        else:
            self.engine.set_hedge(hedge, origin="trader")
        return {"hedge": self.engine.world.account.hedge}

    def filters(self, values: Body) -> Body:
        """Change fields of an instrument, e.g. tick, step, min_notional, status."""
        symbol = values["symbol"]
        known = self.engine.world.instrument(symbol)
        changes: dict[str, Decimal | str | int] = {}
        for key, value in values.items():
            if key != "symbol":
                is_number = isinstance(getattr(known, key, None), Decimal)
                changes[key] = Decimal(str(value)) if is_number else value
        changed = self.engine.change_instrument(symbol, **changes)
        return {"symbol": symbol, "tick": plain(changed.tick), "step": plain(changed.step),
                "status": changed.status}  # fmt: skip

    def limits(self, values: Body) -> Body:
        """Change how many conditional orders the account may have open (the venue allows 200)."""
        allowed = int(values["conditional_orders"])
        if allowed < 1:
            raise ValueError("at least one conditional order must be allowed")
        self.engine.world.conditional_orders_max = allowed
        return {"conditional_orders": allowed}

    def leverage(self, values: Body) -> Body:
        """Leverage of a symbol, by the venue's rules."""
        self.engine.set_leverage(values["symbol"], int(values["leverage"]))
        return {"symbol": values["symbol"], "leverage": int(values["leverage"])}

    def advance(self, values: Body) -> Body:
        """Age the world by `ms`; request timestamps are still judged by the real clock."""
        step = int(values["ms"])
        if step < 0:
            raise ValueError("time does not run backwards")
        self.engine.offset_ms += step
        self.engine.advance_to(self.engine.now_ms + step)
        return {"now_ms": self.engine.now_ms}

    def margin_type(self, values: Body) -> Body:
        """Margin type of a symbol, by the venue's rules."""
        isolated = _text(values["isolated"]) == "true"
        self.engine.set_margin_type(values["symbol"], isolated)
        return {"symbol": values["symbol"], "isolated": isolated}


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
