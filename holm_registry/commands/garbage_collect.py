from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from holm_registry.gc.collection import Collection, CollectionOptions, CollectionResult
from holm_registry.oci.sizes import format_size
from holm_registry.storage.errors import AlreadyLocked, StorageError

from .store import add_file, duration, open_store, refuse
from .terminal import ProgressBar


def add_parser(commands: Any) -> None:
    """Add ``registry garbage-collect``, with registry:2's options and ours."""
    parser = commands.add_parser(
        "garbage-collect",
        help="remove what nothing refers to; the registry may go on serving and taking pushes",
    )
    parser.add_argument("-d", "--dry-run", action="store_true", help="show what would be deleted")
    parser.add_argument(
        "-m", "--delete-untagged", action="store_true", help="delete manifests without a tag too"
    )
    parser.add_argument(
        "--without-repositories",
        action="store_true",
        help="all repositories were removed by hand: if none is left, remove all blobs",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print the result only")
    parser.add_argument(
        "--grace", type=duration, metavar="1h", help="keep content that was pushed or used since"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_file(parser, run)


def run(arguments: argparse.Namespace) -> int:
    """Collect; 0 if it was done, 1 if not, with a line that says why."""
    config, driver = open_store(arguments)
    maintenance = config.storage.maintenance
    purging = maintenance.uploadpurging
    grace = arguments.grace if arguments.grace is not None else maintenance.collect.grace
    plan = CollectionOptions(
        grace_seconds=grace,
        untagged=arguments.delete_untagged,
        upload_age_seconds=purging.age if purging.enabled and not purging.dryrun else None,
        dry_run=arguments.dry_run,
        emptied=arguments.without_repositories,
    )
    bar = ProgressBar(sys.stderr)
    is_silent = arguments.quiet or arguments.json
    tell = (lambda _: None) if is_silent else sys.stdout.write
    collection = Collection(driver, plan, lambda line: _tell(tell, line), bar.show)
    try:
        result = collection.run()
    except AlreadyLocked:
        refuse("another collection is running on this store")
    except StorageError as problem:
        refuse(problem)
    finally:
        bar.clear()
    print(msgspec.json.encode(result).decode() if arguments.json else _summary(result))
    for each in result.problems:
        print(f"registry: {each}", file=sys.stderr)
    return 0


def _tell(write: Any, line: str) -> None:
    write(f"{line}\n")


def _summary(result: CollectionResult) -> str:
    verb = "would be freed" if result.dry_run else "freed"
    return (
        f"{result.bytes} bytes {verb} ({format_size(result.bytes)}): {result.blobs} blobs, "
        f"{result.manifests} manifests, {result.layer_links} layer links, "
        f"{result.referrer_links} referrer links, {result.uploads} uploads, "
        f"{result.empty_repositories} empty repositories"
    )
