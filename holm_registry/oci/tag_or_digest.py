from __future__ import annotations

from .digest import Digest
from .names import parse_tag


def parse_reference(text: str) -> Digest | str:
    """
    Read what follows ``/manifests/``: a digest where there is a colon, a tag otherwise.

    :raises DigestInvalid: It has a colon and is no digest.
    :raises TagInvalid: It has none and is no tag.
    :see: OCI distribution-spec, "Pulling manifests" (end-3).
    """
    return Digest.parse(text) if ":" in text else parse_tag(text)
