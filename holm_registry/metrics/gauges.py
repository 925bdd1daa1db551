"""
Figures that somebody has already, and that are read when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

#: A figure, or several, each with the value of its label; None where there is none just now.
Value = float | dict[str, float] | None


class Readings(Collector):
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

    def gauge(self, name: str, text: str, read: Callable[[], Value], label: str = "") -> None:
        """
        Show something that goes up and down.

        :param label: The name of the label, where there are several.
        """
        self._add(GaugeMetricFamily, name, text, read, label)

    def counter(self, name: str, text: str, read: Callable[[], Value], label: str = "") -> None:
        """Show something that only goes up."""
        self._add(CounterMetricFamily, name, text, read, label)

    def _add(
        self,
        kind: type[GaugeMetricFamily | CounterMetricFamily],
        name: str,
        text: str,
        read: Callable[[], Value],
        label: str,
    ) -> None:
        def family() -> Metric | None:
            value = read()
            if value is None:
                return None
            found = kind(name, text, labels=[label] if label else [])
            values = value if isinstance(value, dict) else {"": value}
            for key, each in values.items():
                found.add_metric([key] if label else [], each)
            return found

        self._reads.append(family)
