"""
The grammar of repository names, tags and upload session ids.

:see: OCI distribution-spec, "Pulling manifests".
"""

from __future__ import annotations

import re

from .errors import BlobUploadUnknown, NameInvalid, TagInvalid

#: The maximum length of a repository name, in characters (the limit of registry:2).
MAX_REPOSITORY_LENGTH = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_COMPONENT_ONLY = re.compile(_COMPONENT)
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_SESSION = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_.=-]{0,127}")


def parse_repository(text: str) -> str:
    """
    Return a repository name, after checking it.

    :raises NameInvalid: It breaks the grammar or is longer than 255 characters.
    """
    if len(text) > MAX_REPOSITORY_LENGTH:
        raise NameInvalid(f"repository name longer than {MAX_REPOSITORY_LENGTH} characters")
    if _REPOSITORY.fullmatch(text) is None:
        raise NameInvalid(detail={"name": text})
    return text


def is_repository(text: str) -> bool:
    """Return whether a text is a repository name."""
    return len(text) <= MAX_REPOSITORY_LENGTH and _REPOSITORY.fullmatch(text) is not None


def is_component(text: str) -> bool:
    """Return whether a text is a component of a repository name, between slashes."""
    return len(text) <= MAX_REPOSITORY_LENGTH and _COMPONENT_ONLY.fullmatch(text) is not None


def is_session_id(text: str) -> bool:
    """Return whether a text can be the id of an upload session."""
    return _SESSION.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Return whether a text is a tag."""
    return _TAG.fullmatch(text) is not None


def parse_tag(text: str) -> str:
    """
    Return a tag, after checking it.

    :raises TagInvalid: It breaks the grammar or is longer than 128 characters.
    """
    if not is_tag(text):
        raise TagInvalid("invalid tag", detail={"tag": text[:200]})
    return text


def parse_session_id(text: str) -> str:
    """
    Return the id of an upload session, after checking that it is a plain file name.

    :raises BlobUploadUnknown: No session can have this id.
    """
    if not is_session_id(text):
        raise BlobUploadUnknown
    return text
