"""
Remembering where addresses lead.

Finding a route is a sixth of the work of a small request, and clients ask for the same few
addresses again and again. A route depends on the method and the path alone: what was found holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from klein import Klein
from werkzeug.routing import MapAdapter, Rule

#: How many to remember, and how long their paths may be: about 2 MiB together.
MAX_ROUTES = 1024
_MAX_CHARACTERS = 512

_METHODS = ("GET", "HEAD")


@frozen
class _CachedMatch:
    """What Klein asks of werkzeug's adapter, with the answer ready."""

    rule: Rule
    arguments: Mapping[str, Any]

    def match(self, **_: bool) -> tuple[Rule, dict[str, Any]]:
        """Return the route, and what its address says."""
        return self.rule, dict(self.arguments)


class RouteCache:
    """Routes of an application, found once for each address."""

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
        """Do as the map of routes does, for Klein."""
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
        """Remember what was found."""
        self._matches[key] = match
        if len(self._matches) > MAX_ROUTES:
            self._matches.popitem(last=False)


class _CachingAdapter(MapAdapter):
    """An adapter that has what it finds remembered; what is not found raises, as it always did."""

    def __init__(self, adapter: MapAdapter, routes: RouteCache, key: tuple[str, str]) -> None:
        vars(self).update(vars(adapter))
        self._routes = routes
        self._key = key

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Find a route."""
        rule, arguments = super().match(*args, **kwargs)
        self._routes.store(self._key, _CachedMatch(rule, arguments))
        return rule, dict(arguments)


def cache_routes(app: Klein) -> None:
    """Have an application remember where addresses lead."""
    app.url_map.bind = RouteCache(app).bind  # type: ignore[method-assign, assignment]
