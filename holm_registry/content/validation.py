from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from attrs import frozen

from holm_registry.oci import media_types
from holm_registry.oci.descriptor import Descriptor
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.manifest import Manifest


@frozen
class Validation:
    """
    What an operator asks of manifests beyond the specification.

    :ivar disabled: Take in manifests that name content which is not here.
    :ivar allow: Patterns one of which each URL of a foreign layer must match; empty for any.
    :ivar deny: Patterns none of which it may match.
    :ivar platforms: Which children an index must bring along: ``all``, ``none``, or those listed.
    :ivar platform_list: Pairs of architecture and operating system, for ``list``.
    :ivar immutable: Patterns of tags that stay where they were first pointed at.
    """

    disabled: bool = False
    allow: tuple[re.Pattern[str], ...] = ()
    deny: tuple[re.Pattern[str], ...] = ()
    platforms: str = "all"
    platform_list: frozenset[tuple[str, str]] = frozenset()
    immutable: tuple[str, ...] = ()

    def check(self, manifest: Manifest) -> None:
        """
        Check the URLs of foreign layers.

        :raises ManifestInvalid: One is not allowed.
        """
        if self.disabled:
            return
        for url in _foreign_urls(manifest):
            if not _is_web_address(url) or not self._allows(url):
                raise ManifestInvalid("URL of a foreign layer not allowed", detail={"url": url})

    def immutable_pattern(self, tag: str) -> str | None:
        """Return the pattern by which a tag stays where it is; None if it may move."""
        return next((each for each in self.immutable if fnmatchcase(tag, each)), None)

    def requires_child(self, descriptor: Descriptor) -> bool:
        """Return whether a child of an index must be here."""
        if self.platforms != "list":
            return self.platforms == "all"
        platform = descriptor.platform
        return platform is not None and (platform.architecture, platform.os) in self.platform_list

    def _allows(self, url: str) -> bool:
        allowed = not self.allow or any(pattern.search(url) for pattern in self.allow)
        return allowed and not any(pattern.search(url) for pattern in self.deny)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.fragment


def _foreign_urls(manifest: Manifest) -> Iterator[str]:
    for _, descriptor in manifest.blobs:
        if media_types.is_foreign_layer(descriptor.media_type):
            yield from descriptor.urls or ()
