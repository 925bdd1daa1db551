"""
Upload sessions: bytes that arrive over several requests and become a blob.

What a session is lies on disk: it survives a restart and can be carried on by any process. Its
hasher is kept in memory between requests, and made anew from the file when it is not there.

:see: OCI distribution-spec, "Pushing blobs".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import (
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    SizeInvalid,
    TooManyRequests,
)
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.driver import GrowingObject
from holm_registry.storage.errors import NotFound, StorageUnavailable, UploadBusy

from .blobs import Blobs
from .limits import UploadLimits
from .running_digest import DigestCache, RunningDigest
from .upload_sessions import UploadSessions


def _unknown(session_id: str) -> BlobUploadUnknown:
    return BlobUploadUnknown(detail={"upload": session_id})


def _now() -> datetime:
    return datetime.now(UTC)


class Uploads:
    """
    The upload sessions of repositories.

    :param now: Tells the time, in UTC.
    """

    def __init__(
        self,
        driver: Collectable,
        blobs: Blobs,
        capacity: UploadLimits,
        sessions: UploadSessions,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._driver = driver
        self._blobs = blobs
        self.capacity = capacity
        self.sessions = sessions
        self._now = now
        self._running_digests = DigestCache()

    def start(self, repository: str, algorithm: str = "sha256", owner: str = "") -> str:
        """
        Begin a session.

        :param algorithm: What the client will name the blob by; another one costs a second reading.
        :param owner: The client, with whom others share the number of sessions there may be.
        :return: The session's id.
        :raises TooManyRequests: There are too many, and none gives way.
        :raises Denied: The repository's quota is used up.
        :raises StorageUnavailable: The disk is nearly full.
        """
        session_id = str(uuid.uuid4())
        data = layout.upload_data(repository, session_id)
        self.capacity.require_start(repository)
        self.sessions.acquire(repository, data, owner)
        started_at = self._now().strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        try:
            self._driver.create_upload(layout.upload_started_at(repository, session_id), started_at)
            self._driver.create_upload(data)
        except BaseException:
            # No client knows of it, and on a full disk each attempt would leave some more.
            self.remove(repository, session_id)
            raise
        self._running_digests.put(data, RunningDigest(algorithm))
        return session_id

    def size_bytes(self, repository: str, session_id: str) -> int:
        """
        Return how many bytes a session holds, also while they arrive.

        :raises BlobUploadUnknown: There is no such session.
        """
        try:
            return self._driver.stat(layout.upload_data(repository, session_id)).size_bytes
        except NotFound:
            self._require_start(repository, session_id)
            return 0

    def open(self, repository: str, session_id: str, more_bytes: int = 0) -> UploadSession:
        """
        Take a session for adding to it; close it afterwards.

        :param more_bytes: What is about to be added, as far as that is known.
        :raises BlobUploadUnknown: There is no such session.
        :raises TooManyRequests: Another request is adding to it.
        :raises SizeInvalid: It would be too much for a blob.
        :raises Denied: Its repository has no room for it.
        :raises StorageUnavailable: The disk is nearly full.
        """
        path = layout.upload_data(repository, session_id)
        upload = self._take(repository, session_id, path)
        self.sessions.mark_busy(repository, path, upload.size_bytes)
        hashing = self._running_digests.pop(path, upload.size_bytes)
        if hashing is None and upload.size_bytes == 0:
            hashing = RunningDigest("sha256")
        session = UploadSession(self, repository, session_id, upload, hashing)
        if more_bytes:
            try:
                self.capacity.require_room(repository, session.size_bytes, more_bytes)
            except BaseException:
                session.close()
                raise
        return session

    def finish(self, repository: str, session_id: str, digest: Digest) -> int:
        """
        End a session that has all its bytes: they become a blob of its repository.

        :return: Its size, in bytes.
        :raises RegistryError: As :meth:`open` and :meth:`UploadSession.commit` do.
        """
        session = self.open(repository, session_id)
        try:
            size = session.size_bytes
            session.commit(digest)
        finally:
            session.close()
        return size

    def cancel(self, repository: str, session_id: str) -> None:
        """
        Throw a session and its bytes away.

        :raises BlobUploadUnknown: There is no such session.
        :raises TooManyRequests: A request is adding to it.
        """
        try:
            session = self.open(repository, session_id)
        except StorageUnavailable:
            # No request can write to it: no file can be made, or its bytes are no file.
            self._require_start(repository, session_id)
            self.remove(repository, session_id)
        else:
            session.abort()

    def _take(self, repository: str, session_id: str, path: str) -> GrowingObject:
        try:
            return self._open_or_begin(repository, session_id, path)
        except UploadBusy:
            raise TooManyRequests(
                "another request is writing to this upload", headers={"Retry-After": "1"}
            ) from None

    def _open_or_begin(self, repository: str, session_id: str, path: str) -> GrowingObject:
        try:
            return self._driver.open_upload(path)
        except NotFound:
            # registry:2 makes the file with the first bytes.
            self._require_start(repository, session_id)
            return self._begin(repository, session_id, path)

    def _begin(self, repository: str, session_id: str, path: str) -> GrowingObject:
        """Make the file of a session that registry:2 began, unless the session just ends."""
        self._driver.create_upload(path)
        try:
            upload = self._driver.open_upload(path)
        except NotFound:
            raise _unknown(session_id) from None
        try:
            # Another server that ends it removes the start before the bytes.
            self._require_start(repository, session_id)
        except BaseException:
            self._driver.delete_folder(layout.upload(repository, session_id), durably=False)
            upload.close()
            raise
        return upload

    def _require_start(self, repository: str, session_id: str) -> None:
        try:
            self._driver.stat(layout.upload_started_at(repository, session_id))
        except NotFound:
            raise _unknown(session_id) from None

    def leave(
        self, repository: str, session_id: str, size_bytes: int, hashing: RunningDigest | None
    ) -> None:
        """Leave a session to a later request, and keep its hasher."""
        path = layout.upload_data(repository, session_id)
        self.sessions.mark_idle(path, size_bytes)
        if hashing is not None:
            self._running_digests.put(path, hashing)

    def grow(self, repository: str, session_id: str, held_bytes: int, more_bytes: int) -> None:
        """
        Make sure that a session may take what has come, and count it.

        :raises SizeInvalid: It would be too large for a blob.
        :raises Denied: Its repository has no room for it.
        :raises StorageUnavailable: The disk has none.
        """
        self.capacity.require_growth(held_bytes, more_bytes)
        path = layout.upload_data(repository, session_id)
        self.sessions.grow(repository, path, more_bytes)

    def note(self, repository: str, session_id: str, size_bytes: int) -> None:
        """Count a session as large as it is."""
        self.sessions.note(repository, layout.upload_data(repository, session_id), size_bytes)

    def remove(self, repository: str, session_id: str) -> None:
        """Remove what is left of a session that has ended."""
        # What a power cut brings back of it is harmless, and purged: that is worth no waiting for.
        self._driver.delete_folder(layout.upload(repository, session_id), durably=False)
        self.sessions.release(repository, layout.upload_data(repository, session_id))

    def store_blob(
        self, repository: str, session_id: str, digest: Digest, upload: GrowingObject
    ) -> None:
        """
        Turn an upload's bytes into a blob of a repository, durably.

        The link comes first: until its bytes are there it leads nowhere, and an upload that was
        interrupted here can be committed again. The start of the session goes before its bytes do,
        so that what is left of it is not taken for one that has only begun.

        :raises Denied: The repository has no room for it.
        """
        path = layout.blob_data(digest)
        try:
            known = self._driver.stat(path).size_bytes == upload.size_bytes
            if known:
                self._driver.refresh(path)
        except NotFound:
            known = False
        session = layout.upload_data(repository, session_id)
        with self._blobs.taking(repository, digest, upload.size_bytes, session=session):
            self._blobs.link(repository, digest, digest)
            if not known:
                self._forget_start(repository, session_id)
                upload.promote(path)

    def _forget_start(self, repository: str, session_id: str) -> None:
        with suppress(NotFound):
            self._driver.delete(layout.upload_started_at(repository, session_id), durably=False)


class UploadSession:
    """An upload session that one request has taken. Made by :meth:`Uploads.open`."""

    def __init__(
        self,
        uploads: Uploads,
        repository: str,
        session_id: str,
        upload: GrowingObject,
        hashing: RunningDigest | None,
    ) -> None:
        self.session_id = session_id
        self._uploads = uploads
        self._repository = repository
        self._upload = upload
        self._hashing = hashing
        self._ended = False

    @property
    def size_bytes(self) -> int:
        """How many bytes the session holds."""
        return self._upload.size_bytes

    def append(self, buffers: Sequence[bytes]) -> None:
        """
        Add bytes at the end: all of them, or none.

        :raises StorageUnavailable: They could not be written, or the disk is nearly full.
        :raises SizeInvalid: It is too much for a blob; the session is gone then.
        :raises Denied: Its repository has no room for them; the session is gone then as well, so
            that what will never be a blob takes no room from others.
        """
        held, more = self.size_bytes, sum(map(len, buffers))
        try:
            self._uploads.grow(self._repository, self.session_id, held, more)
        except (SizeInvalid, Denied):
            self.abort()
            raise
        try:
            self._upload.append(buffers)
        except BaseException:
            self._uploads.note(self._repository, self.session_id, self.size_bytes)
            raise
        if self._hashing is not None:
            self._hashing.update(buffers)

    def content(self) -> bytes:
        """Return all bytes that the session holds."""
        return self._upload.read(0, self.size_bytes)

    def holds(self, digest: Digest) -> bool:
        """
        Return whether the bytes that are here are all of a blob already.

        So it is when a server died between the last bytes of an upload and its end, and the client
        sends the last request again, with the same bytes.
        """
        if not self.size_bytes:
            return False
        if self._hashing is None:
            self._hashing = RunningDigest.of(self._upload, digest.algorithm)
        # By another algorithm all of it would have to be read, again and again if asked to.
        return self._hashing.algorithm == digest.algorithm and self._hashing.digest() == digest

    def commit(self, digest: Digest) -> None:
        """
        End the session: its bytes become a blob of the repository.

        Once this returns, a power cut loses nothing of it.

        :raises BlobUploadUnknown: The session was thrown away meanwhile.
        :raises DigestInvalid: The bytes have another digest; the session is gone then, since no
            further bytes could mend it.
        :raises Denied: The repository has no room for it; the session is gone then as well.
        """
        actual = self._digest(digest.algorithm)
        if actual != digest:
            self.abort()
            raise DigestInvalid(detail={"digest": str(digest), "actual": str(actual)})
        try:
            self._uploads.store_blob(self._repository, self.session_id, digest, self._upload)
        except NotFound:
            # Another process has thrown it away.
            raise _unknown(self.session_id) from None
        except Denied:
            self.abort()
            raise
        self.abort()

    def abort(self) -> None:
        """End the session without a trace; fine if it has ended."""
        if not self._ended:
            try:
                self._uploads.remove(self._repository, self.session_id)
            finally:
                self._end()

    def close(self) -> None:
        """Leave the session to a later request, if it has not ended."""
        if not self._ended:
            self._uploads.leave(self._repository, self.session_id, self.size_bytes, self._hashing)
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._upload.close()

    def _digest(self, algorithm: str) -> Digest:
        hashing = self._hashing
        if hashing is None or hashing.algorithm != algorithm:
            hashing = RunningDigest.of(self._upload, algorithm)
        return hashing.digest()
