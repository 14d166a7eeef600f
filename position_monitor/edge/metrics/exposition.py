"""Figures as Prometheus' text format, written by the library `prometheus_client` (the extra `metrics`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from position_monitor.core.publication.metrics import METRICS, PREFIX, Histogram, Kind, Metric, Values

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

EXTRA_MISSING: Final = (
    "[metrics] is set, but the package prometheus-client is not installed: "
    "pip install 'quantum-position-monitor[metrics]'"
)


def library_is_installed() -> bool:
    """Whether the extra `metrics` is there."""
    return importlib.util.find_spec("prometheus_client") is not None


def load_library() -> None:
    """Import the library; to be done in a thread, for it takes a while."""
    import prometheus_client.core  # noqa: F401


def text_of(account: str, values: Mapping[str, Values], histograms: Mapping[str, Histogram]) -> bytes:
    """Every figure that has a value, as text."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Figures(Collector):
        """Gives the library what there is; it adds nothing of its own."""

        def collect(self) -> Iterator[Family]:
            for metric in METRICS:
                if metric.kind is Kind.HISTOGRAM:
                    yield _histogram(metric, account, histograms[metric.name])
                elif metric.name in values:
                    yield _family(metric, account, values[metric.name])

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return generate_latest(registry)


def _family(metric: Metric, account: str, values: Values) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    made = family(f"{PREFIX}{metric.name}", metric.meaning, labels=("account", *metric.labels))
    for labels, value in values.items():
        made.add_metric((account, *labels), value)
    return made


def _histogram(metric: Metric, account: str, histogram: Histogram) -> Family:
    from prometheus_client.core import HistogramMetricFamily

    made = HistogramMetricFamily(f"{PREFIX}{metric.name}", metric.meaning, labels=("account",))
    made.add_metric((account,), buckets=histogram.cumulative(), sum_value=histogram.sum_s)
    return made
