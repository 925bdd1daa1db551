"""
The whole of ``config.yml``, of registry:2 and registry:3, as types.

Attributes are named as the keys are, for they are the contract. What a key means here, or that it
is not served yet, is said in :mod:`.support`. A key whose field has another name in distribution's
code, which is how its environment variables are spelled, notes that name as ``go``.

:see: distribution, ``configuration/configuration.go`` and "Configuring a registry".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .durations import Duration
from .http import Http
from .section import Section
from .storage import Filesystem, Storage


class AccessLog(Section, frozen=True):
    """``log.accesslog``."""

    disabled: bool = False


class MailServer(Section, frozen=True):
    """``log.hooks[].options.smtp``."""

    addr: str = ""
    username: str = ""
    password: str = ""
    insecure: bool = False


class Mail(Section, frozen=True):
    """``log.hooks[].options``."""

    smtp: MailServer = MailServer()
    from_: str = field(default="", name="from")
    to: list[str] = []


class Hook(Section, frozen=True):
    """``log.hooks[]``."""

    disabled: bool = False
    type: str = ""
    levels: list[str] = []
    options: Annotated[Mail, Meta(extra={"go": "MAILOPTIONS"})] = Mail()


class Audit(Section, frozen=True):
    """``log.audit``: ours."""

    path: str = ""
    pulls: bool = False


class Log(Section, frozen=True):
    """``log``."""

    accesslog: AccessLog = AccessLog()
    level: Literal["error", "warn", "info", "debug"] = "info"
    formatter: Literal["text", "json", "logstash"] = "text"
    fields: dict[str, Any] = {}
    hooks: list[Hook] = []
    audit: Audit = Audit()
    reportcaller: bool = False


class Htpasswd(Section, frozen=True):
    """``auth.htpasswd``."""

    realm: str = ""
    path: str = ""


class Silly(Section, frozen=True):
    """``auth.silly``."""

    realm: str = ""
    service: str = ""


#: How tokens of others may be signed: by a key that nobody else has, and known by its other half.
SIGNING_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


class Token(Section, frozen=True):
    """``auth.token``."""

    realm: str = ""
    service: str = ""
    issuer: str = ""
    rootcertbundle: str = ""
    autoredirect: bool = False
    autoredirectpath: str = "/auth/token"
    jwks: str = ""
    signingalgorithms: list[str] = []


class Issuer(Section, frozen=True):
    """``auth.issuer``: ours. The registry gives out tokens for the logins of ``auth.htpasswd``."""

    service: str = "holm-registry"
    expiration: Duration = Duration(15 * 60)


class RobotAccounts(Section, frozen=True):
    """``auth.robots``: ours. Robots can log in, though nobody can by a password."""


class Auth(Section, frozen=True):
    """``auth``: the ways to log in, and whether tokens are given out for them."""

    none: dict[str, Any] | None = None
    silly: Silly | None = None
    htpasswd: Htpasswd | None = None
    token: Token | None = None
    issuer: Issuer | None = None
    robots: RobotAccounts | None = None


#: The keys of ``auth``, each of them a way to authenticate.
AUTH_TYPES = ("none", "silly", "htpasswd", "token", "issuer", "robots")


class AccessRule(Section, frozen=True):
    """
    ``access[]``: ours. ``anonymous`` among ``subjects`` is everybody.

    :ivar catalog: Whether ``anonymous`` may list the catalog; users may in any case.
    """

    subjects: list[str] = []
    repositories: list[str] = []
    actions: list[Literal["pull", "push", "delete"]] = []
    catalog: bool = False


class MiddlewareEntry(Section, frozen=True):
    """``middleware.*[]``."""

    name: str = ""
    disabled: bool = False
    options: dict[str, Any] = {}


class Middleware(Section, frozen=True):
    """``middleware``."""

    registry: list[MiddlewareEntry] = []
    repository: list[MiddlewareEntry] = []
    storage: list[MiddlewareEntry] = []


class Events(Section, frozen=True):
    """``notifications.events``."""

    includereferences: bool = False


class Ignore(Section, frozen=True):
    """``notifications.endpoints[].ignore``."""

    mediatypes: list[str] = []
    actions: list[str] = []


class NotificationEndpoint(Section, frozen=True):
    """``notifications.endpoints[]``."""

    name: str = ""
    disabled: bool = False
    url: str = ""
    headers: dict[str, list[str]] = {}
    timeout: Duration = Duration(1)
    threshold: int = 10
    backoff: Duration = Duration(1)
    ignoredmediatypes: list[str] = []
    ignore: Ignore = Ignore()


class Notifications(Section, frozen=True):
    """``notifications``."""

    events: Annotated[Events, Meta(extra={"go": "EVENTCONFIG"})] = Events()
    endpoints: list[NotificationEndpoint] = []


class StorageCheck(Section, frozen=True):
    """``health.storagedriver``."""

    enabled: bool = False
    interval: Duration = Duration(10)
    threshold: int = 3


class FileCheck(Section, frozen=True):
    """``health.file[]``."""

    file: str = ""
    interval: Duration = Duration(10)
    threshold: int = 0


class HttpCheck(Section, frozen=True):
    """``health.http[]``."""

    uri: str = ""
    headers: dict[str, list[str]] = {}
    statuscode: int = 200
    timeout: Duration = Duration(0)
    interval: Duration = Duration(10)
    threshold: int = 0


class TcpCheck(Section, frozen=True):
    """``health.tcp[]``."""

    addr: str = ""
    timeout: Duration = Duration(0)
    interval: Duration = Duration(10)
    threshold: int = 0


class Health(Section, frozen=True):
    """``health``."""

    storagedriver: StorageCheck = StorageCheck()
    file: Annotated[list[FileCheck], Meta(extra={"go": "FILECHECKERS"})] = []
    http: Annotated[list[HttpCheck], Meta(extra={"go": "HTTPCHECKERS"})] = []
    tcp: Annotated[list[TcpCheck], Meta(extra={"go": "TCPCHECKERS"})] = []


class ProxyExec(Section, frozen=True):
    """``proxy.exec``."""

    command: str = ""
    lifetime: Duration = Duration(0)


class Proxy(Section, frozen=True):
    """``proxy``."""

    remoteurl: str = ""
    username: str = ""
    password: str = ""
    ttl: Duration = Duration(168 * 3600)
    exec: ProxyExec = ProxyExec()
    cachewritetimeout: Duration = Duration(300)


class CatalogLimits(Section, frozen=True):
    """``catalog``."""

    maxentries: Annotated[int, Meta(ge=1)] = 1000


class TagLimits(Section, frozen=True):
    """``tags``."""

    maxtags: Annotated[int, Meta(ge=1)] = 1000
    immutable: list[str] = []


class Urls(Section, frozen=True):
    """``validation.manifests.urls``."""

    allow: list[str] = []
    deny: list[str] = []


class ChildPlatform(Section, frozen=True):
    """``validation.manifests.indexes.platformlist[]``."""

    architecture: str = ""
    os: str = ""


class Indexes(Section, frozen=True):
    """``validation.manifests.indexes``."""

    platforms: Literal["all", "none", "list"] = "all"
    platformlist: list[ChildPlatform] = []


class ManifestRules(Section, frozen=True):
    """``validation.manifests``."""

    urls: Urls = Urls()
    indexes: Indexes = Indexes()


class ManifestValidation(Section, frozen=True):
    """``validation``."""

    enabled: bool = True
    disabled: bool = False
    manifests: ManifestRules = ManifestRules()


class RepositoryPolicy(Section, frozen=True):
    """``policy.repository``."""

    classes: list[str] = []


class Policy(Section, frozen=True):
    """``policy``."""

    repository: RepositoryPolicy = RepositoryPolicy()


class Config(Section, frozen=True):
    """Everything; with no word from anybody, what the README's table says."""

    version: str = "0.1"
    log: Log = Log()
    loglevel: Literal["", "error", "warn", "info", "debug"] = ""
    storage: Storage = Storage(filesystem=Filesystem())
    auth: Auth = Auth()
    access: list[AccessRule] | None = None
    access_groups: dict[str, list[str]] = {}
    middleware: Middleware = Middleware()
    http: Http = Http()
    notifications: Notifications = Notifications()
    redis: dict[str, Any] = {}
    health: Health = Health()
    proxy: Proxy = Proxy()
    catalog: CatalogLimits = CatalogLimits()
    tags: TagLimits = TagLimits()
    validation: ManifestValidation = ManifestValidation()
    policy: Policy = Policy()
    reporting: dict[str, Any] = {}
    compatibility: dict[str, Any] = {}

    @property
    def log_level(self) -> str:
        """The level to log at: ``log.level``, or the older ``loglevel`` where only that is set."""
        return self.log.level if self.log.level != "info" else self.loglevel or "info"
