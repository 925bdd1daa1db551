"""
Metrics whose values other objects keep already: callbacks read them at each scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

#: A value, or values by label value, or by a pair of them; None if there is no value now.
Value = float | Mapping[str, float] | Mapping[tuple[str, str], float] | None

#: The name of the label, or of both labels; empty for a metric without labels.
Label = str | tuple[str, str]


class CallbackCollector(Collector):
    """
    Calls the callback of each metric when Prometheus collects.

    :param registry: The Prometheus registry in which the collector registers itself.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reads: list[Callable[[], Metric | None]] = []
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics are not known when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics that have a value."""
        for read in self._reads:
            metric = read()
            if metric is not None:
                yield metric

    def gauge(self, name: str, text: str, read: Callable[[], Value], label: Label = "") -> None:
        """
        Add a gauge: a value that goes up and down.

        :param text: The metric's help text.
        :param read: Returns the value.
        """
        self._add(GaugeMetricFamily, name, text, read, label)

    def counter(self, name: str, text: str, read: Callable[[], Value], label: Label = "") -> None:
        """Add a counter: a value that only goes up."""
        self._add(CounterMetricFamily, name, text, read, label)

    def _add(
        self,
        kind: type[GaugeMetricFamily | CounterMetricFamily],
        name: str,
        text: str,
        read: Callable[[], Value],
        label: Label,
    ) -> None:
        def family() -> Metric | None:
            value = read()
            if value is None:
                return None
            metric = kind(name, text, labels=_as_list(label))
            values = value if isinstance(value, Mapping) else {"": value}
            for label_value, number in values.items():
                metric.add_metric(_as_list(label_value), number)
            return metric

        self._reads.append(family)


def _as_list(label: Label) -> list[str]:
    if isinstance(label, tuple):
        return list(label)
    return [label] if label else []
