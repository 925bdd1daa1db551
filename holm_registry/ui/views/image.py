"""
One image, or whatever else a manifest may be, taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import frozen

from holm_registry.ui.model.artifact_types import CHART, IMAGE, classify
from holm_registry.ui.model.dates import first_build_date
from holm_registry.ui.model.documents import (
    Chart,
    Descriptor,
    DocumentInvalid,
    ImageConfig,
    Manifest,
    RunConfig,
    pretty,
    read,
)
from holm_registry.ui.model.history import HistoryLayer, command_text, dockerfile, join, shares
from holm_registry.ui.model.manifest_summary import CREATED
from holm_registry.ui.model.platforms import platform_text
from holm_registry.ui.model.snapshots import TagSet
from holm_registry.ui.state.content_cache import ContentCache

#: The most of a document that a page shows; all of it is a link away.
MAX_RAW_CHARACTERS = 100_000

#: The most steps and layers that a page shows; images have 127 at the most, other artifacts may
#: have more.
MAX_ROWS = 1000

_SECRET = re.compile(
    r"PASSWORD|PASSWD|TOKEN|SECRET|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE
)
_OCI_LABEL = "org.opencontainers.image."
_BASE_NAME = "org.opencontainers.image.base.name"

T = TypeVar("T")


@frozen
class NamedValue:
    """
    A name and a value.

    :ivar link: Where the value leads, if it is an address of the web.
    :ivar secret: Whether the name is that of something that should not be public.
    """

    name: str
    value: str
    link: str = ""
    secret: bool = False


@frozen
class LayerRow:
    """
    A layer or a step, as a row.

    :ivar start: Where its part of the bar begins, in percent; and how wide it is.
    :ivar tags: How many tags of the repository have this layer.
    """

    number: int
    layer: HistoryLayer
    digest: str
    size: int
    media_type: str
    share: float = 0.0
    start: float = 0.0
    width: float = 0.0
    tags: int = 0
    title: str = ""


@frozen
class JsonDocument:
    """JSON for reading."""

    text: str
    whole: bool


@frozen
class ImageView:
    """
    A manifest that is no index, with its config.

    :ivar more_rows: How many steps and layers there are beyond the rows.
    :ivar parse_error: What could not be understood, and why.
    """

    kind: str
    media_type: str
    artifact_type: str
    platform: str
    created: str
    author: str
    size: int
    layer_count: int
    rows: Sequence[LayerRow]
    more_rows: int
    facts: Sequence[NamedValue]
    environment: Sequence[NamedValue]
    labels: Sequence[NamedValue]
    annotations: Sequence[NamedValue]
    dockerfile: str
    manifest: JsonDocument
    config: JsonDocument | None
    parse_error: str = ""

    @property
    def layers(self) -> Sequence[LayerRow]:
        """The rows that are layers."""
        return [row for row in self.rows if row.digest]


def image_view(
    payload: bytes, media_type: str, config: bytes | None, tags_with: Mapping[str, int]
) -> ImageView:
    """
    Take an image apart.

    :param config: Its config; None where it has none that could be fetched.
    :param tags_with: How many tags of the repository have each layer.
    """
    errors: list[str] = []
    manifest = _read_or_report(payload, Manifest, "manifest", errors)
    kind = classify(manifest)
    if config is None and kind in (IMAGE, CHART):
        errors.append("The config is missing in the registry, or too large to show.")
    image_config = _config_if(kind == IMAGE, config, ImageConfig, errors)
    chart = _config_if(kind == CHART, config, Chart, errors)
    run = image_config.config or RunConfig()
    parts = [*(manifest.layers or []), *(manifest.blobs or [])]
    layers = join(image_config.history or [], parts)
    return ImageView(
        kind=kind,
        media_type=manifest.media_type or media_type,
        artifact_type=manifest.artifact_type
        or (manifest.config.media_type if manifest.config else ""),
        platform=platform_text(image_config.os, image_config.architecture, image_config.variant),
        created=first_build_date(
            (manifest.annotations or {}).get(CREATED, ""),
            image_config.created or chart.created or "",
        ),
        author=image_config.author or "",
        size=_size([*parts, *([manifest.config] if manifest.config else [])]),
        layer_count=len(parts),
        rows=_rows(layers[:MAX_ROWS], tags_with),
        more_rows=max(0, len(layers) - MAX_ROWS),
        facts=_chart_facts(chart) if kind == CHART else _run_facts(run),
        environment=[_variable(line) for line in run.env or []],
        labels=named(run.labels or {}),
        annotations=named(manifest.annotations or {}),
        dockerfile=dockerfile(image_config),
        manifest=_document(payload),
        config=None if config is None else _document(config),
        parse_error=" ".join(errors),
    )


def _read_or_report(content: bytes, kind: type[T], name: str, errors: list[str]) -> T:
    """Read a document; say why it cannot be, and go on with an empty one."""
    try:
        return read(content, kind)
    except DocumentInvalid as problem:
        errors.append(f"The {name} is not understood: {problem}")
        return kind()


def _config_if(fits: bool, config: bytes | None, kind: type[T], errors: list[str]) -> T:  # noqa: FBT001
    if not fits or config is None:
        return kind()
    return _read_or_report(config, kind, "config", errors)


def _size(parts: Sequence[Descriptor]) -> int:
    """Sum up content, each piece once, in bytes."""
    return sum({part.digest: max(0, part.size) for part in parts}.values())


def _rows(layers: Sequence[HistoryLayer], tags_with: Mapping[str, int]) -> list[LayerRow]:
    sizes = [max(0, layer.part.size) for layer in layers if layer.part]
    total = sum(sizes) or 1
    bar = iter(shares(sizes))
    rows = []
    for number, layer in enumerate(layers, 1):
        part = layer.part
        if part is None:
            rows.append(LayerRow(number, layer, "", 0, ""))
            continue
        start, width = next(bar)
        size = max(0, part.size)
        title = (part.annotations or {}).get("org.opencontainers.image.title", "")
        rows.append(
            LayerRow(
                number,
                layer,
                part.digest,
                size,
                part.media_type,
                size / total * 100,
                start,
                width,
                tags_with.get(part.digest, 0),
                title,
            )
        )
    return rows


def _run_facts(run: RunConfig) -> Sequence[NamedValue]:
    facts = {
        "Entrypoint": command_text(run.entrypoint),
        "Command": command_text(run.cmd),
        "User": run.user or "",
        "Working directory": run.working_dir or "",
        "Ports": ", ".join(sorted(run.exposed_ports or {})),
        "Volumes": ", ".join(sorted(run.volumes or {})),
        "Stop signal": run.stop_signal or "",
        "Health check": _health_check(run),
    }
    return [NamedValue(name, value) for name, value in facts.items() if value]


def _health_check(run: RunConfig) -> str:
    test = (run.healthcheck or {}).get("Test")
    return " ".join(map(str, test)) if isinstance(test, list) else ""


def _chart_facts(chart: Chart) -> Sequence[NamedValue]:
    people = [str(maintainer.get("name", "")) for maintainer in chart.maintainers or []]
    charts = [
        f"{dependency.get('name', '?')} {dependency.get('version', '')}".strip()
        for dependency in chart.dependencies or []
    ]
    facts = {
        "Chart": chart.name,
        "Version": chart.version,
        "Application version": chart.app_version or "",
        "Description": chart.description or "",
        "Type": chart.type or "",
        "Kubernetes": chart.kube_version or "",
        "Depends on": ", ".join(charts),
        "Home": chart.home or "",
        "Sources": " ".join(chart.sources or []),
        "Keywords": ", ".join(chart.keywords or []),
        "Maintainers": ", ".join(filter(None, people)),
        "Deprecated": "yes" if chart.deprecated else "",
    }
    return [NamedValue(name, value, web_link(value)) for name, value in facts.items() if value]


def named(values: Mapping[str, str]) -> list[NamedValue]:
    """Put labels or annotations in order: those of the image-spec first."""
    names = sorted(values, key=lambda name: (not name.startswith(_OCI_LABEL), name))
    return [NamedValue(name, values[name], web_link(values[name])) for name in names]


def web_link(text: str) -> str:
    """Return a text that is an address of the web, and nothing but that; else nothing."""
    if len(text) > 2000 or any(character.isspace() or ord(character) < 33 for character in text):
        return ""
    try:
        url = urlsplit(text)
    except ValueError:
        return ""
    return text if url.scheme in ("http", "https") and url.netloc else ""


def _variable(line: str) -> NamedValue:
    name, _, value = line.partition("=")
    return NamedValue(name, value, secret=bool(value and _SECRET.search(name)))


def _document(content: bytes) -> JsonDocument:
    text = pretty(content)
    return JsonDocument(text[:MAX_RAW_CHARACTERS], len(text) <= MAX_RAW_CHARACTERS)


def tags_with_layers(contents: ContentCache, tagset: TagSet) -> Mapping[str, int]:
    """Count, for each layer, in how many tags it is; as far as that is known."""
    key = ("layers", contents.generation)
    found: Mapping[str, int] | None = tagset.memory.get(key)
    if found is not None:
        return found
    counts: dict[str, int] = {}
    for tag in tagset.tags:
        for digest in _blobs(contents, tag.digest):
            counts[digest] = counts.get(digest, 0) + 1
    return tagset.remember(key, counts)


def _blobs(contents: ContentCache, digest: str, depth: int = 0) -> set[str]:
    facts = contents.manifests.peek(digest)
    if facts is None or depth > 3:
        return set()
    found = {blob.digest for blob in facts.blobs}
    for child in facts.children:
        found |= _blobs(contents, child.digest, depth + 1)
    return found
