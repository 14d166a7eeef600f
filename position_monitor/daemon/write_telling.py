"""How a write ended: said in the journal and announced, the same failure once a minute (invariant 10)."""

from __future__ import annotations

from loguru import logger

from position_monitor.core.evidence.outcome import Outcome, Sent, reason
from position_monitor.core.model.positions import Position
from position_monitor.core.publication import announce, sentence, write_lines
from position_monitor.daemon.accepted_writes import AcceptedWrites
from position_monitor.daemon.order_counts import OrderCounts
from position_monitor.daemon.outbox import Outbox
from position_monitor.daemon.repeats import Repeats, subject_of
from position_monitor.edge import log


def tell_of_write(
    outcome: Outcome,
    position: Position | None,
    *,
    policy: str,
    repeats: Repeats,
    counts: OrderCounts,
    outbox: Outbox,
    taken: AcceptedWrites,
) -> None:
    """Say and announce it, and count what the venue took under the live `policy`."""
    subject = subject_of(outcome.action)
    if outcome.sent is Sent.ACCEPTED:
        repeats.succeeded(subject)
        counts.accepted(outcome.action, policy)
        outbox.note_write()
        taken.add(outcome, position)
        outbox.add([announce.written(outcome)])
        return
    unsaid = repeats.failed(subject, reason(outcome))
    if unsaid is None:
        logger.debug(sentence.ended(outcome, position))
        return
    log.say(write_lines.failed(outcome, position, unsaid))
    if not outcome.denied:
        if outcome.sent is not Sent.NOT_SENT:
            outbox.note_write()
        outbox.add([announce.written(outcome)])
