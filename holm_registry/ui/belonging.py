"""
Reading what belongs to images that are to go: their children, and what refers to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from attrs import Factory, define

from .attached import Attached, attached_to, tagged_to
from .errors import LoginNeeded, Slow, Trouble, Unreachable
from .exchange import NotFound
from .gate import each
from .progress import Progress
from .reader import Reader


@define
class Belonging:
    """
    What was read.

    :ivar attached: What refers to each manifest, and is in the registry.
    :ivar absent: The manifests that the registry does not have, whatever lists them.
    :ivar unread: Why what refers to some of them could not be read; empty if it was.
    """

    attached: dict[str, Collection[Attached]] = Factory(dict)
    absent: set[str] = Factory(set)
    unread: str = ""


async def read_belonging(
    reader: Reader,
    repository: str,
    images: Collection[str],
    subjects: Iterable[str],
    progress: Progress,
) -> Belonging:
    """
    Ask the registry for each manifest whether it is there, and what refers to it.

    What is remembered of a manifest tells nothing of whether it is there still.

    :param images: Those of the subjects that are known to be there.
    :raises LoginNeeded: The registry wants to know who asks.
    :raises Trouble: Whether a manifest is there could not be asked.
    """
    found, subjects = Belonging(), list(subjects)
    progress.begin("belonging", len(subjects))

    async def read_one(subject: str) -> None:
        if subject in images or await _is_there(reader, repository, subject):
            found.attached[subject] = await _attached(reader, repository, subject, found)
        else:
            found.absent.add(subject)
        progress.done += 1

    await each(subjects, read_one)
    return found


async def _attached(
    reader: Reader, repository: str, subject: str, found: Belonging
) -> list[Attached]:
    """Read what refers to a manifest; where that fails, note why, and give what tags tell."""
    try:
        listed = await attached_to(reader, repository, subject)
    except LoginNeeded:
        raise
    except (Slow, Unreachable):
        # Hundreds of others are not asked of a registry that does not answer.
        raise
    except Trouble as problem:
        found.unread = found.unread or problem.message
        listed = await tagged_to(reader, repository, subject)
    return [each for each in listed if await _is_known(reader, repository, each.digest)]


async def _is_known(reader: Reader, repository: str, digest: str) -> bool:
    """Have the facts of a manifest that is listed; tell whether it is there."""
    if not await _is_there(reader, repository, digest):
        return False
    await reader.learn(repository, digest)
    return True


async def _is_there(reader: Reader, repository: str, digest: str) -> bool:
    try:
        await reader.client.digest_of(repository, digest)
    except NotFound:
        return False
    return True
