"""A protected account on the paper exchange, and the true claims about it in Redis, renewed many times a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from position_monitor.config import Config
from position_monitor.edge.redis.connection import connect
from position_monitor.paper.engine import Engine
from position_monitor.paper.server import PaperOptions, PaperServer
from position_monitor.verification.claims import ClaimReader
from position_monitor.verification.expectations import Expectations
from position_monitor.verification.signed_reads import Key, SignedReads, now_ms
from position_monitor.verification.verifying import Verification

SYMBOL: Final = "BTCUSDT"
"""Where most is planted: it has a backstop, a working stop, and a take-profit of each kind."""
KEY: Final = f"{SYMBOL}:LONG"
RENEWED_EVERY_S: Final = 0.1
_OPTIONS: Final = PaperOptions(port=0, scenario="flat", price_interval_s=0)
_OPENED: Final = ((SYMBOL, "LONG", "0.238"), ("SOLUSDT", "LONG", "51"), ("ETHUSDT", "SHORT", "2.2"))
_OWNER: Final = "rehearsal:1:1"

Fields = dict[str, str]


def client_id(role: str, number: int) -> str:
    """An id as the daemon's look: `b` backstop, `w` working stop, `t` take-profit."""
    return f"qpm1{role}{number % 10}{number:08d}{'a' * 18}"


@dataclass
class Stage:
    """Both sides, and what is claimed."""

    engine: Engine
    status: Fields | None = None
    """None: the key is missing."""
    positions: dict[str, Fields] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    """`doc` of a position, where it is not what the fields say."""
    expired: set[str] = field(default_factory=set)
    """Positions that are listed and whose own key is gone."""
    lease: str | None = _OWNER
    age_ms: dict[str, int] = field(default_factory=dict)
    """How old what is claimed is: of a position, or of `account`."""

    def protect(self) -> None:
        """Open the positions, rest stops and take-profits, and claim exactly that."""
        for symbol, side, quantity in _OPENED:
            self.engine.trade("open", symbol, side, Decimal(quantity))
        for number, leg in enumerate(self.engine.world.account.open_positions()):
            fields = self._claimed(leg.symbol, leg.amount, leg.entry, number)
            self.positions[f"{leg.symbol}:{'LONG' if leg.amount > 0 else 'SHORT'}"] = fields
        count = str(len(self.positions))
        self.status = {
            "schema": "1", "risk_status": "PROTECTED", "mode": "live", "positions": count, "protected": count,
            "coverage_pct": "100", "exposed_notional": "0", "environment": "paper", "owner": _OWNER,
        }  # fmt: skip

    def rest(self, symbol: str, number: int, **changes: Any) -> str:  # noqa: ANN401  parameters of the interface
        """Place a conditional order that reduces a long, a close-all stop 2 % away if nothing else is said."""
        params = {
            "algoType": "CONDITIONAL", "symbol": symbol, "side": "SELL", "type": "STOP_MARKET",
            "triggerPrice": self.price(symbol, "0.98"), "closePosition": "true", "workingType": "MARK_PRICE",
            "clientAlgoId": client_id("b", number),
        } | changes  # fmt: skip
        if "quantity" in params and changes.get("closePosition") is None:
            del params["closePosition"]
        order = self.engine.place_algo({name: str(value) for name, value in params.items()}, origin="api")
        return order.client_id

    def remove(self, client: str) -> None:
        """Cancel a conditional order, as anybody with the key could."""
        self.engine.cancel_algo({"clientAlgoId": client}, origin="foreign")

    def price(self, symbol: str, factor: str) -> str:
        """The mark times a factor, on the grid of the contract."""
        tick = self.engine.world.instrument(symbol).tick
        return str((self.engine.world.market.mark(symbol) * Decimal(factor) // tick) * tick)

    def _claimed(self, symbol: str, amount: Decimal, entry: Decimal, number: int) -> Fields:
        """Rest the orders of one position; what is to be claimed of it."""
        quantity, long = abs(amount), amount > 0
        backstop = self.price(symbol, "0.98" if long else "1.02")
        stops = [self.rest(symbol, number, side="SELL" if long else "BUY", triggerPrice=backstop)]
        tightest, targets = backstop, []
        if symbol == SYMBOL:
            tightest = self.price(symbol, "0.99")
            working = {"quantity": quantity, "reduceOnly": "true", "clientAlgoId": client_id("w", number)}
            stops.append(self.rest(symbol, number, triggerPrice=tightest, **working))
            targets = self._targets(symbol, number)
        return {
            "schema": "1", "verdict": "PROTECTED", "quantity": f"{quantity:f}", "entry_price": f"{entry:f}",
            "stop_price": tightest, "stop_quantity": f"{quantity:f}", "cover_pct": "100", "backstop_price": backstop,
            "stop_client_ids": json.dumps(stops), "take_profits": json.dumps(targets),
        }  # fmt: skip

    def _targets(self, symbol: str, number: int) -> list[dict[str, Any]]:
        """A conditional take-profit and a limit order, as `take_profits` names them."""
        market, limit = client_id("t", number), client_id("t", number).replace("qpm1", "qpm2")
        near, far, size = self.price(symbol, "1.02"), self.price(symbol, "1.03"), "0.1"
        self.rest(
            symbol, number, type="TAKE_PROFIT_MARKET", triggerPrice=near, quantity=size, reduceOnly="true",
            clientAlgoId=market,
        )  # fmt: skip
        self.engine.place_order({
            "symbol": symbol, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": far, "quantity": size,
            "reduceOnly": "true", "newClientOrderId": limit,
        })  # fmt: skip
        return [
            {"rung": rung, "trigger_price": price, "quantity": size, "client_id": one, "resting": True}
            for rung, (price, one) in enumerate(((near, market), (far, limit)))
        ]

    async def write(self, client: Any, base: str) -> None:  # noqa: ANN401  redis-py types every answer as str or bytes
        """All claims in one step, observed now."""
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(f"{base}:status", f"{base}:positions", f"{base}:lease")
            if self.status is not None:
                pipeline.hset(f"{base}:status", mapping=self._observed(self.status, "account"))
            if self.lease is not None:
                pipeline.set(f"{base}:lease", self.lease)
            for key, fields in self.positions.items():
                pipeline.sadd(f"{base}:positions", key)
                pipeline.delete(f"{base}:position:{key}")
                if key not in self.expired:
                    pipeline.hset(f"{base}:position:{key}", mapping=self._whole(key, fields))
            await pipeline.execute()

    def _whole(self, key: str, fields: Fields) -> Fields:
        stated = self._observed(fields, key)
        document: dict[str, Any] = {**stated, "conditions": {"BookInSync": "True"}}
        document["stop_client_ids"] = json.loads(stated["stop_client_ids"])
        return stated | {"doc": self.documents.get(key, json.dumps(document))}

    def _observed(self, fields: Fields, subject: str) -> Fields:
        return fields | {"observed_at_ms": str(now_ms() - self.age_ms.get(subject, 0))}


@contextlib.asynccontextmanager
async def staged(redis_url: str, account: str) -> AsyncIterator[tuple[Stage, Verification]]:
    """A protected account with true claims that are renewed, and a verification of it."""
    server = PaperServer(_OPTIONS)
    await server.start()
    config = Config.from_data({
        "account": account, "exchange": {"rest_url": server.url}, "redis": {"url": redis_url},
        "loop": {"check_interval_s": 1},
    })  # fmt: skip
    stage, client = Stage(server.engine), connect(redis_url)
    verification = _verification(config, server.url, redis_url)
    renewing, ended = None, asyncio.Event()
    try:
        stage.protect()
        base = f"{config.redis.prefix}:{config.account}"
        await stage.write(client, base)
        renewing = asyncio.create_task(_renew(stage, client, base, ended))
        yield stage, verification
    finally:
        ended.set()  # asked, not cancelled: redis-py may swallow a cancellation
        if renewing is not None:
            await asyncio.gather(renewing, return_exceptions=True)
        await verification.aclose()
        await client.aclose()
        await server.stop()


def _verification(config: Config, rest_url: str, redis_url: str) -> Verification:
    credentials = config.credentials
    key = Key(credentials.api_key.get_secret_value(), credentials.api_secret.get_secret_value())
    return Verification(
        reads=SignedReads(rest_url, key, timeout_s=config.exchange.request_timeout_s),
        claims=ClaimReader(redis_url, prefix=config.redis.prefix, account=config.account),
        expected=Expectations.of(config),
        pause_s=RENEWED_EVERY_S,
        poll_s=RENEWED_EVERY_S,
    )


async def _renew(stage: Stage, client: Any, base: str, ended: asyncio.Event) -> None:  # noqa: ANN401
    while not ended.is_set():
        await stage.write(client, base)
        await asyncio.sleep(RENEWED_EVERY_S)
