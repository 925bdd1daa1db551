"""
Reading what belongs to images that are to go: their children, and what refers to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from holm_registry.ui.client.concurrency import for_each
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.errors import LoginRequired, RegistryTimeout, RegistryUnreachable, UiError
from holm_registry.ui.model.attachments import AttachedArtifact, KnownDependents
from holm_registry.ui.model.progress import Progress

from .reader import RegistryReader
from .referrers import attached_to, tagged_to


async def read_dependents(
    reader: RegistryReader,
    repository: str,
    images: Collection[str],
    subjects: Iterable[str],
    progress: Progress,
) -> KnownDependents:
    """
    Ask the registry for each manifest whether it is there, and what refers to it.

    What is remembered of a manifest tells nothing of whether it is there still.

    :param images: Those of the subjects that are known to be there.
    :raises LoginRequired: The registry wants to know who asks.
    :raises UiError: Whether a manifest is there could not be asked.
    """
    found, subjects = KnownDependents(), list(subjects)
    progress.begin("belonging", len(subjects))

    async def read_one(subject: str) -> None:
        if subject in images or await _is_there(reader, repository, subject):
            found.attached[subject] = await _attached(reader, repository, subject, found)
        else:
            found.absent.add(subject)
        progress.done += 1

    await for_each(subjects, read_one)
    return found


async def _attached(
    reader: RegistryReader, repository: str, subject: str, found: KnownDependents
) -> list[AttachedArtifact]:
    """Read what refers to a manifest; where that fails, note why, and give what tags tell."""
    try:
        listed = await attached_to(reader, repository, subject)
    except LoginRequired:
        raise
    except (RegistryTimeout, RegistryUnreachable):
        # Hundreds of others are not asked of a registry that does not answer.
        raise
    except UiError as problem:
        found.unread = found.unread or problem.message
        listed = await tagged_to(reader, repository, subject)
    return [artifact for artifact in listed if await _is_known(reader, repository, artifact.digest)]


async def _is_known(reader: RegistryReader, repository: str, digest: str) -> bool:
    """Have the facts of a manifest that is listed; tell whether it is there."""
    if not await _is_there(reader, repository, digest):
        return False
    await reader.learn(repository, digest)
    return True


async def _is_there(reader: RegistryReader, repository: str, digest: str) -> bool:
    try:
        await reader.client.digest_of(repository, digest)
    except RegistryNotFound:
        return False
    return True
