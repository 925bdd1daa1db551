"""
What is needed, repository by repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from attrs import Factory, define, evolve

from holm_registry.oci.digest import Digest
from holm_registry.oci.references import ManifestReferences
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageUnavailable

from .inventory import RepositoryContents, Unreadable, layer_target, read_named, signatures
from .sweep import Sweep

_NOTHING = ManifestReferences(frozenset(), frozenset())


@define
class Marked:
    """
    A repository, and what of it stays.

    :ivar kept: Manifests that are needed, with those that are named and not here.
    :ivar layers: What they name, and what stays for other reasons: layers and configs.
    :ivar blobs: The blobs all that lies in.
    :ivar idle_manifests: Those that nothing needs, each before what only it needs.
    :ivar idle_layers: Layer links that nothing needs, and the blobs they are for.
    """

    contents: RepositoryContents
    kept: set[Digest] = Factory(set)
    layers: set[Digest] = Factory(set)
    blobs: set[Digest] = Factory(set)
    idle_manifests: list[Digest] = Factory(list)
    idle_layers: dict[Digest, Digest] = Factory(dict)

    @property
    def name(self) -> str:
        """The repository's name."""
        return self.contents.name

    @property
    def is_empty(self) -> bool:
        """Whether nothing but uploads can be in it."""
        return not (self.kept or self.layers or self.contents.tags)


class Marking:
    """
    Tells what is needed.

    :param untagged: Whether manifests go that no tag leads to.
    """

    def __init__(self, driver: Driver, sweep: Sweep, *, untagged: bool) -> None:
        self._driver = driver
        self._sweep = sweep
        self._untagged = untagged

    def mark(self, contents: RepositoryContents) -> Marked:
        """Mark what is needed in a repository."""
        marked = Marked(contents)
        self.keep(marked, self._roots(contents))
        if not contents.is_certain:
            # Something unreadable among them might name anything here.
            self.keep(marked, contents.revisions)
            self._keep_layers(marked, contents.layers)
        marked.idle_manifests = _dependents_last(
            contents, [each for each in contents.revisions if each not in marked.kept]
        )
        self._part_layers(marked)
        return marked

    def keep(self, marked: Marked, digests: Iterable[Digest]) -> None:
        """Mark manifests with all they need, and all that refer to them."""
        contents = marked.contents
        referrers = _referrers(contents)
        linked = frozenset(contents.layers)
        waiting = list(digests)
        while waiting:
            digest = waiting.pop()
            if digest in marked.kept:
                continue
            marked.kept.add(digest)
            marked.blobs.add(contents.revisions.get(digest, digest))
            named = self._named(contents, digest)
            # registry:2 takes a child of an index that it holds as a blob.
            self._keep_layers(marked, named.blobs | named.blob_children | named.manifests)
            self._keep_layers(marked, named.other_digests & linked)
            waiting += [*named.manifests, *referrers.get(digest, ())]
            waiting += [each for each in _other_names(named) if each in contents.revisions]

    def _roots(self, contents: RepositoryContents) -> Iterator[Digest]:
        yield from (digest for digest in contents.tags.values() if digest is not None)
        yield from chain.from_iterable(contents.once.values())
        all_stay = not self._untagged or not contents.are_tags_certain
        for digest, target in contents.revisions.items():
            if all_stay or self._is_young(contents.name, digest, target):
                yield digest

    def _is_young(self, name: str, digest: Digest, target: Digest) -> bool:
        return self._sweep.is_young(layout.revision_link(name, digest)) or self._sweep.is_young(
            layout.blob_data(target)
        )

    def _named(self, contents: RepositoryContents, digest: Digest) -> ManifestReferences:
        named = contents.named.get(digest)
        if named is None and digest not in contents.revisions:
            # An index may name what this repository does not hold; what can be read of it stays.
            try:
                named = read_named(self._driver, digest)
            except Unreadable:
                return _NOTHING
        if named is not None and named.is_schema1:
            beside = signatures(self._driver, contents.name, digest)
            named = evolve(named, blobs=named.blobs | beside)
        return named or _NOTHING

    def _keep_layers(self, marked: Marked, layers: Iterable[Digest]) -> None:
        for digest in layers:
            if digest in marked.layers:
                continue
            target = layer_target(self._driver, marked.contents, digest)
            # registry:2 links what it took by another algorithm under its sha256 as well.
            marked.layers.update((digest, target))
            marked.blobs.update((digest, target))

    def _part_layers(self, marked: Marked) -> None:
        """Tell layer links that nothing needs from those that are too young to go."""
        name = marked.name
        for digest in marked.contents.layers:
            if digest in marked.layers:
                continue
            target = layer_target(self._driver, marked.contents, digest)
            link = layout.layer_link(name, digest)
            try:
                is_there = self._exists(link)
            except StorageUnavailable as problem:
                marked.contents.problems.append(f"{name}: layer {digest}: {problem}: it stays")
                self._keep_layers(marked, [digest])
                continue
            if not is_there:
                marked.contents.leftovers.append(layout.layer(name, digest))
            elif self._sweep.is_young(link) or self._sweep.is_young(layout.blob_data(target)):
                self._keep_layers(marked, [digest])
            else:
                marked.idle_layers[digest] = target
        for digest in [each for each in marked.idle_layers if each in marked.layers]:
            del marked.idle_layers[digest]

    def _exists(self, path: str) -> bool:
        try:
            self._driver.stat(path)
        except NotFound:
            return False
        return True


def _other_names(named: ManifestReferences) -> Iterator[Digest]:
    """Return what may be a manifest though it is not named as one."""
    return chain(named.blobs, named.blob_children, named.other_digests)


def _referrers(contents: RepositoryContents) -> dict[Digest, list[Digest]]:
    found: dict[Digest, list[Digest]] = {}
    for digest, named in contents.named.items():
        if named.subject is not None:
            found.setdefault(named.subject, []).append(digest)
    return found


def _dependents_last(contents: RepositoryContents, idle: list[Digest]) -> list[Digest]:
    """Order manifests so that each comes before its children and before those that refer to it."""
    referrers = _referrers(contents)
    order: list[Digest] = []
    seen: set[Digest] = set()
    left = set(idle)
    for top in idle:
        waiting = [(top, False)]
        while waiting:
            digest, is_done = waiting.pop()
            if is_done:
                order.append(digest)
            elif digest in left and digest not in seen:
                seen.add(digest)
                waiting.append((digest, True))
                named = contents.named.get(digest, _NOTHING)
                dependents = [*named.manifests, *_other_names(named), *referrers.get(digest, ())]
                waiting += [(each, False) for each in dependents]
    return order[::-1]
