"""
Two images side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from attrs import frozen

from .documents import Descriptor, ImageConfig
from .history import join

SAME, ADDED, REMOVED, CHANGED = "same", "added", "removed", "changed"

#: The most lines of history that are compared; images have at most 127 layers.
_MAX_LINES = 300


@frozen
class LayerChange:
    """A layer, and which of the two images has it."""

    change: str
    digest: str
    size: int
    instruction: str


@frozen
class ValueChange:
    """A named value: an environment variable, a label, a setting."""

    change: str
    name: str
    before: str
    after: str


@frozen
class LineChange:
    """A line of history."""

    change: str
    text: str


def layer_changes(
    before: Sequence[Descriptor],
    after: Sequence[Descriptor],
    before_config: ImageConfig,
    after_config: ImageConfig,
) -> list[LayerChange]:
    """Return which layers are shared, which are gone, and which are new, in their order."""
    old, new = {part.digest for part in before}, {part.digest for part in after}
    changes = [
        LayerChange(SAME if digest in new else REMOVED, digest, size, instruction)
        for digest, size, instruction in _layers(before, before_config)
    ]
    return changes + [
        LayerChange(ADDED, digest, size, instruction)
        for digest, size, instruction in _layers(after, after_config)
        if digest not in old
    ]


def _layers(parts: Sequence[Descriptor], config: ImageConfig) -> list[tuple[str, int, str]]:
    """Return each layer once: the empty one may be in an image many times."""
    layers: dict[str, tuple[int, str]] = {}
    for layer in join(config.history or [], parts):
        if layer.part is not None:
            layers.setdefault(layer.part.digest, (layer.part.size, layer.instruction))
    return [(digest, size, instruction) for digest, (size, instruction) in layers.items()]


def value_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[ValueChange]:
    """Return which values differ, by name."""
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        change = ADDED if old is None else REMOVED if new is None else CHANGED
        changes.append(ValueChange(change, name, old or "", new or ""))
    return changes


def history_changes(before: ImageConfig, after: ImageConfig) -> list[LineChange]:
    """Return which steps differ, in order."""
    old, new = (
        [layer.instruction for layer in join(config.history or [], [])][:_MAX_LINES]
        for config in (before, after)
    )
    changes = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            changes += [LineChange(SAME, line) for line in old[a:b]]
        else:
            changes += [LineChange(REMOVED, line) for line in old[a:b]]
            changes += [LineChange(ADDED, line) for line in new[c:d]]
    return changes


def environment(config: ImageConfig) -> dict[str, str]:
    """Return the environment variables of an image."""
    lines = (config.config.env if config.config else None) or []
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def labels(config: ImageConfig) -> dict[str, str]:
    """Return the labels of an image."""
    return dict((config.config.labels if config.config else None) or {})
