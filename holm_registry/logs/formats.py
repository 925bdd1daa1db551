"""
How an event is written: as text, or as the JSON of registry:2's ``json`` and ``logstash``.

:see: distribution, "Configuring a registry", ``log``; logrus, ``json_formatter.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from twisted.logger import LogEvent, eventAsText, formatEventAsClassicLogText

#: Writes an event as a line, with its end; None for one that says nothing.
Format = Callable[[LogEvent], str | None]

#: The levels by logrus' names, where those differ.
_LEVELS = {"warn": "warning", "critical": "error"}


def format_of(formatter: str, fields: Mapping[str, Any]) -> Format:
    """
    Give a format.

    :param formatter: ``text``, ``json`` or ``logstash``.
    :param fields: What to add to each line: ``log.fields``.
    """
    if formatter == "json":
        return partial(_json, _logrus, fields)
    if formatter == "logstash":
        return partial(_json, _logstash, fields)
    return partial(_text, "".join(f" {name}={_plain(value)}" for name, value in fields.items()))


def _text(fields: str, event: LogEvent) -> str | None:
    line = formatEventAsClassicLogText(event)
    if line is None or not fields:
        return line
    first, separator, rest = line.partition("\n")
    return f"{first}{fields}{separator}{rest}"


def _json(
    shape: Callable[[str, str, str], dict[str, Any]], fields: Mapping[str, Any], event: LogEvent
) -> str | None:
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if not text:
        return None
    time = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    level = getattr(event.get("log_level"), "name", "info")
    entry = shape(time.replace("+00:00", "Z"), _LEVELS.get(level, level), text)
    entry = {**fields, **dict(_particulars(event)), **entry}
    return f"{msgspec.json.encode(entry).decode()}\n"


def _logrus(time: str, level: str, text: str) -> dict[str, Any]:
    return {"time": time, "level": level, "msg": text}


def _logstash(time: str, level: str, text: str) -> dict[str, Any]:
    return {"@timestamp": time, "@version": "1", "level": level, "message": text}


def _particulars(event: LogEvent) -> Iterator[tuple[str, Any]]:
    """Give what a line is about, where it says so: ``request_id``, ``task``."""
    yield "logger", event.get("log_namespace", "-")
    for name, value in event.items():
        if not name.startswith("log_") and isinstance(value, str | int | float):
            yield name, value


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
