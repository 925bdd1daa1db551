"""
Events, in the format of registry:2.

:see: distribution, ``notifications/event.go`` and "Work with notifications".
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, field

#: The media type of an envelope.
CONTENT_TYPE = "application/vnd.docker.distribution.events.v1+json"

PULL, PUSH, MOUNT, DELETE = "pull", "push", "mount", "delete"


class EventReference(Struct, omit_defaults=True, kw_only=True):
    """A descriptor that a manifest contains."""

    media_type: str = field(default="", name="mediaType")
    size: int = 0
    digest: str = ""


class EventTarget(Struct, omit_defaults=True, kw_only=True):
    """The manifest, blob or tag that an event is about; sizes in bytes."""

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
    """The request that caused an event."""

    id: str = ""
    addr: str = ""
    host: str = ""
    method: str = ""
    useragent: str = ""


class EventActor(Struct, omit_defaults=True):
    """The user of the request; without a name where authentication is off."""

    name: str = ""


class EventSource(Struct, omit_defaults=True):
    """The server that handled the request."""

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
    """Return an event as one line of JSON, without a newline."""
    return msgspec.json.encode(event)


def is_event(line: bytes) -> bool:
    """Whether a line is a JSON object in UTF-8, so that an endpoint can parse its envelope."""
    try:
        line.decode()
        _any_event.decode(line)
    except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
        return False
    return True


def make_envelope(line: bytes) -> bytes:
    """Return an envelope with one encoded event, indented like those of registry:2."""
    return msgspec.json.format(b'{"events":[' + line + b"]}", indent=3)
