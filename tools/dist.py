"""
Build the sdist and the wheel: the same bytes from the same commit, in any folder, at any time.

    python tools/dist.py [FOLDER]

Both are written to FOLDER (``dist``), and their SHA-256 digests are printed as by ``sha256sum``.
The environment needs the packages of the ``test`` extra. All times are those of the commit, or
``SOURCE_DATE_EPOCH`` where it is set. Other versions of setuptools or zlib may give other bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: The list of an unpacked sdist's files.
LIST = "holm_registry.egg-info/SOURCES.txt"


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    target = Path(arguments[0] if arguments else "dist")
    target.mkdir(parents=True, exist_ok=True)
    # The modes of files that setuptools writes depend on it.
    os.umask(0o022)
    for path in build(target, _commit_time()):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    return 0


def build(target: Path, epoch: int) -> list[Path]:
    """
    Build both files into a folder.

    :param epoch: The time of all files in them, in seconds since 1970.
    :returns: The files built.
    """
    with tempfile.TemporaryDirectory(prefix="holm-dist-") as folder:
        source, built = Path(folder, "source"), Path(folder, "built")
        for name in _sources():
            _copy(ROOT / name, source / name)
        _run_build(source, built, epoch)
        for sdist in built.glob("*.tar.gz"):
            _normalise(sdist, epoch)
        return [Path(shutil.copy(path, target)) for path in sorted(built.iterdir())]


def _run_build(source: Path, built: Path, epoch: int) -> None:
    """Build the sdist, and the wheel from it; end the program with all output if that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)],
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout)


def _commit_time() -> int:
    """Return the time of the commit, or of the sdist where this is an unpacked one."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    if (ROOT / ".git").exists():
        return int(_git("log", "-1", "--format=%ct"))
    return int((ROOT / "PKG-INFO").stat().st_mtime)


def _sources() -> Iterator[str]:
    """Return the project's files: those that git knows, or those that an unpacked sdist lists."""
    if (ROOT / ".git").exists():
        names = _git("ls-files", "-z").split("\0")
    else:
        names = (ROOT / LIST).read_text().splitlines()
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(LIST.split("/", maxsplit=1)[0]):
            yield name


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(_mode(source.stat().st_mode))


def _mode(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644


def _normalise(sdist: Path, epoch: int) -> None:
    """Write an sdist again, without the time, order, owners and modes of this build."""
    with tarfile.open(sdist) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        contents = [old.extractfile(member) if member.isfile() else None for member in members]
        with (
            sdist.with_suffix(".new").open("wb") as file,
            gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=epoch) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member, content in zip(members, contents, strict=True):
                new.addfile(_plain(member, epoch), content)
    sdist.with_suffix(".new").replace(sdist)


def _plain(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    plain = tarfile.TarInfo(member.name)
    plain.type, plain.size, plain.mtime = member.type, member.size, epoch
    plain.mode = 0o755 if member.isdir() else _mode(member.mode)
    return plain


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
