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
from position_monitor.paper.ratelimit import RateLimiter, Usage
from position_monitor.paper.views import LiveView

Body = dict[str, Any]
JOURNAL_PAGE = 10_000
ABSURD = 10_000
"""A price so many times above or below where a contract began is a mistake of the operator's, not a market."""
LONGEST_TRIGGER_MS = 3_600_000
LONGEST_STEP_MS = 366 * 86_400_000


class Control:
    """One method per control endpoint, and `handle` that picks it."""

    def __init__(self, engine: Engine, usage: Usage | None = None, limiter: RateLimiter | None = None) -> None:
        self.engine = engine
        self._usage = usage or Usage()
        self._limiter = limiter or RateLimiter()
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
            ("POST", "symbol"): self.symbol,
            ("POST", "trigger"): self.trigger,
            ("POST", "fill"): self.fill,
            ("POST", "neighbour"): self.neighbour,
            ("POST", "leverage"): self.leverage,
            ("POST", "key"): engine.world.key_permissions.change,
            ("POST", "funding"): self.funding,
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
        reference = self.engine.world.instrument(symbol).reference_price
        for name, value in (("mark", mark), ("last", last)):
            if value is not None and not reference / ABSURD < value < reference * ABSURD:
                raise ValueError(
                    f"{name} was {value}; a price between {plain(reference / ABSURD)} and {plain(reference * ABSURD)} "
                    f"is expected of {symbol}"
                )
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
                changes[key] = _positive(key, value) if is_number else value
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

    def symbol(self, values: Body) -> Body:
        """Contracts come, stop, are settled and go: `action` list, halt, resume, settle or delist."""
        symbol, action = values["symbol"], values["action"]
        settings = {key: value for key, value in values.items() if key not in ("symbol", "action")}
        if action == "list":
            texts = {key: _text(settings.pop(key)) for key in ("price", "tick", "step")}
            self.engine.list_symbol(symbol, **texts, **settings)
        elif action in ("halt", "resume"):
            self.engine.set_status(symbol, settings.get("status", "BREAK") if action == "halt" else "TRADING")
        elif action == "settle":
            price = settings.get("price")
            self.engine.settle_symbol(symbol, None if price is None else _positive("price", price))
        elif action == "delist":
            self.engine.delist_symbol(symbol)
        else:
            raise ValueError(f"action was {action!r}; allowed: list, halt, resume, settle, delist")
        world = self.engine.world
        return {"symbol": symbol, "status": world.instruments[symbol].status, "listed": symbol in world.listed()}

    def trigger(self, values: Body) -> Body:
        """How long a conditional order takes from its trigger to the fill of its child."""
        delay_ms = int(values["delay_ms"])
        if not 0 <= delay_ms <= LONGEST_TRIGGER_MS:
            raise ValueError(f"delay_ms was {delay_ms}; 0 to {LONGEST_TRIGGER_MS} is allowed")
        self.engine.world.trigger_delay_ms = delay_ms
        return {"delay_ms": delay_ms}

    def fill(self, values: Body) -> Body:
        """Execute some of a resting limit order at its price."""
        params = {key: _text(value) for key, value in values.items() if key != "quantity"}
        order = self.engine.fill_part(params, _positive("quantity", values["quantity"]))
        return bodies.order_read(order, self.engine.world.instruments[order.symbol])

    def neighbour(self, values: Body) -> Body:
        """Another program on the same address spends this request weight at the start of each minute."""
        weight = int(values["weight"])
        if weight < 0:
            raise ValueError(f"weight was {weight}; 0 or more is expected")
        self._limiter.neighbour_weight = weight
        return {"weight": weight}

    def leverage(self, values: Body) -> Body:
        """Leverage of a symbol, by the venue's rules."""
        self.engine.set_leverage(values["symbol"], int(values["leverage"]))
        return {"symbol": values["symbol"], "leverage": int(values["leverage"])}

    def funding(self, values: Body) -> Body:
        """Charge funding now at a `rate`, of one symbol or of all; a positive rate is paid by longs."""
        return {"received": plain(self.engine.charge_funding(Decimal(str(values["rate"])), values.get("symbol")))}

    def advance(self, values: Body) -> Body:
        """Age the world by `ms`; request timestamps are still judged by the real clock."""
        step = int(values["ms"])
        if not 0 <= step <= LONGEST_STEP_MS:
            raise ValueError(f"ms was {step}; 0 to {LONGEST_STEP_MS} is allowed: time does not run backwards")
        self.engine.offset_ms += step
        self.engine.advance_to(self.engine.now_ms + step)
        return {"now_ms": self.engine.now_ms}

    def margin_type(self, values: Body) -> Body:
        """Margin type of a symbol, by the venue's rules."""
        isolated = _text(values["isolated"]) == "true"
        self.engine.set_margin_type(values["symbol"], isolated)
        return {"symbol": values["symbol"], "isolated": isolated}


def _decimal(value: object) -> Decimal | None:
    """A number of the operator's, or None where none was sent; NaN and infinities are a ValueError."""
    if value is None:
        return None
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value} is not a number that can be traded")
    return number


def _positive(name: str, value: object) -> Decimal:
    number = _decimal(value)
    if number is None or number <= 0:
        raise ValueError(f"{name} was {value}; a number above 0 is expected")
    return number


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
