from __future__ import annotations

#: What answers an address whose last folder, or last part, is called so.
_BY_FOLDER = {
    b"manifests": "manifest",
    b"uploads": "blob_upload_chunk",
    b"blobs": "blob",
    b"referrers": "referrers",
}
_BY_END = {b"_catalog": "catalog", b"v2": "base", b"list": "tags"}


def route_name(path: bytes) -> str:
    """
    Name what answers a request, for the figures, as registry:2 does where it has a name.

    :see: distribution, ``registry/api/v2/routes.go``.
    """
    above, _, last = path.removesuffix(b"/").rpartition(b"/")
    folder = above.rpartition(b"/")[2]
    if folder == b"blobs" and last == b"uploads":
        return "blob_upload"
    return _BY_FOLDER.get(folder) or _BY_END.get(last) or ("other" if last else "base")
