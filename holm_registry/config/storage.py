"""``storage`` in ``config.yml``."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from holm_registry.oci.manifest import MAX_MANIFEST_BYTES
from holm_registry.oci.sizes import Size

from .base import Section
from .durations import Duration


class FilesystemSection(Section, frozen=True):
    """``storage.filesystem``; ``maxthreads`` limits the number of concurrent reads and writes."""

    rootdirectory: str = "/var/lib/registry"
    maxthreads: Annotated[int, Meta(ge=1)] = 100


class DeleteSection(Section, frozen=True):
    """``storage.delete``."""

    enabled: bool = True


class RedirectSection(Section, frozen=True):
    """``storage.redirect``."""

    disable: bool = False


class CacheSection(Section, frozen=True):
    """``storage.cache``; ``layerinfo`` is the old name of ``blobdescriptor``."""

    blobdescriptor: str = ""
    blobdescriptorsize: int = 10000
    layerinfo: str = ""


class TagLookupSection(Section, frozen=True):
    """``storage.tag``."""

    concurrencylimit: int = 0


class UploadPurgingSection(Section, frozen=True):
    """``storage.maintenance.uploadpurging``."""

    enabled: bool = True
    age: Duration = Duration(168 * 3600)
    interval: Duration = Duration(24 * 3600)
    dryrun: bool = False


class ReadOnlySection(Section, frozen=True):
    """``storage.maintenance.readonly``."""

    enabled: bool = False


class CollectSection(Section, frozen=True):
    """``storage.maintenance.collect``: only in this registry."""

    enabled: bool = True
    interval: Duration = Duration(24 * 3600)
    grace: Duration = Duration(3600)
    untagged: bool = False


class MaintenanceSection(Section, frozen=True):
    """``storage.maintenance``."""

    uploadpurging: UploadPurgingSection = UploadPurgingSection()
    readonly: ReadOnlySection = ReadOnlySection()
    collect: CollectSection = CollectSection()


class StorageLimitsSection(Section, frozen=True):
    """``storage.limits``: only in this registry; 0 means no limit."""

    blob: Size = Size(0)
    manifest: Size = Size(MAX_MANIFEST_BYTES)
    layers: Annotated[int, Meta(ge=0)] = 10_000
    uploads: Annotated[int, Meta(ge=0)] = 10_000
    free: Size = Size(64 * 1024 * 1024)


class StorageSection(Section, frozen=True):
    """``storage``: one driver, and settings for all drivers; ``quota`` is by prefix of names."""

    filesystem: FilesystemSection | None = None
    inmemory: dict[str, Any] | None = None
    s3: dict[str, Any] | None = None
    s3aws: dict[str, Any] | None = None
    azure: dict[str, Any] | None = None
    gcs: dict[str, Any] | None = None
    swift: dict[str, Any] | None = None
    oss: dict[str, Any] | None = None
    maintenance: MaintenanceSection = MaintenanceSection()
    delete: DeleteSection = DeleteSection()
    redirect: RedirectSection = RedirectSection()
    cache: CacheSection = CacheSection()
    tag: TagLookupSection = TagLookupSection()
    limits: StorageLimitsSection = StorageLimitsSection()
    quota: dict[str, Size] = {}


#: The keys of ``storage`` that name a driver.
DRIVERS = ("filesystem", "inmemory", "s3", "s3aws", "azure", "gcs", "swift", "oss")
