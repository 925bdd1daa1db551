"""
The registry put together: store, threads, site.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from .api.app import ApiResource
from .api.context import Context
from .api.locations import Locations
from .config.model import Config, ManifestValidation
from .config.storage import Storage
from .content.registry import Registry
from .content.validation import Validation
from .http.site import StreamingSite
from .logs import AccessLog
from .storage import layout
from .storage.driver import Driver
from .storage.errors import NotFound
from .storage.filesystem import Filesystem
from .storage.memory import Memory
from .storage.readonly import ReadOnly
from .threads import PooledThreads
from .upkeep import Task, Upkeep

#: The most threads worth having: they wait for disks, or hash, and there are few of either.
MAX_THREADS = 16


def build_site(config: Config, reactor: Any) -> tuple[StreamingSite, PooledThreads]:
    """Make the site that serves a configuration, and the threads it works with."""
    storage = config.storage
    wanted = storage.filesystem.maxthreads if storage.filesystem is not None else MAX_THREADS
    threads = PooledThreads(reactor, min(wanted, MAX_THREADS))
    prefix = config.http.prefix or "/"
    host = "" if config.http.relativeurls else config.http.host.rstrip("/")
    driver = build_driver(storage)
    if not storage.maintenance.readonly.enabled:
        # What a collection that died was just looking at.
        driver.recover()
    context = Context(
        Registry(driver, build_validation(config.validation)),
        threads,
        locations=Locations(host, prefix.rstrip("/")),
        deletes=storage.delete.enabled,
        read_only=storage.maintenance.readonly.enabled,
        max_catalog=config.catalog.maxentries,
        max_tags=config.tags.maxtags,
    )
    resource = ApiResource(context, config.http.headers, prefix)
    # Standard output is twistd's to redirect; what it was at the start is where the log belongs.
    write_log = None if config.log.accesslog.disabled else AccessLog(sys.__stdout__).write  # type: ignore[arg-type] # a daemon has none, and disables it
    return StreamingSite(resource, reactor, write_log=write_log), threads


def build_upkeep(storage: Storage, reactor: Any) -> Upkeep:
    """Make what cares for the store of a configuration, on its schedule."""
    maintenance = storage.maintenance
    if storage.filesystem is None or maintenance.readonly.enabled:
        return Upkeep(reactor, [])
    root = storage.filesystem.rootdirectory.rstrip("/")
    collect, purging = maintenance.collect, maintenance.uploadpurging
    tasks = []
    if collect.enabled:
        plan = {
            "grace_seconds": float(collect.grace),
            "untagged": collect.untagged,
            "upload_age_seconds": None,
        }
        tasks.append(Task("collect", collect.interval, root, plan, _last(root, "collect")))
    if purging.enabled:
        plan = {"upload_age_seconds": float(purging.age), "dry_run": purging.dryrun}
        tasks.append(Task("purge", purging.interval, root, plan, _last(root, "purge")))
    return Upkeep(reactor, tasks)


def _last(root: str, task: str) -> float:
    """Tell when a task was last done on a store, by whichever server."""
    try:
        return Filesystem(root).stat(layout.result(task)).modified
    except NotFound:
        return 0.0


def build_driver(storage: Storage) -> Driver:
    """Make the store of a configuration."""
    if storage.filesystem is None:
        return Memory()
    files = Filesystem(storage.filesystem.rootdirectory.rstrip("/"))
    return ReadOnly(files) if storage.maintenance.readonly.enabled else files


def build_validation(validation: ManifestValidation) -> Validation:
    """Make the rules for manifests of a configuration."""
    urls, indexes = validation.manifests.urls, validation.manifests.indexes
    return Validation(
        disabled=validation.disabled,
        allow=tuple(map(re.compile, urls.allow)),
        deny=tuple(map(re.compile, urls.deny)),
        platforms=indexes.platforms,
        platform_list=frozenset((each.architecture, each.os) for each in indexes.platformlist),
    )
