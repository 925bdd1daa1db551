from __future__ import annotations

from holm_registry.storage.driver import Driver

from .blobs import Blobs
from .catalog import Catalog
from .links import Links
from .manifests import Manifests
from .payloads import Payloads
from .referrers import Referrers
from .tags import Tags
from .uploads import Uploads
from .validation import Validation


class Registry:
    """
    Every noun of a registry, over one store.

    :param driver: The store.
    :param validation: What manifests are held to.
    """

    def __init__(self, driver: Driver, validation: Validation | None = None) -> None:
        validation = validation or Validation()
        links = Links(driver)
        payloads = Payloads(driver)
        self.blobs = Blobs(driver, links)
        self.uploads = Uploads(driver, self.blobs)
        self.tags = Tags(driver, links, validation.frozen_by)
        self.catalog = Catalog(driver)
        self.referrers = Referrers(driver, links, tags=self.tags, payloads=payloads)
        self.manifests = Manifests(
            driver,
            links,
            blobs=self.blobs,
            tags=self.tags,
            payloads=payloads,
            referrers=self.referrers,
            validation=validation,
        )
