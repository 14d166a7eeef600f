"""What rests on the paper exchange, in its own words: asked over HTTP with none of the daemon's code."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
from rich.table import Table
from rich.text import Text

from position_monitor.cli.demo_children import Child, DemoFailed
from position_monitor.cli.status_table import rounded
from position_monitor.core.model.money import plain

READY_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ExchangeBook:
    """Open positions and resting conditional orders, as the exchange listed them."""

    positions: tuple[dict[str, Any], ...]
    orders: tuple[dict[str, Any], ...]

    def stops(self, symbol: str) -> list[dict[str, Any]]:
        """Resting stops of one symbol."""
        return [order for order in self.orders if order["symbol"] == symbol and order["orderType"] == "STOP_MARKET"]

    def targets(self, symbol: str) -> list[dict[str, Any]]:
        """Resting take-profits of one symbol."""
        of_symbol = [order for order in self.orders if order["symbol"] == symbol]
        return [order for order in of_symbol if order["orderType"].startswith("TAKE_PROFIT")]

    @property
    def with_stop(self) -> int:
        """How many positions have at least one resting stop."""
        return sum(bool(self.stops(position["symbol"])) for position in self.positions)


class PaperClient:
    """The few signed requests an operator would make by hand."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, api_key: str, api_secret: str) -> None:
        self._session, self._base_url = session, base_url
        self._api_key, self._api_secret = api_key, api_secret

    async def wait_ready(self, child: Child) -> None:
        """Wait until the exchange answers; `DemoFailed` when it ends or stays silent."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            child.require_alive()
            try:
                async with self._session.get(f"{self._base_url}/fapi/v1/time") as reply:
                    if reply.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        raise DemoFailed(f"the paper exchange did not answer within {READY_TIMEOUT_S:.0f} s:\n{child.last_words()}")

    async def book(self) -> ExchangeBook:
        """Positions and conditional orders now."""
        positions = await self._get("/fapi/v3/positionRisk")
        orders = await self._get("/fapi/v1/openAlgoOrders")
        opened = tuple(row for row in positions if Decimal(row["positionAmt"]) != 0)
        return ExchangeBook(opened, tuple(row for row in orders if row["algoStatus"] == "NEW"))

    async def _get(self, path: str) -> list[dict[str, Any]]:
        query = urlencode({"timestamp": time.time_ns() // 1_000_000, "recvWindow": 10_000})
        signature = hmac.new(self._api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self._base_url}{path}?{query}&signature={signature}"
        try:
            async with self._session.get(url, headers={"X-MBX-APIKEY": self._api_key}) as reply:
                body = await reply.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DemoFailed(f"the paper exchange did not answer {path}: {type(error).__name__}") from None
        if reply.status != 200:
            raise DemoFailed(f"the paper exchange answered {path} with {reply.status}: {body}")
        rows: list[dict[str, Any]] = body
        return rows


def book_table(book: ExchangeBook) -> Table:
    """One line per position: its stops and its ladder."""
    table = Table(title="Resting on the paper exchange (its own order list)", title_justify="left", title_style="bold")
    for name in ("Symbol", "Position", "Entry", "Mark", "Stops", "Take-profit ladder"):
        table.add_column(name, no_wrap=name != "Take-profit ladder")
    for position in sorted(book.positions, key=lambda row: str(row["symbol"])):
        symbol = position["symbol"]
        entry = Decimal(position["entryPrice"])
        stops, targets = _orders(book.stops(symbol), entry), _orders(book.targets(symbol), entry)
        table.add_row(
            symbol,
            _plain(position["positionAmt"]),
            plain(entry),
            plain(rounded(Decimal(position["markPrice"]))),
            Text(stops or "NONE", style="" if stops else "bold red"),
            targets or "-",
        )
    return table


def _orders(orders: Sequence[dict[str, Any]], entry: Decimal) -> str:
    """Size and trigger of each order, the one nearest to the entry first."""
    return ", ".join(
        f"{'all' if order['closePosition'] else _plain(order['quantity'])} @ {_plain(order['triggerPrice'])}"
        for order in sorted(orders, key=lambda order: abs(Decimal(order["triggerPrice"]) - entry))
    )


def _plain(text: str) -> str:
    return plain(Decimal(text))
