"""
The order of tags, and which of them a filter lets through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

_VERSION = re.compile(
    r"(?:(?:release|version|rel|ver)[-_.]?)?v?(?P<numbers>\d{1,9}(?:\.\d{1,9}){0,5})"
    r"(?P<rest>[-+._].*|(?:a|b|rc|alpha|beta)\d*.*)?",
    re.IGNORECASE,
)
_PRE_RELEASE = re.compile(
    r"[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview|dev|snapshot|nightly)(?![a-z])", re.IGNORECASE
)
_RUNS = re.compile(r"\d+|\D+")

#: Orders anything: texts by case-folded letters, and runs of digits by their number. One text for a
#: name, since there may be very many: numbers begin with how many digits they have.
NaturalKey = str
VersionKey = tuple[int, tuple[int, ...], int, NaturalKey]


def natural_key(text: str) -> NaturalKey:
    """Make a key under which ``a2`` comes before ``a10``."""
    return "".join(map(_run_key, _RUNS.findall(text)))


def _run_key(run: str) -> str:
    if run.isdigit() and len(run) < 20:
        number = str(int(run))
        return f"\0{chr(len(number))}{number}"
    # A run of letters ends before the next number, or with the text.
    return f"\1{run.casefold()}"


def version_key(tag: str) -> VersionKey:
    """
    Make a key that orders tags from old to new.

    Words are lowest, then versions by their numbers, each release above its own pre-releases and
    its variants (``1.2-alpine``); ``latest`` is above all.
    """
    if tag == "latest":
        return (2, (), 0, "")
    match = _VERSION.fullmatch(tag)
    # A commit's hash that happens to be digits, or to begin with one, is a word.
    if match is None or ("." not in match["numbers"] and not _plain_version(tag, match)):
        return (0, (), 0, natural_key(tag))
    numbers = tuple(map(int, match["numbers"].split(".")))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    rest = match["rest"] or ""
    # 2: a release; 1: a variant or build of it; 0: what came before it.
    rank = 2 if not rest else 0 if _PRE_RELEASE.match(rest) else 1
    return (1, numbers, rank, natural_key(rest) + natural_key(tag))


def _plain_version(tag: str, match: re.Match[str]) -> bool:
    return len(match["numbers"]) <= 8 and (tag[0] in "vV" or tag[0].isdigit())


def newest_first(tags: Iterable[str]) -> list[str]:
    """
    Order tags by version, the newest first; words follow, from A to Z.

    :see: Semantic Versioning 2.0.0, section 11, which it follows where tags are such versions.
    """
    versions: list[tuple[VersionKey, str]] = []
    words: list[tuple[VersionKey, str]] = []
    for tag in tags:
        key = version_key(tag)
        (versions if key[0] else words).append((key, tag))
    versions.sort(reverse=True)
    words.sort()
    return [tag for _, tag in versions + words]


def matcher(query: str) -> Callable[[str], int]:
    """
    Make a test of names: 0 for no match, else the better the higher.

    An exact match is 3, one at the beginning 2, one inside 1. A query with ``*`` or ``?`` is a
    pattern for the whole name.
    """
    wanted = query.strip().casefold()
    if any(character in wanted for character in "*?"):
        # Runs of stars would make matching slow, and mean the same as one.
        pattern = re.compile(translate(re.sub(r"\*+", "*", wanted[:200])))
        return lambda name: 3 if pattern.fullmatch(name.casefold()) else 0

    def rank(name: str) -> int:
        folded = name.casefold()
        if folded == wanted:
            return 3
        if folded.startswith(wanted):
            return 2
        return 1 if wanted in folded else 0

    return rank


def ranked(names: Iterable[str], query: str) -> list[str]:
    """Keep the names that match, better ones first and otherwise in the order they came in."""
    if not query.strip():
        return list(names)
    rank = matcher(query)
    found = [(rank(name), name) for name in names]
    return [name for worth in (3, 2, 1) for rank_, name in found if rank_ == worth]
