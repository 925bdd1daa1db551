from __future__ import annotations

from .digest import Digest
from .names import parse_tag


def parse_reference(text: str) -> Digest | str:
    """
    Parse the reference after ``/manifests/``: a digest if it has a colon, a tag otherwise.

    :raises DigestInvalid: It has a colon, but is not a digest.
    :raises TagInvalid: It has no colon, and is not a tag.
    :see: OCI distribution-spec, "Pulling manifests" (end-3).
    """
    return Digest.parse(text) if ":" in text else parse_tag(text)
