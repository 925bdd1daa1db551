from __future__ import annotations

import os

from klein import Klein
from twisted.internet.defer import DeferredSemaphore

from holm_registry.auth.identity import PULL, PUSH
from holm_registry.content.uploads import UploadSession
from holm_registry.http.cancellation import uncancellable
from holm_registry.http.json_body import empty_body
from holm_registry.http.request import StreamedRequest
from holm_registry.http.warning_header import warn
from holm_registry.oci.digest import Digest, parse_algorithm
from holm_registry.oci.errors import BlobUnknown, DigestInvalid, RangeInvalid, SizeInvalid
from holm_registry.oci.names import is_repository, parse_repository
from holm_registry.oci.ranges import ByteRange, format_upload_range, parse_chunk_range

from .context import ApiContext
from .upload_owner import owner_of


class UploadRoutes:
    """``/v2/<name>/blobs/uploads/``."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._guard = context.authorizer
        self._uploads = context.registry.uploads
        self._blobs = context.registry.blobs
        self._threads = context.threads
        self._locations = context.locations
        # Hashing and writing keep a core busy. More threads at it than there are cores get in one
        # another's way: 16 pushes at once are a quarter faster with three than with sixteen.
        self._turns = DeferredSemaphore((os.cpu_count() or 1) + 1)

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        start = "/v2/<repository:repository>/blobs/uploads"
        app.route(start, methods=["POST"], endpoint="upload_start")(self.start)
        app.route(f"{start}/", methods=["POST"], endpoint="upload_start_slash")(self.start)
        url = f"{start}/<session:session_id>"
        app.route(url, methods=["GET"], endpoint="upload_status")(self.status)
        app.route(url, methods=["PATCH"], endpoint="upload_append")(self.append)
        app.route(url, methods=["PUT"], endpoint="upload_commit")(self.commit)
        app.route(url, methods=["DELETE"], endpoint="upload_cancel")(self.cancel)

    @uncancellable
    async def start(self, request: StreamedRequest, repository: str) -> bytes:
        """Begin an upload, take a whole one, or mount what is here (end-4a, end-4b, end-11)."""
        await self._guard.require(
            request, repository, PULL, PUSH, mount_from=_mount_source(request)
        )
        self._context.require_writes()
        algorithm = parse_algorithm(request.argument("digest-algorithm") or "sha256")
        whole = _digest_argument(request, "digest")
        mount = _digest_argument(request, "mount")
        if mount is not None and await self._mount(request, repository, mount):
            return self._created(request, repository, mount)
        named = whole or mount
        algorithm = algorithm if named is None else named.algorithm
        session_id = await self._threads.run(
            self._uploads.start, repository, algorithm, owner_of(request)
        )
        if whole is not None:
            return await self._take_whole(request, repository, session_id, whole)
        request.setResponseCode(202)
        self._warn(request, repository)
        # Any chunk will do: none is too short.
        request.set_header("OCI-Chunk-Min-Length", "1")
        return self._progress(request, repository, session_id, 0)

    async def status(self, request: StreamedRequest, repository: str, session_id: str) -> bytes:
        """Return how far an upload got (end-13)."""
        await self._guard.require(request, repository, PULL, PUSH)
        size = await self._threads.run(self._uploads.size_bytes, repository, session_id)
        request.setResponseCode(204)
        self._describe(request, repository, session_id, size)
        return b""

    @uncancellable
    async def append(self, request: StreamedRequest, repository: str, session_id: str) -> bytes:
        """Add a chunk, or a stream of unknown length, to an upload (end-5)."""
        await self._guard.require(request, repository, PULL, PUSH)
        self._context.require_writes()
        # Not every client says how much it sends; it sends something.
        session = await self._open(request, repository, session_id, 1)
        try:
            await self._receive(request, repository, session)
            size = session.size_bytes
        finally:
            await self._threads.run(session.close)
        request.setResponseCode(202)
        return self._progress(request, repository, session_id, size)

    @uncancellable
    async def commit(self, request: StreamedRequest, repository: str, session_id: str) -> bytes:
        """Add what the request still brings and end the upload as a blob (end-6)."""
        await self._guard.require(request, repository, PULL, PUSH)
        self._context.require_writes()
        digest = _digest_argument(request, "digest")
        if digest is None:
            raise DigestInvalid("the digest parameter is missing")
        if not request.streams and request.header("Content-Range") is None:
            # Docker's last request brings nothing more: one turn of a thread for all of it.
            size = await self._threads.run(self._uploads.finish, repository, session_id, digest)
            await self._context.event_emitter.blob_pushed(request, repository, digest, size)
            return self._created(request, repository, digest)
        session = await self._open(request, repository, session_id)
        try:
            if not await self._threads.run(session.holds, digest):
                await self._receive(request, repository, session)
            await self._commit(request, repository, session, digest)
        finally:
            await self._threads.run(session.close)
        return self._created(request, repository, digest)

    @uncancellable
    async def cancel(self, request: StreamedRequest, repository: str, session_id: str) -> bytes:
        """Throw an upload away (end-14)."""
        await self._guard.require(request, repository, PULL, PUSH)
        self._context.require_writes()
        await self._threads.run(self._uploads.cancel, repository, session_id)
        request.setResponseCode(204)
        request.set_header("Docker-Upload-UUID", session_id)
        return b""

    async def _mount(self, request: StreamedRequest, repository: str, digest: Digest) -> bool:
        source = request.argument("from")
        if source is not None:
            parse_repository(source)
        if not await self._may_mount(request, source):
            return False
        try:
            size = await self._threads.run(self._blobs.mount, repository, digest, source)
        except BlobUnknown:
            return False
        await self._context.event_emitter.blob_mounted(request, repository, digest, size)
        return True

    async def _may_mount(self, request: StreamedRequest, source: str | None) -> bool:
        """Return whether a client may have what is in another repository; it uploads it if not."""
        if source is None:
            # From wherever it is: perhaps from where the client may not look.
            return self._guard.is_open
        return bool(await self._guard.allowed_actions(request, source, [PULL]))

    async def _open(
        self, request: StreamedRequest, repository: str, session_id: str, least: int = 0
    ) -> UploadSession:
        """
        Take a session; refuse what is too much before it was sent, where its length is said.

        :param least: How many bytes to expect where it is not said.
        """
        length = request.content_length
        return await self._threads.run(
            self._uploads.open, repository, session_id, least if length is None else length
        )

    async def _commit(
        self, request: StreamedRequest, repository: str, session: UploadSession, digest: Digest
    ) -> None:
        size = session.size_bytes
        await self._threads.run(session.commit, digest)
        await self._context.event_emitter.blob_pushed(request, repository, digest, size)

    async def _take_whole(
        self, request: StreamedRequest, repository: str, session_id: str, digest: Digest
    ) -> bytes:
        # No client learns of this session: if anything fails, no client could resume it.
        try:
            session = await self._open(request, repository, session_id)
        except BaseException:
            await self._threads.run(self._uploads.cancel, repository, session_id)
            raise
        try:
            await self._receive(request, repository, session)
            await self._commit(request, repository, session, digest)
        except BaseException:
            await self._threads.run(session.abort)
            raise
        return self._created(request, repository, digest)

    async def _receive(
        self, request: StreamedRequest, repository: str, session: UploadSession
    ) -> None:
        """
        Add a request's body to an upload as it arrives.

        :raises RangeInvalid: It says that it belongs elsewhere than at the end.
        :raises SizeInvalid: It is longer or shorter than it says.
        :raises ClientDisconnected: It broke off; what arrived is kept.
        """
        chunk = self._chunk(request, repository, session)
        begun = session.size_bytes
        while buffers := await request.body.read():
            got = session.size_bytes - begun + sum(map(len, buffers))
            if chunk is not None and got > chunk.length:
                raise SizeInvalid(detail={"expected": chunk.length})
            await self._turns.run(self._threads.run, session.append, buffers)
        got = session.size_bytes - begun
        if chunk is not None and got != chunk.length:
            raise SizeInvalid(detail={"expected": chunk.length, "received": got})

    def _chunk(
        self, request: StreamedRequest, repository: str, session: UploadSession
    ) -> ByteRange | None:
        try:
            chunk = parse_chunk_range(request.header("Content-Range"), session.size_bytes)
        except RangeInvalid as problem:
            # Where to go on, so that a client need not ask for it.
            problem.headers.update(
                self._progress_headers(request, repository, session.session_id, session.size_bytes)
            )
            raise
        if chunk is None:
            return None
        declared = request.content_length
        if declared is not None and declared != chunk.length:
            raise SizeInvalid(detail={"content-range": chunk.length, "content-length": declared})
        return chunk

    def _created(self, request: StreamedRequest, repository: str, digest: Digest) -> bytes:
        request.setResponseCode(201)
        self._warn(request, repository)
        request.set_header("Location", self._locations.blob(request, repository, digest))
        request.set_header("Docker-Content-Digest", str(digest))
        return empty_body(request)

    def _warn(self, request: StreamedRequest, repository: str) -> None:
        warn(request, self._context.registry.quotas.warning(repository))

    def _progress(
        self, request: StreamedRequest, repository: str, session_id: str, size_bytes: int
    ) -> bytes:
        self._describe(request, repository, session_id, size_bytes)
        return empty_body(request)

    def _describe(
        self, request: StreamedRequest, repository: str, session_id: str, size_bytes: int
    ) -> None:
        for name, value in self._progress_headers(
            request, repository, session_id, size_bytes
        ).items():
            request.set_header(name, value)

    def _progress_headers(
        self, request: StreamedRequest, repository: str, session_id: str, size_bytes: int
    ) -> dict[str, str]:
        return {
            "Location": self._locations.upload(request, repository, session_id),
            "Range": format_upload_range(size_bytes),
            "Docker-Upload-UUID": session_id,
        }


def _digest_argument(request: StreamedRequest, name: str) -> Digest | None:
    text = request.argument(name)
    return None if text is None else Digest.parse(text)


def _mount_source(request: StreamedRequest) -> str:
    """Return the repository that a blob is to be mounted from; empty for none."""
    source = request.argument("from") or ""
    return source if request.argument("mount") is not None and is_repository(source) else ""
