"""
Uploads that will not be finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen
from msgspec import Struct, field

from holm_registry.oci.names import is_session_id
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageFull, StorageUnavailable, UploadBusy

from .inventory import repositories


class Purged(Struct):
    """What a purge removed; in a dry run, what it would."""

    dry_run: bool = False
    uploads: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def _tell_nobody(_where: str, _problem: StorageUnavailable) -> None:
    pass


def purge_uploads(driver: Driver, age_seconds: float, *, dry_run: bool = False) -> Purged:
    """Remove the abandoned uploads of all repositories."""
    result = Purged(dry_run)
    purge = UploadPurge(driver, driver.seconds() - age_seconds)

    def pass_over(where: str, problem: StorageUnavailable) -> None:
        result.problems.append(f"{where}: {problem}")

    for repository in repositories(driver, pass_over):
        for found in purge.find(repository, pass_over):
            try:
                is_gone = dry_run or purge.remove(found)
            except StorageUnavailable as problem:
                pass_over(layout.upload(repository, found.session_id), problem)
                continue
            if is_gone:
                result.uploads += 1
                result.bytes += found.size_bytes
    return result


@frozen
class Abandoned:
    """An upload to which nothing was written for long."""

    repository: str
    session_id: str
    size_bytes: int


class UploadPurge:
    """
    Finds and removes uploads by the age of their files, whatever else is known of them.

    :param before: Where the youngest file is older than this, an upload is abandoned, in seconds
        since the epoch.
    """

    def __init__(self, driver: Driver, before: float) -> None:
        self._driver = driver
        self._before = before

    def find(
        self,
        repository: str,
        unread: Callable[[str, StorageUnavailable], None] = _tell_nobody,
    ) -> Iterator[Abandoned]:
        """
        Find the abandoned uploads of a repository.

        :param unread: Gets each that cannot be read, and why; it is passed over.
        """
        try:
            found = self._driver.folders(layout.uploads(repository))
        except StorageUnavailable as problem:
            unread(layout.uploads(repository), problem)
            return
        for session_id in filter(is_session_id, found):
            folder = layout.upload(repository, session_id)
            try:
                size_bytes = self._abandoned_bytes(folder)
            except StorageUnavailable as problem:
                unread(folder, problem)
                continue
            if size_bytes is not None:
                yield Abandoned(repository, session_id, size_bytes)

    def remove(self, found: Abandoned) -> bool:
        """Remove one, unless a client is resuming it; return whether it is gone."""
        folder = layout.upload(found.repository, found.session_id)
        data = layout.upload_data(found.repository, found.session_id)
        # registry:2 makes the file with the first bytes; who has it open has the upload to itself.
        is_made_here = data not in [path for path, _ in self._driver.objects(folder)]
        if is_made_here:
            try:
                self._driver.create_upload(data)
            except StorageFull:
                # No other process can make it either, and so no client is resuming it.
                self._driver.delete_folder(folder)
                return True
        try:
            upload = self._driver.open_upload(data)
        except (UploadBusy, NotFound):
            return False
        try:
            passed_over = data if is_made_here and not upload.size_bytes else ""
            if self._abandoned_bytes(folder, passed_over) is None:
                if passed_over and len(self._driver.objects(folder)) == 1:
                    # It has just ended: what was made here must not look like an upload.
                    self._driver.delete_folder(folder)
                return False
            self._driver.delete_folder(folder)
        finally:
            upload.close()
        return True

    def _abandoned_bytes(self, folder: str, passed_over: str = "") -> int | None:
        """Return the size of an abandoned upload; None where something is young, or just begins."""
        ours = tuple(f"{folder}/{name}" for name in ("data", "startedat", "hashstates/"))
        files = [
            (path, stat)
            for path, stat in self._driver.objects(folder)
            if path != passed_over and path.startswith(ours)
        ]
        if not files or any(stat.modified >= self._before for _, stat in files):
            return None
        return sum(stat.size_bytes for _, stat in files)
