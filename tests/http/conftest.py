from __future__ import annotations

import pytest

from holm_registry.storage.filesystem import Filesystem
from holm_registry.storage.memory import Memory

from .wire import Server


@pytest.fixture(params=["memory", "filesystem"])
def driver(request, tmp_path):
    return Memory() if request.param == "memory" else Filesystem(str(tmp_path))


@pytest.fixture
def server(driver):
    """A registry on each kind of store in turn."""
    server = Server(driver)
    yield server
    server.hang_up()


@pytest.fixture
def memory():
    """A registry in memory, for what has nothing to do with the store."""
    server = Server()
    yield server
    server.hang_up()
