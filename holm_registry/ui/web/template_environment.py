"""
The templates, and what they may use of Python.

Imports little: it is loaded, and compiles, before the rest of the UI; see :func:`compile_all`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from holm_registry.oci.sizes import format_size
from holm_registry.ui.model.dates import build_date
from holm_registry.ui.model.text import age_text, count_text, delta_text, short_digest

from .settings import UiSettings

#: The longest text that is shown whole; all of it is in the JSON.
MAX_CHARACTERS = 100_000

#: Control characters but tab and line feed, and those that turn the direction of writing around.
_MISLEADING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def make_environment(folder: Path, settings: UiSettings) -> Environment:
    """
    Make the environment of one UI's templates; each is compiled when it is first used.

    :param folder: Where the templates are.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters.update(
        size=format_size,
        delta=delta_text,
        short=short_digest,
        count=count_text,
        age=age_text,
    )
    environment.globals.update(
        public_registry=settings.public_registry,
        show_urls=settings.show_urls,
        time=time_markup,
    )
    return environment


def compile_all(environment: Environment) -> None:
    """
    Compile every template.

    What the compiler needs for a moment, 2 MiB, is not given back to the system. What is
    loaded after this uses it again; compiled for the first visitors, it would stay unused.
    """
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def visible(value: object) -> object:
    """
    Make characters visible that would hide, reorder or end what stands around them.

    Labels, annotations and history are written by the builder of an image. Their markup is escaped
    by the templates; this is for what is no markup and misleads all the same.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if len(value) > MAX_CHARACTERS:
        value = f"{value[:MAX_CHARACTERS]}… (and {len(value) - MAX_CHARACTERS:,} more characters)"
    if _MISLEADING.search(value):
        return _MISLEADING.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    return value


def time_markup(text: str, now: float) -> Markup:
    """
    Write a build date as how long ago it was, with the exact time in the title.

    What is not a real build date is "unknown", with the text itself in the title; an empty text
    gives nothing.

    :param now: The present time, in seconds since 1970.
    """
    found = build_date(text, datetime.fromtimestamp(now, UTC))
    if found is None:
        raw = Markup('<span class="dim" title="{}">unknown</span>').format(visible(text[:100]))
        return raw if text else Markup("")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        f"{found:%Y-%m-%dT%H:%M:%SZ}",
        f"{found:%Y-%m-%d %H:%M:%S} UTC",
        age_text(now - found.timestamp()),
    )
