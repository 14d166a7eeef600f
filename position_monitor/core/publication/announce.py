"""Writes as past-tense events (DESIGN 5)."""

from __future__ import annotations

import re

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.events import Event
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.observation.reads import SymbolObservation

_NUMBER = re.compile(r"-?[1-9][0-9]{0,15}")
_ANNOUNCED = {Role.TAKE_PROFIT: "TakeProfitPlaced", Role.BACKSTOP: "StopPlaced", Role.WORKING_STOP: "StopPlaced"}


CAUSE_AGE, CAUSE_LOSS = "AGE", "LOSS"
"""Why a position was closed at market, in an event about such an order: the time stop (S8), or the close ladder."""


def written(outcome: Outcome) -> Event:
    """The event of a write, accepted or not."""
    details: dict[str, str | int | bool] = {"outcome": str(outcome.sent), "text": outcome.text[:300]}
    if outcome.said:
        details["code"] = _as_published(outcome.said)
    match outcome.action:
        case Place(order, reason) as place:
            key, kind = place.key, _ANNOUNCED[order.role]
            details |= {"client_id": order.client_id, "role": str(order.role), "reason": reason}
            size = "close-all" if order.quantity is None else plain(order.quantity)
            details |= {"trigger_price": plain(order.trigger_price), "quantity": size}
        case Cancel(live, key, reason, _):
            kind = "StopRetired" if live.purpose.is_stop else "TakeProfitRetired"
            details |= {"client_id": live.client_id, "reason": reason}
        case Close(key, _, quantity, client_id, _, reason) as close:
            kind = "EmergencyClose"
            details |= {"client_id": client_id, "quantity": plain(quantity), "reason": reason}
            details["cause"] = CAUSE_LOSS if close.by_loss else CAUSE_AGE
    if outcome.sent is Sent.AMBIGUOUS:
        kind = "WriteAmbiguous"
    elif outcome.sent is not Sent.ACCEPTED:
        kind = "WriteRefused"
    return Event(type=kind, at_ms=outcome.at_ms, symbol=key.symbol, side=str(key.side), details=details)


def _as_published(said: str) -> str | int:
    """The venue's own name of a failure: a number is published as a number, as consumers have always read it."""
    return int(said) if _NUMBER.fullmatch(said) else said


def second_writer(sign: LiveOrder, now_ms: int) -> Event:
    """The event of an order with our prefix that this process did not write."""
    details = {"client_id": sign.client_id, "order_id": sign.order_id, "kind": str(sign.purpose)}
    return Event(type="SecondWriterSeen", at_ms=now_ms, symbol=sign.symbol, side=str(sign.key.side), details=details)


def read_back(observation: SymbolObservation, evidence: Evidence, now_ms: int) -> list[Event]:
    """Events for our stops in `observation` that `evidence` was still waiting for."""
    awaited = set(evidence.awaited_in(observation.symbol))
    if not awaited:
        return []
    return [
        Event(
            type="StopReadBack",
            at_ms=now_ms,
            symbol=observation.symbol,
            side=str(order.key.side),
            details={"client_id": order.client_id, "status": str(order.status)},
        )
        for order in observation.orders
        if order.client_id in awaited - observation.confirmed_orders and order.purpose.is_stop
    ]


def exits_changed(before: str, after: str, cause: str, now_ms: int) -> Event:
    """The event of who controls exits: at the start, and whenever a switch changed it. `cause` is start, reload,
    kill_switch or rollout."""
    details = {"subject": "exits", "before": before, "after": after, "cause": cause}
    return Event("ModeChanged", now_ms, details=details)


def rights_changed(before: str, after: str, now_ms: int) -> Event:
    """The event of what this daemon may do (`core/decision/ownership.py`). `from` and `to` are the older names."""
    details = {"subject": "rights", "before": before, "after": after, "cause": "ownership", "from": before, "to": after}
    return Event("ModeChanged", now_ms, details=details)
