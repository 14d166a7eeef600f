"""The words of an alert, as a person reads them at night, and the document that a webhook takes. Text only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from position_monitor.core.publication.alerting import MESSAGES_PER_HOUR, Message, Notice, Status
from position_monitor.core.publication.alerts import ACCOUNT, HAPPENINGS, URGENT, AlertKind, Condition

MESSAGE_SCHEMA: Final = 1
NAMED_MAX: Final = 10
"""Subjects of a notice that are named; the others are counted."""
REASON_MAX: Final = 160
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600

_WORDS: Final[Mapping[AlertKind, tuple[str, str]]] = {
    AlertKind.NAKED: (
        "without full stop cover",
        "Look: position-monitor status, then explain SYMBOL. Place a stop by hand.",
    ),
    AlertKind.EMERGENCY_CLOSE: (
        "closed at market",
        "Look: position-monitor status; the position is on its way out.",
    ),
    AlertKind.AUTHENTICATION_REFUSED: (
        "the exchange refuses the key",
        "Check the key, its permissions and its allowed addresses at the exchange.",
    ),
    AlertKind.BANNED: (
        "the exchange has banned this address",
        "Stop other programs on this address. The stops that rest stay.",
    ),
    AlertKind.SECOND_WRITER: (
        "a second daemon writes",
        "Find and stop the other process on this account.",
    ),
    AlertKind.UNKNOWN: (
        "protection not known",
        "Look: position-monitor status --direct. The stops that rest stay.",
    ),
    AlertKind.OVER_CAPACITY: (
        "no room for all orders",
        "Remove conditional orders that nobody needs. Stops come first.",
    ),
    AlertKind.BREAKER_CONFLICT: (
        "opened although the circuit breaker is active",
        "Find out who opens positions. They are protected like any other.",
    ),
    AlertKind.LEASE_LOST: (
        "no lease",
        "Check Redis and the other hosts. Missing stops are placed meanwhile.",
    ),
    AlertKind.DEAD_STREAM: (
        "a stream delivers nothing",
        "Check network and exchange. Positions are looked at in turn.",
    ),
    AlertKind.CLOCK: (
        "the clock is off",
        "Check the time synchronisation of this host.",
    ),
}
"""What a kind says in a headline, and what its reader does first."""
INCIDENTS: Final = "docs/incidents.md"
CARDS: Final[Mapping[AlertKind, str]] = {
    AlertKind.NAKED: "a-position-is-naked-for-longer-than-15-s",
    AlertKind.EMERGENCY_CLOSE: "a-position-is-closed-at-market",
    AlertKind.AUTHENTICATION_REFUSED: "the-exchange-refuses-the-key",
    AlertKind.BANNED: "the-exchange-bans-or-throttles-this-address-418-429",
    AlertKind.SECOND_WRITER: "a-second-writer",
    AlertKind.UNKNOWN: "positions-or-the-account-are-unknown",
    AlertKind.OVER_CAPACITY: "no-room-for-more-orders",
    AlertKind.BREAKER_CONFLICT: "the-circuit-breaker-is-active-and-positions-are-opened",
    AlertKind.LEASE_LOST: "the-lease-is-lost-or-its-owner-is-stale",
    AlertKind.DEAD_STREAM: "a-stream-is-dead",
    AlertKind.CLOCK: "the-clock-is-off",
}
"""The heading of the card of `INCIDENTS` for a kind, as a link names it."""


class Sender(NamedTuple):
    """Who sends a message."""

    account: str
    environment: str
    owner: str
    """The process: host, number, start."""
    version: str


class Letter(NamedTuple):
    """A message in words."""

    title: str
    text: str
    urgent: bool


def letter(message: Message, sender: Sender) -> Letter:
    """A message as a person reads it: a headline, and for each kind what, since when, why, and what to do."""
    notices = sorted(message.notices, key=lambda notice: notice.status is Status.RECOVERED)
    head = _headline(notices[0])
    more = f" and {len(notices) - 1} more" if len(notices) > 1 else ""
    lines = [line for notice in notices for line in _lines(notice, message.at_ms)]
    if message.last_of_hour:
        lines.append(f"Within an hour {MESSAGES_PER_HOUR} messages were sent: what follows waits.")
    lines.append(f"{sender.owner}, position-monitor {sender.version}")
    title = f"[{sender.account}, {sender.environment}] {head}{more}"
    return Letter(title, "\n".join(lines), message.urgent)


def document(message: Message, sender: Sender) -> dict[str, object]:
    """A message as JSON for the webhook (docs/operations.md, Alerts)."""
    words = letter(message, sender)
    return {
        "schema": MESSAGE_SCHEMA,
        "type": "alert",
        "title": words.title,
        "text": f"{words.title}\n{words.text}",
        "severity": "critical" if message.urgent else "warning" if _worries(message) else "info",
        "at_ms": message.at_ms,
        **sender._asdict(),
        "alerts": [
            {
                "kind": str(notice.kind),
                "card": card(notice.kind),
                "status": str(notice.status),
                "in_force": notice.in_force,
                "subjects": [
                    {"subject": one.subject, "reason": one.text[:REASON_MAX], "since_ms": one.since_ms}
                    for one in notice.subjects[:NAMED_MAX]
                ],
                "more": max(0, len(notice.subjects) - NAMED_MAX),
            }
            for notice in message.notices
        ],
    }


def trial(sender: Sender, at_ms: int) -> tuple[Letter, dict[str, object]]:
    """The message of `alert-test`, in words and as JSON."""
    title = f"[{sender.account}, {sender.environment}] Test of the alerts"
    text = "Nothing is wrong: somebody ran position-monitor alert-test.\n"
    text += f"{sender.owner}, position-monitor {sender.version}"
    sent = {"schema": MESSAGE_SCHEMA, "type": "test", "title": title, "text": f"{title}\n{text}", "severity": "info"}
    return Letter(title, text, urgent=False), {**sent, "at_ms": at_ms, **sender._asdict(), "alerts": []}


def _worries(message: Message) -> bool:
    return any(notice.status is not Status.RECOVERED for notice in message.notices)


def _headline(notice: Notice) -> str:
    words = _WORDS[notice.kind][0]
    if notice.status is Status.RECOVERED:
        return f"✅ Over: {words}{_of(notice)}"
    icon = "🛑" if notice.kind in URGENT else "⚠️"
    again = "still " if notice.status is Status.REPEATED else ""
    return f"{icon} {again}{words}{_of(notice)}"


def _of(notice: Notice) -> str:
    """Of which positions, in a headline."""
    names = [one.subject for one in notice.subjects if one.subject != ACCOUNT]
    if not names:
        return ""
    count = notice.in_force or len(names)
    return f": {names[0]}" if len(names) == count == 1 else f": {names[0]} and others, {count} in all"


def _lines(notice: Notice, now_ms: int) -> list[str]:
    words, deed = _WORDS[notice.kind]
    over = notice.status is Status.RECOVERED
    head = "over" if over else "still" if notice.status is Status.REPEATED else "now"
    count = len(notice.subjects)
    lines = [f"{str(notice.kind).upper()} ({head}): {words}" + (f", {count} of them" if count > 1 else "")]
    lines += [f"- {_subject(one, notice, now_ms)}" for one in notice.subjects[:NAMED_MAX]]
    if count > NAMED_MAX:
        lines.append(f"- and {count - NAMED_MAX} more")
    if not over:
        lines += [deed, f"Card: {card(notice.kind)}"]
    return lines


def card(kind: AlertKind) -> str:
    """Where the documentation says what a kind means, what to look at, and whom to call."""
    return f"{INCIDENTS}#{CARDS[kind]}"


def _subject(one: Condition, notice: Notice, now_ms: int) -> str:
    lasted = duration(now_ms - one.since_ms)
    if notice.status is Status.RECOVERED:
        return f"{one.subject}: it was so for {lasted}"
    if notice.kind in HAPPENINGS:
        return f"{one.subject}: {one.text[:REASON_MAX]}"
    return f"{one.subject}, for {lasted}: {one.text[:REASON_MAX]}"


def duration(length_ms: int) -> str:
    """A length of time in words: `42 s`, `5 min 3 s`, `2 h 1 min`."""
    seconds = max(0, length_ms) // 1000
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min {seconds % _MINUTE_S} s"
    return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S} min"
