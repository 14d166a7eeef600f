"""The venue over a real connection: ccxt's signing and session below it."""

from __future__ import annotations

from loguru import logger

from position_monitor.edge.clock import Clock, VenueClock
from position_monitor.edge.http.rate_budget import BudgetLimits, RateBudget
from position_monitor.edge.venues.binance.venue import BinanceUsdm


def connect(
    *,
    environment: str,
    rest_url: str,
    api_key: str,
    api_secret: str,
    timeout_s: float = 5.0,
    timeout_max_s: float = 0.0,
    clock: Clock,
    limits: BudgetLimits | None = None,
) -> BinanceUsdm:
    """Build the venue over ccxt.

    `environment` is paper, demo or live; `rest_url` overrides the venue's origin (and must be set for paper). The
    time-out of a whole call is `timeout_s`, and grows up to `timeout_max_s` while no answer comes in time.
    Raises ConfigError.
    """
    # Imported here because ccxt takes time and memory that a simulator never needs.
    from position_monitor.edge.http.ccxt_transport import CcxtTransport

    transport = CcxtTransport(
        environment=environment,
        rest_url=rest_url,
        api_key=api_key,
        api_secret=api_secret,
        timeout_s=timeout_s,
        timeout_max_s=timeout_max_s,
    )
    logger.debug("exchange binanceusdm, environment {}, timeout {} s", environment, timeout_s)
    return BinanceUsdm(transport, clock, RateBudget(VenueClock(clock), limits))
