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

# When a figure began says little, and is as much again to read.
disable_created_metrics()

#: What an answer of figures is.
CONTENT_TYPE: str = CONTENT_TYPE_LATEST


def new_registry() -> CollectorRegistry:
    """Make an empty registry of figures, with those of the process itself."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def exposed(registry: CollectorRegistry) -> bytes:
    """Write all figures as Prometheus reads them."""
    return generate_latest(registry)
