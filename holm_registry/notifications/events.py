"""
Events as registry:2 writes them.

:see: distribution, ``notifications/event.go`` and "Work with notifications".
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, field

#: What an envelope is sent as.
CONTENT_TYPE = "application/vnd.docker.distribution.events.v1+json"

PULL, PUSH, MOUNT, DELETE = "pull", "push", "mount", "delete"


class EventReference(Struct, omit_defaults=True, kw_only=True):
    """Something that a manifest names."""

    media_type: str = field(default="", name="mediaType")
    size: int = 0
    digest: str = ""


class EventTarget(Struct, omit_defaults=True, kw_only=True):
    """What something happened to: a manifest, a blob or a tag of a repository."""

    media_type: str = field(default="", name="mediaType")
    size: int = 0
    digest: str = ""
    length: int = 0
    repository: str = ""
    from_repository: str = field(default="", name="fromRepository")
    url: str = ""
    tag: str = ""
    references: list[EventReference] = []


class RequestRecord(Struct, omit_defaults=True):
    """Which request it happened by."""

    id: str = ""
    addr: str = ""
    host: str = ""
    method: str = ""
    useragent: str = ""


class EventActor(Struct, omit_defaults=True):
    """Who did it; nobody in particular where there are no logins."""

    name: str = ""


class EventSource(Struct, omit_defaults=True):
    """Which server it happened at."""

    addr: str = ""
    instance_id: str = field(default="", name="instanceID")


_any_event = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Event(Struct, kw_only=True):
    """Something that happened."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    timestamp: str = field(default_factory=_now)
    action: str
    target: EventTarget
    request: RequestRecord
    actor: EventActor = field(default_factory=EventActor)
    source: EventSource = field(default_factory=EventSource)


def encode_event(event: Event) -> bytes:
    """Write an event as one line, without its end."""
    return msgspec.json.encode(event)


def is_event(line: bytes) -> bool:
    """Tell whether a line can be put into an envelope, and be read by whoever gets it."""
    try:
        line.decode()
        _any_event.decode(line)
    except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
        return False
    return True


def make_envelope(line: bytes) -> bytes:
    """Put an event that was written into an envelope of its own, indented as registry:2 does."""
    return msgspec.json.format(b'{"events":[' + line + b"]}", indent=3)
