from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from holm_registry.oci.digest import Digest
from holm_registry.storage.driver import GrowingObject

if TYPE_CHECKING:
    from hashlib import _Hash

#: How many unfinished uploads keep their hasher; others are read once more when they are done.
MAX_HASHERS = 1024

_STEP_BYTES = 1024 * 1024


class RunningDigest:
    """
    The digest, so far, of an upload's bytes.

    :param algorithm: What to hash by.
    """

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.count_bytes = 0
        self._hasher: _Hash = hashlib.new(algorithm)

    def update(self, buffers: Iterable[bytes]) -> None:
        """Take in what comes next."""
        for buffer in buffers:
            self._hasher.update(buffer)
            self.count_bytes += len(buffer)

    def digest(self) -> Digest:
        """Return the digest of all that was taken in."""
        return Digest(self.algorithm, self._hasher.hexdigest())

    @classmethod
    def of(cls, upload: GrowingObject, algorithm: str) -> RunningDigest:
        """Hash all that an upload holds already."""
        hashing = cls(algorithm)
        while step := upload.read(hashing.count_bytes, _STEP_BYTES):
            hashing.update([step])
        return hashing


class DigestCache:
    """The running digests of uploads, kept between their requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, RunningDigest] = OrderedDict()

    def put(self, path: str, hashing: RunningDigest) -> None:
        """Store the digest of an upload, dropping the oldest if there are too many."""
        with self._lock:
            self._kept[path] = hashing
            if len(self._kept) > MAX_HASHERS:
                self._kept.popitem(last=False)

    def pop(self, path: str, size_bytes: int) -> RunningDigest | None:
        """Give back the hasher of an upload, unless another process has added to the file."""
        with self._lock:
            hashing = self._kept.pop(path, None)
        return hashing if hashing is not None and hashing.count_bytes == size_bytes else None
