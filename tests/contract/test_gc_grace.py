"""The writer's half of the protocol: refresh the bytes first, then look at the link."""

from __future__ import annotations

import pytest

from holm_registry.content import gc_grace
from holm_registry.content.link_files import LinkFiles
from holm_registry.oci.digest import Digest
from holm_registry.storage import layout
from holm_registry.storage.errors import NotFound
from holm_registry.storage.memory import MemoryDriver

DIGEST = Digest.of(b"x")
LINK = layout.layer_link("a", DIGEST)


class Overtaken(MemoryDriver):
    """A store of which a collection has just looked at a blob's old time, and claims its link."""

    def refresh(self, path):
        super().refresh(path)
        self.delete(LINK)


def filled(driver):
    driver.put(layout.blob_data(DIGEST), b"x")
    driver.put(LINK, str(DIGEST).encode())
    driver._objects[layout.blob_data(DIGEST)].modified -= 100
    return driver


def test_a_link_that_went_before_the_bytes_were_refreshed_is_not_believed():
    driver = filled(Overtaken())
    with pytest.raises(NotFound):
        gc_grace.resolve(driver, LinkFiles(driver), LINK, DIGEST)


def test_nor_is_one_from_memory():
    driver = filled(Overtaken())
    links = LinkFiles(driver)
    assert links.read(LINK) == DIGEST
    with pytest.raises(NotFound):
        gc_grace.resolve_cached(driver, links, LINK)


def test_what_is_found_is_fresh():
    driver = filled(MemoryDriver())
    links = LinkFiles(driver)
    assert gc_grace.resolve_cached(driver, links, LINK) is None
    before = driver.stat(layout.blob_data(DIGEST)).modified
    assert gc_grace.resolve(driver, links, LINK, DIGEST).target == DIGEST
    assert driver.stat(layout.blob_data(DIGEST)).modified > before + 90
    found = gc_grace.resolve_cached(driver, links, LINK)
    assert found is not None
    assert found.stat.size_bytes == 1
