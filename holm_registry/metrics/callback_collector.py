"""
Figures that somebody has already, and that are read when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

#: A figure, or several by the values of their label, or of both; None where there is none just now.
Value = float | Mapping[str, float] | Mapping[tuple[str, str], float] | None

#: The name of a label, or of two; empty where there is one figure only.
Label = str | tuple[str, str]


class CallbackCollector(Collector):
    """
    Reads figures from where they are.

    :param registry: Where to show them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reads: list[Callable[[], Metric | None]] = []
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read every figure."""
        for read in self._reads:
            found = read()
            if found is not None:
                yield found

    def gauge(self, name: str, text: str, read: Callable[[], Value], label: Label = "") -> None:
        """
        Show something that goes up and down.

        :param label: The name of the label, or of both, where there are several.
        """
        self._add(GaugeMetricFamily, name, text, read, label)

    def counter(self, name: str, text: str, read: Callable[[], Value], label: Label = "") -> None:
        """Show something that only goes up."""
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
            found = kind(name, text, labels=_listed(label))
            values = value if isinstance(value, Mapping) else {"": value}
            for key, each in values.items():
                found.add_metric(_listed(key), each)
            return found

        self._reads.append(family)


def _listed(label: Label) -> list[str]:
    if isinstance(label, tuple):
        return list(label)
    return [label] if label else []
