from __future__ import annotations

import itertools
import os
import tempfile

import pytest

from ..gallery import Gallery
from .layouts import make_layout
from .servers import ENVIRONMENT, Process, holm, holm_ui, require, run


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    """Images on disk."""
    return make_layout(tmp_path_factory.mktemp("images") / "layout")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Our registry, for the tests of one file."""
    with holm(tmp_path_factory.mktemp("registry") / "root") as process:
        yield process


@pytest.fixture(scope="session")
def skopeo():
    """Copies with skopeo, without TLS."""
    program = require("skopeo")

    def call(command: str, *words, **options) -> str:
        tls = {
            "copy": ["--src-tls-verify=false", "--dest-tls-verify=false"],
            "sync": ["--src-tls-verify=false", "--dest-tls-verify=false"],
        }.get(command, ["--tls-verify=false"])
        return run(program, "--insecure-policy", command, *tls, *words, **options)

    return call


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory):
    """A Docker engine private to this run; yields the environment of its clients."""
    engine = require("dockerd")
    home = tmp_path_factory.mktemp("docker")
    address = f"unix://{home}/socket"
    command = [
        engine,
        "--storage-driver=vfs",
        "--iptables=false",
        "--bridge=none",
        f"--host={address}",
        f"--data-root={home}/data",
        f"--exec-root={home}/exec",
        f"--pidfile={home}/pid",
    ]
    environment = {**ENVIRONMENT, "DOCKER_HOST": address, "HOME": str(home)}
    if not os.path.exists("/usr/sbin/iptables"):
        environment["PATH"] += ":/usr/sbin"
    with Process(command, r"API listen on (\S+)", env=environment):
        yield environment


@pytest.fixture(scope="session")
def docker(docker_engine):
    """Docker's client, at an engine of its own."""
    client = require("/usr/bin/docker")
    return lambda *words, **options: run(client, *words, env=docker_engine, **options)


@pytest.fixture
def ctr():
    """The client of a containerd private to this test: what pulls for Kubernetes."""
    client, engine = require("ctr"), require("containerd")
    with tempfile.TemporaryDirectory(prefix="ctrd-", ignore_cleanup_errors=True) as home:
        address = f"{home}/sock"
        config = os.path.join(home, "config.toml")
        with open(config, "w") as file:
            file.write(
                f'version = 2\nroot = "{home}/root"\nstate = "{home}/state"\n'
                f'[grpc]\naddress = "{address}"\n[ttrpc]\naddress = "{address}.ttrpc"\n'
            )
        with Process([engine, "--config", config], rf'msg=serving.*address="?({address})"?$'):
            yield lambda *words, **options: run(client, "--address", address, *words, **options)


# The UI in a browser.

_names = itertools.count()


@pytest.fixture(scope="module")
def chromium():
    """A browser."""
    program = require("chromium")
    from playwright.sync_api import sync_playwright

    # Playwright runs a loop of its own, which pytest-twisted's greenlet must not see.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A registry with something of everything, and a UI of it."""
    with (
        holm(tmp_path_factory.mktemp("shown") / "root") as registry,
        holm_ui(registry.address, "--public-registry", "localhost:31500") as ui,
    ):
        registry.gallery = Gallery(registry.request)
        registry.gallery.hang_everything()
        registry.ui = f"http://{ui.address}"
        yield registry


@pytest.fixture
def repository(shown):
    """A repository of its own, for a test that deletes."""
    name = f"scratch/app{next(_names)}"
    image = shown.gallery.image(name, "v1", [name.encode()])
    payload = shown.request("GET", f"/v2/{name}/manifests/{image}").body
    shown.gallery.manifest(name, "same", payload)
    shown.gallery.image(name, "v2", [name.encode() * 2])
    return name


@pytest.fixture
def visit(chromium, shown):
    """Open pages; fail on any word in the console, any refused content, any foreign request."""
    contexts, complaints, foreign = [], [], []

    def open_page(path: str, *, width: int = 1440, theme: str = "dark", **options):
        context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        if theme:
            context.add_cookies([{"name": "theme", "value": theme, "url": shown.ui}])
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(shown.ui) else foreign.append(request.url)
            ),
        )
        page.goto(shown.ui + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # Chromium reports the status of a page that is not there; that is what it was asked for.
    assert [each for each in complaints if "status of 404" not in each] == []
    assert foreign == []
