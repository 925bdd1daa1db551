"""
Keeping what is in use from being collected: the writer's half of the protocol that
:mod:`holm_registry.gc.sweep` describes.

A collection removes only what nothing names, and of that only blobs whose bytes were neither
written nor refreshed for a while (the grace, an hour by default), with the links to such. So
a request that tells a client that content exists refreshes its bytes first, and looks for the
link to it **after that**: a collection takes a link out of sight first, and looks at the time of
the bytes after that, so that one of the two always notices the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import frozen

from holm_registry.oci.digest import Digest
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.driver import Stat

from .link_files import LinkFiles

#: A blob this fresh needs no refreshing; far below any grace that makes sense.
FRESH_SECONDS = 1.0


@frozen
class ResolvedBlob:
    """Content that is there and stays for a grace: the blob that a link leads to, and its stat."""

    target: Digest
    stat: Stat


def touch_and_stat(
    driver: Collectable, path: str, seconds: Callable[[], float] = time.time
) -> Stat:
    """
    Look at a blob's bytes, having made sure that no collection will take them soon.

    :raises NotFound: They are gone.
    """
    stat = driver.stat(path)
    if not 0 <= seconds() - stat.modified < FRESH_SECONDS:
        driver.refresh(path)
    return stat


def resolve(driver: Collectable, links: LinkFiles, link: str, named: Digest) -> ResolvedBlob:
    """
    Find what a link leads to, and keep it.

    :param named: The digest that the link's path names.
    :raises NotFound: There is no link, or no content.
    """
    target = links.read(link, named)
    stat = touch_and_stat(driver, layout.blob_data(target))
    driver.stat(link)
    return ResolvedBlob(target, stat)


def resolve_cached(driver: Collectable, links: LinkFiles, link: str) -> ResolvedBlob | None:
    """
    Do as :func:`read` if that takes no reading; None if it does.

    :raises NotFound: There is no link, or no content.
    """
    target = links.last_known(link)
    if target is None:
        return None
    stat = touch_and_stat(driver, layout.blob_data(target))
    return ResolvedBlob(target, stat) if links.cached(link) == target else None
