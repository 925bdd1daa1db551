from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klein import Klein


def route(app: Klein, method: str, path: str, answer: Callable[..., Any]) -> None:
    """
    Add a route.

    Klein tells routes apart by the names of functions, which are alike in many pages.
    """
    app.route(path, methods=[method], endpoint=f"{method} {path}")(answer)
