"""
The sections of ``config.yml``, of registry:2 and registry:3, as types.

Attributes have the names of the keys, which users depend on. :mod:`.unsupported` lists the keys
that are not supported. ``go`` is the name of a field in distribution's code, if it differs from the
key: environment variables use it.

:see: distribution, ``configuration/configuration.go`` and "Configuring a registry".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .base import Section
from .durations import Duration
from .http import HttpSection
from .storage import FilesystemSection, StorageSection


class AccessLogSection(Section, frozen=True):
    """``log.accesslog``."""

    disabled: bool = False


class MailServerSection(Section, frozen=True):
    """``log.hooks[].options.smtp``."""

    addr: str = ""
    username: str = ""
    password: str = ""
    insecure: bool = False


class MailSection(Section, frozen=True):
    """``log.hooks[].options``."""

    smtp: MailServerSection = MailServerSection()
    from_: str = field(default="", name="from")
    to: list[str] = []


class HookSection(Section, frozen=True):
    """``log.hooks[]``."""

    disabled: bool = False
    type: str = ""
    levels: list[str] = []
    options: Annotated[MailSection, Meta(extra={"go": "MAILOPTIONS"})] = MailSection()


class AuditSection(Section, frozen=True):
    """``log.audit``: only in this registry."""

    path: str = ""
    pulls: bool = False


class LogSection(Section, frozen=True):
    """``log``."""

    accesslog: AccessLogSection = AccessLogSection()
    level: Literal["error", "warn", "info", "debug"] = "info"
    formatter: Literal["text", "json", "logstash"] = "text"
    fields: dict[str, Any] = {}
    hooks: list[HookSection] = []
    audit: AuditSection = AuditSection()
    reportcaller: bool = False


class HtpasswdSection(Section, frozen=True):
    """``auth.htpasswd``."""

    realm: str = ""
    path: str = ""


class SillySection(Section, frozen=True):
    """``auth.silly``."""

    realm: str = ""
    service: str = ""


#: The supported signing algorithms of external tokens: asymmetric keys only.
SIGNING_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


class TokenSection(Section, frozen=True):
    """``auth.token``."""

    realm: str = ""
    service: str = ""
    issuer: str = ""
    rootcertbundle: str = ""
    autoredirect: bool = False
    autoredirectpath: str = "/auth/token"
    jwks: str = ""
    signingalgorithms: list[str] = []


class IssuerSection(Section, frozen=True):
    """``auth.issuer``: only in this registry. It issues tokens for its own logins."""

    service: str = "holm-registry"
    expiration: Duration = Duration(15 * 60)


class RobotAccountsSection(Section, frozen=True):
    """``auth.robots``: only in this registry. Robots can log in, even without ``htpasswd``."""


class AuthSection(Section, frozen=True):
    """``auth``: the ways to log in."""

    none: dict[str, Any] | None = None
    silly: SillySection | None = None
    htpasswd: HtpasswdSection | None = None
    token: TokenSection | None = None
    issuer: IssuerSection | None = None
    robots: RobotAccountsSection | None = None


#: The keys of ``auth``.
AUTH_TYPES = ("none", "silly", "htpasswd", "token", "issuer", "robots")


class AccessRuleSection(Section, frozen=True):
    """
    ``access[]``: only in this registry. The subject ``anonymous`` means all clients.

    :ivar catalog: Whether ``anonymous`` may list the catalog; users always may.
    """

    subjects: list[str] = []
    repositories: list[str] = []
    actions: list[Literal["pull", "push", "delete"]] = []
    catalog: bool = False


class MiddlewareEntrySection(Section, frozen=True):
    """``middleware.*[]``."""

    name: str = ""
    disabled: bool = False
    options: dict[str, Any] = {}


class MiddlewareSection(Section, frozen=True):
    """``middleware``."""

    registry: list[MiddlewareEntrySection] = []
    repository: list[MiddlewareEntrySection] = []
    storage: list[MiddlewareEntrySection] = []


class EventsSection(Section, frozen=True):
    """``notifications.events``."""

    includereferences: bool = False


class IgnoreSection(Section, frozen=True):
    """``notifications.endpoints[].ignore``."""

    mediatypes: list[str] = []
    actions: list[str] = []


class NotificationEndpointSection(Section, frozen=True):
    """``notifications.endpoints[]``."""

    name: str = ""
    disabled: bool = False
    url: str = ""
    headers: dict[str, list[str]] = {}
    timeout: Duration = Duration(1)
    threshold: int = 10
    backoff: Duration = Duration(1)
    ignoredmediatypes: list[str] = []
    ignore: IgnoreSection = IgnoreSection()


class NotificationsSection(Section, frozen=True):
    """``notifications``."""

    events: Annotated[EventsSection, Meta(extra={"go": "EVENTCONFIG"})] = EventsSection()
    endpoints: list[NotificationEndpointSection] = []


class StorageCheckSection(Section, frozen=True):
    """``health.storagedriver``."""

    enabled: bool = False
    interval: Duration = Duration(10)
    threshold: int = 3


class FileCheckSection(Section, frozen=True):
    """``health.file[]``."""

    file: str = ""
    interval: Duration = Duration(10)
    threshold: int = 0


class HttpCheckSection(Section, frozen=True):
    """``health.http[]``."""

    uri: str = ""
    headers: dict[str, list[str]] = {}
    statuscode: int = 200
    timeout: Duration = Duration(0)
    interval: Duration = Duration(10)
    threshold: int = 0


class TcpCheckSection(Section, frozen=True):
    """``health.tcp[]``."""

    addr: str = ""
    timeout: Duration = Duration(0)
    interval: Duration = Duration(10)
    threshold: int = 0


class HealthSection(Section, frozen=True):
    """``health``."""

    storagedriver: StorageCheckSection = StorageCheckSection()
    file: Annotated[list[FileCheckSection], Meta(extra={"go": "FILECHECKERS"})] = []
    http: Annotated[list[HttpCheckSection], Meta(extra={"go": "HTTPCHECKERS"})] = []
    tcp: Annotated[list[TcpCheckSection], Meta(extra={"go": "TCPCHECKERS"})] = []


class ProxyExecSection(Section, frozen=True):
    """``proxy.exec``."""

    command: str = ""
    lifetime: Duration = Duration(0)


class ProxySection(Section, frozen=True):
    """``proxy``."""

    remoteurl: str = ""
    username: str = ""
    password: str = ""
    ttl: Duration = Duration(168 * 3600)
    exec: ProxyExecSection = ProxyExecSection()
    cachewritetimeout: Duration = Duration(300)


class CatalogLimitsSection(Section, frozen=True):
    """``catalog``."""

    maxentries: Annotated[int, Meta(ge=1)] = 1000


class TagLimitsSection(Section, frozen=True):
    """``tags``."""

    maxtags: Annotated[int, Meta(ge=1)] = 1000
    immutable: list[str] = []


class UrlsSection(Section, frozen=True):
    """``validation.manifests.urls``."""

    allow: list[str] = []
    deny: list[str] = []


class ChildPlatformSection(Section, frozen=True):
    """``validation.manifests.indexes.platformlist[]``."""

    architecture: str = ""
    os: str = ""


class IndexesSection(Section, frozen=True):
    """``validation.manifests.indexes``."""

    platforms: Literal["all", "none", "list"] = "all"
    platformlist: list[ChildPlatformSection] = []


class ManifestRulesSection(Section, frozen=True):
    """``validation.manifests``."""

    urls: UrlsSection = UrlsSection()
    indexes: IndexesSection = IndexesSection()


class ManifestValidationSection(Section, frozen=True):
    """``validation``."""

    enabled: bool = True
    disabled: bool = False
    manifests: ManifestRulesSection = ManifestRulesSection()


class RepositoryPolicySection(Section, frozen=True):
    """``policy.repository``."""

    classes: list[str] = []


class PolicySection(Section, frozen=True):
    """``policy``."""

    repository: RepositoryPolicySection = RepositoryPolicySection()


class Config(Section, frozen=True):
    """The whole configuration; the defaults are those of docs/configuration.md."""

    version: str = "0.1"
    log: LogSection = LogSection()
    loglevel: Literal["", "error", "warn", "info", "debug"] = ""
    storage: StorageSection = StorageSection(filesystem=FilesystemSection())
    auth: AuthSection = AuthSection()
    access: list[AccessRuleSection] | None = None
    access_groups: dict[str, list[str]] = {}
    middleware: MiddlewareSection = MiddlewareSection()
    http: HttpSection = HttpSection()
    notifications: NotificationsSection = NotificationsSection()
    redis: dict[str, Any] = {}
    health: HealthSection = HealthSection()
    proxy: ProxySection = ProxySection()
    catalog: CatalogLimitsSection = CatalogLimitsSection()
    tags: TagLimitsSection = TagLimitsSection()
    validation: ManifestValidationSection = ManifestValidationSection()
    policy: PolicySection = PolicySection()
    reporting: dict[str, Any] = {}
    compatibility: dict[str, Any] = {}

    @property
    def log_level(self) -> str:
        """The log level: ``log.level``, or the older ``loglevel`` if only that is set."""
        return self.log.level if self.log.level != "info" else self.loglevel or "info"
