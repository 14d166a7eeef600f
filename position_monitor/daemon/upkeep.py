"""The upkeep of the exchange beside the cycles: clock, instruments, position mode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from loguru import logger

from position_monitor.core.evidence.outcome import without_numbers
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import ExchangeFailure, RateLimited

UPKEEP_PATIENCE_S = 0.5
"""How long a cycle waits for the upkeep that it began."""


@dataclass(slots=True)
class Upkeep:
    """Refreshes the exchange. None of it holds back a stop, so none is waited for long."""

    exchange: Exchange
    _failure: str = field(default="", init=False)
    """Why the last one failed, as it was said; empty when it did not."""
    _refreshing: asyncio.Future[str] | None = field(default=None, init=False)
    """Upkeep that goes on."""

    async def tend(self) -> None:
        """Begin it, or look after the one that goes on. What is not ready in time goes on beside the cycle.

        A failure is said once.
        """
        if self._refreshing is None:
            self._refreshing = asyncio.ensure_future(self._refreshed())
            await asyncio.wait({self._refreshing}, timeout=UPKEEP_PATIENCE_S)
        if not self._refreshing.done():
            return
        text, self._refreshing = self._refreshing.result(), None
        if text and without_numbers(text) != without_numbers(self._failure):
            logger.warning("Upkeep of the exchange failed: {}", text)
        self._failure = text

    async def _refreshed(self) -> str:
        """Why the upkeep failed, or empty."""
        try:
            await self.exchange.refresh()
        except RateLimited:  # said by whoever counts the requests; the upkeep waits like everything else
            return self._failure
        except ExchangeFailure as failure:
            return str(failure)
        return ""
