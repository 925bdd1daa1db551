from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.config.addresses import parse_address
from holm_registry.config.load import ConfigFile, ConfigInvalid, ConfigOption, load
from holm_registry.config.show import format_config
from holm_registry.server.content import build_quotas

#: What the image of registry:2 ships.
SHIPPED_2 = """
version: 0.1
log: {fields: {service: registry}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
http: {addr: ":5000", headers: {X-Content-Type-Options: [nosniff]}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
"""

#: What the image of registry:3 ships.
SHIPPED_3 = """
version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  tag: {concurrencylimit: 5}
http: {addr: ":5000", debug: {addr: ":5001", prometheus: {enabled: true, path: /metrics}}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
"""


def from_text(text: str, environ=None, options=()):
    return load(ConfigFile("/c.yml", text), environ, options)


EXPOSED = [
    *("Docker-Content-Digest", "Link", "Location", "Range", "Content-Range", "ETag", "Allow"),
    *("WWW-Authenticate", "OCI-Subject", "OCI-Tag", "OCI-Filters-Applied", "Docker-Upload-UUID"),
    *("Warning", "Retry-After", "X-Request-Id"),
]


def errors(loaded):
    return [str(message) for message in loaded.layers.errors]


def test_the_defaults_are_those_of_the_documentation():
    config = load().require()
    assert config.http.addr == ":5000"
    assert config.storage.filesystem.rootdirectory == "/var/lib/registry"
    assert config.storage.delete.enabled is True
    assert config.http.headers == {
        "Access-Control-Allow-Origin": ["*"],
        "Access-Control-Allow-Methods": ["HEAD", "GET", "OPTIONS", "DELETE"],
        "Access-Control-Allow-Headers": ["Authorization", "Accept", "Cache-Control"],
        "Access-Control-Expose-Headers": EXPOSED,
    }


@pytest.mark.parametrize("text", [SHIPPED_2, SHIPPED_3])
def test_the_shipped_files_of_both_registries_are_accepted(text):
    assert from_text(text).require().storage.filesystem.rootdirectory == "/var/lib/registry"


def test_environment_variables_can_set_the_defaults():
    environ = {
        "REGISTRY_HTTP_ADDR": ":5000",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/var/lib/registry",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin": "[*]",
        "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Methods": "[HEAD,GET,OPTIONS,DELETE]",
        "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Headers": (
            "[Authorization,Accept,Cache-Control]"
        ),
        "REGISTRY_HTTP_HEADERS_Access-Control-Expose-Headers": f"[{','.join(EXPOSED)}]",
    }
    config = load(None, environ).require()
    defaults = load().require()
    assert config.storage == defaults.storage
    assert config.http.addr == defaults.http.addr
    lowered = {name.lower(): values for name, values in defaults.http.headers.items()}
    assert config.http.headers == lowered


def test_options_override_environment_overrides_file_overrides_defaults():
    path = ("storage", "filesystem", "rootdirectory")
    text = "version: 0.1\nstorage: {filesystem: {rootdirectory: /file}}"
    environ = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/environment"}
    option = ConfigOption("--root", path, "/option")
    found = [
        load(),
        from_text(text),
        from_text(text, environ),
        from_text(text, environ, (option,)),
    ]
    roots = [loaded.require().storage.filesystem.rootdirectory for loaded in found]
    assert roots == ["/var/lib/registry", "/file", "/environment", "/option"]
    assert [loaded.layers.source_of(path) for loaded in found] == [
        "default",
        "file /c.yml",
        "environment variable REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
        "option --root",
    ]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("HTTP_ADDR", "127.0.0.1:80", lambda c: c.http.addr == "127.0.0.1:80"),
        ("HTTP_SECRET", "abc", lambda c: c.http.secret == "abc"),
        ("HTTP_SECRET", "123", lambda c: c.http.secret == "123"),
        ("HTTP_HOST", "https://r.example", lambda c: c.http.host == "https://r.example"),
        ("HTTP_RELATIVEURLS", "true", lambda c: c.http.relativeurls is True),
        ("HTTP_DEBUG_ADDR", ":5001", lambda c: c.http.debug.addr == ":5001"),
        ("HTTP_DEBUG_PROMETHEUS_ENABLED", "true", lambda c: c.http.debug.prometheus.enabled),
        ("HTTP_DRAINTIMEOUT", "1m", lambda c: c.http.draintimeout == 60),
        ("HTTP_HEADERS_X-Frame", "deny", lambda c: c.http.headers["x-frame"] == ["deny"]),
        ("HTTP_HEADERS", "{A: [b]}", lambda c: c.http.headers["A"] == ["b"]),
        ("AUTH", "none", lambda c: c.auth.none == {}),
        ("STORAGE", "inmemory", lambda c: c.storage.inmemory == {}),
        ("STORAGE_DELETE_ENABLED", "false", lambda c: c.storage.delete.enabled is False),
        ("STORAGE_DELETE", "{enabled: false}", lambda c: c.storage.delete.enabled is False),
        ("STORAGE_REDIRECT_DISABLE", "true", lambda c: c.storage.redirect.disable),
        (
            "STORAGE_CACHE_BLOBDESCRIPTOR",
            "inmemory",
            lambda c: c.storage.cache.blobdescriptor == "inmemory",
        ),
        (
            "STORAGE_MAINTENANCE_READONLY_ENABLED",
            "true",
            lambda c: c.storage.maintenance.readonly.enabled,
        ),
        (
            "STORAGE_MAINTENANCE_READONLY",
            '{"enabled":true}',
            lambda c: c.storage.maintenance.readonly.enabled,
        ),
        (
            "STORAGE_MAINTENANCE_UPLOADPURGING_AGE",
            "1h",
            lambda c: c.storage.maintenance.uploadpurging.age == 3600,
        ),
        ("LOG_LEVEL", "debug", lambda c: c.log.level == "debug"),
        ("LOGLEVEL", "debug", lambda c: c.log_level == "debug"),
        ("LOG_ACCESSLOG_DISABLED", "true", lambda c: c.log.accesslog.disabled),
        ("LOG_FIELDS_my_key", "v", lambda c: c.log.fields == {"my": {"key": "v"}}),
        ("HEALTH_STORAGEDRIVER_ENABLED", "true", lambda c: c.health.storagedriver.enabled),
        ("HEALTH_FILECHECKERS_0_FILE", "/x", lambda c: c.health.file[0].file == "/x"),
        ("HEALTH_FILE_0_FILE", "/x", lambda c: c.health.file[0].file == "/x"),
        (
            "HEALTH_HTTPCHECKERS_0_URI",
            "http://a:80/",
            lambda c: c.health.http[0].uri == "http://a:80/",
        ),
        (
            "NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES",
            "true",
            lambda c: c.notifications.events.includereferences,
        ),
        (
            "NOTIFICATIONS_ENDPOINTS",
            "[{name: a, disabled: true}]",
            lambda c: c.notifications.endpoints[0].name == "a",
        ),
        ("LOG_HOOKS_0_MAILOPTIONS_FROM", "a@b", lambda c: c.log.hooks[0].options.from_ == "a@b"),
        ("VALIDATION_DISABLED", "true", lambda c: c.validation.disabled),
        ("CATALOG_MAXENTRIES", "5", lambda c: c.catalog.maxentries == 5),
        ("REDIS_ADDR", "localhost:6379", lambda c: c.redis == {"addr": "localhost:6379"}),
        ("PROXY_TTL", "24h", lambda c: c.proxy.ttl == 86400),
    ],
)
def test_variables_seen_in_the_wild_set_their_keys(name, value, read):
    config = load(None, {f"REGISTRY_{name}": value}).require()
    assert read(config)


@pytest.mark.parametrize(
    "name",
    [
        "PORT",
        "PORT_5000_TCP",
        "PORT_5000_TCP_ADDR",
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "UI_PORT",
        "HTTP_PORT_80_TCP_PROTO",
        "HTTP_SERVICE_HOST",
    ],
)
def test_variables_of_kubernetes_services_are_ignored(name):
    loaded = load(None, {f"REGISTRY_{name}": "tcp://10.0.0.1:5000"})
    assert loaded.layers.errors == []
    assert loaded.layers.warnings == []


def test_variables_of_other_programs_are_ignored_with_a_warning():
    loaded = load(None, {"REGISTRY_URL": "http://x", "OTHER": "y", "REGISTRY_version": "1"})
    loaded.require()
    assert loaded.layers.warnings == [
        "ignoring environment variable REGISTRY_URL: it names no known key",
        "ignoring environment variable REGISTRY_version: it names no known key",
    ]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"REGISTRY_STORAGE_DELETE_ENABLE": "true"},
            "storage.delete.enable: unknown key; did you mean storage.delete.enabled? "
            "(from environment variable REGISTRY_STORAGE_DELETE_ENABLE)",
        ),
        (
            {"REGISTRY_HTTP_ADDR": "nonsense"},
            "http.addr: expected host:port with a port up to 65535, got 'nonsense' "
            "(from environment variable REGISTRY_HTTP_ADDR)",
        ),
        ({"REGISTRY_STORAGE_DELETE_ENABLED": "perhaps"}, "storage.delete.enabled: "),
        ({"REGISTRY_HTTP_DRAINTIMEOUT": "fast"}, "http.draintimeout: expected a duration"),
        ({"REGISTRY_LOG_LEVEL": "loud"}, "log.level: "),
        ({"REGISTRY_HTTP_PREFIX": "x"}, "http.prefix: must begin and end with a slash"),
        ({"REGISTRY_HTTP_HOST": "r.example"}, "http.host: expected https://"),
        ({"REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW": "['(']"}, "not a regular expression"),
        ({"REGISTRY_HEALTH_FILECHECKERS_3_FILE": "x"}, "'3' is not an index of the list"),
        ({"REGISTRY_HEALTH_FILECHECKERS_²_FILE": "x"}, "'²' is not an index of the list"),
        ({f"REGISTRY_HEALTH_FILECHECKERS_{'9' * 5000}_FILE": "x"}, "is not an index of the list"),
        ({"REGISTRY_HTTP_ADDR": f":{'9' * 5000}"}, "a port up to 65535"),
        ({"REGISTRY_HTTP_ADDR": ":²"}, "a port up to 65535"),
        ({"REGISTRY_HTTP_DRAINTIMEOUT": f"'{'9' * 5000}'"}, "expected a duration"),
        ({"REGISTRY_HTTP_DRAINTIMEOUT": f"{'9' * 400}s"}, "expected a duration"),
        ({"REGISTRY_STORAGE_LIMITS_BLOB": f"{'9' * 400}GiB"}, "expected a size"),
        ({"REGISTRY_VERSION": "0.2"}, "version cannot be overridden"),
        ({"REGISTRY_HTTP_DEBUG": "{"}, "http.debug: does not parse as YAML"),
        ({"REGISTRY_HTTP_LIMITS_IDLE": "150"}, "http.limits.idle: must be at least 1s"),
        ({"REGISTRY_HTTP_PROXIES": "[nginx]"}, "http.proxies[0]: expected a network"),
        ({"REGISTRY_HTTP_HOST": "https://a:b@c"}, "http.host: expected https://name"),
        ({"REGISTRY_HTTP_HOST": 'https://a/"b'}, "http.host: expected https://name"),
        ({"REGISTRY_HTTP_PREFIX": "//evil/"}, "http.prefix: must begin and end"),
        ({"REGISTRY_HTTP": "5"}, "http: expected a section"),
        ({"REGISTRY_HTTP_HEADERS_a b": "[c]"}, "http.headers.a b: not a valid name"),
        ({"REGISTRY_HTTP_HEADERS_X": '["a\\nb"]'}, "http.headers.x: not a valid name"),
        ({"REGISTRY_HTTP_HEADERS": "5"}, "http.headers: expected a mapping"),
        ({"REGISTRY_STORAGE_S3_BUCKET": "b"}, "storage.s3: not supported yet"),
        ({"REGISTRY_STORAGE": "s3"}, "storage.s3: not supported yet"),
        ({"REGISTRY_AUTH": "htpasswd"}, "auth.htpasswd.path: missing"),
        ({"REGISTRY_AUTH_TOKEN_REALM": "x"}, "auth.token.service: missing"),
        ({"REGISTRY_HTTP_TLS_CERTIFICATE": "/x"}, "http.tls: needs both certificate and key"),
        ({"REGISTRY_HTTP_TLS_CLIENTCAS_0": "/x"}, "http.tls.clientcas: needs http.tls.certificate"),
        ({"REGISTRY_PROXY_REMOTEURL": "http://x"}, "proxy.remoteurl: not supported yet"),
        (
            {"REGISTRY_NOTIFICATIONS_ENDPOINTS": "[{name: a}]"},
            "notifications.endpoints[0].url: expected https://",
        ),
        (
            {"REGISTRY_MIDDLEWARE_STORAGE_0_NAME": "redirect"},
            "middleware.storage: not supported yet",
        ),
    ],
)
def test_errors_in_variables_name_the_key_or_the_variable(environ, message):
    with pytest.raises(ConfigInvalid) as caught:
        load(None, environ).require()
    assert message in str(caught.value)
    assert next(iter(environ)) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; it must begin with version: 0.1"),
        ("- a", "the file is a list, not a mapping of keys to values"),
        ("a: [}", "is not YAML in line 1"),
        ("storage: {}", "version: missing; expected 0.1"),
        ("version: 0.2", "version: unsupported version '0.2'"),
        ("version: 0.1\nstorrage: {}", "storrage: unknown key; did you mean storage?"),
        ("version: 0.1\nhttp: {adr: x}", "http.adr: unknown key; did you mean http.addr?"),
        ("version: 0.1\nzzzzz: 1", "zzzzz: unknown key (from file /c.yml)"),
        ("version: 0.1\nstorage: {filesystem: {maxthreads: 0}}", "maxthreads: "),
        ("version: 0.1\nstorage: {filesystem: , inmemory: }", "several storage drivers"),
        ("version: 0.1\nauth: {htpasswd: {path: /x}, none: {}}", "several auth types"),
        ("version: 0.1\nauth: {htpasswd: {path: /x}, token: {}, issuer: {}}", "several auth types"),
        ("version: 0.1\nauth: {silly: {realm: x}}", "auth.silly: not supported yet"),
    ],
)
def test_errors_in_files_name_the_key(text, message):
    with pytest.raises(ConfigInvalid) as caught:
        from_text(text).require()
    assert message in str(caught.value)
    assert "/c.yml" in str(caught.value)


def test_a_second_driver_from_the_environment_is_refused_with_both_sources():
    loaded = from_text(SHIPPED_2, {"REGISTRY_STORAGE_S3_BUCKET": "b"})
    (found,) = [text for text in errors(loaded) if "several storage drivers" in text]
    assert "filesystem from file /c.yml" in found
    assert "s3 from environment variable REGISTRY_STORAGE_S3_BUCKET" in found


def test_all_errors_are_reported_at_once():
    loaded = from_text("version: 0.1\na: 1\nhttp: {addr: x, b: 2}\nlog: {level: loud}")
    assert len(errors(loaded)) == 4


def test_a_header_in_different_case_replaces_the_default():
    loaded = from_text(
        "version: 0.1\nhttp: {headers: {access-control-allow-origin: [a]}}",
        {"REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin": "[b]"},
    )
    headers = loaded.require().http.headers
    assert headers["access-control-allow-origin"] == ["b"]
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Access-Control-Expose-Headers"] == EXPOSED


def test_keys_decide_the_types_of_values():
    text = """
version: 0.1
http: {headers: {A: [yes, 1_000, 0x1F, 5:30, null, 2026-01-01], B: on}, secret: 010}
storage: {delete: {enabled: off}, filesystem: {rootdirectory: 123, maxthreads: 7}}
"""
    config = from_text(text).require()
    assert config.http.headers["A"] == ["yes", "1_000", "0x1F", "5:30", "2026-01-01"]
    assert config.http.headers["B"] == ["on"]
    assert config.http.secret == "010"
    assert config.storage.delete.enabled is False
    assert config.storage.filesystem.rootdirectory == "123"
    assert config.storage.filesystem.maxthreads == 7


@pytest.mark.parametrize("value", ["[[a]]", "[{a: b}]", "{a: b}"])
def test_headers_must_be_strings(value):
    loaded = load(None, {"REGISTRY_HTTP_HEADERS_X": value})
    assert errors(loaded)


def test_the_formatted_configuration_names_sources_and_hides_secrets():
    environ = {"REGISTRY_HTTP_SECRET": "do-not-tell", "REGISTRY_LOG_LEVEL": "warn"}
    text = format_config(from_text(SHIPPED_2, environ))
    lines = {line.split(":")[0]: line for line in text.splitlines()}
    assert "do-not-tell" not in text
    assert lines["log.level"].endswith("# environment variable REGISTRY_LOG_LEVEL")
    assert lines["http.addr"].endswith("# file /c.yml")
    assert lines["http.draintimeout"].split("#")[0].strip() == "http.draintimeout: 25s"
    assert lines["catalog.maxentries"].endswith("# default")


def test_ignored_keys_cause_a_warning():
    warnings = from_text(SHIPPED_3).layers.warnings
    assert any(text.startswith("storage.tag.concurrencylimit is ignored") for text in warnings)
    text = "version: 0.1\nhttp: {debug: {prometheus: {enabled: true}}}"
    (warning,) = from_text(text).layers.warnings
    assert warning.startswith("http.debug.prometheus is ignored: http.debug.addr, the address")
    name = "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED"
    assert load().layers.warnings == []
    assert load(None, {name: "true"}).layers.warnings == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":5000", ("", 5000)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:5000", ("::1", 5000)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses_are_parsed_as_by_go(text, expected):
    assert parse_address(text) == expected


names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-abc", max_size=30)
sections = st.sampled_from(["HTTP", "STORAGE", "LOG", "HEALTH", "AUTH", "NOTIFICATIONS", "REDIS"])


@given(
    st.dictionaries(
        st.builds("REGISTRY_{}_{}".format, sections, names), st.text(max_size=20), max_size=5
    )
)
def test_no_environment_breaks_the_loader(environ):
    loaded = load(None, environ)
    assert format_config(loaded)
    for message in loaded.layers.errors:
        assert "\n" not in str(message)


yaml_texts = st.one_of(st.text(max_size=40), st.builds("version: 0.1\n{}".format, st.text()))


@given(yaml_texts)
def test_no_file_breaks_the_loader(text):
    loaded = from_text(text)
    assert all("\n" not in str(message) for message in loaded.layers.errors)


def test_credentials_for_other_servers_are_hidden():
    text = """
version: 0.1
notifications: {endpoints: [{name: a, url: 'http://a', headers: {Authorization: [hidden-1]}}]}
health: {http: [{uri: 'http://a', headers: {Authorization: [hidden-2]}}]}
http: {headers: {X-Shown: [shown]}}
"""
    shown = format_config(from_text(text))
    assert "hidden" not in shown
    assert "shown" in shown
    (message,) = errors(from_text("version: 0.1\nhealth: {http: [{uri: 'ftp://me:hidden@x'}]}"))
    assert "hidden" not in message


def test_sizes_are_parsed_from_file_and_environment():
    text = "version: 0.1\nstorage: {limits: {blob: 10GiB}, quota: {'': 8Gi, 'team/*': 500MB}}"
    loaded = from_text(text, {"REGISTRY_STORAGE_LIMITS_FREE": "1GiB"})
    storage = loaded.require().storage
    assert (storage.limits.blob, storage.limits.free) == (10 * 2**30, 2**30)
    assert storage.quota == {"": 8 * 2**30, "team/*": 500_000_000}
    assert "storage.limits.blob: 10737418240 " in format_config(loaded)
    assert build_quotas(storage).limits == {"": 8 * 2**30, "team/": 500_000_000}


def test_external_tokens_can_be_configured_by_environment_alone():
    names = {"REALM": "https://a/token", "SERVICE": "s", "ISSUER": "i", "ROOTCERTBUNDLE": "/r.pem"}
    environ = {f"REGISTRY_AUTH_TOKEN_{name}": value for name, value in names.items()}
    config = load(None, {"REGISTRY_AUTH": "token", **environ}).require()
    token = config.auth.token
    assert (token.realm, token.service, token.issuer, token.rootcertbundle) == tuple(names.values())
    assert config.auth.htpasswd is None
