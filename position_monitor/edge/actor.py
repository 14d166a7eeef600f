"""Performs approved actions: exactly one send each, every failure turned into an outcome, nothing decided here."""

from __future__ import annotations

from dataclasses import replace

from position_monitor.core.decision.guard import Approved
from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.refusal import Refusal
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import Ambiguous, ExchangeFailure, RateLimited, Refused, Unreachable

_NOT_SENT = (RateLimited, Unreachable)


async def send_place(exchange: Exchange, clock: Clock, approved: Approved[Place]) -> Outcome:
    """Send a new order."""
    asked_at_ms = exchange.venue_now_ms()
    try:
        order_id = await exchange.place(approved)
    except ExchangeFailure as failure:
        return replace(_failed(approved.action, failure, clock), asked_at_ms=asked_at_ms)
    return Outcome(approved.action, Sent.ACCEPTED, clock.now_ms(), text=f"order {order_id}", asked_at_ms=asked_at_ms)


async def send_cancel(exchange: Exchange, clock: Clock, approved: Approved[Cancel]) -> Outcome:
    """Remove an order of ours."""
    try:
        await exchange.cancel(approved)
    except ExchangeFailure as failure:
        return _failed(approved.action, failure, clock)
    return Outcome(approved.action, Sent.ACCEPTED, clock.now_ms())


async def send_close(exchange: Exchange, clock: Clock, approved: Approved[Close]) -> Outcome:
    """Send a reduce-only exit order."""
    try:
        await exchange.close(approved)
    except ExchangeFailure as failure:
        return _failed(approved.action, failure, clock)
    return Outcome(approved.action, Sent.ACCEPTED, clock.now_ms())


def _failed(action: Place | Cancel | Close, failure: ExchangeFailure, clock: Clock) -> Outcome:
    if isinstance(failure, Ambiguous):
        sent = Sent.AMBIGUOUS
    elif isinstance(failure, _NOT_SENT):
        sent = Sent.NOT_SENT
    else:
        sent = Sent.REFUSED
    refusal = failure.refusal if isinstance(failure, Refused) else Refusal.OTHER
    return Outcome(
        action,
        sent,
        clock.now_ms(),
        refusal=refusal if sent is Sent.REFUSED else None,
        said=failure.said,
        text=str(failure),
        turned_away=isinstance(failure, Unreachable),
    )
