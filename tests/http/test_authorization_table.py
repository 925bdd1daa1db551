"""
Each combination of ways to log in, with each kind of login, on each route.

What is expected is worked out here once more, from a few sets and in another way than in the
registry: what is allowed has to be named, and all else is denied.
"""

from __future__ import annotations

import itertools
import os
import shutil
from types import SimpleNamespace

import pytest
from attrs import define, field, frozen

from holm_registry.api.locations import Locations
from holm_registry.auth.rules import RepositoryPattern, RuleScope
from holm_registry.config.load import ConfigFile, load
from holm_registry.oci.digest import Digest
from holm_registry.server.auth import build_authorizer, build_robots
from holm_registry.threads import ImmediateThreads

from ..tokens import ISSUER, REALM, SERVICE, ExternalIssuer, grant
from .certificates import certificate_for
from .logins import A, basic
from .test_authorization import ROUTES
from .wire import Server, head

LOGINS = {"nobody": "", "users": "htpasswd: {path: FOLDER/htpasswd}", "robots": "robots: {}"}
TOKENS = {
    "none": "",
    "own": "issuer: {service: holm}",
    "external": f"token: {{realm: {REALM}, service: {SERVICE}, issuer: {ISSUER}, "
    "rootcertbundle: FOLDER/roots.pem}",
}
_RULES = """access:
  - {subjects: [anonymous], repositories: ["public/*"], actions: [pull]}
  - {subjects: [ci], repositories: ["*"], actions: [pull, push]}
"""
RULES = {
    "no rules": "",
    "rules": _RULES,
    "catalog": f"{_RULES}  - {{subjects: [anonymous], catalog: true}}\n",
}
SETUPS = [
    setup
    for setup in itertools.product(LOGINS, TOKENS, RULES)
    # There is nothing to issue tokens for.
    if setup[:2] != ("nobody", "own")
]
EVERYTHING = {"pull", "push", "delete"}
REPOSITORIES = ("private/a", "public/a")
SCOPES = [f"repository:{name}:*" for name in REPOSITORIES]


@frozen
class Setup:
    """How a registry is configured, in the words of the tables above."""

    logins: str
    tokens: str
    rules: str

    @property
    def is_open(self) -> bool:
        return (self.logins, self.tokens, self.rules) == ("nobody", "none", "no rules")

    @property
    def has_logins(self) -> bool:
        return (self.logins, self.tokens) != ("nobody", "none")


@define
class Client:
    """
    A kind of login.

    :ivar believed: Whether it is a right one where it is configured.
    :ivar token: Whose token it is; None for none.
    :ivar granted: Whether that token was asked to be for all repositories.
    :ivar catalog: Whether that token was asked to be for the catalog.
    """

    kind: str
    name: str = ""
    headers: dict = field(factory=dict, repr=False)
    believed: bool = True
    token: str | None = None
    granted: bool = False
    catalog: bool = False

    def allowed(self, setup: Setup, repository: str) -> set[str]:
        """Give what its name is allowed to do."""
        named = {"ci": EVERYTHING, "robot": {"pull"}, "": set()}[self.name]
        if setup.rules == "no rules":
            return named if self.token != "external" else EVERYTHING
        named = {"ci": {"pull", "push"}, "robot": {"pull"}, "": set()}[self.name]
        return named | ({"pull"} if repository == "public/a" else set())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, users):
    found = tmp_path_factory.mktemp("table")
    shutil.copy(users._path, found / "htpasswd")
    issuer = ExternalIssuer()
    issuer.write_certificates(found / "roots.pem")
    config = load(
        ConfigFile("c", f"version: 0.1\nauth: {{robots: {{}}}}\n{storage(found)}")
    ).require()
    scope = RuleScope((RepositoryPattern("*"),), frozenset({"pull"}))
    key = build_robots(config).create("robot", scope)
    return SimpleNamespace(path=found, issuer=issuer, key=key)


def storage(folder) -> str:
    return f"storage: {{filesystem: {{rootdirectory: {folder}/root}}}}\n"


def authorizer_of(folder, setup: Setup):
    auth = ", ".join(filter(None, [LOGINS[setup.logins], TOKENS[setup.tokens]]))
    text = f"version: 0.1\n{RULES[setup.rules]}{storage(folder.path)}"
    text += f"auth: {{{auth}}}\n" if auth else ""
    config = load(ConfigFile("c", text.replace("FOLDER", str(folder.path)))).require()
    return build_authorizer(config, ImmediateThreads(), Locations())


def clients(folder, setup: Setup, server):
    """Give each kind of login."""
    with_users = setup.logins == "users"
    with_robots = setup.logins != "nobody"
    yield Client("nothing")
    yield Client("an empty login", headers=basic("", ""))
    yield Client("a password", "ci", basic("ci"), with_users)
    yield Client("a wrong password", "ci", basic("ci", "wrong"), False)
    yield Client("a key", "robot", basic("robot", folder.key), with_robots)
    yield Client("a wrong key", "robot", basic("robot", "holm_x"), False)
    yield Client("no token", headers={"Authorization": "Bearer a.b.c"}, believed=False)
    yield Client("another scheme", headers={"Authorization": "Digest x"}, believed=False)
    yield Client("a certificate", "ci")
    yield from external_tokens(folder, setup)
    if setup.tokens == "own":
        yield from own_tokens(folder, setup, server)


def external_tokens(folder, setup: Setup):
    believed = setup.tokens == "external"
    everywhere = [grant(name, "*") for name in REPOSITORIES]
    listing = [grant("catalog", "*", kind="registry")]
    for name, granted, catalog in itertools.product(("", "ci"), (False, True), (False, True)):
        access = (everywhere if granted else []) + (listing if catalog else [])
        text = folder.issuer.sign(access, sub=name)
        login = {"Authorization": f"Bearer {text}"}
        kind = f"an external token for {name or 'nobody'}"
        yield Client(kind, name, login, believed, "external", granted, catalog)
    forged = ExternalIssuer().sign(everywhere + listing, sub="ci")
    yield Client("a forged token", "ci", {"Authorization": f"Bearer {forged}"}, False)


def own_tokens(folder, setup: Setup, server):
    logins = [("", {}), ("robot", basic("robot", folder.key))]
    logins += [("ci", basic("ci"))] if setup.logins == "users" else []
    for (name, login), granted, catalog in itertools.product(logins, (False, True), (False, True)):
        scopes = (SCOPES if granted else []) + (["registry:catalog:*"] if catalog else [])
        query = "&".join(f"scope={scope}" for scope in scopes)
        answer = server.request("GET", f"/auth/token?{query}", **login)
        assert answer.status == 200
        headers = {"Authorization": f"Bearer {answer.json['token']}"}
        kind = f"a token for {name or 'nobody'}"
        yield Client(kind, name, headers, True, "own", granted, catalog)


def expected(setup: Setup, client: Client, repository: str, actions: set[str]) -> str:
    if setup.is_open:
        return "allowed"
    if not client.believed:
        return "401"
    allowed = actions <= client.allowed(setup, repository)
    if allowed and (client.token is None or client.granted):
        return "allowed"
    # Another login, or another token, might do.
    return "401" if allowed or not client.name else "403"


def expected_entry(setup: Setup, client: Client) -> str:
    if setup.is_open or (client.believed and client.name):
        return "allowed"
    if not client.believed or (client.token is None and setup.has_logins):
        return "401"
    if setup.rules != "no rules":
        return "allowed"
    may = client.token == "external" and (client.granted or client.catalog)
    return "allowed" if may else "401"


def expected_catalog(setup: Setup, client: Client) -> list[str] | str:
    if setup.is_open:
        return list(REPOSITORIES)
    if not client.believed or (client.token is not None and not client.catalog):
        return "401"
    without_name = (
        setup.rules == "catalog"
        or (setup.rules == "rules" and not setup.has_logins)
        or (setup.rules == "no rules" and client.token == "external")
    )
    if not client.name and not without_name:
        return "401"
    return [name for name in REPOSITORIES if "pull" in client.allowed(setup, name)]


def expected_token(setup: Setup, client: Client) -> str:
    if setup.tokens != "own":
        return "404"
    return "401" if client.token is not None or not client.believed else "allowed"


def outcome(answer) -> str:
    return str(answer.status) if answer.status in (401, 403) else "allowed"


@pytest.mark.parametrize("setup", SETUPS, ids=" + ".join)
def test_only_what_is_allowed_is_done(folder, setup, filled):
    setup = Setup(*setup)
    server = Server(filled, settings={"authorizer": authorizer_of(folder, setup)})

    def ask(client, method, path, body=None):
        connection = server.connect()
        if client.kind == "a certificate":
            connection.transport.getPeerCertificate = lambda: certificate_for("ci")
        length = None if body is None else len(body)
        connection.send(head(method, path, client.headers, length) + (body or b""))
        return connection.answer()

    wrong = []

    def compare(client, what, found, wanted):
        if found != wanted:
            wrong.append(f"{client}, {what}: {found}, and not {wanted}")

    for client in clients(folder, setup, server):
        for repository, (method, path, action) in routes():
            upload = server.registry.uploads.start(repository)
            body = A if path == "manifests/v2" else None
            address = f"/v2/{repository}/{path.format(u=upload)}"
            answer = ask(client, method, address, body)
            actions = {"pull", "push"} if action == "push" else {action}
            wanted = expected(setup, client, repository, actions)
            compare(client, f"{method} {address}", outcome(answer), wanted)
            server.registry.uploads.cancel(repository, upload) if wanted != "allowed" else None
            if answer.status == 401:
                assert answer.header("WWW-Authenticate")
        compare(client, "/v2/", outcome(ask(client, "GET", "/v2/")), expected_entry(setup, client))
        answer = ask(client, "GET", "/v2/_catalog")
        found = answer.json["repositories"] if answer.status == 200 else outcome(answer)
        compare(client, "/v2/_catalog", found, expected_catalog(setup, client))
        answer = ask(client, "GET", "/auth/token")
        found = "404" if answer.status == 404 else outcome(answer)
        compare(client, "/auth/token", found, expected_token(setup, client))
        compare(client, "/", outcome(ask(client, "GET", "/")), "allowed")
        if setup.is_open:
            break
    server.hang_up()
    assert not wrong, os.linesep.join(wrong)


def routes():
    """Give all routes of what is private, and those that differ of what is public."""
    # Deleting is allowed to nobody here that has another name than "ci", and comes last.
    for route in ROUTES:
        if route[2] != "delete":
            yield "private/a", route
    yield "public/a", ROUTES[0]
    yield "public/a", ("PUT", "manifests/v2", "push")
    missing = Digest.of(b"missing")
    yield "public/a", ("DELETE", "manifests/none", "delete")
    yield "private/a", ("DELETE", f"manifests/{missing}", "delete")
    yield "private/a", ("DELETE", f"blobs/{missing}", "delete")
