"""Orders of ours that no list shows: the venue is asked for each by its id, and the answer joins the observation."""

from __future__ import annotations

from dataclasses import replace

from position_monitor.core.evidence.endings import to_ask_for
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.observation.needs import Deed
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.reading.account_observation import AccountObservation, with_order
from position_monitor.edge.reading.pending_reads import PendingReads


async def with_awaited(
    exchange: Exchange, clock: Clock, observed: AccountObservation, evidence: Evidence
) -> AccountObservation:
    """Ask for orders of ours that no list shows, not yet or not any more, one targeted query each."""
    absent = [
        (symbol, client_id)
        for symbol, observation in observed.symbols.items()
        if observation.allows(Deed.PLACE_STOP)
        for client_id in to_ask_for(evidence, observation)
    ]
    if not absent:
        return observed
    where = {client_id: symbol for symbol, client_id in absent}
    answers = await PendingReads[LiveOrder | None](clock).answers(
        where, lambda client_id: exchange.query_order(where[client_id], client_id)
    )
    symbols = dict(observed.symbols)
    misses: list[tuple[str, str]] = []
    ends: list[LiveOrder] = []
    for client_id, answer in answers.items():
        symbol = where[client_id]
        if answer is None:
            misses.append((symbol, client_id))
        elif answer.status.terminal:
            ends.append(answer)
        else:
            symbols[symbol] = with_order(symbols[symbol], answer)
    unanswered = tuple((symbol, client_id) for client_id, symbol in where.items() if client_id not in answers)
    return replace(observed, symbols=symbols, misses=tuple(misses), ends=tuple(ends), unanswered=unanswered)
