"""
The formats of the log: text, and the JSON of registry:2's ``json`` and ``logstash``.

:see: distribution, "Configuring a registry", ``log``; logrus, ``json_formatter.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from twisted.logger import LogEvent, eventAsText, formatEventAsClassicLogText

#: Returns an event as a line with its newline; None for an event without text.
Format = Callable[[LogEvent], str | None]

#: The levels whose names in logrus differ from Twisted's.
_LEVELS = {"warn": "warning", "critical": "error"}


def make_format(formatter: str, fields: Mapping[str, Any]) -> Format:
    """
    Return the format of a configuration.

    :param formatter: ``log.formatter``: ``text``, ``json`` or ``logstash``.
    :param fields: ``log.fields``, added to each line.
    """
    if formatter == "json":
        return partial(_json, _logrus, fields)
    if formatter == "logstash":
        return partial(_json, _logstash, fields)
    return partial(_text, "".join(f" {name}={_as_text(value)}" for name, value in fields.items()))


def _text(fields: str, event: LogEvent) -> str | None:
    line = formatEventAsClassicLogText(event)
    if line is None or not fields:
        return line
    first, separator, rest = line.partition("\n")
    return f"{first}{fields}{separator}{rest}"


def _json(
    entry_of: Callable[[str, str, str], dict[str, Any]], fields: Mapping[str, Any], event: LogEvent
) -> str | None:
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if not text:
        return None
    time = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    level = getattr(event.get("log_level"), "name", "info")
    entry = entry_of(time.replace("+00:00", "Z"), _LEVELS.get(level, level), text)
    entry = {**fields, **dict(_fields_of(event)), **entry}
    return f"{msgspec.json.encode(entry).decode()}\n"


def _logrus(time: str, level: str, text: str) -> dict[str, Any]:
    return {"time": time, "level": level, "msg": text}


def _logstash(time: str, level: str, text: str) -> dict[str, Any]:
    return {"@timestamp": time, "@version": "1", "level": level, "message": text}


def _fields_of(event: LogEvent) -> Iterator[tuple[str, Any]]:
    """Return the event's own fields that are plain values, such as ``request_id`` and ``task``."""
    yield "logger", event.get("log_namespace", "-")
    for name, value in event.items():
        if not name.startswith("log_") and isinstance(value, str | int | float):
            yield name, value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
