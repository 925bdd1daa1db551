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
from .storage.driver import Driver
from .storage.filesystem import Filesystem
from .storage.memory import Memory
from .storage.readonly import ReadOnly
from .threads import PooledThreads

#: The most threads worth having: they wait for disks, or hash, and there are few of either.
MAX_THREADS = 16


def build_site(config: Config, reactor: Any) -> tuple[StreamingSite, PooledThreads]:
    """Make the site that serves a configuration, and the threads it works with."""
    storage = config.storage
    wanted = storage.filesystem.maxthreads if storage.filesystem is not None else MAX_THREADS
    threads = PooledThreads(reactor, min(wanted, MAX_THREADS))
    prefix = config.http.prefix or "/"
    host = "" if config.http.relativeurls else config.http.host.rstrip("/")
    context = Context(
        Registry(build_driver(storage), build_validation(config.validation)),
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
