"""
What the registry lists or names and does not have, in words.

Pure: reads what is remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from holm_registry.ui.model.manifest_summary import Child, ManifestSummary, has_platform_config
from holm_registry.ui.model.text import count_text

from .content_cache import ContentCache

_MAX_DEPTH = 4


def missing_text(contents: ContentCache, digest: str, absent: Collection[str]) -> str:
    """
    Return what is missing of a manifest: ``1 of 3 platforms missing``; empty if nothing is.

    :param absent: The digests that the repository does not have.
    """
    facts = contents.manifests.peek(digest)
    if facts is None or not absent:
        return ""
    if not facts.children:
        return "config missing" if _lacks_config(contents, facts, absent) else ""
    children = list(_leaves(contents, facts))
    words = [
        _count_text(contents, [child for child in children if not child.attests], absent),
        _count_text(contents, [child for child in children if child.attests], absent),
        _configs_text(contents, children, absent),
    ]
    return ", ".join(filter(None, words))


def _leaves(contents: ContentCache, facts: ManifestSummary, depth: int = 0) -> Iterator[Child]:
    """Return the children of an index, and instead of an index in it, its children."""
    for child in facts.children:
        nested = contents.manifests.peek(child.digest)
        if nested is not None and nested.children and depth < _MAX_DEPTH:
            yield from _leaves(contents, nested, depth + 1)
        else:
            yield child


def _count_text(contents: ContentCache, children: list[Child], absent: Collection[str]) -> str:
    missing = sum(_is_missing(contents, child, absent) for child in children)
    if not missing:
        return ""
    if children[0].attests:
        noun = "attestation"
    else:
        noun = "platform" if any(child.platform for child in children) else "manifest"
    return f"{missing:,} of {count_text(len(children), noun)} missing"


def _is_missing(contents: ContentCache, child: Child, absent: Collection[str]) -> bool:
    # Content that is known from elsewhere is as good as there: a digest names only one.
    return child.digest in absent and contents.manifests.peek(child.digest) is None


def _configs_text(contents: ContentCache, children: list[Child], absent: Collection[str]) -> str:
    lacking = []
    for child in children:
        facts = contents.manifests.peek(child.digest)
        if facts is not None and _lacks_config(contents, facts, absent):
            lacking.append(child.platform)
    if len(lacking) == 1 and lacking[0]:
        return f"config of {lacking[0]} missing"
    return f"{count_text(len(lacking), 'config')} missing" if lacking else ""


def _lacks_config(contents: ContentCache, facts: ManifestSummary, absent: Collection[str]) -> bool:
    if facts.config is None or not has_platform_config(facts):
        return False
    config = facts.config.digest
    return config in absent and contents.configs.peek(config) is None
