"""The UI below a path of nginx, as docs/ui.md says."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..gallery import Gallery
from ..ui.wire import Page
from .servers import Process, holm, holm_ui, require
from .test_proxies import free_port

DOCUMENT = Path(__file__).parents[2] / "docs" / "ui.md"


def nginx(folder: Path, location: str, ui: str, stack: ExitStack) -> str:
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folder.mkdir()
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr notice;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}upstream ui {{ server {ui}; }}\n"
        f"server {{ listen 127.0.0.1:{port};\n{location}\n}}\n}}\n"
    )
    command = [require("nginx"), "-e", "stderr", "-c", str(file)]
    stack.enter_context(Process(command, "(start worker process )"))
    return f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def below(tmp_path_factory):
    """Give a way to ask nginx, for a UI that was told its path and one that nginx tells it."""
    require("nginx")
    folder = tmp_path_factory.mktemp("below")
    with ExitStack() as stack:
        registry = stack.enter_context(holm(folder / "root"))
        Gallery(registry.request).image("team/app", "v1", [b"x"])
        said = stack.enter_context(holm_ui(registry.address))
        told = stack.enter_context(holm_ui(registry.address, "--base-path", "/ui"))
        [documented] = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        plain = "location /ui/ { proxy_pass http://ui/; }"
        yield {
            "said": (said, nginx(folder / "said", documented, said.address, stack)),
            "told": (told, nginx(folder / "told", plain, told.address, stack)),
        }


@pytest.mark.parametrize("name", ["said", "told"])
def test_pages_styles_and_deletions_work_below_a_path(below, name):
    ui, address = below[name]
    ui.address, own = address, ui.address
    try:
        page = Page(ui.request("GET", "/ui/", Accept="text/html").body.decode())
        found = [attributes.get(each) for _, attributes in page.tags for each in ("href", "src")]
        found = [each for each in found if each and not each.startswith("#")]
        assert "/ui/repo/team/app" in found
        for each in found:
            assert each.startswith("/ui/")
            assert ui.request("GET", each).status == 200, each
        form = {"Content_Type": "application/x-www-form-urlencoded", "Origin": f"http://{address}"}
        site = {"Sec_Fetch_Site": "same-origin"}
        answer = ui.request("POST", "/ui/theme", "theme=dark&back=/ui/search", **form, **site)
        assert (answer.status, answer.headers["Location"]) == (303, "/ui/search")
        assert "Path=/ui/" in answer.headers["Set-Cookie"]
    finally:
        ui.address = own
