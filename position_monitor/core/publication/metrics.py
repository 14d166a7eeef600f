"""Every figure that is shown to Prometheus: its name, its kind, its labels, what it means. `docs/operations.md` has the
same table, and a test holds the two together.

Labels have few values: verdicts, lanes, meanings, streams, kinds. No label is a symbol: an account has hundreds in its
life, and which one it is says `position-monitor status`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

PREFIX: Final = "position_monitor_"


class Kind(StrEnum):
    """How a figure moves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One figure. Every one has the label `account` as well."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as it stands in the text: a counter ends with `_total`."""
        return f"{PREFIX}{self.name}" + ("_total" if self.kind is Kind.COUNTER else "")


_GAUGE, _COUNTER, _HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

METRICS: Final = (
    Metric("build_info", _GAUGE, "1; its labels say what runs.", ("version", "environment", "config_hash")),
    Metric("risk_status", _GAUGE, "1 for the risk status of the account, 0 for the others.", ("status",)),
    Metric(
        "mode", _GAUGE, "1 for what the daemon may do now (live, place_only, observe), 0 for the others.", ("mode",)
    ),
    Metric("positions", _GAUGE, "Open positions by verdict, as read back.", ("verdict",)),
    Metric("unread_symbols", _GAUGE, "Symbols whose position rows could not be read."),
    Metric("exposed_notional", _GAUGE, "What no stop covers of naked and undercovered positions, in quote units."),
    Metric("unknown_notional", _GAUGE, "Positions of which nobody can say whether they are covered, in quote units."),
    Metric("coverage_ratio", _GAUGE, "Share of the notional that stops cover, 0 to 1."),
    Metric("longest_naked_seconds", _GAUGE, "How long the position that is longest without full cover is so by now."),
    Metric("naked_seconds", _COUNTER, "Time without full stop cover, all positions added up."),
    Metric("fill_to_stop_seconds", _HISTOGRAM, "From the fill that opened a position to the venue taking its stop."),
    Metric("cycle_seconds", _HISTOGRAM, "How long a cycle took."),
    Metric("cycles", _COUNTER, "Finished cycles: read, or failed because the account could not be read.", ("result",)),
    Metric("last_cycle_timestamp_seconds", _GAUGE, "When a cycle last ended, Unix time."),
    Metric("last_read_timestamp_seconds", _GAUGE, "When the account was last read, Unix time; 0 before the first."),
    Metric("request_weight_used", _GAUGE, "Request weight of the running minute on this address, whoever used it."),
    Metric("request_weight", _COUNTER, "Request weight that this daemon used, by who asked.", ("lane",)),
    Metric(
        "refusals", _COUNTER, "Answers of the venue that were failures, and answers that did not come.", ("meaning",)
    ),
    Metric("clock_offset_seconds", _GAUGE, "The venue's clock minus ours."),
    Metric("banned", _GAUGE, "1 while the venue bans this address."),
    Metric("stream_live", _GAUGE, "1 while a stream delivers.", ("stream",)),
    Metric("stream_reconnects", _COUNTER, "Connections of a stream after its first.", ("stream",)),
    Metric("lease_held", _GAUGE, "1 while this daemon holds the lease."),
    Metric("lease_epoch", _GAUGE, "Fencing number of the lease; 0 without one."),
    Metric("events", _COUNTER, "Events by type, as published.", ("type",)),
    Metric("records", _GAUGE, "Records of closed positions that are kept, by result.", ("result",)),
    Metric("realised_r", _GAUGE, "Net result of the kept records, added up, in R."),
    Metric("alerts_in_force", _GAUGE, "Subjects of alerts that were sent and still hold.", ("kind",)),
    Metric("alert_messages", _COUNTER, "Messages and pings: sent, failed tries, dropped.", ("result",)),
)

FILL_TO_STOP_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CYCLE_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram:
    """Durations by size."""

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        """By the first bound that a value does not exceed; the last one has the others."""
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Take a duration in."""
        place = next((index for index, bound in enumerate(self.bounds_s) if seconds <= bound), len(self.bounds_s))
        self.counts[place] += 1
        self.sum_s += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Prometheus' form: how many were at most this long, up to `+Inf`."""
        bounds = (*map(str, self.bounds_s), "+Inf")
        return [(bound, float(sum(self.counts[: index + 1]))) for index, bound in enumerate(bounds)]


Values = dict[tuple[str, ...], float]
"""One figure: its value by the values of its labels."""
