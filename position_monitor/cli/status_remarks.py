"""What must not be overlooked in a status: remarks about the account, and why positions are not protected, grouped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from position_monitor.cli.status_table import COLOURS, QUIET, SHAPES, Row, age
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.publication.state import AccountState

NAMED_MAX = 5
"""Positions that a group of one reason names; of the others it says how many there are."""
_FIGURE = re.compile(r"\d[\d.,]*")
_SHORTENED = "…"
STOPPED = "stopped"
_MODES = {
    "observe": "nothing is placed",
    "place_only": "missing protection is placed, nothing is removed",
    "paused": "missing stops are placed, nothing else is placed, moved or removed until the pause ends",
    STOPPED: "nobody watches, all orders stay on the exchange",
}

Remark = tuple[str, str]
"""A line and its style."""


def remarks(account: AccountState, rows: Sequence[Row], now_ms: int) -> list[Remark]:
    """Everything that is unusual, the worst positions first, then the account; empty on a good day."""
    if account.mode == STOPPED:
        return [(f"? mode {STOPPED}: {_MODES[STOPPED]}; what stands below was read last", COLOURS[Verdict.UNKNOWN])]
    lines = [(f"! {text}", "yellow") for text in dict.fromkeys(_of_account(account, rows))]
    return [*_of_positions([row for row in rows if row.verdict not in QUIET], now_ms), *lines]


def _of_account(account: AccountState, rows: Sequence[Row]) -> list[str]:
    texts = _own_reasons(account.reason, [row for row in rows if row.verdict not in QUIET])
    if account.mode != "live":
        texts.append(f"mode {account.mode}: {_MODES.get(account.mode, 'not everything is done')}")
    texts += list(account.conflicts)
    if account.circuit_breaker.startswith("ACTIVE"):
        texts.append(f"circuit breaker {account.circuit_breaker}: entries are blocked elsewhere, protection is not")
    texts += [
        f"{name} stream {health}: positions are looked at in turn"
        for name, health in account.streams.items()
        if health != "LIVE"
    ]
    if account.unread:
        texts.append(f"could not be read and may be open: {_named(account.unread)}")
    if unmanaged := [row.name for row in rows if row.verdict is Verdict.UNMANAGED]:
        texts.append(f"unmanaged by configuration: {_named(unmanaged)}")
    return texts


def _own_reasons(reason: str, loud: Sequence[Row]) -> list[str]:
    """The account's reason without what it repeats of positions that stand in a group of their own."""
    for row in loud:
        for repeated in (f"{row.name}: {row.verdict} ({row.reason})", f"{row.name}: {row.verdict}"):
            reason = re.sub(rf"(^|(?<=; )){re.escape(repeated)}(?=;|$)", "", reason)
    parts = [part.strip() for part in reason.split("; ") if part.strip(" ;")]
    if loud and parts and parts[-1].endswith(_SHORTENED):
        parts.pop()  # the text was shortened when it was published: what it is about stands below
    return _gathered(parts)


def _gathered(parts: Iterable[str]) -> list[str]:
    """`A:LONG: text`, `B:LONG: text` as one `A:LONG, B:LONG: text`."""
    by_text: dict[str, list[str]] = {}
    for part in parts:
        subject, colon, text = part.partition(": ")
        is_position = colon and subject.endswith((":LONG", ":SHORT"))
        by_text.setdefault(text if is_position else part, []).extend([subject] if is_position else [])
    return [f"{_named(names)}: {text}" if names else text for text, names in by_text.items()]


def _of_positions(loud: Sequence[Row], now_ms: int) -> list[Remark]:
    """One line for each verdict with the same reason, whatever figures stand in it."""
    groups: dict[tuple[Verdict, str], list[Row]] = {}
    for row in loud:
        groups.setdefault((row.verdict, _FIGURE.sub("#", row.reason)), []).append(row)
    lines = []
    for (verdict, _), rows in groups.items():
        like = "such as: " if len({row.reason for row in rows}) > 1 else ""
        reason = f": {like}{rows[0].reason}" if rows[0].reason else ""
        text = f"{SHAPES[verdict]} {_named([row.name for row in rows])} {verdict}{reason}{_last_read(rows, now_ms)}"
        lines.append((text, COLOURS[verdict]))
    return lines


def _last_read(rows: Sequence[Row], now_ms: int) -> str:
    """How old the figures of positions are that cannot be read now."""
    read = [row.state.observed_at_ms for row in rows if row.state is not None and row.state.observed_at_ms]
    if rows[0].verdict is not Verdict.UNKNOWN or not read:
        return ""
    return f" (figures read {age(now_ms - min(read))} ago)"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_MAX])
    return f"{shown} and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else shown
