"""One request in, one reply out: faults, budgets, security, routing.  No sockets.

The HTTP and WebSocket-API edges and an in-memory simulator all call `handle`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from position_monitor.paper.account_routes import AccountRoutes
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import VenueRefusal, refusal
from position_monitor.paper.faults import WRITE_METHODS, Fault, RequestRules
from position_monitor.paper.history_routes import HistoryRoutes
from position_monitor.paper.market_routes import MarketRoutes
from position_monitor.paper.parameters import Params
from position_monitor.paper.ratelimit import RateLimiter, Usage, banned
from position_monitor.paper.routes import Access, Route, Table
from position_monitor.paper.signing import Gatekeeper, Request
from position_monitor.paper.statistics_routes import StatisticsRoutes
from position_monitor.paper.trade_routes import TradeRoutes

HTML = "<html><head><title>Just a moment...</title></head><body>checking</body></html>"
BAN_MS = 120_000


@dataclass(slots=True)
class Reply:
    """What goes back.  `dropped`: the connection closes without an answer.
    `delay_ms`: how long the edge holds it back.  `raw` replaces the JSON body.

    Nobody changes one; it is not frozen because a frozen one takes three times as long to make."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    dropped: bool = False
    delay_ms: int = 0
    raw: str | None = None
    content_type: str = "application/json"

    def text(self) -> str:
        """The body as sent."""
        if self.raw is not None:
            return self.raw
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False)


class Gateway:
    """The venue's front door over an engine."""

    def __init__(self, engine: Engine, gatekeeper: Gatekeeper) -> None:
        self.engine = engine
        self.gatekeeper = gatekeeper
        self.limiter = RateLimiter()
        self.usage = Usage()
        self._table: Table = {
            **MarketRoutes(engine).table(),
            **StatisticsRoutes(engine).table(),
            **AccountRoutes(engine).table(),
            **HistoryRoutes(engine).table(),
            **TradeRoutes(engine).table(),
        }

    def handle(self, request: Request) -> Reply:
        """Answer a request, with whatever faults are switched on."""
        rules = self.engine.world.faults.about_requests()
        latency = self._take(rules.latency, request)
        reply = self._transported(request, rules)
        return replace(reply, delay_ms=reply.delay_ms + latency.delay_ms) if latency else reply

    def _take(self, rules: list[Fault], request: Request) -> Fault | None:
        if not rules:
            return None
        faults, params = self.engine.world.faults, request.params
        client_id = self._client_id(params) if faults.ask_client_ids else None
        return faults.strike(rules, params.get("symbol"), request.path, request.method, client_id, params)

    def _client_id(self, params: Params) -> str | None:
        """The client id a request is about, also where it names the order by the venue's number."""
        named = params.get("clientAlgoId") or params.get("newClientOrderId") or params.get("origClientOrderId")
        number = params.get("algoId") or params.get("orderId") or ""
        if named or not number.isdecimal():
            return named
        world = self.engine.world
        order = world.algo.by_id(int(number)) if "algoId" in params else world.plain.by_id(int(number))
        return order.client_id if order is not None else None

    def _transported(self, request: Request, rules: RequestRules) -> Reply:
        lost = self._take(rules.lost, request)
        if lost is not None:
            self._note_fault(lost, request)
            return Reply(dropped=True, delay_ms=lost.delay_ms)
        if request.method in WRITE_METHODS:
            late = self._take(rules.late, request)
            if late is not None:
                self._note_fault(late, request)
                moment = replace(request, trusted=True, charged=True)
                self.engine.world.schedule(late.delay_ms, lambda: self._run_quietly(moment))
                return Reply(dropped=True)
        reply = self._answered(request, rules)
        rules = self.engine.world.faults.about_requests()
        lost = self._take(rules.unanswered, request)
        if lost is not None:
            self._note_fault(lost, request)
            return Reply(dropped=True, delay_ms=lost.delay_ms)
        garbled = self._take(rules.garbling, request)
        if garbled is not None:
            self._note_fault(garbled, request)
            garbage = garble(reply, garbled.name)
            return replace(garbage, status=garbled.status) if garbled.status is not None else garbage
        return self._odd(reply, request, rules.odd) if rules.odd and reply.status == 200 else reply

    def _odd(self, reply: Reply, request: Request, rules: list[Fault]) -> Reply:
        """The answer with what the odd-row faults put into its rows."""
        for rule in rules:
            if rule.admits(rule.symbol, request.path, request.method, None, request.params):
                reply = replace(reply, body=odd_rows(reply.body, rule))
        return reply

    def _run_quietly(self, request: Request) -> None:
        self._checked(request)

    def _note_fault(self, rule: Fault, request: Request) -> None:
        self.engine.world.note(
            "fault_struck", "fault", request.params.get("symbol", ""), name=rule.name,
            method=request.method, path=request.path,
        )  # fmt: skip

    def _answered(self, request: Request, rules: RequestRules) -> Reply:
        rule = self._take(rules.refusing_exempt if never_busy(request) else rules.refusing, request)
        if rule is None:
            return self._checked(request)
        self._note_fault(rule, request)
        if rule.executed:
            self._checked(request)
        return self._refused_by_fault(rule)

    def _refused_by_fault(self, rule: Fault) -> Reply:
        now = self.engine.now_ms
        seconds = max(1, rule.delay_ms // 1000)
        if rule.name == "unavailable_503":
            return Reply(503, raw="Service Unavailable.", content_type="text/plain")
        if rule.name in ("rate_limited", "banned"):
            refused = refusal(-1003) if rule.name == "rate_limited" else banned(now + BAN_MS)
            refused.message = rule.message or refused.message
            reply = self._refused(refused)
            return replace(reply, headers=reply.headers | {"Retry-After": rule.retry_after or str(seconds)})
        codes = {"unknown_503": -1000, "internal_503": -1001, "busy": -1008,
                 "unexpected": -1006, "backend_timeout": -1007, "bad_key": -2015}  # fmt: skip
        refused = refusal(codes.get(rule.name, rule.code), rule.message)
        refused.http_status = rule.status or refused.http_status
        return self._refused(refused)

    def _checked(self, request: Request) -> Reply:
        try:
            return self._routed(request)
        except VenueRefusal as refused:
            return self._refused(refused)

    def _refused(self, refused: VenueRefusal) -> Reply:
        headers = self.limiter.weight_header(self.engine.now_ms)
        if refused.http_status in (418, 429):
            self.usage.limited += 1
            headers["Retry-After"] = str(max(1, self.limiter.retry_after_s))
        return Reply(refused.http_status, refused.body(), headers)

    def _routed(self, request: Request) -> Reply:
        now = self.engine.now_ms
        route = self._table.get((request.method, request.path))
        if route is None:
            return unknown_path(request)
        orders = self._order_slots(route, request)
        if not request.charged:
            weight = route.cost(request.params)
            self.limiter.charge(now, weight, orders)
            self.usage.add(now, f"{request.method} {request.path}", weight, orders)
        if not request.trusted:
            self._check_access(route, request)
        body = route.handler(request.params)
        headers = self.limiter.weight_header(now)
        if orders:
            headers |= self.limiter.order_headers(now)
        return Reply(200, body, headers)

    def _check_access(self, route: Route, request: Request) -> None:
        if route.access is Access.KEY:
            self.gatekeeper.check_key(request)
        elif route.access is Access.SIGNED:
            self.gatekeeper.check_signed(request, self.engine.server_time_ms())

    def _order_slots(self, route: Route, request: Request) -> int:
        if route.orders is not None:
            return route.orders
        try:
            return max(1, len(json.loads(request.params.get("batchOrders", "[]"))))
        except (ValueError, TypeError):
            return 1


def never_busy(request: Request) -> bool:
    """Exempt from -1008: cancels, and reducing orders on the plain order endpoint.
    The page does not name algoOrder, so conditional orders are not exempt."""
    if request.method == "DELETE":
        return True
    if (request.method, request.path) != ("POST", "/fapi/v1/order"):
        return False
    params = request.params
    leg = (params.get("positionSide"), params.get("side"))
    return params.get("reduceOnly", "").lower() == "true" or leg in (
        ("LONG", "SELL"), ("SHORT", "BUY"),
    )  # fmt: skip


def unknown_path(request: Request) -> Reply:
    """The venue's answer to a path it does not know."""
    text = f"Path {request.path}, Method {request.method} is invalid"
    return Reply(404, {"code": -5000, "msg": text})


def garble(reply: Reply, name: str) -> Reply:
    """HTTP 200 with a body that is not what was asked for."""
    if name == "html":
        return Reply(200, raw=HTML, content_type="text/html")
    if name == "truncated":
        text = reply.text()
        return Reply(200, raw=text[: max(1, len(text) // 2)], headers=reply.headers)
    raw = {"empty": "", "empty_object": "{}", "null": "null", "code_zero": '{"code":0}'}[name]
    return Reply(200, raw=raw, headers=reply.headers)


def odd_rows(body: Any, rule: Fault) -> Any:  # noqa: ANN401 - JSON values
    """The body with one field changed in each of its rows, or in those of the rule's symbol; `null` where the rule
    says so.  `zero_mark` is the position row without a mark that was seen on the venue in 2023."""
    if isinstance(body, list):
        return [odd_rows(row, rule) if isinstance(row, dict) else row for row in body]
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("positions"), list):
        return body | {"positions": odd_rows(body["positions"], rule)}
    if rule.field not in body or rule.symbol not in (None, body.get("symbol")):
        return body
    return body | {rule.field: rule.value}
