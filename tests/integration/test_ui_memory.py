"""What the UI takes of memory, measured: it runs within 256 MiB, whatever a registry holds."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest

from .crowded import Crowded
from .servers import holm_ui

MIB = 1024 * 1024

CROWDS = {"very many tags": (3, 25_000), "very many repositories": (30_000, 1)}


@pytest.mark.parametrize("name", CROWDS)
def test_the_ui_keeps_within_its_memory(name):
    repositories, tags = CROWDS[name]
    first = "/repo/team/app-000000"
    with Crowded(repositories, tags) as crowd, holm_ui(crowd.address) as ui:
        for page in ("/", first, f"/repo/team/app-{repositories - 1:06}?sort=size", "/search?q=v0"):
            assert ui.request("GET", page).status == 200, page
        with ThreadPoolExecutor(4) as visitors:
            list(visitors.map(lambda page: ui.request("GET", page), ["/", first] * 2))
        assert ui.memory_bytes("VmHWM") <= 160 * MIB


def test_invented_logins_are_one_visitor_where_no_login_is_asked_for():
    """Each of them would look through the whole registry, in memory of its own."""
    with Crowded(20, 20) as crowd, holm_ui(crowd.address) as ui:

        def visit(number: int) -> int:
            login = b64encode(f"user{number}:x".encode()).decode()
            return ui.request("GET", "/", Authorization=f"Basic {login}").status

        with ThreadPoolExecutor(4) as visitors:
            assert set(visitors.map(visit, range(60))) == {200}
        # Lists and tags of one look through all of it, and its images, and a few for each page.
        assert crowd.asked <= 20 * (1 + 2 * 20) + 60 * 3
