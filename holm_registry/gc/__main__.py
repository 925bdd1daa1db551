"""
One task of maintenance as a process of its own, which a server starts.

It imports nothing but what it needs, yields to the server, and keeps its result on the volume.
"""

from __future__ import annotations

import os
import sys

import msgspec

from holm_registry.storage import layout
from holm_registry.storage.errors import AlreadyLocked, StorageError
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.permissions import is_store

from .collection import Collection, CollectionOptions, CollectionResult
from .uploads import Purged, purge_uploads

#: As many are enough to see that much is wrong; the command tells them all.
MAX_PROBLEMS = 1000


def main(task: str, root: str, plan: str) -> int:
    """Do a task; print its result as JSON, or one line of what went wrong."""
    os.nice(19)
    driver = FilesystemDriver(root)
    options = CollectionOptions(**msgspec.json.decode(plan, type=dict[str, float | bool | None]))  # type: ignore[arg-type] # our own server wrote it
    if not is_store(root):
        # Nothing was pushed yet, or the volume is not mounted: nothing is made there.
        print(msgspec.json.encode(CollectionResult() if task == "collect" else Purged()).decode())
        return 0
    try:
        found = _do(task, driver, options)
    except AlreadyLocked:
        print("another collection is running", file=sys.stderr)
        return 1
    except StorageError as problem:
        print(problem, file=sys.stderr)
        return 1
    del found.problems[MAX_PROBLEMS:]
    result = msgspec.json.encode(found)
    try:
        driver.put(layout.result(task), result)
    except StorageError as problem:
        # What was done is done, and told: only the next start does not know when it was.
        print(f"its result cannot be kept: {problem}", file=sys.stderr)
    print(result.decode())
    return 0


def _do(
    task: str, driver: FilesystemDriver, options: CollectionOptions
) -> CollectionResult | Purged:
    if task == "collect":
        return Collection(driver, options).run()
    age = options.upload_age_seconds or 0.0
    return purge_uploads(driver, age, dry_run=options.dry_run)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
