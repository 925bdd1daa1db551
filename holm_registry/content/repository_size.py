from __future__ import annotations

from holm_registry.oci.digest import Digest
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound


def held_bytes(driver: Driver, repository: str, target: Digest, named: Digest) -> int:
    """
    Return how many bytes of a blob a repository holds, as a blob or as a manifest: all, or none.

    :param target: Where the bytes lie.
    :param named: What the repository calls them.
    """
    links = {
        layout.layer_link(repository, named),
        layout.layer_link(repository, target),
        layout.revision_link(repository, named),
        layout.revision_link(repository, target),
    }
    if not any(is_there(driver, link) for link in links):
        return 0
    try:
        return driver.stat(layout.blob_data(target)).size_bytes
    except NotFound:
        return 0


def is_there(driver: Driver, path: str) -> bool:
    """Return whether there is an object at a path."""
    try:
        driver.stat(path)
    except NotFound:
        return False
    return True
