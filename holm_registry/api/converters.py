"""
The variables in routes. They match anything that could stand in their place, and raise the
registry's own error for what breaks the grammar, so that a bad name is not "not found".
"""

from __future__ import annotations

from typing import Any

from werkzeug.routing import BaseConverter

from holm_registry.oci.digest import Digest
from holm_registry.oci.names import parse_repository, parse_session_id
from holm_registry.oci.tag_or_digest import parse_reference


class RepositoryConverter(BaseConverter):
    """A repository's name, slashes and all."""

    regex = ".+"
    part_isolating = False

    def to_python(self, value: str) -> str:
        """Check the name."""
        return parse_repository(value)


class DigestConverter(BaseConverter):
    """A digest."""

    def to_python(self, value: str) -> Digest:
        """Read the digest."""
        return Digest.parse(value)


class ReferenceConverter(BaseConverter):
    """A tag or a digest."""

    def to_python(self, value: str) -> Any:
        """Read the reference: a :class:`.Digest`, or a tag as text."""
        return parse_reference(value)


class SessionConverter(BaseConverter):
    """The id of an upload session."""

    def to_python(self, value: str) -> str:
        """Check the id."""
        return parse_session_id(value)


CONVERTERS: dict[str, type[BaseConverter]] = {
    "repository": RepositoryConverter,
    "digest": DigestConverter,
    "reference": ReferenceConverter,
    "session": SessionConverter,
}
