"""
Images as people name them: ``repository:tag``, ``repository@digest``.
"""

from __future__ import annotations

from attrs import frozen

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import RegistryError
from holm_registry.oci.names import parse_repository, parse_tag
from holm_registry.ui.errors import ContentMissing, InvalidRequest


@frozen
class ImageReference:
    """
    One image.

    :ivar tag: Empty where it is named by its digest.
    :ivar digest: Empty where it is named by a tag.
    """

    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def reference(self) -> str:
        """What stands behind ``/manifests/``."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return (
            f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"
        )


def parse_image(text: str, registry: str = "") -> ImageReference:
    """
    Read a reference; without tag and digest it is ``latest``.

    :param registry: ``host:port`` that may stand in front, as in a pull command.
    :raises InvalidRequest: It breaks the grammar.
    """
    text = text.strip()
    if registry:
        text = text.removeprefix(f"{registry}/")
    rest, at, digest = text.partition("@")
    repository, colon, tag = rest.rpartition(":")
    if not colon:
        repository, tag = rest, ""
    try:
        parse_repository(repository)
        if at:
            return ImageReference(repository, digest=str(Digest.parse(digest)))
        return ImageReference(repository, tag=parse_tag(tag or "latest"))
    except RegistryError as problem:
        raise InvalidRequest(f"{problem.message}: {text[:300]!r}") from problem


def require_repository(text: str) -> str:
    """
    Check the name of a repository in an address; a slash at its end is passed over.

    :raises ContentMissing: No repository can have it.
    """
    try:
        return parse_repository(text.removesuffix("/"))
    except RegistryError as problem:
        raise ContentMissing(f"no such repository: {text[:300]}") from problem


def require_digest(text: str) -> str:
    """
    Check a digest.

    :raises InvalidRequest: It is none.
    """
    try:
        return str(Digest.parse(text))
    except RegistryError as problem:
        raise InvalidRequest(f"{problem.message}: {text[:200]!r}") from problem
