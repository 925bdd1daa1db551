from __future__ import annotations

from collections.abc import Callable

from holm_registry.storage.local_driver import LocalDriver

from .blobs import Blobs
from .catalog import Catalog
from .limits import ContentLimits, UploadLimits
from .link_files import LinkFiles
from .manifest_store import ManifestStore
from .manifests import Manifests
from .quotas import Quotas
from .referrers import Referrers
from .store_warnings import StoreWarnings
from .tags import Tags
from .upload_sessions import UploadSessions
from .uploads import Uploads
from .validation import Validation


class Registry:
    """
    Every noun of a registry, over one store.

    :param driver: The store.
    :param validation: What manifests are held to.
    :param bounds: How large things may be.
    :param quotas: How much repositories may hold.
    :param complain: Gets a line for what on the store cannot be used, and is passed over.
    """

    def __init__(
        self,
        driver: LocalDriver,
        validation: Validation | None = None,
        bounds: ContentLimits | None = None,
        quotas: Quotas | None = None,
        complain: Callable[[str], object] = lambda _: None,
    ) -> None:
        complaints = StoreWarnings(complain)
        validation = validation or Validation()
        self.quotas = quotas or Quotas({})
        self.capacity = UploadLimits(driver, bounds or ContentLimits(), self.quotas)
        links = LinkFiles(driver)
        payloads = ManifestStore(driver)
        self.blobs = Blobs(driver, links, self.quotas)
        self.sessions = UploadSessions(driver, self.quotas, self.capacity.bounds.uploads)
        self.uploads = Uploads(driver, self.blobs, self.capacity, self.sessions)
        self.tags = Tags(driver, links, validation.immutable_pattern, complaints)
        self.catalog = Catalog(driver, complaints)
        self.referrers = Referrers(
            driver, links, tags=self.tags, payloads=payloads, complaints=complaints
        )
        self.manifests = Manifests(
            driver,
            links,
            blobs=self.blobs,
            tags=self.tags,
            payloads=payloads,
            referrers=self.referrers,
            validation=validation,
            capacity=self.capacity,
            quotas=self.quotas,
        )
