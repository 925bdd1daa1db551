"""
The scopes of tokens: actions on repositories, and the catalog.

:see: distribution, "Token Scope Documentation"; RFC 6749, 3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from .identity import ACTIONS

#: The scope of ``/v2/_catalog``.
CATALOG = "registry:catalog:*"


@frozen
class Scopes:
    """
    :ivar repositories: Actions by repository, in the order of the text.
    :ivar catalog: Whether :data:`CATALOG` is among them.
    """

    repositories: Mapping[str, Sequence[str]]
    catalog: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Scopes:
        """
        Parse scopes; one text may hold several, separated by spaces.

        Other scopes than those of repositories and the catalog are ignored. Names are not checked.
        """
        repositories: dict[str, list[str]] = {}
        catalog = False
        for scope in (scope for text in texts for scope in text.split(" ")):
            catalog = catalog or scope == CATALOG
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            if kind != "repository" or not name:
                continue
            # A repository that is repeated moves to the end: it was requested last.
            requested = {*repositories.pop(name, ()), *_actions(actions)}
            repositories[name] = [action for action in ACTIONS if action in requested]
        return cls(repositories, catalog)

    def last_fitting(self, max_bytes: int) -> str:
        """Return the scopes as text, without the first ones if the text would be too long."""
        kept: list[str] = []
        size = 0
        for scope in reversed(list(self._texts())):
            # Names are ASCII; a space separates the scopes.
            size += len(scope) + 1
            if size - 1 > max_bytes:
                break
            kept.append(scope)
        return " ".join(reversed(kept))

    def _texts(self) -> Iterator[str]:
        for name, actions in self.repositories.items():
            if actions:
                yield f"repository:{name}:{','.join(actions)}"
        if self.catalog:
            yield CATALOG


def _actions(text: str) -> Iterable[str]:
    actions = text.split(",")
    return ACTIONS if "*" in actions else (action for action in actions if action in ACTIONS)
