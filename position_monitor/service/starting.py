"""The start of the service: the exchange is prepared and the lease asked for, side by side, and neither for long."""

from __future__ import annotations

import asyncio

from loguru import logger

from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis.state import RedisState
from position_monitor.errors import ExchangeFailure
from position_monitor.service.control import OperatorControl
from position_monitor.service.turns import Turns

PREPARE_PATIENCE_S = 3.0
"""How long the start waits for clock, trading rules and position mode."""
LEASE_WAIT_S = 0.2
"""How long the start waits for the first answer about the lease, beyond what preparing the exchange took."""


async def begin(
    exchange: Exchange, store: RedisState, turns: Turns, operator: OperatorControl | None = None, *, place: str
) -> None:
    """Prepare the exchange, ask for the lease and for what operators have in force; a stop ends it.

    `place` is where the exchange is, for whoever reads that it did not answer.
    """
    lease = asyncio.ensure_future(_asked(store, operator))
    preparing, stopping = asyncio.ensure_future(_prepare(exchange, place)), asyncio.ensure_future(turns.until_ended())
    await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (preparing, stopping):
        task.cancel()
    if not turns.ended:
        await asyncio.wait({lease}, timeout=LEASE_WAIT_S)  # nothing about placing needs it, so it is not waited for


async def _asked(store: RedisState, operator: OperatorControl | None) -> None:
    """Side by side, so that what an operator paused is as a rule known before the first removal."""
    first_look = [operator.look()] if operator is not None else []
    await asyncio.gather(store.renew_lease(), *first_look)


async def _prepare(exchange: Exchange, place: str) -> None:
    """Nothing of it holds back a stop, so it is not waited for long; what is missing then, the cycles ask for."""
    preparing = asyncio.ensure_future(exchange.prepare())
    try:
        await asyncio.wait({preparing}, timeout=PREPARE_PATIENCE_S)
    except asyncio.CancelledError:  # the stop came first
        preparing.cancel()
        raise
    if not preparing.done():
        preparing.cancel()
        logger.error(
            "The exchange at {} was not prepared within {:g} s: it is read all the same", place, PREPARE_PATIENCE_S
        )
    elif isinstance(failure := preparing.exception(), ExchangeFailure):
        logger.error("The exchange at {} could not be prepared: {}", place, failure)
    else:
        preparing.result()
