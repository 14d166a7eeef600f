"""The report of `performance` as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from position_monitor.charts.markup import element
from position_monitor.charts.page import report_page
from position_monitor.cli.record_charts import charts, headline, protection, tables
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary


def performance_page(summary: Summary, records: Sequence[Record], *, account: str, unreadable: int, at_ms: int) -> str:
    """Everything the command shows, and the charts a screen of characters cannot."""
    notes = []
    if not records:
        notes.append("No position was closed yet, as far as Redis can say: there is nothing to report.")
    if unreadable:
        notes.append(f"{unreadable} entries of the stream are not readable and are left out.")
    waiting = [record for record in records if not record.final]
    notes += [f"{one.key} is provisional: {', '.join(one.notes)}" for one in waiting[-3:]]
    return report_page(
        f"What every exit was worth: {account}",
        (
            element("p", f"Written {moment(at_ms)}. {_span(summary, records)}", class_="quiet"),
            *(element("p", f"! {note}", class_="warn") for note in notes),
            headline(summary),
            charts(summary, records),
            *tables(summary),
            element("h2", "Cost of protection"),
            protection(summary),
        ),
    )


def _span(summary: Summary, records: Sequence[Record]) -> str:
    if not records:
        return ""
    return f"Closed from {moment(summary.first_closed_at_ms)} to {moment(summary.last_closed_at_ms)}."


def moment(at_ms: int) -> str:
    """A time in UTC, to the minute."""
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "at no time"
