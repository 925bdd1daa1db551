"""
What is wrong in one repository: links that are torn or missing, and content that its manifests
name and that is not there or not whole.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import partial

from holm_registry.content.gc_grace import touch_and_stat
from holm_registry.content.validation import Validation
from holm_registry.gc.inventory import (
    RepositoryContents,
    Unreadable,
    digests_in,
    is_manifest,
    read_link,
    read_named,
    signatures,
)
from holm_registry.oci import media_types
from holm_registry.oci.digest import ALGORITHMS, Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.manifest import Manifest, parse_manifest
from holm_registry.oci.references import ManifestReferences
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.errors import NotFound, StorageUnavailable

from .problems import Problem, ProblemSet, Repair, blob, missing

_PUSH_AGAIN = "delete it, or push the image again"
_DELETE_IT = "delete the tag; a collection removes it as well"
_NAME_AGAIN = "push the image that it should name, or delete the tag"


class Inspection:
    """
    Looks through one repository.

    :param present: The blobs that have bytes, good or bad.
    :param problems: Knows what is wrong with blobs, and gets what is found.
    :param validation: What manifests are held to: what need not be here is not missing.
    """

    def __init__(
        self,
        driver: Collectable,
        contents: RepositoryContents,
        *,
        present: Container[Digest],
        problems: ProblemSet,
        validation: Validation,
    ) -> None:
        self._driver = driver
        self._contents = contents
        self._name = contents.name
        self._present = present
        self._problems = problems
        self._validation = validation
        self._layers: dict[Digest, Digest] = {}
        self._relinked: set[Digest] = set()
        self._affected: list[tuple[Problem, Digest]] = []

    def run(self) -> None:
        """Look, and note what is damaged with the images that it affects."""
        self._look_at_layers()
        self._look_at_tags()
        self._look_at_links()
        waiting = list(self._contents.revisions)
        for digest in waiting:
            # Children that are to be linked again come behind.
            waiting += self._look_at_manifest(digest)
        self._name_images()

    def _look_at_layers(self) -> None:
        for digest in self._contents.layers:
            path = layout.layer_link(self._name, digest)
            try:
                target = read_link(self._driver, path)
            except NotFound:
                continue
            except Unreadable as problem:
                target = self._torn(f"layer {digest}", path, digest, str(problem))
            else:
                target = self._straight(f"layer {digest}", path, digest, target)
            self._layers[digest] = target

    def _look_at_links(self) -> None:
        for digest, target in list(self._contents.revisions.items()):
            path = layout.revision_link(self._name, digest)
            reason = self._contents.lost_links.get(digest)
            if reason is not None:
                self._torn(f"manifest {digest}", path, digest, reason)
            elif self._straight(f"manifest {digest}", path, digest, target) != target:
                self._take_in(digest)

    def _take_in(self, digest: Digest) -> None:
        """Take the manifest of a link that is to be made anew for what it will be."""
        self._contents.revisions[digest] = digest
        try:
            self._contents.named[digest] = read_named(self._driver, digest)
        except Unreadable as problem:
            self._contents.named.pop(digest, None)
            self._contents.lost_manifests[digest] = str(problem)

    def _torn(self, what: str, path: str, digest: Digest, reason: str) -> Digest:
        """Note a link that says nothing; its path tells what it is for."""
        if self._has(digest):
            self._damage(what, reason, self._linking(path, digest))
        else:
            self._problems.add(Problem(f"{self._name}: {what}", reason, needs_push=True))
        return digest

    def _straight(self, what: str, path: str, digest: Digest, target: Digest) -> Digest:
        """Note a link that leads elsewhere than its path says; aliases may."""
        if target.algorithm != digest.algorithm or target == digest:
            return target
        return self._torn(what, path, digest, f"its link leads to {target}")

    def _look_at_tags(self) -> None:
        for tag, target in self._contents.tags.items():
            if target is not None:
                self._look_at_target(tag, target)
            elif tag in self._contents.lost_tags:
                self._lost_tag(tag, self._contents.lost_tags[tag])

    def _look_at_target(self, tag: str, target: Digest) -> None:
        if target in self._contents.revisions:
            return
        try:
            if read_link(self._driver, layout.tag_current_link(self._name, tag)) != target:
                return
        except (NotFound, Unreadable):
            # Moved or deleted while we read.
            return
        self._missing_manifest(target, f"tag {tag} points at it")

    def _lost_tag(self, tag: str, reason: str) -> None:
        """Note a tag that says nothing; if it only ever pointed at one thing, it was that."""
        once = list(self._pointed_at(tag))
        path = layout.tag_current_link(self._name, tag)
        if once:
            reason += f"; it once pointed at {', '.join(map(str, once))}"
        if tag in self._contents.once and layout.tag(self._name, tag) in self._contents.leftovers:
            damage = self._damage(f"tag {tag}", reason, advice=_DELETE_IT)
        elif len(once) == 1:
            damage = self._damage(f"tag {tag}", reason, self._pointing(path, once[0]))
        else:
            damage = self._damage(f"tag {tag}", reason, advice=_NAME_AGAIN)
        damage.images.add(f"{self._name}:{tag}")

    def _pointed_at(self, tag: str) -> Iterator[Digest]:
        """Return what is still here of what a tag ever pointed at, the last first."""
        found = []
        for algorithm in ALGORITHMS:
            folder = layout.tag_index(self._name, tag, algorithm)
            for digest in digests_in(self._driver, algorithm, folder):
                try:
                    path = layout.tag_index_link(self._name, tag, digest)
                    found.append((self._driver.stat(path).modified, digest))
                except (NotFound, StorageUnavailable):
                    continue
        for _, digest in sorted(found, key=lambda each: each[0], reverse=True):
            if digest in self._contents.revisions:
                yield digest

    def _look_at_manifest(self, digest: Digest) -> list[Digest]:
        """Look at a manifest and what it names; give the children that are to be linked again."""
        self._look_at_bytes(digest, self._contents.revisions[digest])
        named = self._contents.named.get(digest)
        if named is None:
            return []
        self._look_at_referrer(digest, named)
        beside = signatures(self._driver, self._name, digest) if named.is_schema1 else set()
        for part in named.blobs | named.blob_children:
            self._look_at_part(digest, part, named)
        for signature in beside:
            self._look_at_bytes(digest, signature)
        if not named.is_supported:
            return []
        return [child for child in named.manifests if self._look_at_child(digest, child)]

    def _look_at_bytes(self, digest: Digest, target: Digest) -> None:
        """Look at bytes that a manifest consists of, or needs."""
        damage = self._problems.find(blob(target))
        if damage is None and not self._has(target) and self._is_here(digest):
            damage = self._problems.add(missing(target))
        if damage is None and digest in self._contents.lost_manifests:
            reason = self._contents.lost_manifests[digest]
            damage = self._damage(
                f"manifest {digest}", reason, advice="delete it, or push it again"
            )
        if damage is not None:
            self._affected.append((damage, digest))

    def _look_at_part(self, digest: Digest, part: Digest, named: ManifestReferences) -> None:
        """Look for a config or layer that a manifest names; it may be a manifest itself."""
        target = self._layers.get(part, self._contents.revisions.get(part))
        if target is not None:
            if self._has(target) or not self._is_optional(digest, part):
                self._look_at_bytes(digest, target)
        elif named.is_supported and not self._is_excused(digest, part):
            if self._has(part) and self._is_here(digest) and not self._is_linked(part):
                repair = self._linking(layout.layer_link(self._name, part), part)
                damage = self._damage(f"layer {part}", "its link is missing", repair)
                self._affected.append((damage, digest))
            self._look_at_bytes(digest, part)

    def _look_at_child(self, digest: Digest, child: Digest) -> bool:
        """Look for a child of an index; tell whether it is to be linked again."""
        if child in self._contents.revisions or self._is_excused(digest, child):
            return False
        if child in self._layers:
            # It was pushed as a blob, which registry:2 takes as well.
            self._look_at_bytes(digest, self._layers[child])
            return False
        return self._is_here(digest) and self._missing_manifest(child, f"{digest} names it")

    def _missing_manifest(self, digest: Digest, needed: str) -> bool:
        """Note a manifest that is not linked here; tell whether it can be linked again."""
        if not self._has(digest):
            self._affected.append((self._problems.add(missing(digest)), digest))
            return False
        if not is_manifest(self._driver, digest):
            # A link would serve a blob as a manifest, which was never pushed.
            reason = f"its link is missing, its content is not a manifest, and {needed}"
            damage = self._damage(f"manifest {digest}", reason, advice=_PUSH_AGAIN)
            self._affected.append((damage, digest))
            return False
        self._take_in(digest)
        repair = self._linking(layout.revision_link(self._name, digest), digest)
        reason = f"its link is missing, and {needed}"
        damage = self._damage(f"manifest {digest}", reason, repair)
        self._affected.append((damage, digest))
        self._relinked.add(digest)
        return True

    def _look_at_referrer(self, digest: Digest, named: ManifestReferences) -> None:
        """Look whether the subject of a manifest knows of it."""
        if named.subject is None or not self._knows_referrers():
            return
        path = layout.referrer_link(self._name, named.subject, digest)
        if not self._exists(path) and self._is_here(digest):
            reason = f"{named.subject} does not list it as a referrer"
            repair = self._linking(path, digest)
            self._damage(f"manifest {digest}", reason, repair)

    def _knows_referrers(self) -> bool:
        """Return whether referrers are found by links alone; else the first question makes them."""
        return self._exists(layout.referrers_complete(self._name))

    def _is_excused(self, digest: Digest, part: Digest) -> bool:
        """Return whether something that was perhaps never here need not be."""
        return self._validation.disabled or self._is_optional(digest, part)

    def _is_optional(self, digest: Digest, part: Digest) -> bool:
        """Return whether an image is whole without something that it names."""
        try:
            content = self._driver.read(layout.blob_data(self._contents.revisions[digest]))
            return _is_optional(parse_manifest(content), part, self._validation)
        except (NotFound, StorageUnavailable, ManifestInvalid):
            return False

    def _is_here(self, digest: Digest) -> bool:
        """Return whether a manifest is still here, or will be: it may be deleted while we read."""
        if digest in self._relinked:
            return True
        return self._exists(layout.revision_link(self._name, digest))

    def _is_linked(self, blob: Digest) -> bool:
        return self._exists(layout.layer_link(self._name, blob))

    def _has(self, digest: Digest) -> bool:
        """Return whether a blob has bytes, good or bad; it may be newer than the list of blobs."""
        if digest in self._present:
            return True
        return self._exists(layout.blob_data(digest))

    def _exists(self, path: str) -> bool:
        """Return whether something lies at a path, be it something that cannot be read."""
        try:
            self._driver.stat(path)
        except NotFound:
            return False
        except StorageUnavailable:
            return True
        return True

    def _damage(
        self, what: str, problem: str, repair: Repair | None = None, advice: str = ""
    ) -> Problem:
        return self._problems.add(Problem(f"{self._name}: {what}", problem, repair, advice))

    def _link(self, path: str, digest: Digest) -> None:
        """Make a link as a push does: the bytes are kept from collection first."""
        touch_and_stat(self._driver, layout.blob_data(digest))
        self._driver.put(path, str(digest).encode())
        self._driver.stat(layout.blob_data(digest))

    def _linking(self, path: str, digest: Digest) -> Repair:
        return Repair("a repair links it again", "linked again", partial(self._link, path, digest))

    def _pointing(self, path: str, digest: Digest) -> Repair:
        def point() -> None:
            try:
                read_link(self._driver, path)
            except (NotFound, Unreadable):
                # It was not pointed elsewhere meanwhile.
                self._link(path, digest)

        return Repair("a repair points it there again", "points there again", point)

    def _name_images(self) -> None:
        above: dict[Digest, list[Digest]] = {}
        for digest, named in self._contents.named.items():
            for child in named.manifests:
                above.setdefault(child, []).append(digest)
        tags: dict[Digest, list[str]] = {}
        for tag, target in self._contents.tags.items():
            if target is not None:
                tags.setdefault(target, []).append(tag)
        for damage, digest in self._affected:
            damage.images |= set(self._images(digest, above, tags))

    def _images(
        self, digest: Digest, above: dict[Digest, list[Digest]], tags: dict[Digest, list[str]]
    ) -> Iterator[str]:
        """Name the images a manifest belongs to: by what tags lead to it, if there are any."""
        waiting, seen = [digest], {digest}
        while waiting:
            each = waiting.pop()
            yield from (f"{self._name}:{tag}" for tag in tags.get(each, ()))
            if each not in tags and each not in above:
                yield f"{self._name}@{each}"
            new = [parent for parent in above.get(each, ()) if parent not in seen]
            seen.update(new)
            waiting += new


def _is_optional(manifest: Manifest, part: Digest, validation: Validation) -> bool:
    for digest, descriptor in manifest.blobs:
        if digest == part:
            return bool(media_types.is_foreign_layer(descriptor.media_type) and descriptor.urls)
    for digest, descriptor in manifest.manifests:
        if digest == part:
            return not validation.requires_child(descriptor)
    return False
