"""
Reading a store that may be damaged: what it holds, and what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import Factory, define

from holm_registry.oci import media_types
from holm_registry.oci.digest import ALGORITHMS, Digest, is_digest
from holm_registry.oci.errors import DigestInvalid, ManifestInvalid
from holm_registry.oci.manifest import stored_media_type
from holm_registry.oci.names import MAX_REPOSITORY_LENGTH, is_component, is_tag
from holm_registry.oci.references import ManifestReferences, references_in
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageUnavailable
from holm_registry.storage.local_driver import LocalDriver

#: Any of these makes a folder a repository.
_MARKS = frozenset({"_layers", "_manifests", "_uploads"})

#: What :func:`is_without_repositories` means.
NO_REPOSITORIES = (
    "there are blobs and no repository: its volume is not mounted, or all were removed by hand"
)


class Unreadable(Exception):
    """Something is there, or should be, and says nothing."""


@define
class RepositoryContents:
    """
    What a repository holds.

    :ivar tags: Each tag and what it points at; None where that cannot be read.
    :ivar revisions: Each manifest, and the blob with its bytes.
    :ivar named: What each manifest names.
    :ivar layers: The digests that layer links are for.
    :ivar leftovers: Folders of links without a link in them.
    :ivar lost_tags: Why a tag cannot be read, of each that cannot.
    :ivar lost_links: Why a manifest's link cannot be read, though its path tells what it is for.
    :ivar lost_manifests: Why a manifest cannot be read, of each that cannot.
    :ivar problems: What is damaged, a line each.
    :ivar once: What each tag that cannot be read ever pointed at: it points at one of these.
    :ivar are_tags_certain: Whether it is known of each tag what it may point at.
    :ivar is_certain: Whether all that is damaged names nothing that is not known otherwise.
    """

    name: str
    tags: dict[str, Digest | None] = Factory(dict)
    revisions: dict[Digest, Digest] = Factory(dict)
    named: dict[Digest, ManifestReferences] = Factory(dict)
    layers: list[Digest] = Factory(list)
    leftovers: list[str] = Factory(list)
    lost_tags: dict[str, str] = Factory(dict)
    lost_links: dict[Digest, str] = Factory(dict)
    lost_manifests: dict[Digest, str] = Factory(dict)
    problems: list[str] = Factory(list)
    once: dict[str, set[Digest]] = Factory(dict)
    are_tags_certain: bool = True
    is_certain: bool = True

    def doubt(self, problem: str) -> None:
        """Note damage that might name anything in this repository."""
        self.problems.append(f"{self.name}: {problem}")
        self.is_certain = False


def repositories(
    driver: Driver, unlisted: Callable[[str, StorageUnavailable], None] | None = None
) -> Iterator[str]:
    """
    Return every repository, also one that holds uploads only, in no particular order.

    Folders whose names are none of repositories are passed over: other programs keep them.

    :param unlisted: Gets each folder that cannot be listed, and why; what is in it is passed over.
    :raises StorageUnavailable: A folder cannot be listed, and no callback takes the problem.
    """

    def inside(name: str) -> Sequence[str]:
        path = layout.repository(name) if name else layout.REPOSITORIES
        try:
            return driver.folders(path)
        except StorageUnavailable as problem:
            if unlisted is None:
                raise
            unlisted(path, problem)
            return ()

    waiting = [("", inside(""))]
    while waiting:
        name, found = waiting.pop()
        below = [each for each in reversed(found) if is_component(each)]
        if name and not _MARKS.isdisjoint(found):
            yield name
        for each in below:
            inner = f"{name}/{each}".lstrip("/")
            if len(inner) <= MAX_REPOSITORY_LENGTH:
                waiting.append((inner, inside(inner)))


def is_without_repositories(driver: LocalDriver) -> bool:
    """Tell of a store where none was found whether they may be missing rather than removed."""
    if driver.is_emptied(layout.REPOSITORIES):
        return False
    return next(blobs(driver, _pass_over), None) is not None


def _pass_over(_folder: str, _problem: StorageUnavailable) -> None:
    pass


def digests_in(driver: Driver, algorithm: str, folder: str) -> Iterator[Digest]:
    """Return the digests that the folders in a folder are named by; passing over other names."""
    for encoded in driver.folders(folder):
        try:
            yield Digest.parse(f"{algorithm}:{encoded}")
        except DigestInvalid:
            continue


def blobs(driver: Driver, unlisted: Callable[[str, StorageUnavailable], None]) -> Iterator[Digest]:
    """
    Return the digest of every blob's folder.

    :param unlisted: Gets each folder that cannot be listed, and why; what is in it is passed over.
    """

    def inside(folder: str) -> Sequence[str]:
        try:
            return driver.folders(folder)
        except StorageUnavailable as problem:
            unlisted(folder, problem)
            return ()

    for algorithm in ALGORITHMS:
        for prefix in inside(layout.blob_folders(algorithm)):
            for encoded in inside(layout.blob_folders(algorithm, prefix)):
                if encoded.startswith(prefix) and is_digest(f"{algorithm}:{encoded}"):
                    yield Digest(algorithm, encoded)


def read_link(driver: Driver, path: str) -> Digest:
    """
    Read a link.

    :raises NotFound: There is none.
    :raises Unreadable: It holds no digest, or cannot be read.
    """
    try:
        return Digest.parse(driver.read(path).decode("ascii", "replace").strip())
    except DigestInvalid:
        raise Unreadable("its link is empty or damaged") from None
    except StorageUnavailable as problem:
        raise Unreadable(f"its link cannot be read: {problem}") from problem


def read_named(driver: Driver, target: Digest) -> ManifestReferences:
    """
    Read what a manifest names.

    :raises Unreadable: Its bytes are missing, cannot be read or mean nothing.
    """
    try:
        return references_in(driver.read(layout.blob_data(target)))
    except NotFound:
        raise Unreadable("its bytes are missing") from None
    except (StorageUnavailable, ManifestInvalid) as problem:
        raise Unreadable(str(problem)) from problem


def is_manifest(driver: Driver, target: Digest) -> bool:
    """Return whether bytes say of themselves that they are a manifest."""
    try:
        content = driver.read(layout.blob_data(target))
    except (NotFound, StorageUnavailable):
        return False
    return stored_media_type(content) != media_types.OCTET_STREAM


def read_contents(driver: Driver, name: str) -> RepositoryContents:
    """
    Read all of a repository but its uploads.

    Tags come first: a manifest pushed meanwhile is then read, or too young to go.

    :raises StorageUnavailable: A folder cannot be listed.
    """
    contents = RepositoryContents(name)
    for tag in filter(is_tag, driver.folders(layout.tags(name))):
        contents.tags[tag] = _tag(driver, contents, tag)
    for algorithm in ALGORITHMS:
        for digest in digests_in(driver, algorithm, layout.revisions(name, algorithm)):
            _revision(driver, contents, digest)
        folder = layout.layers_by(name, algorithm)
        contents.layers += digests_in(driver, algorithm, folder)
    return contents


def layer_target(driver: Driver, contents: RepositoryContents, digest: Digest) -> Digest:
    """
    Return which blob a layer link is for.

    Only registry:2's links for other algorithms than sha256 lead elsewhere than they are named.
    """
    if digest.algorithm == "sha256":
        return digest
    try:
        return read_link(driver, layout.layer_link(contents.name, digest))
    except NotFound:
        return digest
    except Unreadable as problem:
        contents.doubt(f"layer {digest}: {problem}")
        return digest


def signatures(driver: Driver, name: str, digest: Digest) -> set[Digest]:
    """Name the signatures that older versions of registry:2 put beside schema 1 manifests."""
    folder = f"{layout.revision(name, digest)}/signatures/sha256"
    return set(digests_in(driver, "sha256", folder))


def _tag(driver: Driver, contents: RepositoryContents, tag: str) -> Digest | None:
    try:
        return read_link(driver, layout.tag_current_link(contents.name, tag))
    except NotFound:
        if tag in driver.folders(layout.tags(contents.name)):
            contents.lost_tags[tag] = "it points nowhere"
    except Unreadable as problem:
        contents.lost_tags[tag] = str(problem)
    if tag in contents.lost_tags:
        _look_where_it_pointed(driver, contents, tag)
    return None


def _look_where_it_pointed(driver: Driver, contents: RepositoryContents, tag: str) -> None:
    """
    Find out what a tag that cannot be read may point at.

    Whatever a tag points at, its memory has, if it has any: registry:2 writes that first, and so do
    we where a tag moves. A tag without one has never moved here, or is no more than a folder.
    """
    name = contents.name
    once = {
        digest
        for algorithm in ALGORITHMS
        for digest in digests_in(driver, algorithm, layout.tag_index(name, tag, algorithm))
    }
    contents.once[tag] = once
    problem = f"{name}: tag {tag}: {contents.lost_tags[tag]}; "
    if once:
        contents.problems.append(f"{problem}all that it ever pointed at stays")
    elif "current" in driver.folders(layout.tag(name, tag)):
        contents.are_tags_certain = False
        contents.problems.append(f"{problem}every manifest here stays until it is deleted")
    else:
        contents.problems.append(f"{problem}it is empty, and the next collection removes it")
        contents.leftovers.append(layout.tag(name, tag))


def _revision(driver: Driver, contents: RepositoryContents, digest: Digest) -> None:
    target = digest
    try:
        target = read_link(driver, layout.revision_link(contents.name, digest))
    except NotFound:
        contents.leftovers.append(layout.revision(contents.name, digest))
        return
    except Unreadable as problem:
        # Its path tells which manifest it is for.
        contents.lost_links[digest] = str(problem)
        contents.problems.append(f"{contents.name}: manifest {digest}: {problem}")
    contents.revisions[digest] = target
    try:
        contents.named[digest] = read_named(driver, target)
    except Unreadable as problem:
        try:
            driver.stat(layout.revision_link(contents.name, digest))
        except NotFound:
            # Deleted while we read.
            del contents.revisions[digest]
            return
        except StorageUnavailable:
            # It is there.
            pass
        contents.lost_manifests[digest] = str(problem)
        contents.doubt(f"manifest {digest}: {problem}")
