from __future__ import annotations

import pytest

from holm_registry.auth import htpasswd as module
from holm_registry.auth.htpasswd import HtpasswdFile, hash_password
from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.rules import RepositoryPattern, RuleScope
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver

from .logins import USERS, serving
from .wire import Server


@pytest.fixture(params=["memory", "filesystem"])
def driver(request, tmp_path):
    return MemoryDriver() if request.param == "memory" else FilesystemDriver(str(tmp_path))


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


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "htpasswd"
    rounds, module.ROUNDS = module.ROUNDS, 4
    path.write_text("".join(f"{name}:{hash_password(name.encode())}\n" for name in USERS))
    module.ROUNDS = rounds
    return HtpasswdFile(str(path), print)


@pytest.fixture
def filled():
    """A store that was filled before there were logins."""
    server = Server()
    for name in ("public/a", "private/a"):
        server.push_image(name, "v1", b"c", [b"1"])
    server.hang_up()
    return server.driver


@pytest.fixture
def issuing(users, filled):
    found = serving(users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0), driver=filled)
    yield found
    found.hang_up()


@pytest.fixture
def robots(tmp_path):
    found = RobotAccounts(str(tmp_path / "robots"))
    scope = RuleScope((RepositoryPattern("private/*"),), frozenset({"pull", "push"}))
    found.key = found.create("robot", scope)
    found.named_as_a_user = found.create(
        "admin", RuleScope((RepositoryPattern("x"),), frozenset({"pull"}))
    )
    return found
