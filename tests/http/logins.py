"""Logins for registries in memory: users, robots, rules, and how clients send them."""

from __future__ import annotations

import base64
from functools import partial

from twisted.internet.defer import Deferred

from holm_registry.api.authorizer import RuleAuthorizer
from holm_registry.api.bearer_scheme import BearerScheme
from holm_registry.api.locations import Locations
from holm_registry.auth.rules import RepositoryPattern, Rule, Rules
from holm_registry.storage.memory import MemoryDriver
from holm_registry.threads import ImmediateThreads

from ..images import image
from .wire import Server

A = image(b"c", [b"1"])

_RULES = (
    Rule(frozenset({"anonymous"}), (RepositoryPattern("public/*"),), frozenset({"pull"})),
    Rule(frozenset({"reader"}), (RepositoryPattern("*"),), frozenset({"pull"})),
    Rule(frozenset({"ci"}), (RepositoryPattern("*"),), frozenset({"pull", "push"})),
    Rule(frozenset({"admin"}), (RepositoryPattern("*"),), frozenset({"pull", "push", "delete"})),
)
RULES = Rules(_RULES)
RULES_WITH_CATALOG = Rules([*_RULES, Rule(frozenset({"anonymous"}), (), frozenset(), catalog=True)])
USERS = ("reader", "ci", "admin", "stranger")


def authorizing(users, rules=RULES, issuer=None, threads=None, **settings):
    if issuer is not None:
        realm = partial(Locations().absolute, path="/auth/token")
        settings["bearer"] = BearerScheme(issuer.verify, issuer.service, realm, issuer)
    threads = threads or ImmediateThreads()
    return RuleAuthorizer(rules=rules, users=users, realm="Holm", threads=threads, **settings)


def serving(users, rules=RULES, issuer=None, driver=None, **settings):
    authorizer = authorizing(users, rules, issuer, **settings)
    return Server(driver or MemoryDriver(), settings={"authorizer": authorizer})


def basic(name, password=None):
    login = f"{name}:{name if password is None else password}"
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def token(server, *scopes, status=200, **login):
    query = "&".join(["service=holm", *(f"scope={scope}" for scope in scopes)])
    answer = server.request("GET", f"/auth/token?{query}", **login)
    assert answer.status == status, answer.body
    if status != 200:
        return answer
    assert answer.json["token"] == answer.json["access_token"]
    assert answer.json["expires_in"] == 900
    assert answer.header("Cache-Control") == "no-store"
    return {"Authorization": f"Bearer {answer.json['token']}"}


class Slow:
    """Threads that take their time: each function waits until a test ends it."""

    def __init__(self):
        self.waiting = []

    def run(self, function, *args):
        self.waiting.append(Deferred())
        self.waiting[-1].function = partial(function, *args)
        return self.waiting[-1]

    def end_next(self):
        """Run what has waited the longest, and give its result to who waits for it."""
        waiting = self.waiting.pop(0)
        waiting.callback(waiting.function())
