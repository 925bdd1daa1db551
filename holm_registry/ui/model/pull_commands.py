"""
The commands that fetch an artifact, for each client that can.
"""

from __future__ import annotations

from attrs import frozen

from .artifact_types import CHART, IMAGE, INDEX, OBSOLETE

#: What each kind is fetched with, the usual one first.
_IMAGE_CLIENTS = ("docker", "podman", "crictl", "skopeo")
_CLIENTS = {
    IMAGE: _IMAGE_CLIENTS,
    INDEX: _IMAGE_CLIENTS,
    OBSOLETE: ("docker", "skopeo"),
    CHART: ("helm", "oras", "skopeo"),
}
_OTHER = ("oras", "skopeo")
CLIENTS = ("docker", "podman", "crictl", "skopeo", "helm", "oras")


@frozen
class PullCommand:
    """A command to copy into a shell."""

    client: str
    text: str


def pull_commands(
    kind: str, registry: str, repository: str, *, tag: str = "", digest: str = ""
) -> tuple[PullCommand, ...]:
    """
    Write the commands that fetch an artifact by its tag, or by its digest if it has none.

    :param kind: One of :mod:`.kinds`.
    :param registry: ``host:port`` as clients reach it.
    """
    reference = f"{registry}/{repository}" + (f":{tag}" if tag else f"@{digest}")
    folder = f"{repository.rpartition('/')[2]}-{tag or digest.partition(':')[2][:12]}"
    texts = {
        "docker": f"docker pull {reference}",
        "podman": f"podman pull {reference}",
        "crictl": f"crictl pull {reference}",
        "skopeo": f"skopeo copy docker://{reference} dir:{folder}",
        "helm": _helm(registry, repository, tag, digest),
        "oras": f"oras pull {reference}",
    }
    return tuple(PullCommand(client, texts[client]) for client in _CLIENTS.get(kind, _OTHER))


def _helm(registry: str, repository: str, tag: str, digest: str) -> str:
    if tag:
        # Helm writes the + of a version as _ in a tag, and reads it back.
        return f"helm pull oci://{registry}/{repository} --version {tag.replace('_', '+')}"
    return f"helm pull oci://{registry}/{repository}@{digest}"


def push_commands(registry: str, image: str = "myapp") -> tuple[str, ...]:
    """Write what pushes a first image."""
    return (f"docker tag {image} {registry}/{image}:v1", f"docker push {registry}/{image}:v1")
