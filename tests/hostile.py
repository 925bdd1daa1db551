"""What others leave on a volume, and what a failing disk makes of it: beside a sound image."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import closing

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver

from .images import descriptor, image
from .stores import pull, push

#: What is sound, what nothing needs, and what refers to the sound one.
SOUND = image(b"c", [b"1"])
LOOSE = image(b"c", [b"2"])
SIGNATURE = image(b"c", [b"s"], subject=descriptor(SOUND, "a/b"))

#: The repositories of :func:`fill`; the first is the one that :func:`spoil` spoils.
NAMES = ("bad", "good/deep")

#: Names that no registry gives: of storage systems, of programs that synchronize, of editors.
FOREIGN = (
    "@eaDir",
    ".snapshot",
    "#recycle",
    "lost+found",
    ".DS_Store",
    ".nfs000000000000000100000001",
    "v1 (conflicted copy)",
    "v1~",
    ".v1.swp",
    "Ünicode",
    os.fsdecode(b"\xff\xfe"),
    "new\nline",
)


def fill(root: str) -> None:
    """Make a store with the images above in each repository."""
    os.mkdir(root)
    registry = Registry(FilesystemDriver(root))
    for name in NAMES:
        push(registry, name, "v1", SOUND, b"c", b"1", b"garbage")
        push(registry, name, None, LOOSE, b"2")
        push(registry, name, None, SIGNATURE, b"s")


def require_sound(registry: Registry) -> None:
    """Make sure that everything that is sound is listed and can be pulled."""
    assert registry.catalog.page(PageRequest(100)) == (list(NAMES), False)
    for name in NAMES:
        assert "v1" in registry.tags.page(name, PageRequest())[0]
        pull(registry, name, "v1")
        found, _ = registry.referrers.page(name, Digest.of(SOUND))
        assert str(Digest.of(SIGNATURE)) in {each.digest for each in found}


def fifo(path: str) -> None:
    """Nobody ever writes to it."""
    os.mkfifo(path)


def folder(path: str) -> None:
    """A folder where a file is expected."""
    os.mkdir(path)


def loop(path: str) -> None:
    """A symbolic link to itself."""
    os.symlink(path, path)


def sock(path: str) -> None:
    """A socket."""
    with closing(socket.socket(socket.AF_UNIX)) as made:
        here = os.open(os.path.dirname(path), os.O_RDONLY)
        made.bind(f"/proc/self/fd/{here}/{os.path.basename(path)}")
        os.close(here)


def device(path: str) -> None:
    """A device that never ends."""
    os.symlink("/dev/zero", path)


def huge(path: str) -> None:
    """More than fits into any memory."""
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def zeros(path: str) -> None:
    """What a power cut leaves."""
    with open(path, "wb") as file:
        file.write(bytes(71))


KINDS: dict[str, Callable[[str], None]] = {
    each.__name__: each for each in (fifo, folder, loop, sock, device, huge, zeros)
}


def put(root: str, path: str, kind: str) -> None:
    """Put something of a kind where a file is, or would be."""
    full = f"{root}/{path}"
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if os.path.lexists(full):
        os.unlink(full)
    KINDS[kind](full)


def spoil(root: str, kind: str) -> None:
    """
    Spoil one entry of each sort in repository ``bad``, where each image was pushed before.

    Tags ``current``, revision of LOOSE, layer of LOOSE, and the bytes of a blob that nothing names.
    """
    put(root, layout.tag_current_link("bad", "spoiled"), kind)
    put(root, layout.layer_link("bad", Digest.of(b"spoiled layer")), kind)
    put(root, layout.revision_link("bad", Digest.of(b"spoiled manifest")), kind)
    if kind != "huge":
        # A blob may be as large as it likes.
        put(root, layout.blob_data(Digest.of(b"spoiled blob")), kind)
    put(root, layout.upload_data("bad", "spoiled"), kind)
    put(root, layout.referrer_link("bad", Digest.of(SOUND), Digest.of(b"spoiled")), kind)


def litter(root: str) -> list[str]:
    """Put foreign files and folders everywhere; give their paths."""
    places = [folder for folder, _, _ in os.walk(f"{root}/docker")]
    made = []
    for place in places:
        for number, name in enumerate(FOREIGN):
            path = os.path.join(place, name)
            if number % 2:
                with open(path, "wb") as file:
                    file.write(b"foreign")
            else:
                os.makedirs(os.path.join(path, "deeper", "current"))
                with open(os.path.join(path, "deeper", "link"), "wb") as file:
                    file.write(b"foreign")
            made.append(path)
        for prefix in ("sha256", "_manifests"):
            # As a copy of what belongs there.
            if os.path.isdir(os.path.join(place, prefix)):
                copy = os.path.join(place, f"{prefix} (1)")
                shutil.copytree(os.path.join(place, prefix), copy, dirs_exist_ok=True)
                made.append(copy)
    return made
