"""
Addresses that a registry sends: the next page of a list, and where content lies instead.

A registry is not trusted with a visitor's login for any other server, so whatever it names is
resolved and compared before it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from holm_registry.ui.errors import RegistryRefused

#: The longest address that is taken, and the longest ``Link`` header, in characters.
MAX_URL_CHARACTERS = 4096
MAX_LINK_CHARACTERS = 8 * MAX_URL_CHARACTERS

_PORTS = {"http": 80, "https": 443}


def next_link(header: str) -> str:
    """
    Return the target of the link whose relation is ``next``; empty if there is none.

    The header is read once from its beginning to its end, whatever it holds.

    :raises RegistryRefused: It is longer than any that is needed.
    :see: RFC 8288, section 3.
    """
    if len(header) > MAX_LINK_CHARACTERS:
        raise RegistryRefused("the registry's Link header is too long", registry_status=200)
    for target, parameters in _links(header):
        if any(name == "rel" and "next" in value.lower().split() for name, value in parameters):
            return target
    return ""


def _links(header: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    position = 0
    while (opening := header.find("<", position)) >= 0:
        closing = header.find(">", opening)
        if closing < 0:
            return
        parameters, position = _parameters(header, closing + 1)
        yield header[opening + 1 : closing].strip(), parameters


def _parameters(header: str, position: int) -> tuple[list[tuple[str, str]], int]:
    """Read parameters up to the comma that ends them; return where that is."""
    parameters: list[tuple[str, str]] = []
    name: list[str] = []
    value: list[str] = []
    quoted = in_value = False
    while position < len(header):
        character = header[position]
        position += 1
        if quoted and character == '"':
            quoted = False
        elif quoted:
            value.append(character)
        elif character in ";,":
            parameters.append(("".join(name).strip().lower(), "".join(value).strip()))
            name, value, in_value = [], [], False
            if character == ",":
                return parameters, position
        elif character == '"' and in_value:
            quoted = True
        elif character == "=" and not in_value:
            in_value = True
        else:
            (value if in_value else name).append(character)
    parameters.append(("".join(name).strip().lower(), "".join(value).strip()))
    return parameters, position


def resolve(base: str, target: str) -> str:
    """
    Make a target absolute.

    :param base: The URL that was asked.
    :raises RegistryRefused: It is no address of the web.
    """
    sane = len(target) <= MAX_URL_CHARACTERS and all("!" <= each <= "~" for each in target)
    found = _joined(base, target) if sane and "\\" not in target else None
    if found is None:
        raise RegistryRefused("the registry sent an address that is not valid", registry_status=200)
    return found.geturl()


def same_origin(one: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port."""
    origins = [_origin(_split(url)) for url in (one, other)]
    return None not in origins and origins[0] == origins[1]


def is_safe_elsewhere(base: str, target: str) -> bool:
    """Return whether content may be fetched from another server: not from HTTPS to plain HTTP."""
    return not (base.startswith("https:") and not target.startswith("https:"))


def following(base_url: str, path: str, target: str) -> str:
    """
    Return the path and query of the next page of a list, below the registry's own URL.

    A registry behind a proxy may not know its own name or path. So where a link names another
    server, only its query is taken, and only if it leads to the list that was asked for.

    :param base_url: Where ``/v2/`` is.
    :param path: What was asked, below that.
    :param target: The link's target.
    :raises RegistryRefused: It leads elsewhere.
    """
    url = resolve(base_url + path, target)
    found, asked = urlsplit(url), path.partition("?")[0]
    if not unquote(found.path).endswith(unquote(asked)):
        raise RegistryRefused("the registry's list goes on at another address", registry_status=200)
    return f"{asked}?{found.query}" if found.query else asked


def _joined(base: str, target: str) -> SplitResult | None:
    try:
        return _split(urljoin(base, target))
    except ValueError:
        return None


def _split(url: str) -> SplitResult | None:
    """Take a URL apart; None if it is none of the web, or names a login."""
    try:
        found = urlsplit(url)
        _ = found.port
    except ValueError:
        return None
    usable = found.scheme in _PORTS and found.hostname and found.username is None
    return found if usable and found.netloc.isascii() else None


def _origin(url: SplitResult | None) -> tuple[str, str, int] | None:
    if url is None:
        return None
    return url.scheme, (url.hostname or "").lower(), url.port or _PORTS[url.scheme]
