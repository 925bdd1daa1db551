"""
What never changes: content by its digest, remembered within a budget.

Shared by all visitors. That is safe since a visitor learns a digest only by asking the registry,
with a login of their own; and payloads are kept by repository as well, since a manifest might name
content of another one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from holm_registry.ui.model.manifest_summary import ConfigSummary, ManifestSummary

V = TypeVar("V")

#: What to remember, in bytes: 32 MiB altogether.
FACTS_BYTES = 20 * 1024 * 1024
CONFIGS_BYTES = 6 * 1024 * 1024
PAYLOAD_BYTES = 6 * 1024 * 1024


class SizedLRU(Generic[V]):
    """
    A mapping that forgets what was not used for longest when it becomes too much.

    :param budget_bytes: What all values together may cost.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._values: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self.cost_bytes = 0
        self.generation = 0

    def peek(self, key: str) -> V | None:
        """Return a value without counting it as used; safe from any thread."""
        found = self._values.get(key)
        return found[0] if found else None

    def get(self, key: str) -> V | None:
        """Return a value."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: str, value: V, cost_bytes: int) -> None:
        """Remember a value; one that is larger than everything may be is not."""
        if cost_bytes > self._budget_bytes:
            return
        old = self._values.pop(key, None)
        self.cost_bytes += cost_bytes - (old[1] if old else 0)
        self._values[key] = (value, cost_bytes)
        self.generation += 1
        while self.cost_bytes > self._budget_bytes:
            _, (_, freed) = self._values.popitem(last=False)
            self.cost_bytes -= freed

    @property
    def full(self) -> bool:
        """Whether to add only what a visitor asked for."""
        return self.cost_bytes > self._budget_bytes * 0.95


class ContentCache:
    """Facts of manifests, facts of configs, and some payloads."""

    def __init__(
        self,
        facts_bytes: int = FACTS_BYTES,
        configs_bytes: int = CONFIGS_BYTES,
        payload_bytes: int = PAYLOAD_BYTES,
    ) -> None:
        self.manifests: SizedLRU[ManifestSummary] = SizedLRU(facts_bytes)
        self.configs: SizedLRU[ConfigSummary] = SizedLRU(configs_bytes)
        #: By ``repository@digest``.
        self.payloads: SizedLRU[bytes] = SizedLRU(payload_bytes)

    def learn(self, facts: ManifestSummary) -> None:
        """Remember what a manifest says."""
        self.manifests.put(facts.digest, facts, facts.cost)

    def learn_config(self, digest: str, facts: ConfigSummary) -> None:
        """Remember what a config says."""
        self.configs.put(digest, facts, facts.cost)

    @property
    def full(self) -> bool:
        """Whether to learn only what a visitor asked for."""
        return self.manifests.full or self.configs.full

    @property
    def generation(self) -> int:
        """A number that grows with all that is learned."""
        return self.manifests.generation + self.configs.generation
