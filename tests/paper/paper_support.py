"""Builders the paper tests share: engines in known states, and what the world looks like."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from position_monitor.paper import scenario
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.gateway import Gateway, Reply
from position_monitor.paper.signing import Gatekeeper, Request, received

START_MS = 1_795_000_000_000
KEY, SECRET = "test-key-1", "test-secret-1"


def engine_with(
    *positions: tuple[str, str, str, str],
    hedge: bool = False,
    wallet: str = "50000",
    isolated: bool = False,
    leverage: int = 10,
) -> Engine:
    """An engine with (symbol, side, quantity, entry) positions, marks at the entries."""
    rows = [
        {
            "symbol": symbol,
            "side": side,
            "quantity": quantity,
            "entry": entry,
            "isolated": isolated,
            "leverage": leverage,
        }
        for symbol, side, quantity, entry in positions
    ]
    made = scenario.parse(
        "test",
        {
            "description": "made by a test",
            "wallet": wallet,
            "hedge": hedge,
            "positions": rows,
        },
    )
    return scenario.build(made, 7, START_MS)


def long_btc(**settings: Any) -> Engine:
    """One-way mode, long 0.5 BTC from 40,000."""
    return engine_with(("BTCUSDT", "LONG", "0.5", "40000"), **settings)


def fingerprint(engine: Engine) -> tuple[Any, ...]:
    """Everything a refused request must leave as it was."""
    world = engine.world
    return (
        [(p.symbol, p.side, p.amount, p.entry) for p in world.account.open_positions()],
        world.account.wallet,
        [(o.order_id, o.status, o.quantity, o.price, o.executed) for o in world.plain.history_of(None)],
        [(o.algo_id, o.status, o.quantity, o.trigger) for o in world.algo.history_of(None)],
        len(world.outbox),
        len(world.trades),
        world.account.hedge,
        {symbol: (c.leverage, c.isolated) for symbol, c in world.account.config.items()},
    )


def refused_code(engine: Engine, action: Any) -> int:
    """The code of the refusal, having checked that nothing else changed."""
    before = fingerprint(engine)
    try:
        action()
    except VenueRefusal as refused:
        assert fingerprint(engine) == before, "a refused request changed the world"
        return refused.code
    raise AssertionError("the venue accepted what it must refuse")


def stop_params(**changes: str | None) -> dict[str, str]:
    """A close-all stop for the long of `long_btc`; None removes a parameter."""
    params: dict[str, str | None] = {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": "39000",
        "closePosition": "true",
        "workingType": "MARK_PRICE",
    }
    return without_none({**params, **changes})


def part_params(**changes: str | None) -> dict[str, str]:
    """A reduce-only quantity stop for the long of `long_btc`."""
    return stop_params(**{"closePosition": None, "quantity": "0.2", "reduceOnly": "true", **changes})


def limit_params(**changes: str | None) -> dict[str, str]:
    """A resting buy far enough below the market."""
    params: dict[str, str | None] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "39500",
    }
    return without_none({**params, **changes})


def market_params(**changes: str | None) -> dict[str, str]:
    """A market sell of part of the long."""
    params: dict[str, str | None] = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "MARKET",
        "quantity": "0.1",
    }
    return without_none({**params, **changes})


def without_none(params: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in params.items() if value is not None}


def names(engine: Engine) -> list[str]:
    """Drained user events as words: the name, and the status or reason."""
    out = []
    for event in engine.drain_events():
        body = event.body
        if event.name == "ALGO_UPDATE":
            out.append(f"ALGO {body['o']['X']}")
        elif event.name == "ORDER_TRADE_UPDATE":
            out.append(f"ORDER {body['o']['x']} {body['o']['X']}")
        else:
            out.append(event.name)
    return out


def gateway_of(engine: Engine) -> Gateway:
    return Gateway(engine, Gatekeeper(KEY, SECRET))


def signed(
    engine: Engine,
    method: str,
    path: str,
    params: dict[str, str] | None = None,
    *,
    key: str = KEY,
    secret: str = SECRET,
    shift_ms: int = 0,
    extra: str = "",
) -> Request:
    """A request signed as a client would, timestamp relative to the server's clock."""
    stamped = {**(params or {}), "timestamp": str(engine.server_time_ms() + shift_ms)}
    text = urlencode(stamped)
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    sent = f"{text}&signature={signature}{extra}"
    body, query = (sent, "") if method == "POST" else ("", sent)
    return received(method, path, query, body, key)


def call(gateway: Gateway, method: str, path: str, params: dict[str, str] | None = None) -> Reply:
    """A properly signed call."""
    return gateway.handle(signed(gateway.engine, method, path, params))


def amount(engine: Engine, symbol: str = "BTCUSDT", side: str = "BOTH") -> Decimal:
    return engine.world.account.amount(symbol, side)
