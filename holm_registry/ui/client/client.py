"""
Asking a registry: every request of the UI is made here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from attrs import frozen

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import DigestInvalid, NameInvalid
from holm_registry.oci.manifest import MAX_MANIFEST_BYTES
from holm_registry.oci.names import is_tag, parse_repository
from holm_registry.ui.errors import RegistryRefused, RegistryTimeout
from holm_registry.ui.model.documents import DocumentInvalid, read

from .exchange import MAX_ERROR_BYTES, Exchange, RegistryAnswer, RegistryNotFound
from .links import following, next_link

#: The most that is read of a list of names, of all its pages, and of a blob, in bytes.
MAX_LIST_BYTES = 8 * 1024 * 1024
MAX_BLOB_BYTES = 4 * 1024 * 1024

#: The most names of one list, and how many are asked for at once.
MAX_NAMES = 100_000
_PAGE_NAMES = 1000

#: The most pages of one list, and how long all of them may take, in seconds.
MAX_PAGES = 2000
LIST_SECONDS = 60.0

#: The most pages of referrers that are read; each has up to 4 MiB of them.
MAX_REFERRER_PAGES = 20

_MANIFEST_TYPES = (
    media_types.OCI_INDEX,
    media_types.OCI_MANIFEST,
    media_types.DOCKER_LIST,
    media_types.DOCKER_MANIFEST,
    media_types.OCI_ARTIFACT,
    media_types.DOCKER_SCHEMA1_SIGNED,
    "*/*;q=0.1",
)
_ACCEPT = [", ".join(_MANIFEST_TYPES)]
_MANIFEST_PATH = re.compile(r"/v2/(.+)/manifests/")


def _nobody(_repository: str, _allow: str) -> None:
    """Report nothing."""


@frozen
class FetchedManifest:
    """
    A manifest as the registry sent it.

    :ivar media_type: What the registry called it, without parameters.
    """

    digest: str
    media_type: str
    content: bytes


@frozen
class NameList:
    """
    :ivar complete: Whether these are all the names that the registry has.
    """

    names: list[str]
    complete: bool = True


class _NamesPage(msgspec.Struct):
    repositories: list[str] | None = None
    tags: list[str] | None = None


class RegistryClient:
    """
    One registry, asked by one visitor.

    Every method raises :class:`.Trouble`: :class:`RegistryNotFound`, :class:`.LoginNeeded`,
    :class:`.RegistryRefused`, :class:`.Unreachable` or :class:`.RegistryTimeout`.

    :param base_url: Where ``/v2/`` is, without a slash at its end.
    :param authorization: The visitor's ``Authorization`` header, passed on as it is; or empty.
    :param background: Let requests of waiting visitors go first.
    :param hear: Hears of each answer that was no error: what repository it was about, and its
        ``Allow`` header, if any.
    """

    def __init__(
        self,
        exchange: Exchange,
        base_url: str,
        *,
        authorization: str = "",
        background: bool = False,
        hear: Callable[[str, str], object] = _nobody,
    ) -> None:
        self._hear = hear
        self._exchange = exchange
        self._base_url = base_url
        self._authorization = authorization
        self._background = background

    def background(self) -> RegistryClient:
        """Return a client for the same login whose requests go after those of waiting visitors."""
        return RegistryClient(
            self._exchange,
            self._base_url,
            authorization=self._authorization,
            background=True,
            hear=self._hear,
        )

    def for_visitor(self, authorization: str, hear: Callable[[str, str], object]) -> RegistryClient:
        """Return a client that asks in a visitor's name."""
        return RegistryClient(
            self._exchange, self._base_url, authorization=authorization, hear=hear
        )

    async def ping_as(self, authorization: str) -> None:
        """Ask whether the registry is there, with a login; without one if it is empty."""
        await self.for_visitor(authorization, _nobody).ping()

    async def ping(self) -> None:
        """Ask whether the registry is there."""
        await self._ask("GET", "/v2/")

    async def repositories(self) -> NameList:
        """List the repositories, all pages of them (``_catalog``); what is no name is left out."""
        return await self._names(f"/v2/_catalog?n={_PAGE_NAMES}", "repositories", _is_repository)

    async def tags(self, repository: str) -> NameList:
        """List the tags of a repository (end-8), all pages of them; what is no tag is left out."""
        return await self._names(f"/v2/{repository}/tags/list?n={_PAGE_NAMES}", "tags", is_tag)

    async def digest_of(self, repository: str, reference: str) -> str:
        """Ask for the digest of a tag, or whether a digest is there (end-3)."""
        path = _manifest_path(repository, reference)
        try:
            answer = await self._ask("HEAD", path, accept=_ACCEPT)
        except RegistryNotFound as problem:
            # An answer to HEAD has no body, and so no words of the registry's.
            mark = "@" if ":" in reference else ":"
            raise RegistryNotFound(
                f"there is no {repository}{mark}{reference}",
                url=problem.url,
                registry_status=problem.registry_status,
            ) from problem
        digest = answer.header("Docker-Content-Digest")
        return digest if is_digest(digest) else (await self.manifest(repository, reference)).digest

    async def manifest(self, repository: str, reference: str) -> FetchedManifest:
        """Fetch a manifest (end-3), and compare it with its digest."""
        path = _manifest_path(repository, reference)
        answer = await self._ask("GET", path, max_bytes=MAX_MANIFEST_BYTES, accept=_ACCEPT)
        told = answer.header("Docker-Content-Digest")
        told = told if is_digest(told) else str(Digest.of(answer.body))
        digest = reference if ":" in reference else told
        # What is remembered by its digest is shown to others: it must be what it is called.
        self._require_content(path, digest, answer.body)
        return FetchedManifest(
            digest, media_types.without_parameters(answer.header("Content-Type")), answer.body
        )

    async def blob(self, repository: str, digest: str) -> bytes:
        """Fetch a small blob, such as a config (end-2)."""
        path = f"/v2/{repository}/blobs/{quote(digest, safe=':')}"
        content = (await self._ask("GET", path, max_bytes=MAX_BLOB_BYTES, elsewhere=True)).body
        self._require_content(path, digest, content)
        return content

    async def referrers(self, repository: str, digest: str) -> AsyncIterator[bytes]:
        """
        Fetch the index of what refers to a manifest (end-12a), page by page.

        :raises RegistryNotFound: The registry has no such API.
        """
        path = f"/v2/{repository}/referrers/{quote(digest, safe=':')}"
        for _ in range(MAX_REFERRER_PAGES):
            answer = await self._ask("GET", path, max_bytes=MAX_MANIFEST_BYTES)
            yield answer.body
            path = self._next(path, answer)
            if not path:
                return

    async def delete(self, repository: str, reference: str) -> None:
        """Delete a manifest by its digest, or a tag (end-9)."""
        await self._ask("DELETE", _manifest_path(repository, reference))

    async def put_index(self, repository: str, tag: str, index: dict[str, Any]) -> str:
        """Put an index (end-7); return its digest."""
        content = msgspec.json.encode(index)
        headers = {"Content-Type": [media_types.OCI_INDEX]}
        await self._ask("PUT", _manifest_path(repository, tag), headers=headers, content=content)
        return str(Digest.of(content))

    async def _names(self, path: str, field: str, is_name: Callable[[str], bool]) -> NameList:
        """
        Follow ``Link`` from page to page.

        :see: OCI distribution-spec, "Listing Tags".
        """
        names: dict[str, None] = {}
        read_bytes, ends_at = 0, self._exchange.seconds() + LIST_SECONDS
        for _ in range(MAX_PAGES):
            answer = await self._ask("GET", path, max_bytes=MAX_LIST_BYTES - read_bytes)
            read_bytes += len(answer.body)
            # A page may be empty and not the last: a registry may leave out what may not be seen.
            found = self._page(path, answer.body, field)
            is_known = bool(found) and all(name in names for name in found)
            names.update(dict.fromkeys(filter(is_name, found)))
            following_path = self._next(path, answer)
            if len(names) >= MAX_NAMES:
                complete = len(names) == MAX_NAMES and not following_path
                return NameList(list(names)[:MAX_NAMES], complete=complete)
            if not following_path:
                return NameList(list(names))
            if is_known:
                raise self._nonsense(path, "a page of the list holds nothing new")
            if self._exchange.seconds() > ends_at:
                raise RegistryTimeout(f"the list was not read within {LIST_SECONDS:.0f} seconds")
            path = following_path
        raise self._nonsense(path, f"the list has more than {MAX_PAGES:,} pages")

    def _page(self, path: str, content: bytes, field: str) -> list[str]:
        try:
            return getattr(read(content, _NamesPage), field) or []
        except DocumentInvalid as problem:
            raise self._nonsense(path, problem) from problem

    def _next(self, path: str, answer: RegistryAnswer) -> str:
        """Return the path of the next page, which must be on the same registry; empty for none."""
        target = next_link(answer.header("Link"))
        found = following(self._base_url, path, target) if target else ""
        return found if found != path else ""

    async def _ask(  # noqa: PLR0913 - keyword-only
        self,
        method: str,
        path: str,
        *,
        max_bytes: int = MAX_ERROR_BYTES,
        accept: Sequence[str] = (),
        headers: dict[str, list[str]] | None = None,
        content: bytes | None = None,
        elsewhere: bool = False,
    ) -> RegistryAnswer:
        sent = {"Accept": list(accept) or ["application/json, */*"], **(headers or {})}
        if self._authorization:
            sent["Authorization"] = [self._authorization]
        answer = await self._exchange.ask(
            method,
            self._base_url + path,
            sent,
            max_bytes=max_bytes,
            content=content,
            background=self._background,
            elsewhere=elsewhere,
        )
        about = _MANIFEST_PATH.match(path)
        self._hear(about[1] if about else "", answer.header("Allow"))
        return answer

    def _require_content(self, path: str, digest: str, content: bytes) -> None:
        algorithm = digest.partition(":")[0]
        if not is_digest(digest) or str(Digest.of(content, algorithm)) != digest:
            raise RegistryRefused(
                "the registry sent other content than this digest names",
                url=self._base_url + path,
                registry_status=200,
            )

    def _nonsense(self, path: str, problem: Exception | str) -> RegistryRefused:
        return RegistryRefused(
            f"the registry's answer is not what it should be: {problem}",
            url=self._base_url + path,
            registry_status=200,
        )


def is_digest(text: str) -> bool:
    """Return whether a text is a digest that content can be compared with."""
    try:
        Digest.parse(text)
    except DigestInvalid:
        return False
    return True


def _is_repository(name: str) -> bool:
    try:
        parse_repository(name)
    except NameInvalid:
        return False
    return True


def _manifest_path(repository: str, reference: str) -> str:
    return f"/v2/{repository}/manifests/{quote(reference, safe=':')}"
