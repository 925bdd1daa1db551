"""
What a deletion would take along, in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import frozen

from holm_registry.ui.model.artifact_types import ATTESTATION, PROVENANCE, SBOM, SIGNATURE
from holm_registry.ui.model.deletion_plan import DeletionPlan, Dependent, PlannedImage
from holm_registry.ui.model.text import count_text

_PLATFORM, _LIST = "platform", "list of referrers"
_PLURALS = {_LIST: "lists of referrers", SBOM: "SBOMs"}

#: The order of kinds in the text.
_ORDER = (_PLATFORM, ATTESTATION, SBOM, SIGNATURE)


@frozen
class DeletionView:
    """
    The question whether something is to be deleted.

    :ivar tags: The tags that were chosen; none if an image was chosen by its digest.
    :ivar others: The tags of these images that were not chosen.
    :ivar lost: The chosen tags whose manifest is missing or cannot be read.
    :ivar along: What is deleted with the images, in words; empty if nothing is.
    :ivar images: Each image, with what is deleted with it, in words.
    """

    plan: DeletionPlan
    tags: Sequence[str]
    others: Sequence[str]
    lost: Sequence[str]
    along: str
    along_count: int
    images: Sequence[tuple[PlannedImage, str]]


def deletion_view(plan: DeletionPlan, tags: Sequence[str], lost: Sequence[str]) -> DeletionView:
    """Put together what the page that asks shows."""
    chosen = set(tags)
    companions = {
        dependent.digest: dependent for image in plan.images for dependent in image.companions
    }
    return DeletionView(
        plan,
        tags,
        [tag for tag in plan.tags if tag not in chosen],
        lost,
        companions_text(list(companions.values())),
        len(companions),
        [(image, companions_text(image.companions)) for image in plan.images],
    )


def companions_text(companions: Sequence[Dependent]) -> str:
    """Count what goes along by its kind: ``2 platforms, 1 attestation and 4 signatures``."""
    counts = Counter(_kind(dependent.role) for dependent in companions)
    kinds = sorted(counts, key=lambda kind: (kind not in _ORDER, _place(kind), kind))
    words = [count_text(counts[kind], kind, _PLURALS.get(kind, "")) for kind in kinds]
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _place(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else 0


def _kind(role: str) -> str:
    if "/" in role:
        return _PLATFORM
    return {PROVENANCE: ATTESTATION, "referrers": _LIST}.get(role, role)
