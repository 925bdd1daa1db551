"""
Addresses with doubled or trailing slashes: where they lead.

registry:2 redirects them, and scripts rely on it. A redirect rather than an answer, so that what is
checked, logged and counted is always one form of an address.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_UPLOADS = re.compile(rb"/v2/.+/blobs/uploads$")

#: What stands for itself in a path and in a query; ``%`` since it is encoded already.
_PATH = "%/:@!$&'()*+,;=~"
_QUERY = _PATH + "?"


def canonical_path(path: bytes, prefix: bytes = b"/") -> bytes | None:
    """
    Return the usual form of a path; None if it has that form already.

    :param path: As it was sent, without a query.
    :param prefix: Where the API lies, with both slashes.
    """
    if not (path.endswith(b"/") or b"//" in path):
        return None
    found = b"/" + b"/".join(filter(None, path.split(b"/")))
    inner = b"/" + found[len(prefix) :] if (found + b"/").startswith(prefix) else b""
    # What names a place to begin at ends with a slash, what names a thing does not.
    if inner in (b"/", b"/v2") or _UPLOADS.match(inner):
        found = found.rstrip(b"/") + b"/"
    return None if found == path else found


def redirect_target(path: bytes, query: bytes, prefix: str = "") -> str:
    """
    Return a redirect's ``Location``, relative to the host.

    :param prefix: What a proxy took away from the path.
    """
    target = prefix + quote(path, safe=_PATH)
    return f"{target}?{quote(query, safe=_QUERY)}" if query else target
