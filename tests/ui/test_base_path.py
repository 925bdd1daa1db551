"""The UI below a path: every address that it gives out leads back to it."""

from __future__ import annotations

from collections import deque

import pytest
from attrs import evolve

from holm_registry.ui.web.settings import SettingInvalid, read_settings

from .wire import SETTINGS, Page, Ui, answer

ADDRESSES = ("href", "src", "action", "formaction", "poster", "data", "srcset", "cite")

#: How visitors come to see the UI below a path: the base, whether it is set, and whether the proxy
#: takes it away and says so.
WAYS = {
    "set, taken away by the proxy": ("/ui", True, True, False),
    "set, passed on by the proxy": ("/ui", True, False, False),
    "said by the proxy that takes it away": ("/ui", False, True, True),
    "said by the proxy that passes it on": ("/tools/holm-ui", False, False, True),
    "set and said": ("/a/b/c", True, True, True),
    "at the top": ("", False, True, False),
}


class Below:
    """A UI as a browser sees it through a proxy."""

    def __init__(self, way: str) -> None:
        self.base, is_set, self.strips, self.says = WAYS[way]
        self.ui = Ui(settings=evolve(SETTINGS, base_path=self.base if is_set else ""))
        self.ui.gallery.hang_everything()

    def request(self, method: str, address: str, body: bytes | None = None, **headers):
        assert address.startswith(f"{self.base}/"), address
        path = address[len(self.base) :] if self.strips else address
        if self.says:
            headers["X_Forwarded_Prefix"] = self.base
        headers.setdefault("Accept", "text/html")
        return self.ui.request(method, path, body, **headers)

    def addresses(self, page: Page) -> list[str]:
        """Give every address on a page that is no other site's."""
        found = [
            (tag, attributes[name])
            for tag, attributes in page.tags
            for name in ADDRESSES
            if attributes.get(name)
        ]
        return [each for _, each in found if not each.startswith(("#", "https://", "http://"))]


@pytest.mark.parametrize("way", WAYS)
def test_every_address_on_every_page_leads_back(way):
    below = Below(way)
    queue, seen = deque([f"{below.base}/"]), set()
    while queue and len(seen) < 80:
        address = queue.popleft()
        kind = address.partition("?")[0].split("/")[below.base.count("/") + 1]
        key = (kind, address if len([each for each in seen if each[0] == kind]) < 6 else "")
        if key in seen:
            continue
        seen.add(key)
        found = below.request("GET", address)
        assert found.status in (200, 303, 400, 401, 404, 405), (address, found.status)
        if found.header("Location"):
            assert found.header("Location").startswith(f"{below.base}/")
        if not (found.header("Content-Type") or "").startswith("text/html"):
            continue
        page = Page(found.body.decode())
        for each in below.addresses(page):
            assert each.startswith(f"{below.base}/"), (address, each)
            queue.append(each)
        for name in ("back",):
            assert all(each.startswith(f"{below.base}/") for each in page.inputs(name))
    kinds = {kind for kind, _ in seen}
    assert kinds >= {"", "repo", "image", "compare", "delete", "static", "search"}


@pytest.mark.parametrize("way", WAYS)
def test_errors_forms_redirects_and_cookies_stay_below(way):
    below = Below(way)
    base = below.base
    for address in ("/nowhere", "/repo/none", "/image/none:v1", "/delete", "/login", "/logout"):
        page = Page(below.request("GET", base + address).body.decode())
        assert below.addresses(page)
        assert all(each.startswith(f"{base}/") for each in below.addresses(page)), address
    below.ui.wire.intercept = lambda method, path, headers: answer(500)
    page = Page(below.request("GET", f"{base}/search?q=x").body.decode())
    assert all(each.startswith(f"{base}/") for each in below.addresses(page))
    below.ui.wire.intercept = lambda method, path, headers: None
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for back, expected in (
        (f"{base}/repo/team/app", f"{base}/repo/team/app"),
        ("//evil.example", f"{base}/"),
        (f"{base}//evil.example", f"{base}//evil.example" if base else "/"),
        ("https://evil.example", f"{base}/"),
        ("", f"{base}/"),
    ):
        body = f"theme=dark&back={back}".encode()
        found = below.request("POST", f"{base}/theme", body, **form)
        assert found.header("Location") == expected
        assert f"Path={base}/" in found.header("Set-Cookie")
    digest = below.ui.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    body = f"repo=busybox&digest={digest}".encode()
    found = below.request("POST", f"{base}/delete", body, **form)
    assert found.header("Location").startswith(f"{base}/repo/busybox?result=")
    found = below.request("GET", f"{base}/favicon.ico")
    assert below.request("GET", found.header("Location")).status == 200


def test_the_script_keeps_cookies_below_the_path():
    below = Below("set, taken away by the proxy")
    page = Page(below.request("GET", "/ui/").body.decode())
    assert dict(page.tags)["html"]["data-base"] == "/ui"
    script = next(attributes["src"] for tag, attributes in page.tags if tag == "script")
    text = below.request("GET", script).body.decode()
    assert "path=${page.dataset.base}/" in text
    assert 'fetch("/' not in text


def test_the_path_itself_leads_to_the_first_page():
    below = Below("set, passed on by the proxy")
    found = below.ui.get("/ui")
    assert (found.status, found.header("Location")) == (308, "/ui/")


@pytest.mark.parametrize(
    "prefix",
    ["//evil.example", "/../x", "javascript:x", "/a b", '/"x', "https://evil.example", "x"],
)
def test_a_prefix_that_is_no_path_is_passed_over(ui, prefix):
    page = ui.page("/", X_Forwarded_Prefix=prefix)
    assert "/search" in [attributes.get("action") for _, attributes in page.tags]


def test_a_prefix_is_believed_of_trusted_proxies_alone():
    ui = Ui(settings=evolve(SETTINGS, proxies=([], False)))
    page = ui.page("/", X_Forwarded_Prefix="/ui")
    assert "/search" in [attributes.get("action") for _, attributes in page.tags]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("/", ""), ("/ui", "/ui"), ("/ui/", "/ui"), ("/a/b-c", "/a/b-c")],
)
def test_a_path_may_be_set(text, expected):
    assert read_settings({"base-path": text}, {}).base_path == expected
    assert read_settings({}, {"BASE_PATH": text}).base_path == expected


@pytest.mark.parametrize(
    "text", ["ui", "//ui", "/u i", "/../x", "http://x", "/ui?x", "/" + "a" * 300]
)
def test_a_path_that_is_none_is_refused(text):
    with pytest.raises(SettingInvalid, match="expected a path such as /ui"):
        read_settings({"base-path": text}, {})
