"""Uploads in any order of requests, restarts and faults, against a model that is a few bytes."""

from __future__ import annotations

import shutil
import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import (
    BlobUnknown,
    BlobUploadUnknown,
    DigestInvalid,
    TooManyRequests,
)
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver

CHUNKS = st.lists(st.binary(max_size=20), max_size=4)
ALGORITHMS = st.sampled_from(["sha256", "sha512"])


class Uploads(RuleBasedStateMachine):
    """Several uploads to two repositories; a registry that is now and then started anew."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[tuple[str, str], bytes] = {}
        self.blobs: set[tuple[str, Digest, bytes]] = set()

    def make_driver(self):
        return MemoryDriver()

    @initialize()
    def start(self):
        self.driver = self.make_driver()
        self.registry = Registry(self.driver)

    @rule()
    def restart(self):
        self.registry = Registry(self.driver)

    @rule(target=ids, repository=st.sampled_from(["a", "a/b"]), algorithm=ALGORITHMS)
    def begin(self, repository, algorithm):
        upload = (repository, self.registry.uploads.start(repository, algorithm))
        self.model[upload] = b""
        return upload

    def opened(self, upload):
        if upload in self.model:
            return self.registry.uploads.open(*upload)
        with pytest.raises(BlobUploadUnknown):
            self.registry.uploads.open(*upload)
        return None

    @rule(upload=ids, chunks=CHUNKS)
    def append(self, upload, chunks):
        session = self.opened(upload)
        if session is not None:
            session.append(chunks)
            self.model[upload] += b"".join(chunks)
            assert session.size_bytes == len(self.model[upload])
            session.close()

    @rule(upload=ids)
    def two_at_once(self, upload):
        session = self.opened(upload)
        if session is not None:
            with pytest.raises(TooManyRequests):
                self.registry.uploads.open(*upload)
            with pytest.raises(TooManyRequests):
                self.registry.uploads.cancel(*upload)
            session.close()

    @rule(upload=ids, chunks=CHUNKS, algorithm=ALGORITHMS)
    def commit(self, upload, chunks, algorithm):
        session = self.opened(upload)
        if session is not None:
            session.append(chunks)
            content = self.model.pop(upload) + b"".join(chunks)
            digest = Digest.of(content, algorithm)
            session.commit(digest)
            session.close()
            self.blobs.add((upload[0], digest, content))

    @rule(upload=ids)
    def commit_as_something_else(self, upload):
        session = self.opened(upload)
        if session is not None:
            with pytest.raises(DigestInvalid):
                session.commit(Digest.of(b"nothing like it"))
            session.close()
            del self.model[upload]

    @rule(upload=ids)
    def cancel(self, upload):
        if upload in self.model:
            self.registry.uploads.cancel(*upload)
            del self.model[upload]
        else:
            with pytest.raises(BlobUploadUnknown):
                self.registry.uploads.cancel(*upload)

    @invariant()
    def every_upload_is_as_long_as_it_should_be(self):
        for upload, content in self.model.items():
            assert self.registry.uploads.size_bytes(*upload) == len(content)

    @invariant()
    def every_blob_is_whole_and_where_it_belongs(self):
        for repository, digest, content in self.blobs:
            reader = self.registry.blobs.open(repository, digest)
            assert reader.read(0, 1000) == content
            reader.close()
            assert self.registry.blobs.stat(repository, digest).size_bytes == len(content)
        here = {(repository, digest) for repository, digest, _ in self.blobs}
        for _, digest, _ in self.blobs:
            for repository in ("a", "a/b"):
                if (repository, digest) not in here:
                    with pytest.raises(BlobUnknown):
                        self.registry.blobs.stat(repository, digest)


class UploadsInFiles(Uploads):
    """The same in files."""

    def make_driver(self):
        self.folder = tempfile.mkdtemp()
        return FilesystemDriver(self.folder)

    def teardown(self):
        shutil.rmtree(self.folder)


TestUploadsInMemory = Uploads.TestCase
TestUploadsInFiles = UploadsInFiles.TestCase
TestUploadsInFiles.settings = settings(max_examples=15)
