from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from holm_registry.gc.collection import CollectionOptions
from holm_registry.gc.usage import RepositoryUsage, StoreUsage, measure
from holm_registry.oci.numbers import parse_decimal
from holm_registry.oci.sizes import format_size
from holm_registry.storage.errors import StorageError

from .store import add_file, open_store, refuse
from .terminal import ProgressBar

_HEAD = ("REPOSITORY", "TAGS", "MANIFESTS", "SIZE", "UNIQUE", "FREEABLE")


#: What can be sorted by, and the field; ``alone`` is the old name of ``unique``.
_SORTS = {
    "name": "name",
    "size": "bytes",
    "unique": "bytes_alone",
    "alone": "bytes_alone",
    "freeable": "bytes_freeable",
    "tags": "tags",
    "manifests": "manifests",
}


def add_parser(commands: Any) -> None:
    """Add ``registry stats``."""
    parser = commands.add_parser(
        "stats", help="print how much each repository holds and what a collection would free"
    )
    parser.add_argument(
        "-m", "--delete-untagged", action="store_true", help="as for a collection with this option"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, in bytes")
    parser.add_argument(
        "--sort", choices=_SORTS, default="name", help="sort by this column, the largest first"
    )
    parser.add_argument("--top", type=_count, metavar="N", help="print no more than N repositories")
    add_file(parser, run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    config, driver = open_store(arguments)
    collect = config.storage.maintenance.collect
    plan = CollectionOptions(
        grace_seconds=collect.grace, untagged=arguments.delete_untagged or collect.untagged
    )
    bar = ProgressBar(sys.stderr)
    try:
        stats = measure(driver, plan, bar.show)
    except StorageError as problem:
        refuse(problem)
    finally:
        bar.clear()
    stats.repositories = _chosen(stats.repositories, arguments.sort, arguments.top)
    print(msgspec.json.encode(stats).decode() if arguments.json else _table(stats))
    for each in stats.problems:
        print(f"registry: {each}", file=sys.stderr)
    return 0


def _count(text: str) -> int:
    count = parse_decimal(text)
    if not count:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text[:20]!r}")
    return count


def _chosen(usages: list[RepositoryUsage], sort: str, top: int | None) -> list[RepositoryUsage]:
    """Sort what repositories hold, by name or the largest first, and take the first of them."""
    if sort != "name":
        usages = sorted(usages, key=lambda usage: (-getattr(usage, _SORTS[sort]), usage.name))
    return usages[:top]


def _table(stats: StoreUsage) -> str:
    rows: list[tuple[str, ...]] = [_HEAD]
    for usage in stats.repositories:
        sizes = (usage.bytes, usage.bytes_alone, usage.bytes_freeable)
        counts = (str(usage.tags), str(usage.manifests))
        rows.append((usage.name, *counts, *map(format_size, sizes)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
    total = stats.total
    lines.append(
        f"{total.repositories} repositories, {total.tags} tags, {total.manifests} manifests, "
        f"{total.blobs} blobs: {format_size(total.bytes)}; a collection would free "
        f"{format_size(total.bytes_freeable)}; {total.uploads} uploads: "
        f"{format_size(total.upload_bytes)}"
    )
    return "\n".join(lines)
