"""
Removing what nothing needs while others push: the protocol, and why it is safe.

**The steps.** A collection notes the time (T), by the store's clock. It reads every repository and
marks what is needed. Then it tries to remove what was not marked, always in this order: manifests,
then referrer links and layer links, then blobs. Each is first *taken out of sight*: its file gets a
name of its own, that is used once, in the same folder. Then the times of its bytes and of its link
are looked at; if one is later than ``T - grace - slack`` it is *put back* under its name, else it
is *claimed*: removed under the other name, and gone only if nothing is under the first one then.

Writers (:mod:`holm_registry.content`) keep three rules:

1. A request that says that content exists (HEAD, GET, a mount, the commit of what exists, a
   manifest that names it) first refreshes the time of its bytes, then looks at the bytes, and at
   the link by which it found them, once more.
2. A manifest is taken in so: its parts as in 1, its bytes, its referrer link, its revision link,
   all of that once more as in 1, its tags, and once more. Only then is it accepted.
3. A request that misses something that is out of sight restores it, and it stays.

**Why no accepted manifest lacks a blob.** Let a collection remove a blob, or the link to one, that
an accepted manifest names. It had not marked it, so its reading of that repository ended before the
manifest's revision link (or, where untagged manifests go, before its tag) was there. So the look
after that link (rule 2) came after T. If the blob was gone by then, the manifest was not accepted.
If it was there, then its time is later than T from that look on; and the collection, which removed
it afterwards, looked at its time while it was out of sight. It cannot have been out of sight before
the manifest's look, or that look would have put it back (rule 3); so its time was looked at later,
was later than T, and the blob was put back: a contradiction. Refreshing and claiming cannot cross
unseen: a refresh is followed by a look, which puts back what it misses. Putting back makes the
first name before it removes the other (a hard link; a rename where there are none). So a process
that removes the other name, and sees nothing under the first one afterwards, knows that no other
has put it back, and a later process finds neither. What was written anew meanwhile is under the
first name as well, and is never replaced.

**Full disks.** No step makes a file or a folder: a rename within a folder, a link in the place of a
name that has just gone, and removals. So a collection frees space where there is none left. Its
lock, and the file with its result, are not needed for safety: it goes without them then.

**Indexes and referrers.** An index that is pushed refreshes its children and not their layers. A
manifest that was put back keeps everything it needs: it is marked then and there, with children,
referrers and layers, none of which have been tried yet, as manifests are tried before what they
name and before those that refer to them. So a manifest that is there has its parts.

**Slack.** A time less than a second old is not refreshed again (``FRESH_SECONDS``); clocks tick;
a client's clock and that of the store may differ, which is measured. All that is taken off.

**Where it ends.** Dying at any point loses nothing: what was claimed was garbage; what is out of
sight is restored by a request that misses it, and by the next collection, which looks for all.
What manifests name is removed only when they have gone durably, so that a power cut does not bring
one back without its layers. Two collections at once are kept apart by a lock; where the file system
has none, they take turns renaming, and what one puts back the other fails to claim.

**What cannot be read** might name anything in its repository: everything in that repository stays.
Where not even a folder can be listed, no blob of the store goes.
"""

from __future__ import annotations

import time

from attrs import frozen

from holm_registry.content.gc_grace import FRESH_SECONDS
from holm_registry.oci.digest import Digest
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.driver import Stat
from holm_registry.storage.errors import NotFound, StorageUnavailable

#: How coarse the clocks of file systems are at the worst, in seconds.
_TICK_SECONDS = 1.0


@frozen
class Sweep:
    """
    Removes one thing at a time, if it is still not needed.

    :ivar cutoff: What was written or refreshed since then stays, in seconds since the epoch.
    """

    driver: Collectable
    cutoff: float

    @classmethod
    def begin(cls, driver: Collectable, grace_seconds: float) -> Sweep:
        """Begin now, with the time from which on everything stays."""
        now = driver.seconds()
        slack = FRESH_SECONDS + _TICK_SECONDS + abs(time.time() - now)
        return cls(driver, now - grace_seconds - slack)

    def is_young(self, path: str) -> bool:
        """Return whether an object is too young to remove, or hidden; False if it is missing."""
        try:
            return self.driver.stat(path).modified >= self.cutoff
        except NotFound:
            return False
        except StorageUnavailable:
            return True

    def blob(self, digest: Digest) -> bool:
        """Remove a blob's bytes; tell whether they are gone."""
        return self.driver.sweep(
            layout.blob_data(digest), lambda stat: stat.modified >= self.cutoff
        )

    def layer(self, repository: str, digest: Digest, target: Digest) -> bool:
        """Remove a layer link; tell whether it is gone."""
        return self._link(layout.layer_link(repository, digest), target)

    def revision(self, repository: str, digest: Digest, target: Digest) -> bool:
        """Remove a manifest from its repository; tell whether it is gone."""
        is_gone = self._link(layout.revision_link(repository, digest), target)
        folder = layout.revision(repository, digest)
        if is_gone and "signatures" in self.driver.folders(folder):
            # What old versions of registry:2 put beside it.
            self.driver.delete_folder(f"{folder}/signatures")
            self.driver.prune(folder)
        return is_gone

    def referrer(self, repository: str, subject: Digest, digest: Digest) -> bool:
        """Remove the link to a referrer that is gone; tell whether the link is gone."""

        def is_back(stat: Stat) -> bool:
            return stat.modified >= self.cutoff or self._exists(
                layout.revision_link(repository, digest)
            )

        return self.driver.sweep(layout.referrer_link(repository, subject, digest), is_back)

    def _link(self, path: str, target: Digest) -> bool:
        return self.driver.sweep(
            path,
            lambda stat: stat.modified >= self.cutoff or self.is_young(layout.blob_data(target)),
        )

    def _exists(self, path: str) -> bool:
        try:
            self.driver.stat(path)
        except NotFound:
            return False
        return True
