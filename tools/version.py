"""
Show the version, or set another one in all files that repeat it.

    python tools/version.py
    python tools/version.py 0.3.0

The version is ``holm_registry.__version__``. Manifests, the chart, the image's label and the
documents repeat it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = Path("holm_registry/__init__.py")
NUMBER = r"[0-9]+\.[0-9]+\.[0-9]+"

#: What stands before the version where it is repeated.
PREFIXES = (
    r"^__version__ = \"",
    r"holm-registry[:-]",
    r"org\.opencontainers\.image\.version=\"",
    r"newTag: ",
    r"^appVersion: \"?",
    r"(?<=name: holm-registry\n)version: ",
    r"--version ",
)
_PATTERN = re.compile(f"({'|'.join(PREFIXES)})({NUMBER})(?![0-9.]*[0-9])", re.MULTILINE)

#: Files that name other versions: what was released before, and what tests invent.
_EXEMPT = ("CHANGELOG.md", "tests/")


def version() -> str:
    """Return the version of the source, without importing it."""
    match = _PATTERN.search((ROOT / SOURCE).read_text())
    if match is None:
        raise ValueError(f"{SOURCE} has no __version__")
    return match[2]


def mentions() -> Iterator[tuple[Path, str]]:
    """Return each file that repeats the version, with the version that it has."""
    for path in files():
        for match in _PATTERN.finditer((ROOT / path).read_text()):
            yield path, match[2]


def set_version(new: str) -> list[Path]:
    """
    Write a new version wherever it is repeated.

    :returns: The files that were changed, relative to the project's folder.
    """
    changed = []
    for path in files():
        text = (ROOT / path).read_text()
        if (updated := with_version(text, new)) != text:
            (ROOT / path).write_text(updated)
            changed.append(path)
    return changed


def with_version(text: str, new: str) -> str:
    """Return a text in which a new version stands wherever the version is repeated."""
    return _PATTERN.sub(rf"\g<1>{new}", text)


def files() -> Iterator[Path]:
    """Return the text files that may repeat the version, relative to the project's folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if not name.startswith(_EXEMPT) and path.suffix != ".png" and (ROOT / path).is_file():
            yield path


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    if not arguments:
        print(version())
        return 0
    if len(arguments) != 1 or not re.fullmatch(NUMBER, arguments[0]):
        print("usage: python tools/version.py [NUMBER.NUMBER.NUMBER]", file=sys.stderr)
        return 2
    for path in set_version(arguments[0]):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
