"""The UI in Chromium: with a script and without, by mouse and by keyboard, small and large."""

from __future__ import annotations

import os
import re

import pytest

from ..gallery import LONG_NAME, LONG_TAG, Gallery
from .servers import holm, holm_ui
from .test_ui_logins import basic, giving_tokens

WIDTHS = (320, 1440)
THEMES = ("dark", "light")

PAGES = {
    "repositories": "/",
    "repository": "/repo/team/app",
    "odd": "/repo/team/strange",
    "image": "/image/team/app:v1.10.0",
    "chart": "/image/team/charts/app:1.2.3",
    "hostile": "/image/hostile/labels:v1",
    "layers": "/image/many/layers:v127",
    "long": f"/image/{LONG_NAME}:{LONG_TAG}",
    "compare": "/compare?a=team/app:v1.9.0&b=team/app:v1.10.0",
    "search": "/search?q=1*",
    "delete": "/delete?repo=team/app&tag=latest",
    "missing": "/repo/nope",
}


def tags(registry, repository: str) -> list[str]:
    answer = registry.request("GET", f"/v2/{repository}/tags/list")
    return sorted(answer.json.get("tags") or []) if answer.status == 200 else []


def reload_until(page, locator) -> None:
    """Load a page anew until it shows something: names are asked for twice a second at the most."""
    for _ in range(200):
        if locator.is_visible():
            return
        page.reload()
    raise AssertionError(f"it never showed {locator}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_its_window(visit, name, width):
    page = visit(PAGES[name], width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    # Nothing of a page is hidden from small windows: what is text on a large one is there.
    assert page.locator("main").inner_text().strip()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_left_out_on_a_phone(visit, width):
    page = visit("/repo/team/app", width=width)
    row = page.locator("tr[data-row]").filter(has_text="v1.9.0").first
    for text in ("linux/amd64", "linux/arm64", "KiB", "Delete", " ago"):
        assert row.get_by_text(text).first.is_visible(), text
    for heading in ("Tag", "Size", "Built"):
        assert page.locator("thead").get_by_role("link", name=heading).is_visible()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_accessibility_has_no_serious_finding(visit, name, theme):
    page = visit(PAGES[name], theme=theme)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        # What is folded away has to be readable as well.
        page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true })"
        )
        assert serious_findings(page) == [], width


def serious_findings(page) -> list[tuple[str, list[str]]]:
    """Look for what WCAG 2.2 AA forbids, as far as a program can."""
    from axe_playwright_python.sync_playwright import Axe

    results = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    )
    return [
        (violation["id"], [node["html"][:200] for node in violation["nodes"][:3]])
        for violation in results.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def test_the_dialog_is_accessible(visit, repository):
    page = visit(f"/repo/{repository}")
    page.get_by_role("link", name="Delete v2").click()
    page.get_by_role("dialog").wait_for()
    assert serious_findings(page) == []


def test_targets_are_large_enough(visit):
    for width, least in ((320, 24), (1440, 24)):
        page = visit("/repo/team/app", width=width)
        small = page.evaluate(
            """(least) => [...document.querySelectorAll('button, main a, input, summary')]
                .filter((each) => each.offsetParent && !each.closest('.vh, .vh-focus'))
                .map((each) => [each.outerHTML.slice(0, 100), (each.closest('label') ?? each)
                    .getBoundingClientRect()])
                .filter(([, box]) => box.height < least && box.width > 1)
                .map(([html, box]) => `${html} ${box.width}x${box.height}`)
                .filter((each) => !/^<a href="\\/(image|repo)/.test(each))""",
            least,
        )
        assert small == []


def test_browsing_from_page_to_page(visit):
    page = visit("/")
    page.get_by_role("link", name="team/app", exact=True).click()
    page.get_by_role("link", name="v1.10.0", exact=True).first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "team/app:v1.10.0"
    page.get_by_role("link", name="linux/arm64").click()
    assert "platform=linux" in page.url
    assert page.get_by_text("Platform linux/arm64").or_(page.get_by_text("linux/arm64")).first


def test_searching_while_typing(visit):
    page = visit("/")
    page.get_by_role("searchbox", name="Search").press_sequentially("1.10.0")
    page.wait_for_url("**/search?q=1.10.0")
    result = page.locator(".results li").filter(has_text="team/app")
    result.wait_for()
    assert result.get_by_role("link", name="v1.10.0", exact=True).is_visible()
    page.locator("#status", has_text="found").wait_for(state="attached")
    assert page.evaluate("document.activeElement.id") == "search"


def test_filtering_and_sorting(visit):
    page = visit("/repo/team/app")
    page.get_by_label("Filter tags").fill("v1.1*")
    page.locator("#rows").get_by_text("3 tags of 7 match").wait_for()
    page.get_by_role("link", name="Size").click()
    page.wait_for_url(re.compile("sort=size"))
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Size")
    page.get_by_role("link", name="Size").click()
    page.wait_for_url(re.compile("dir=asc"))
    assert page.locator("th[aria-sort=ascending]").count() == 1
    assert page.get_by_label("Filter tags").input_value() == "v1.1*"


def test_what_is_pushed_is_shown_at_once(visit, shown):
    page = visit("/")
    name = "scratch/pushed"
    shown.gallery.image(name, "v1", [b"new"])
    reload_until(page, page.get_by_role("link", name=name))


def test_a_page_that_is_not_whole_fills_up_by_itself(visit, shown, repository):
    page = visit("/")
    served = []

    def half(route):
        served.append(route.request.url)
        if len(served) > 1:
            return route.continue_()
        answer = route.fetch()
        whole = answer.text()
        assert 'tabindex="-1">' in whole
        shown.gallery.image(repository, "v3", [b"later"])
        return route.fulfill(
            response=answer, body=whole.replace('tabindex="-1">', 'tabindex="-1" data-poll>')
        )

    page.route(f"**/repo/{repository}", half)
    page.goto(f"{shown.ui}/repo/{repository}")
    page.get_by_role("link", name="v3", exact=True).wait_for()
    page.locator("main:not([data-poll])").wait_for()
    assert len(served) >= 2


def test_a_dialog_asks_before_a_tag_is_removed(visit, shown, repository):
    page = visit(f"/repo/{repository}")
    page.get_by_role("link", name="Delete same").click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert "has 2 tags" in dialog.inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Escape")
    assert dialog.count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Delete same"
    page.get_by_role("link", name="Delete same").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove 1 tag").click()
    page.get_by_text("Removed 1 item.").wait_for()
    assert tags(shown, repository) == ["v1", "v2"]


def test_an_impatient_second_click_sends_nothing(visit, shown, repository):
    page = visit(f"/repo/{repository}")
    page.get_by_role("link", name="Delete v2").click()
    button = page.get_by_role("dialog").get_by_role("button", name="Remove 1 tag")
    prevented = button.evaluate(
        """(button) => {
            const prevented = [];
            addEventListener("submit", (event) => prevented.push(event.defaultPrevented));
            button.click();
            button.click();
            return prevented;
        }"""
    )
    assert prevented == [False, True]
    page.get_by_text("Removed 1 item.").wait_for()
    assert tags(shown, repository) == ["same", "v1"]


def test_an_image_is_deleted_after_its_box_is_ticked(visit, shown, repository):
    page = visit(f"/repo/{repository}")
    page.get_by_role("link", name="Delete v1").click()
    dialog = page.get_by_role("dialog")
    button = dialog.get_by_role("button", name="Delete 1 image and 2 tags")
    button.click()
    assert dialog.is_visible(), "the box is required"
    dialog.get_by_label("Yes, delete 2 tags").check()
    button.click()
    page.get_by_text("Deleted 1 item.").wait_for()
    assert tags(shown, repository) == ["v2"]


def test_several_are_deleted_at_once(visit, shown, repository):
    page = visit(f"/repo/{repository}")
    page.get_by_label("Select v1").check()
    page.get_by_label("Select v2").check()
    assert page.get_by_text("2 selected").is_visible()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Yes, remove 2 tags").check()
    dialog.get_by_role("button", name="Remove 2 tags").click()
    page.get_by_text("Removed 2 items.").wait_for()
    assert tags(shown, repository) == ["same"]


def test_two_ticked_tags_are_compared(visit, repository):
    page = visit(f"/repo/{repository}")
    page.get_by_label("Select v1").check()
    page.get_by_label("Select v2").check()
    page.get_by_role("button", name="Compare two").click()
    assert page.get_by_label("Before").input_value() == f"{repository}:v1"
    assert page.get_by_label("After").input_value() == f"{repository}:v2"


def test_everything_works_without_a_script(visit, shown, repository):
    page = visit("/", java_script_enabled=False)
    page.get_by_role("searchbox", name="Search").fill(repository)
    page.keyboard.press("Enter")
    page.locator(".results").get_by_role("link", name=repository).click()
    page.get_by_label("Filter tags").fill("v*")
    page.get_by_role("button", name="Filter").click()
    assert page.get_by_text("2 tags of 3 match").is_visible()
    page.get_by_role("link", name="Tag").click()
    assert page.locator("th[aria-sort=ascending]").is_visible()
    page.get_by_role("radio", name="podman").check()
    assert page.get_by_text(f"podman pull localhost:31500/{repository}").is_visible()
    assert not page.get_by_text(f"docker pull localhost:31500/{repository}").is_visible()
    page.get_by_role("link", name="Delete v1").click()
    assert page.get_by_role("heading", name=f"Delete {repository}:v1?").is_visible()
    page.get_by_role("button", name="Remove 1 tag").click()
    assert page.get_by_text("Removed 1 item.").is_visible()
    assert tags(shown, repository) == ["same", "v2"]
    page.get_by_label("Select v2").check()
    page.get_by_label("Select same").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_label("Yes, delete 2 tags").check()
    page.get_by_role("button", name="Delete 2 images and 2 tags").click()
    assert tags(shown, repository) == []


def test_everything_can_be_done_from_the_keyboard(visit, shown, repository):
    page = visit("/")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type(repository)
    page.wait_for_url(re.compile(r"/search\?q="))
    page.locator(".results li").first.wait_for()
    page.keyboard.press("Tab")
    page.locator("main").press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/repo/{repository}"))
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.get_by_text("1 selected").is_visible()
    for _ in range(100):
        if page.evaluate("document.activeElement.textContent").strip() == "Delete…":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    for _ in range(30):
        if page.evaluate("document.activeElement.textContent").startswith("Remove 1 tag"):
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Removed 1 item.").wait_for()
    assert len(tags(shown, repository)) == 2


def test_single_keys_can_be_switched_off(visit):
    page = visit("/")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") != "search"
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "search"


def test_copying_without_a_secure_connection(visit):
    page = visit("/repo/team/app")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate(
        "document.addEventListener('copy', () => { window.copied = "
        "document.activeElement.value ?? getSelection().toString() })"
    )
    page.get_by_role("button", name="Copy the docker command").click()
    page.get_by_text("Copied").wait_for(state="attached")
    assert page.evaluate("window.copied") == "docker pull localhost:31500/team/app:latest"


def test_a_client_that_was_chosen_is_remembered(visit):
    page = visit("/repo/team/app")
    page.get_by_role("radio", name="skopeo").check()
    page.goto(page.url.replace("team/app", "busybox"))
    assert page.get_by_role("radio", name="skopeo").is_checked()


def test_the_first_load_is_four_requests(visit, shown):
    page = visit("/")
    seen = []
    page.context.clear_cookies()
    fresh = page.context.new_page()
    fresh.on("request", lambda request: seen.append(request.url))
    fresh.goto(f"{shown.ui}/")
    fresh.wait_for_load_state("networkidle")
    assert len(set(seen)) <= 4, seen


def test_namespaces_fold_in_place(visit, shown):
    for number in range(16):
        shown.gallery.image(f"fold/app{number}", "v1", [b"x"])
    page = visit("/")
    page.get_by_role("link", name="fold/", exact=False).first.click()
    page.wait_for_url(re.compile("closed=fold"))
    page.locator("a[aria-expanded=false]").wait_for()
    assert page.get_by_role("link", name="fold/app3").count() == 0
    assert serious_findings(page) == []


def test_a_registry_that_went_down_leaves_what_was_known(chromium, tmp_path):
    with holm(tmp_path / "root") as registry:
        Gallery(registry.request).image("app", "v1", [b"x"])
        ui = holm_ui(registry.address)
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"http://{ui.address}/")
        assert page.get_by_role("link", name="app").is_visible()
    try:
        reload_until(page, page.get_by_text("This page shows what was known"))
        assert page.get_by_role("link", name="app", exact=True).is_visible()
    finally:
        context.close()
        ui.stop()


@pytest.mark.pictures
def test_pictures_for_looking_at(visit, request):
    """Every page in both sizes and both themes, in the folder that --pictures names."""
    folder = request.config.getoption("--pictures")
    for name, path in PAGES.items():
        for width in WIDTHS:
            for theme in THEMES:
                page = visit(path, width=width, theme=theme)
                page.screenshot(
                    path=os.path.join(folder, f"{name}-{width}-{theme}.png"), full_page=True
                )


def test_a_browser_forgets_its_login_when_told_to(chromium, tmp_path):
    with (
        holm(tmp_path / "root", giving_tokens(tmp_path)) as registry,
        holm_ui(registry.address) as ui,
    ):

        def request(method, path, body=None, **headers):
            login = basic("lovelace")
            return registry.request(method, path, body, Authorization=login, **headers)

        for name in ("secret/app", "public/app"):
            Gallery(request).image(name, "v1", [b"x"])
        page = chromium.new_context().new_page()
        page.goto(f"http://{ui.address}/repo/public/app")
        page.get_by_role("link", name="Log in")
        # As a user does who is asked: the browser keeps the login, and sends it from then on.
        page.goto(f"http://ada:lovelace@{ui.address}/login?back=/repo/secret/app")
        page.goto(f"http://{ui.address}/repo/secret/app")
        assert page.get_by_role("heading", name="secret/app").is_visible()
        assert not page.get_by_role("link", name="Delete").count(), "ada may not"
        page.get_by_role("link", name="Log out ada").click()
        assert page.get_by_role("heading", name="Logged out").is_visible()
        page.goto(f"http://{ui.address}/repo/public/app")
        assert page.get_by_role("link", name="Log in").is_visible()
        page.context.close()
