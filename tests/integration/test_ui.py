"""The UI as its users run it: against our registry and registry 2.8.2, from curl and the shell."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest

from holm_registry.oci import media_types

from ..gallery import Gallery
from ..ui.deletion import agreed_form
from ..ui.wire import Page
from .servers import BIN, ENVIRONMENT, holm, holm_ui, registry2, require, run

TWISTD = [str(BIN / "twistd"), "--nodaemon", "--pidfile=", "holm-ui"]
#: registry:2 knows OCI's types only for those who name them.
ACCEPT = f"{media_types.OCI_INDEX}, {media_types.OCI_MANIFEST}"
ROOT = Path(__file__).parents[2]


class Shown:
    """A registry, its UI, and what is pushed to one and seen through the other."""

    def __init__(self, registry, ui) -> None:
        self.registry, self.ui = registry, ui
        self.gallery = Gallery(registry.request)

    def page(self, path: str, status: int = 200) -> Page:
        answer = self.ui.request("GET", path)
        assert answer.status == status, answer.body[:2000]
        return Page(answer.body.decode())

    def whole(self, path: str) -> Page:
        """Load a page until nothing on it is still being read."""
        for _ in range(1000):
            if "data-poll" not in (page := self.page(path)).source:
                return page
        raise AssertionError(f"{path} is never whole")

    def post(self, path: str, fields):
        return self.ui.request(
            "POST",
            path,
            urlencode(fields, doseq=True),
            Content_Type="application/x-www-form-urlencoded",
        )

    def digest(self, repository: str, tag: str) -> str:
        answer = self.registry.request("HEAD", f"/v2/{repository}/manifests/{tag}", Accept=ACCEPT)
        assert answer.status == 200
        return answer.headers["Docker-Content-Digest"]

    def has(self, repository: str, digest: str) -> bool:
        path = f"/v2/{repository}/manifests/{digest}"
        return self.registry.request("HEAD", path, Accept=ACCEPT).status == 200


@pytest.fixture(params=["holm", "registry2"])
def shown(request, tmp_path):
    """Each registry in turn."""
    start = holm if request.param == "holm" else registry2
    with start(tmp_path / "root") as registry, holm_ui(registry.address) as ui:
        found = Shown(registry, ui)
        found.removes_tags = request.param == "holm"
        yield found


def test_everything_that_a_registry_holds_is_shown(shown):
    gallery = shown.gallery
    gallery.multi_platform("team/app", "v1", "a")
    gallery.multi_platform("team/app", "v1.1", "b")
    gallery.image("plain", "latest", [b"x" * 3000])
    gallery.chart("charts/app", "1.0.0")
    home = shown.whole("/")
    assert home.rows() == ["/repo/plain", "/repo/charts/app", "/repo/team/app"]
    assert "Repositories 3 Tags 4 Images 4" in home.text
    page = shown.whole("/repo/team/app")
    assert [row.rpartition(":")[2] for row in page.rows()] == ["v1.1", "v1"]
    assert "linux/amd64 linux/arm64" in page.text
    image = shown.page("/image/team/app:v1")
    assert "provenance" in image.text
    assert "RUN apt-get update" in image.text
    assert "helm pull" in shown.page("/image/charts/app:1.0.0").text
    assert "Shared layers 1" in shown.page("/compare?a=team/app:v1&b=team/app:v1.1").text
    assert shown.page("/search?q=team/*:v1.1").rows() == ["/repo/team/app"]
    for path in ("/repo/nope", "/image/plain:nope"):
        shown.page(path, status=404)


def test_docker_media_types_are_shown_as_well(shown, layout, skopeo):
    skopeo(
        "copy",
        "--format=v2s2",
        f"oci:{layout.root}:single",
        f"docker://{shown.registry.address}/docker:v1",
    )
    page = shown.whole("/repo/docker")
    assert page.rows() == ["/image/docker:v1"]
    assert "docker.distribution.manifest.v2" in shown.page("/image/docker:v1").text


def test_long_lists_without_pages_are_shown(shown):
    """registry:2 gives all tags at once, whatever is asked for."""
    digest = shown.gallery.image("many", "t0", [b"x"])
    payload = shown.registry.request("GET", f"/v2/many/manifests/{digest}", Accept=ACCEPT).body
    for number in range(1, 1100):
        shown.gallery.manifest("many", f"t{number}", payload)
    assert len(shown.ui.request("GET", "/api/tags/many").json["tags"]) == 1100
    assert "1,100 tags" in shown.page("/repo/many").text


def test_a_tag_is_removed_where_the_registry_can_and_never_more(shown):
    shown.gallery.image("app", "v1", [b"x"])
    digest = shown.digest("app", "v1")
    payload = shown.registry.request("GET", f"/v2/app/manifests/{digest}", Accept=ACCEPT).body
    shown.gallery.manifest("app", "same", payload)
    assert "Remove 1 tag" in shown.page("/delete?repo=app&tag=v1").text, "nothing was tried yet"
    done = shown.post("/delete", {"repo": "app", "how": "tag", "tag": "v1"})
    assert done.status == (303 if shown.removes_tags else 502)
    page = shown.page("/delete?repo=app&tag=same")
    assert ("Remove 1 tag" in page.text) == shown.removes_tags
    assert shown.has("app", digest)
    left = shown.registry.request("GET", "/v2/app/tags/list").json["tags"]
    assert sorted(left) == (["same"] if shown.removes_tags else ["same", "v1"])


def test_a_tag_whose_manifest_is_lost_is_deleted_and_nothing_else(shown, tmp_path):
    shown.gallery.image("app", "v1", [b"x"])
    shown.gallery.image("app", "v2", [b"y"])
    digest, kept = shown.digest("app", "v1"), shown.digest("app", "v2")
    next((tmp_path / "root").rglob(f"{digest.partition(':')[2]}/data")).unlink()
    assert "manifest missing" in shown.whole("/repo/app").text
    form = agreed_form(shown.page("/delete?repo=app&tag=v1"), "tag")
    done = shown.post("/delete", form)
    assert done.status == 303, done.body
    assert "Removed 1 item." in shown.page(done.headers["Location"]).text
    assert shown.registry.request("GET", "/v2/app/tags/list").json["tags"] == ["v2"]
    assert shown.has("app", kept)


def test_an_image_is_deleted_with_all_that_only_it_needs(shown):
    index = shown.gallery.multi_platform("app", "v1", "a")
    shown.gallery.multi_platform("app", "v2", "b")
    children = json.loads(
        shown.registry.request("GET", f"/v2/app/manifests/{index}", Accept=ACCEPT).body
    )["manifests"]
    page = shown.page("/delete?repo=app&tag=v1")
    done = shown.post("/delete", agreed_form(page, "image"))
    assert done.status == 303, done.body
    assert "Deleted 3 items." in shown.page(done.headers["Location"]).text
    assert not shown.has("app", index)
    assert [shown.has("app", each["digest"]) for each in children] == [False, False, True]
    assert shown.whole("/repo/app").rows() == ["/image/app:v2"]


def test_curl_deletes_as_it_always_did(shown):
    curl = require("curl")
    shown.gallery.image("myapp", "v1", [b"x"])
    digest = shown.digest("myapp", "v1")
    url = f"http://{shown.ui.address}/delete"
    status = ("-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-X", "POST", url)
    assert run(curl, *status, "-d", f"repo=myapp&digest={digest}").startswith(
        f"303 http://{shown.ui.address}/repo/myapp"
    )
    assert not shown.has("myapp", digest)
    assert run(curl, *status, "-d", f"repo=myapp&digest={digest}").startswith("404")
    assert run(curl, *status, "-d", "repo=myapp").startswith("400")
    # registry:2 goes on listing a repository whose last tag is gone.
    assert shown.ui.request("GET", "/repo/myapp").status in (200, 404)


def test_referrers_are_found_with_and_without_the_api(shown):
    gallery = shown.gallery
    subject = gallery.image("app", "v1", [b"x"])
    note = gallery.attach("app", subject, "application/vnd.example.note", b"note")
    if not shown.removes_tags:
        entry = {"digest": note, "artifactType": "application/vnd.example.note"}
        gallery.index("app", subject.replace(":", "-"), [entry])
    assert "application/vnd.example.note" in shown.page("/image/app:v1").text
    page = shown.page("/delete?repo=app&tag=v1")
    shown.post("/delete", agreed_form(page, "image"))
    assert not shown.has("app", subject)
    assert not shown.has("app", note)


def test_deletes_that_are_switched_off_are_told(tmp_path):
    config = "version: 0.1\nstorage: {delete: {enabled: false}}\n"
    with holm(tmp_path / "root", config) as registry, holm_ui(registry.address) as ui:
        shown = Shown(registry, ui)
        shown.gallery.image("app", "v1", [b"x"])
        digest = shown.digest("app", "v1")
        refused = shown.post("/delete", {"repo": "app", "digest": digest})
        assert refused.status == 502
        assert b"UNSUPPORTED" in refused.body
        assert shown.has("app", digest)


def test_a_registry_that_comes_back_is_shown_again(tmp_path):
    with holm(tmp_path / "root") as registry:
        shown = Shown(registry, holm_ui(registry.address))
        shown.gallery.image("app", "v1", [b"x"])
        shown.page("/")
        port = registry.address
    try:
        assert shown.ui.request("GET", "/health").status == 200
        deep = shown.ui.request("GET", "/health?deep=1")
        assert deep.status == 503
        assert port not in str(deep.json)
        assert shown.ui.request("GET", "/api/repos").status == 502
    finally:
        assert shown.ui.stop() == -signal.SIGTERM


# Starting.


def refused(*words: str, env=None) -> str:
    """Run a command that must not start; give the one line it says why in."""
    done = subprocess.run(
        [*TWISTD, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**ENVIRONMENT, **(env or {})},
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("holm-ui: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_options_are_listed():
    text = run(*TWISTD, "--help")
    for option in ("--port", "--registry-url", "--public-registry", "--repositories"):
        assert option in text
    assert "holm-ui" in run(BIN / "twistd", "--help")


@pytest.mark.parametrize(
    ("words", "env", "reason"),
    [
        (["--port", "http"], {}, "option --port: expected host:port"),
        ([], {"PORT": "-1"}, "environment variable PORT: expected host:port"),
        (["--registry-url", "registry"], {}, "option --registry-url: expected http://HOST:PORT"),
        (["--log-level", "loud"], {}, "option --log-level"),
        (["extra"], {}, "unexpected argument 'extra'"),
        (["--nonsense"], {}, "option --nonsense not recognized"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words, env, reason):
    assert reason in refused(*words, env=env)


def test_a_port_that_is_taken_is_said_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "cannot listen on" in refused("--port", f"127.0.0.1:{port}")


def test_the_environment_configures_it_all(tmp_path):
    with holm(tmp_path / "root") as registry:
        env = {
            **ENVIRONMENT,
            "PORT": "127.0.0.1:0",
            "REGISTRY_URL": f"http://{registry.address}",
            "PUBLIC_REGISTRY": "localhost:31500",
        }
        from .servers import Process

        with Process(TWISTD, r"listening on (127\.0\.0\.1:\d+)", env=env) as ui:
            Gallery(registry.request).image("app", "v1", [b"x"])
            body = ui.request("GET", "/repo/app").body
            assert b"docker pull localhost:31500/app:v1" in body


def test_an_idle_ui_fits_its_request(tmp_path):
    with holm(tmp_path / "root") as registry, holm_ui(registry.address) as ui:
        ui.request("GET", "/")
        assert ui.memory_bytes() < 64 * 1024 * 1024
        # Of these, Python's and OpenSSL's libraries take 20: more of them, the more of their files
        # the machine happens to have in its cache. The rest is ours.
        assert ui.memory_bytes("RssAnon") < 44 * 1024 * 1024


class SlowRegistry(ThreadingHTTPServer):
    """Lists one repository, once it is told to."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), SlowRegistryRequest)


class SlowRegistryRequest(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.set()
        assert self.server.may_answer.wait(60)
        body = b'{"repositories":["app"]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def slow_registry():
    with SlowRegistry() as registry:
        serving = threading.Thread(target=registry.serve_forever, daemon=True)
        serving.start()
        yield registry
        registry.may_answer.set()
        registry.shutdown()
        serving.join()


def is_listening(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError:
        return False
    return True


def test_a_request_in_flight_is_finished_on_the_way_down(slow_registry):
    """SIGTERM: it stops listening, answers what it was asked, and then ends by the signal."""
    with holm_ui(f"127.0.0.1:{slow_registry.server_port}") as ui:
        connection = http.client.HTTPConnection(ui.address, timeout=60)
        connection.request("GET", "/api/repos")
        assert slow_registry.asked.wait(60)
        ui.tell_to_stop()
        ends_at = time.monotonic() + 60
        while is_listening(ui.address):
            assert time.monotonic() < ends_at, "it still listens"
        slow_registry.may_answer.set()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"repositories": ["app"]})
        connection.close()
        assert ui.ended() == -signal.SIGTERM
        assert [line for line in ui.lines if "Unhandled" in line or "Traceback" in line] == []


def test_a_wheel_brings_its_templates(tmp_path):
    """Templates lie beside the package here, and inside it where it is installed."""
    wheels, place = tmp_path / "wheels", tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    (wheel,) = wheels.glob("*.whl")
    run(*pip, "install", "--no-deps", "--target", place, wheel)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import holm_registry; assert holm_registry.__file__.startswith(sys.argv[1])\n"
        "from holm_registry.ui.web.assets import find_templates, load_assets\n"
        "from jinja2 import Environment, FileSystemLoader\n"
        "folder = find_templates(); names = Environment(loader=FileSystemLoader(folder))\n"
        "found = [name for name in names.list_templates() if name.endswith('.html')]\n"
        "print(folder, len(load_assets(folder / 'static')), *sorted(found))\n"
    )
    told = run(sys.executable, "-P", "-c", code, place, cwd=tmp_path)
    assert told.startswith(f"{place}/holm_registry/templates 3 ")
    expected = sorted(path.name for path in (ROOT / "templates").glob("*.html"))
    assert told.split()[2:] == expected
    assert re.search(r"\bbase\.html\b", told)


def test_a_copy_of_the_registrys_data_is_not_needed(tmp_path):
    """It is a client and nothing else: it starts without a registry, and says so."""
    with holm_ui("127.0.0.1:1") as ui:
        assert ui.request("GET", "/health").json == {"status": "healthy"}
        page = ui.request("GET", "/")
        assert page.status == 502
        assert b"The registry cannot be reached" in page.body
