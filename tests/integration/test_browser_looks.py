"""What a visitor sees in Chromium: colours, small windows, what is going on, and going back."""

from __future__ import annotations

import re

import pytest


def test_a_deletion_that_takes_long_says_so(visit, repository):
    page = visit(f"/repo/{repository}")
    held = []

    def hold(route):
        held.append(route)

    page.route(re.compile(r"/delete\?"), hold)
    page.get_by_label("Select v1").check()
    page.get_by_label("Select v2").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_text("Reading what would be deleted…").wait_for()
    held.pop().continue_()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert not page.get_by_text("Reading what would be deleted…").is_visible()
    dialog.get_by_label("Yes, remove 2 tags").check()
    displays = dialog.get_by_role("button", name="Remove 2 tags").evaluate(
        """(button) => {
            const working = button.form.querySelector(".working");
            const before = getComputedStyle(working).display;
            button.click();
            return [before, getComputedStyle(working).display, working.textContent];
        }"""
    )
    assert displays[0] == "none" != displays[1]
    assert displays[2] == "Removing 2 tags…"
    page.get_by_text("Removed 2 items.").wait_for()


def test_colours_stay_as_they_were_chosen(visit):
    page = visit("/")
    page.get_by_role("button", name="Use light colours").click()
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(239, 241, 245)"


@pytest.mark.parametrize(
    ("scheme", "background", "other"),
    [("dark", "rgb(30, 30, 46)", "light"), ("light", "rgb(239, 241, 245)", "dark")],
)
def test_the_first_visit_has_the_systems_colours(visit, scheme, background, other):
    page = visit("/", theme="", color_scheme=scheme)
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == background
    page.get_by_role("button", name=f"Use {scheme} colours").wait_for(state="hidden")
    page.get_by_role("button", name=f"Use {other} colours").click()
    assert page.evaluate(colour) != background
    page.reload()
    assert page.evaluate(colour) != background


def test_the_users_own_colours_leave_the_chosen_platform_visible(visit):
    page = visit("/image/team/app:v1.10.0", forced_colors="active")
    looks = page.evaluate(
        """[...document.querySelectorAll('.tabs a')].map((each) => {
            const style = getComputedStyle(each);
            return [each.hasAttribute('aria-current'), style.backgroundColor, style.color];
        })"""
    )
    chosen = [look[1:] for look in looks if look[0]]
    assert len(chosen) == 1
    assert chosen[0] not in [look[1:] for look in looks if not look[0]]


@pytest.mark.parametrize("start", ["/", "/repo/team/app"])
def test_going_back_from_a_search_shows_the_page_before_it(visit, start):
    page = visit(start)
    heading = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("searchbox", name="Search").press_sequentially("busy")
    page.wait_for_url("**/search?q=busy")
    page.get_by_role("link", name="busybox", exact=True).wait_for()
    page.go_back()
    page.wait_for_url(f"**{start}")
    page.locator(".results").wait_for(state="detached")
    page.locator("h1", has_text=heading).wait_for(state="attached")
    assert page.get_by_role("searchbox", name="Search").input_value() == ""
    page.go_forward()
    page.get_by_role("link", name="busybox", exact=True).wait_for()
    page.get_by_role("link", name="busybox", exact=True).click()
    page.wait_for_url("**/repo/busybox")
    page.go_back()
    page.wait_for_url("**/search?q=busy")
    page.go_back()
    page.locator("h1", has_text=heading).wait_for(state="attached")


@pytest.mark.parametrize("width", [721, 768, 820, 900, 1024, 1440])
def test_platforms_are_never_broken_inside_a_word(visit, width):
    for path in ("/", "/repo/team/app"):
        page = visit(path, width=width)
        heights = page.evaluate(
            "[...document.querySelectorAll('.chip.platform')].map((each) => each.offsetHeight)"
        )
        assert heights
        assert max(heights) < 26, (path, heights)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
