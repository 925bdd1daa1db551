"""
The storage driver of a configuration, and the rules for what is stored.
"""

from __future__ import annotations

import re

from twisted.logger import Logger

from holm_registry.config.model import Config, ManifestValidationSection, TagLimitsSection
from holm_registry.config.storage import StorageLimitsSection, StorageSection
from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.local_driver import LocalDriver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.storage.readonly import ReadOnlyDriver

_log = Logger()


def build_driver(storage: StorageSection) -> LocalDriver:
    """Open the storage driver; a new driver is one more branch here."""
    if storage.filesystem is None:
        return MemoryDriver()
    files = FilesystemDriver(storage.filesystem.rootdirectory.rstrip("/"))
    if storage.maintenance.readonly.enabled:
        return ReadOnlyDriver(files)
    files.mark()
    return files


def driver_name(storage: StorageSection) -> str:
    """Return the driver's name in registry:2, which metrics and health checks use."""
    return "inmemory" if storage.filesystem is None else "filesystem"


def build_registry(config: Config, driver: LocalDriver, quotas: Quotas) -> Registry:
    """Make the content of a registry, with the limits of the configuration."""
    return Registry(
        driver,
        build_validation(config.validation, config.tags),
        build_content_limits(config.storage.limits),
        quotas,
        lambda line: _log.warn("{line}", line=line),
    )


def build_quotas(storage: StorageSection) -> Quotas:
    """Make the quotas; the key ``team/*`` means the same prefix as ``team/``."""
    return Quotas({prefix.removesuffix("*"): size for prefix, size in storage.quota.items()})


def build_content_limits(limits: StorageLimitsSection) -> ContentLimits:
    """Make the limits for the sizes of content."""
    return ContentLimits(limits.blob, limits.layers, limits.uploads, limits.free)


def build_validation(
    validation: ManifestValidationSection, tags: TagLimitsSection | None = None
) -> Validation:
    """Make the rules for manifests and tags."""
    urls, indexes = validation.manifests.urls, validation.manifests.indexes
    return Validation(
        disabled=validation.disabled,
        allow=tuple(map(re.compile, urls.allow)),
        deny=tuple(map(re.compile, urls.deny)),
        platforms=indexes.platforms,
        platform_list=frozenset(
            (platform.architecture, platform.os) for platform in indexes.platformlist
        ),
        immutable=() if tags is None else tuple(tags.immutable),
    )
