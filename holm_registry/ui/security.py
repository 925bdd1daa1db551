"""
What a browser is told to refuse, and what is refused from browsers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from holm_registry.http.request import StreamedRequest

from .errors import Forbidden

#: Sent with every answer.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def require_own_site(request: StreamedRequest) -> None:
    """
    Refuse a form that another site made a browser send.

    Every browser in use says where a form comes from, in ``Sec-Fetch-Site`` or ``Origin``. What
    says neither is a program, and a program can send what it likes.

    :raises Forbidden: It comes from elsewhere.
    """
    site = request.header("Sec-Fetch-Site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Forbidden("this was sent by another site, and is not done")
        return
    origin = request.header("Origin")
    if origin is None:
        return
    named = _host_of(origin)
    if not named or named != (request.header("Host") or "").lower():
        raise Forbidden("this was sent by another site, and is not done")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def local_path(text: str) -> str:
    """Give an address to go back to, if it is one of this site; else the first page."""
    plain = text.startswith("/") and not text.startswith(("//", "/\\"))
    clean = plain and len(text) < 4000 and all(" " < character < "\x7f" for character in text)
    return text if clean else "/"
