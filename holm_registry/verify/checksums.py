"""
Reading every blob again, to see whether its bytes are still what its name says.

A long run: how far it got is kept on the volume now and then, and the next one goes on there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
from attrs import Factory, define
from msgspec import Struct

from holm_registry.gc.inventory import digests_in
from holm_registry.oci.digest import ALGORITHMS, Digest
from holm_registry.oci.errors import DigestInvalid
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver, ObjectReader
from holm_registry.storage.errors import NotFound, StorageUnavailable

from .bandwidth_limit import BandwidthLimit

_STEP_BYTES = 1024 * 1024

#: How much to read, and how many blobs, before it is noted how far that is.
_NOTED_BYTES = 256 * 1024 * 1024
_NOTED_BLOBS = 1000

_TASK = "verify"

T = TypeVar("T")


class ScanProgress(Struct):
    """
    How far an interrupted run got.

    :ivar last: The last blob that was read, in the order of algorithm and digits.
    :ivar suspects: Blobs that were found damaged until then.
    """

    last: str = ""
    suspects: list[str] = []


@define
class ChecksumResult:
    """
    What there is, and what of it is damaged.

    :ivar sizes: Every blob that has bytes, and how many.
    :ivar broken: What is wrong with the bytes, of each blob with which something is.
    :ivar unlisted: Why a folder of blobs cannot be listed, of each that cannot.
    :ivar skipped_bytes: What an earlier run, which was interrupted, had read.
    """

    sizes: dict[Digest, int] = Factory(dict)
    broken: dict[Digest, str] = Factory(dict)
    unlisted: dict[str, str] = Factory(dict)
    skipped_bytes: int = 0


class ChecksumScan:
    """
    One run over all blobs.

    :param pace: How fast to read.
    :param progress: Gets what is being done, how many MiB of it are done, and how many there are.
    """

    def __init__(
        self, driver: Driver, pace: BandwidthLimit, progress: Callable[[str, int, int], None]
    ) -> None:
        self._driver = driver
        self._pace = pace
        self._progress = progress
        self._found = ChecksumResult()
        self._noted = ScanProgress()
        self._read_bytes = 0
        self._total_bytes = 0

    def run(self, *, restart: bool = False) -> ChecksumResult:
        """
        Read all blobs, or those that an interrupted run has left.

        :param restart: Whether to read all in any case.
        """
        self._list()
        earlier = ScanProgress() if restart else self._load()
        for suspect in earlier.suspects:
            self._check(Digest.parse(suspect))
        self._noted.last = earlier.last
        try:
            self._read_all()
        except BaseException:
            self._note()
            raise
        return self._found

    def forget(self) -> None:
        """Forget how far it got: its result has been told."""
        with suppress(NotFound, StorageUnavailable):
            self._driver.delete(layout.progress(_TASK))

    def check(self, path: str, algorithm: str) -> Digest:
        """
        Hash what lies at a path.

        :raises NotFound: There is nothing.
        :raises StorageUnavailable: It cannot be read.
        """
        reader = self._driver.open(path)
        hasher = hashlib.new(algorithm)
        try:
            for step in _steps(reader):
                hasher.update(step)
                self._read_bytes += len(step)
                self._show()
                self._pace.spend(len(step))
        finally:
            reader.close()
        return Digest(algorithm, hasher.hexdigest())

    def _list(self) -> None:
        for algorithm in ALGORITHMS:
            for prefix in self._within(layout.blob_folders(algorithm), self._driver.folders):
                folder = layout.blob_folders(algorithm, prefix)
                for digest in self._within(folder, partial(digests_in, self._driver, algorithm)):
                    if digest.encoded.startswith(prefix):
                        self._weigh(digest)
        self._total_bytes = sum(self._found.sizes.values())

    def _within(self, folder: str, find: Callable[[str], Iterable[T]]) -> list[T]:
        try:
            return list(find(folder))
        except StorageUnavailable as problem:
            self._found.unlisted[folder] = str(problem)
            return []

    def _weigh(self, digest: Digest) -> None:
        try:
            self._found.sizes[digest] = self._driver.stat(layout.blob_data(digest)).size_bytes
        except NotFound:
            # Only its folder is left.
            return
        except StorageUnavailable:
            # Reading it will tell why.
            self._found.sizes[digest] = 0

    def _read_all(self) -> None:
        bytes_since = blobs_since = 0
        last = _key(self._noted.last)
        for digest, size_bytes in list(self._found.sizes.items()):
            if _key(str(digest)) <= last:
                self._found.skipped_bytes += size_bytes
                self._read_bytes += size_bytes
                continue
            self._check(digest)
            self._noted.last = str(digest)
            bytes_since += size_bytes
            blobs_since += 1
            if bytes_since >= _NOTED_BYTES or blobs_since >= _NOTED_BLOBS:
                self._note()
                bytes_since = blobs_since = 0

    def _check(self, digest: Digest) -> None:
        try:
            actual = self.check(layout.blob_data(digest), digest.algorithm)
        except NotFound:
            # Collected meanwhile.
            self._found.sizes.pop(digest, None)
            return
        except StorageUnavailable as problem:
            self._found.broken[digest] = f"its bytes cannot be read: {problem}"
        else:
            if actual == digest:
                return
            self._found.broken[digest] = f"its bytes are damaged: they hash to {actual}"
        self._noted.suspects.append(str(digest))

    def _show(self) -> None:
        self._progress("reading MiB", self._read_bytes >> 20, self._total_bytes >> 20)

    def _load(self) -> ScanProgress:
        try:
            content = self._driver.read(layout.progress(_TASK))
            found = msgspec.json.decode(content, type=ScanProgress)
            for each in (found.last, *found.suspects):
                Digest.parse(each)
        except (
            NotFound,
            StorageUnavailable,
            msgspec.MsgspecError,
            UnicodeDecodeError,
            DigestInvalid,
        ):
            return ScanProgress()
        return found

    def _note(self) -> None:
        # Where nothing can be written, the next run begins anew.
        with suppress(StorageUnavailable):
            self._driver.put(layout.progress(_TASK), msgspec.json.encode(self._noted))


def _steps(reader: ObjectReader) -> Iterator[bytes]:
    offset = 0
    while step := reader.read(offset, _STEP_BYTES):
        offset += len(step)
        yield step


def _key(digest: str) -> tuple[str, str]:
    algorithm, _, encoded = digest.partition(":")
    return algorithm, encoded
