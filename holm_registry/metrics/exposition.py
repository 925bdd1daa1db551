from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

# The time at which each series began has little use, and would double the number of series.
disable_created_metrics()

#: The media type of the text format.
CONTENT_TYPE: str = CONTENT_TYPE_LATEST


def new_registry() -> CollectorRegistry:
    """Make a Prometheus registry that has the metrics of the process only."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def format_metrics(registry: CollectorRegistry) -> bytes:
    """Return all metrics of a Prometheus registry in the text format."""
    return generate_latest(registry)
