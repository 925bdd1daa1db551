"""
The maintenance tasks of a configuration: garbage collection, and the purge of old uploads.
"""

from __future__ import annotations

from holm_registry.config.storage import StorageSection
from holm_registry.storage import layout
from holm_registry.storage.errors import StorageError
from holm_registry.storage.filesystem import FilesystemDriver

from .maintenance import MaintenanceTask


def maintenance_tasks(storage: StorageSection) -> list[MaintenanceTask]:
    """Return the tasks; none where storage is in memory or read-only."""
    maintenance = storage.maintenance
    if storage.filesystem is None or maintenance.readonly.enabled:
        return []
    root = storage.filesystem.rootdirectory.rstrip("/")
    collect, purging = maintenance.collect, maintenance.uploadpurging
    tasks = []
    if collect.enabled:
        options = {
            "grace_seconds": float(collect.grace),
            "untagged": collect.untagged,
            "upload_age_seconds": None,
        }
        last = _last_success(root, "collect")
        tasks.append(MaintenanceTask("collect", collect.interval, root, options, last))
    if purging.enabled:
        options = {"upload_age_seconds": float(purging.age), "dry_run": purging.dryrun}
        last = _last_success(root, "purge")
        tasks.append(MaintenanceTask("purge", purging.interval, root, options, last))
    return tasks


def _last_success(root: str, task: str) -> float:
    """Return when a task last succeeded on a store, on any server; 0 if it must run now."""
    try:
        return FilesystemDriver(root).stat(layout.result(task)).modified
    except StorageError:
        # It has never run, or its result cannot be read.
        return 0.0
