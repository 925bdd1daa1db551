"""
Tags that point to nothing, and how they are removed.

A registry can list a tag whose manifest, or whose own link, is lost. There is nothing to delete by
digest then; and registry:2 deletes by digest only.
"""

from __future__ import annotations

import secrets

from holm_registry.ui.client.client import RegistryClient
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.errors import Conflict, RegistryRefused

_ANNOTATION = "org.opencontainers.image.description"


async def remove_dangling(
    client: RegistryClient, repository: str, tag: str, *, by_name: bool
) -> None:
    """
    Remove a tag whose manifest cannot be had.

    Where the registry cannot remove it by its name, an empty index that nothing else can have is
    put in its place and then deleted by its digest, which takes the tag along.

    :param by_name: Whether the registry removes tags by their names.
    :raises Conflict: The tag can be read again: it was pushed since. One that is pushed between
        that look and the next request is replaced; its image stays, without this tag.
    :raises UiError: The registry could not do it.
    """
    if by_name:
        try:
            await client.delete(repository, tag)
        except RegistryNotFound:
            pass  # some registries do not find a tag that they list
        else:
            return
    await _require_dangling(client, repository, tag)
    await _require_deletes(client, repository)
    digest = await client.put_index(repository, tag, _placeholder())
    await client.delete(repository, digest)


async def _require_dangling(client: RegistryClient, repository: str, tag: str) -> None:
    try:
        await client.digest_of(repository, tag)
    except RegistryNotFound:
        return
    except RegistryRefused as problem:
        # registry:2 answers 500 about a link that is empty.
        if problem.registry_status is None or problem.registry_status < 500:
            raise
        return
    raise Conflict(f"tag {tag} was pushed since you were asked; look again")


async def _require_deletes(client: RegistryClient, repository: str) -> None:
    """Have the registry say that it deletes by digest, before anything is put there."""
    try:
        await client.delete(repository, f"sha256:{secrets.token_hex(32)}")
    except RegistryNotFound:
        return


def _placeholder() -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
        "annotations": {_ANNOTATION: f"to be deleted with its tag: {secrets.token_hex(16)}"},
    }
