"""
The whole of ``config.yml``, of registry:2 and registry:3, as types.

Attributes are named as the keys are, for they are the contract. What a key means here, or that it
is not served yet, is said in :mod:`.support`. A key whose field has another name in distribution's
code, which is how its environment variables are spelled, notes that name as ``go``.

:see: distribution, ``configuration/configuration.go`` and "Configuring a registry".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from .durations import Duration


class _Section(Struct, frozen=True):
    """Part of the tree."""


class AccessLog(_Section, frozen=True):
    """``log.accesslog``."""

    disabled: bool = False


class MailServer(_Section, frozen=True):
    """``log.hooks[].options.smtp``."""

    addr: str = ""
    username: str = ""
    password: str = ""
    insecure: bool = False


class Mail(_Section, frozen=True):
    """``log.hooks[].options``."""

    smtp: MailServer = MailServer()
    from_: str = field(default="", name="from")
    to: list[str] = []


class Hook(_Section, frozen=True):
    """``log.hooks[]``."""

    disabled: bool = False
    type: str = ""
    levels: list[str] = []
    options: Annotated[Mail, Meta(extra={"go": "MAILOPTIONS"})] = Mail()


class Log(_Section, frozen=True):
    """``log``."""

    accesslog: AccessLog = AccessLog()
    level: Literal["error", "warn", "info", "debug"] = "info"
    formatter: Literal["text", "json", "logstash"] = "text"
    fields: dict[str, Any] = {}
    hooks: list[Hook] = []
    reportcaller: bool = False


class Filesystem(_Section, frozen=True):
    """``storage.filesystem``; ``maxthreads`` bounds how much is read and written at once."""

    rootdirectory: str = "/var/lib/registry"
    maxthreads: Annotated[int, Meta(ge=1)] = 100


class Delete(_Section, frozen=True):
    """``storage.delete``."""

    enabled: bool = True


class Redirect(_Section, frozen=True):
    """``storage.redirect``."""

    disable: bool = False


class Cache(_Section, frozen=True):
    """``storage.cache``; ``layerinfo`` is the old name of ``blobdescriptor``."""

    blobdescriptor: str = ""
    blobdescriptorsize: int = 10000
    layerinfo: str = ""


class TagLookup(_Section, frozen=True):
    """``storage.tag``."""

    concurrencylimit: int = 0


class UploadPurging(_Section, frozen=True):
    """``storage.maintenance.uploadpurging``."""

    enabled: bool = True
    age: Duration = Duration(168 * 3600)
    interval: Duration = Duration(24 * 3600)
    dryrun: bool = False


class ReadOnly(_Section, frozen=True):
    """``storage.maintenance.readonly``."""

    enabled: bool = False


class Maintenance(_Section, frozen=True):
    """``storage.maintenance``."""

    uploadpurging: UploadPurging = UploadPurging()
    readonly: ReadOnly = ReadOnly()


class Storage(_Section, frozen=True):
    """``storage``: one driver, and what holds for any."""

    filesystem: Filesystem | None = None
    inmemory: dict[str, Any] | None = None
    s3: dict[str, Any] | None = None
    s3aws: dict[str, Any] | None = None
    azure: dict[str, Any] | None = None
    gcs: dict[str, Any] | None = None
    swift: dict[str, Any] | None = None
    oss: dict[str, Any] | None = None
    maintenance: Maintenance = Maintenance()
    delete: Delete = Delete()
    redirect: Redirect = Redirect()
    cache: Cache = Cache()
    tag: TagLookup = TagLookup()


#: The keys of ``storage`` that name a driver.
DRIVERS = ("filesystem", "inmemory", "s3", "s3aws", "azure", "gcs", "swift", "oss")


class Htpasswd(_Section, frozen=True):
    """``auth.htpasswd``."""

    realm: str = ""
    path: str = ""


class Silly(_Section, frozen=True):
    """``auth.silly``."""

    realm: str = ""
    service: str = ""


class Token(_Section, frozen=True):
    """``auth.token``."""

    realm: str = ""
    service: str = ""
    issuer: str = ""
    rootcertbundle: str = ""
    autoredirect: bool = False
    autoredirectpath: str = "/auth/token"
    jwks: str = ""
    signingalgorithms: list[str] = []


class Auth(_Section, frozen=True):
    """``auth``: at most one."""

    none: dict[str, Any] | None = None
    silly: Silly | None = None
    htpasswd: Htpasswd | None = None
    token: Token | None = None


#: The keys of ``auth``, each of them a way to authenticate.
AUTH_TYPES = ("none", "silly", "htpasswd", "token")


class MiddlewareEntry(_Section, frozen=True):
    """``middleware.*[]``."""

    name: str = ""
    disabled: bool = False
    options: dict[str, Any] = {}


class Middleware(_Section, frozen=True):
    """``middleware``."""

    registry: list[MiddlewareEntry] = []
    repository: list[MiddlewareEntry] = []
    storage: list[MiddlewareEntry] = []


class LetsEncrypt(_Section, frozen=True):
    """``http.tls.letsencrypt``."""

    cachefile: str = ""
    email: str = ""
    hosts: list[str] = []
    directoryurl: str = ""


class Tls(_Section, frozen=True):
    """``http.tls``."""

    certificate: str = ""
    key: str = ""
    clientcas: list[str] = []
    clientauth: str = ""
    minimumtls: str = ""
    ciphersuites: list[str] = []
    letsencrypt: LetsEncrypt = LetsEncrypt()


class Prometheus(_Section, frozen=True):
    """``http.debug.prometheus``."""

    enabled: bool = False
    path: str = "/metrics"


class Debug(_Section, frozen=True):
    """``http.debug``."""

    addr: str = ""
    prometheus: Prometheus = Prometheus()


class Http2(_Section, frozen=True):
    """``http.http2``."""

    disabled: bool = False


class H2c(_Section, frozen=True):
    """``http.h2c``."""

    enabled: bool = False


def _default_headers() -> dict[str, list[str]]:
    return {
        "Access-Control-Allow-Origin": ["*"],
        "Access-Control-Allow-Methods": ["HEAD", "GET", "OPTIONS", "DELETE"],
        "Access-Control-Allow-Headers": ["Authorization", "Accept", "Cache-Control"],
        "Access-Control-Expose-Headers": ["Docker-Content-Digest"],
    }


class Http(_Section, frozen=True):
    """``http``."""

    addr: str = ":5000"
    net: Literal["", "tcp", "unix"] = "tcp"
    prefix: str = ""
    host: str = ""
    secret: str = ""
    relativeurls: bool = False
    draintimeout: Duration = Duration(25)
    tls: Tls = Tls()
    debug: Debug = Debug()
    headers: dict[str, list[str]] = field(default_factory=_default_headers)
    http2: Http2 = Http2()
    h2c: H2c = H2c()


class Events(_Section, frozen=True):
    """``notifications.events``."""

    includereferences: bool = False


class Ignore(_Section, frozen=True):
    """``notifications.endpoints[].ignore``."""

    mediatypes: list[str] = []
    actions: list[str] = []


class NotificationEndpoint(_Section, frozen=True):
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


class Notifications(_Section, frozen=True):
    """``notifications``."""

    events: Annotated[Events, Meta(extra={"go": "EVENTCONFIG"})] = Events()
    endpoints: list[NotificationEndpoint] = []


class StorageCheck(_Section, frozen=True):
    """``health.storagedriver``."""

    enabled: bool = False
    interval: Duration = Duration(10)
    threshold: int = 3


class FileCheck(_Section, frozen=True):
    """``health.file[]``."""

    file: str = ""
    interval: Duration = Duration(10)
    threshold: int = 0


class HttpCheck(_Section, frozen=True):
    """``health.http[]``."""

    uri: str = ""
    headers: dict[str, list[str]] = {}
    statuscode: int = 200
    timeout: Duration = Duration(0)
    interval: Duration = Duration(10)
    threshold: int = 0


class TcpCheck(_Section, frozen=True):
    """``health.tcp[]``."""

    addr: str = ""
    timeout: Duration = Duration(0)
    interval: Duration = Duration(10)
    threshold: int = 0


class Health(_Section, frozen=True):
    """``health``."""

    storagedriver: StorageCheck = StorageCheck()
    file: Annotated[list[FileCheck], Meta(extra={"go": "FILECHECKERS"})] = []
    http: Annotated[list[HttpCheck], Meta(extra={"go": "HTTPCHECKERS"})] = []
    tcp: Annotated[list[TcpCheck], Meta(extra={"go": "TCPCHECKERS"})] = []


class ProxyExec(_Section, frozen=True):
    """``proxy.exec``."""

    command: str = ""
    lifetime: Duration = Duration(0)


class Proxy(_Section, frozen=True):
    """``proxy``."""

    remoteurl: str = ""
    username: str = ""
    password: str = ""
    ttl: Duration = Duration(168 * 3600)
    exec: ProxyExec = ProxyExec()
    cachewritetimeout: Duration = Duration(300)


class CatalogLimits(_Section, frozen=True):
    """``catalog``."""

    maxentries: Annotated[int, Meta(ge=1)] = 1000


class TagLimits(_Section, frozen=True):
    """``tags``."""

    maxtags: Annotated[int, Meta(ge=1)] = 1000


class Urls(_Section, frozen=True):
    """``validation.manifests.urls``."""

    allow: list[str] = []
    deny: list[str] = []


class ChildPlatform(_Section, frozen=True):
    """``validation.manifests.indexes.platformlist[]``."""

    architecture: str = ""
    os: str = ""


class Indexes(_Section, frozen=True):
    """``validation.manifests.indexes``."""

    platforms: Literal["all", "none", "list"] = "all"
    platformlist: list[ChildPlatform] = []


class ManifestRules(_Section, frozen=True):
    """``validation.manifests``."""

    urls: Urls = Urls()
    indexes: Indexes = Indexes()


class ManifestValidation(_Section, frozen=True):
    """``validation``."""

    enabled: bool = True
    disabled: bool = False
    manifests: ManifestRules = ManifestRules()


class RepositoryPolicy(_Section, frozen=True):
    """``policy.repository``."""

    classes: list[str] = []


class Policy(_Section, frozen=True):
    """``policy``."""

    repository: RepositoryPolicy = RepositoryPolicy()


class Config(_Section, frozen=True):
    """Everything; with no word from anybody, what the README's table says."""

    version: str = "0.1"
    log: Log = Log()
    loglevel: Literal["", "error", "warn", "info", "debug"] = ""
    storage: Storage = Storage(filesystem=Filesystem())
    auth: Auth = Auth()
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
