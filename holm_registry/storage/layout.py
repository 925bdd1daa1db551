"""
Where everything lies: the tree of registry:2, which is the only truth, and what we add to it.

.. code-block:: text

    docker/registry/v2/
      blobs/<algorithm>/<first 2 digits>/<encoded>/data
      repositories/<name>/
        _layers/<algorithm>/<encoded>/link                       layers and configs it holds
        _manifests/
          revisions/<algorithm>/<encoded>/link                   manifests it holds
          tags/<tag>/current/link                                where the tag points
          tags/<tag>/index/<algorithm>/<encoded>/link            where it ever pointed
          referrers/<algorithm>/<encoded>/<algorithm>/<encoded>/link
                                                                 ours: subject, then referrer
          referrers/complete                                     ours: older manifests were read
        _uploads/<session id>/data
        _uploads/<session id>/startedat                          RFC 3339, UTC
        _uploads/<session id>/hashstates/…                       registry:2's own; never read
      _staging/<random>                                          ours: files not yet in place
      …/data.<random>.aside, …/link.<random>.aside               ours: what a collection is just
                                                                 looking at once more
      _damaged/<algorithm>/<encoded>…                            ours: what a repair moved away
      _maintenance/…                                             ours: locks and last results
      _maintenance/volume, blobs/.volume, repositories/.volume   ours: by which a volume is known

A link holds a digest and nothing else. It names the blob to read, which for content that registry:2
took under sha512 is another digest than that of its path. What is marked as ours is unknown to
registry:2, ignored by it, and can be derived from the rest. The link of a referrer also holds a
space and the time of its push, in nanoseconds since the epoch.

:see: distribution, ``registry/storage/paths.go``.
"""

from __future__ import annotations

from holm_registry.oci.digest import Digest

ROOT = "docker/registry/v2"
STAGING = f"{ROOT}/_staging"
DAMAGED = f"{ROOT}/_damaged"
MAINTENANCE = f"{ROOT}/_maintenance"
ROBOTS = f"{MAINTENANCE}/robots"
BLOBS = f"{ROOT}/blobs"
REPOSITORIES = f"{ROOT}/repositories"

#: The mark by which a volume is known, and its copies in two folders. registry:2 passes over files
#: there.
VOLUME = f"{MAINTENANCE}/volume"
PART_MARK = ".volume"


def blob_data(digest: Digest) -> str:
    """Return the path of a blob's bytes."""
    algorithm, encoded = digest.algorithm, digest.encoded
    return f"{ROOT}/blobs/{algorithm}/{encoded[:2]}/{encoded}/data"


def result(task: str) -> str:
    """Return the file with the last result of a maintenance task; its time is when that was."""
    return f"{MAINTENANCE}/{task}.json"


def progress(task: str) -> str:
    """Return the file that says how far a maintenance task got before it was interrupted."""
    return f"{MAINTENANCE}/{task}.progress.json"


def blob_folders(algorithm: str, prefix: str = "") -> str:
    """Return the folder with a folder for each two first digits, or the one of these two digits."""
    return f"{BLOBS}/{algorithm}/{prefix}".rstrip("/")


def damaged(digest: Digest, suffix: str) -> str:
    """Return a path for the bytes of a blob that are not what they should be."""
    return f"{DAMAGED}/{digest.algorithm}/{digest.encoded}-{suffix}"


def repository(name: str) -> str:
    """Return the folder of a repository, which other repositories may lie under."""
    return f"{REPOSITORIES}/{name}"


def layers(name: str) -> str:
    """Return the folder of a repository's layer links."""
    return f"{REPOSITORIES}/{name}/_layers"


def layers_by(name: str, algorithm: str) -> str:
    """Return the folder that holds one folder for each layer link."""
    return f"{layers(name)}/{algorithm}"


def layer(name: str, digest: Digest) -> str:
    """Return the folder of one layer link."""
    return f"{layers_by(name, digest.algorithm)}/{digest.encoded}"


def layer_link(name: str, digest: Digest) -> str:
    """Return the link that makes a blob part of a repository."""
    return f"{layer(name, digest)}/link"


def manifests(name: str) -> str:
    """Return the folder of all that a repository knows of manifests."""
    return f"{REPOSITORIES}/{name}/_manifests"


def revisions(name: str, algorithm: str) -> str:
    """Return the folder that holds one folder for each manifest."""
    return f"{REPOSITORIES}/{name}/_manifests/revisions/{algorithm}"


def revision(name: str, digest: Digest) -> str:
    """Return the folder of one manifest."""
    return f"{revisions(name, digest.algorithm)}/{digest.encoded}"


def revision_link(name: str, digest: Digest) -> str:
    """Return the link that makes a manifest part of a repository."""
    return f"{revision(name, digest)}/link"


def tags(name: str) -> str:
    """Return the folder that holds one folder for each tag."""
    return f"{REPOSITORIES}/{name}/_manifests/tags"


def tag(name: str, tag: str) -> str:
    """Return the folder of one tag."""
    return f"{tags(name)}/{tag}"


def tag_current_link(name: str, tag: str) -> str:
    """Return the link to the manifest that a tag points at."""
    return f"{tags(name)}/{tag}/current/link"


def tag_index(name: str, tag: str, algorithm: str) -> str:
    """Return the folder that holds one folder for each manifest that a tag ever pointed at."""
    return f"{tags(name)}/{tag}/index/{algorithm}"


def tag_index_link(name: str, tag: str, digest: Digest) -> str:
    """Return the link that remembers that a tag once pointed at a manifest."""
    return f"{tag_index(name, tag, digest.algorithm)}/{digest.encoded}/link"


def referrers(name: str, subject: Digest, algorithm: str) -> str:
    """Return the folder that holds one folder for each manifest that refers to a subject."""
    return f"{manifests(name)}/referrers/{subject.algorithm}/{subject.encoded}/{algorithm}"


def referrer(name: str, subject: Digest, digest: Digest) -> str:
    """Return the folder of one referrer."""
    return f"{referrers(name, subject, digest.algorithm)}/{digest.encoded}"


def referrer_link(name: str, subject: Digest, digest: Digest) -> str:
    """Return the link from a subject to a manifest that refers to it."""
    return f"{referrer(name, subject, digest)}/link"


def referrers_complete(name: str) -> str:
    """Return the mark that all manifests older than our first one were read for their subjects."""
    return f"{manifests(name)}/referrers/complete"


def all_referrers(name: str, *path: str) -> str:
    """Return the folder of all referrer links, or one on the way to them."""
    return "/".join([manifests(name), "referrers", *path])


def uploads(name: str) -> str:
    """Return the folder that holds one folder for each upload session."""
    return f"{REPOSITORIES}/{name}/_uploads"


def upload(name: str, session_id: str) -> str:
    """Return the folder of an upload session."""
    return f"{REPOSITORIES}/{name}/_uploads/{session_id}"


def upload_data(name: str, session_id: str) -> str:
    """Return the bytes an upload session received."""
    return f"{upload(name, session_id)}/data"


def upload_started_at(name: str, session_id: str) -> str:
    """Return the file that says when an upload session began."""
    return f"{upload(name, session_id)}/startedat"
