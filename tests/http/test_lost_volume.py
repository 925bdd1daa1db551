"""The volume of a registry is not mounted: logins that lie on it are not taken for wrong ones."""

from __future__ import annotations

import os

from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.rules import RepositoryPattern, RuleScope
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.content.registry import Registry
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver

from ..stores import push
from .logins import A, basic, serving, token

ANYWHERE = RuleScope((RepositoryPattern("*"),), frozenset({"pull"}))


def test_a_robots_login_is_unavailable_while_the_volume_is_not_mounted(users, tmp_path):
    """And not that its key is wrong, at which clients forget it."""
    root = str(tmp_path / "root")
    driver = FilesystemDriver(root)
    push(Registry(driver), "a", "v1", A, b"c", b"1")
    driver.mark()
    robots = RobotAccounts(f"{root}/{layout.ROBOTS}", print, require_volume=driver.require)
    key = robots.create("robot", ANYWHERE)
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(users, issuer=issuer, driver=driver, robots=robots)
    login = basic("robot", key)
    pull = token(server, "repository:a:pull", **login)
    os.rename(root, f"{root}.away")
    os.mkdir(root)
    for name, scheme in (("/v2/", login), ("/v2/", basic("robot", "x")), ("/v2/", pull)):
        answer = server.request("GET", name, **scheme)
        assert (answer.status, answer.header("Retry-After")) == (503, "10")
        assert "the volume is not mounted" in answer.json["errors"][0]["message"]
    assert token(server, status=503, **login).header("Retry-After") == "10"
    os.rmdir(root)
    os.rename(f"{root}.away", root)
    assert server.request("GET", "/v2/a/manifests/v1", **login).status == 200
    assert server.request("GET", "/v2/a/manifests/v1", **pull).status == 200
    assert server.request("GET", "/v2/", **basic("robot", "x")).status == 401
    server.hang_up()
