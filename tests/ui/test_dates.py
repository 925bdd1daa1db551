"""When something was built, and when that is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.ui.model.dates import (
    build_date,
    first_build_date,
    newest_build_date,
    parse_time,
    recorded_date,
)
from holm_registry.ui.web.template_environment import time_markup

from ..gallery import HELM

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)

#: What reproducible builds, zip files, wrong clocks and careless tools write.
NOT_DATES = [
    "0001-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:01Z",
    "1969-12-31T19:00:00-05:00",
    "1980-01-01T00:00:01Z",
    "1985-10-26T08:15:00Z",
    "2000-01-01T00:00:00Z",
    "2026-11-02T12:06:00Z",
    "2026-11-03T00:00:00Z",
    "2106-02-07T06:28:15Z",
    "9999-12-31T23:59:59Z",
    "yesterday",
    "",
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00+00:00"),
        ("2026-11-01T12:00:00.123456789Z", "2026-11-01T12:00:00.123456+00:00"),
        ("2026-11-01T14:00:00+02:00", "2026-11-01T12:00:00+00:00"),
        ("2026-11-01T12:00:00", "2026-11-01T12:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00+23:00", None),
        ("yesterday", None),
        ("", None),
        ("2026-11-01", None),
        ("T" * 100, None),
    ],
)
def test_times(text, found):
    parsed = parse_time(text)
    assert (parsed and parsed.isoformat()) == found


@given(st.text())
def test_no_text_breaks_a_time(text):
    parse_time(text)
    time_markup(text, 0)


@pytest.mark.parametrize("text", NOT_DATES)
def test_what_is_no_build_date(text):
    assert build_date(text, NOW) is None
    assert build_date(recorded_date(text), NOW) is None


@pytest.mark.parametrize(
    "text", ["2013-03-26T00:00:00Z", "2026-11-02T12:00:00Z", "2026-11-02T14:04:00+02:00"]
)
def test_what_is_a_build_date(text):
    assert build_date(text, NOW) == build_date(recorded_date(text), NOW) == parse_time(text)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_recorded_dates_are_in_order(one, other):
    earlier, later = sorted(each.replace(microsecond=0) for each in (one, other))
    if earlier < later:
        assert recorded_date(earlier.isoformat()) < recorded_date(later.isoformat())


def test_of_several_dates_a_real_one_counts():
    real, older, none = "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "1970-01-01T00:00:00Z"
    assert first_build_date("", none, older, real) == older
    assert first_build_date("", none) == none
    assert newest_build_date([none, older, "", real, "9999-01-01T00:00:00Z"]) == real
    assert newest_build_date([]) == first_build_date() == ""


def test_a_time_says_what_it_is_exactly():
    assert time_markup("2026-11-01T12:00:00Z", 1793534400 + 86400) == (
        '<time datetime="2026-11-01T12:00:00Z" title="2026-11-01 12:00:00 UTC">1 day ago</time>'
    )


@pytest.mark.parametrize("text", NOT_DATES[:-1])
def test_a_date_that_is_none_is_unknown_with_what_was_written(text):
    assert time_markup(text, NOW.timestamp()) == (
        f'<span class="dim" title="{text}">unknown</span>'
    )


def test_nothing_is_written_about_no_date():
    assert time_markup("", NOW.timestamp()) == ""


# On pages.

FUTURE = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
FIXED = "1970-01-01T00:00:00Z"


@pytest.fixture
def dated(ui):
    """A repository with an image of each kind of date."""
    gallery = ui.gallery
    for tag, created in (
        ("fixed", FIXED),
        ("zip", "1980-01-01T00:00:01Z"),
        ("future", FUTURE),
        ("real", "2024-05-06T07:08:09Z"),
        ("older", "2023-05-06T07:08:09Z"),
    ):
        gallery.image("app", tag, [tag.encode()], created=created)
    return ui


@pytest.mark.parametrize(
    ("direction", "first"), [("desc", ["real", "older"]), ("asc", ["older", "real"])]
)
def test_what_has_no_real_date_comes_last_in_either_direction(dated, direction, first):
    rows = dated.page(f"/repo/app?sort=date&dir={direction}").rows()
    assert [row.rpartition(":")[2] for row in rows[:2]] == first


def test_no_page_shows_a_date_that_is_none(dated):
    for path in ("/", "/repo/app", "/image/app:fixed", "/compare?a=app:zip&b=app:future"):
        page = dated.page(path)
        for wrong in ("46 years", "56 years", " in 1 year", "datetime=&#34;19"):
            assert wrong not in page.text, path
    assert dated.page("/repo/app").text.count("unknown") == 3
    assert f'title="{FUTURE}">unknown' in dated.page("/image/app:future").source
    assert f'title="{FIXED}">unknown' in dated.page("/image/app:fixed").source


def test_the_newest_build_is_one_with_a_real_date(dated):
    dated.gallery.image("fixed", "v1", [b"x"], created=FIXED)
    page = dated.page("/?sort=newest")
    assert "/image/app:real" in page.links
    assert not {"/image/app:future", "/image/fixed:v1"} & set(page.links)
    assert page.rows()[0] == "/repo/app"
    assert dated.page("/?sort=newest&dir=asc").rows()[0] == "/repo/app"


def test_an_index_has_the_date_of_the_platform_that_has_one(ui):
    gallery = ui.gallery
    children = [
        gallery.image("app", "", [b"a"], created=FUTURE, platform="linux/amd64"),
        gallery.image("app", "", [b"b"], created="2024-05-06T07:08:09Z", platform="linux/arm64"),
    ]
    gallery.index("app", "v1", [{"digest": each} for each in children])
    assert 'datetime="2024-05-06T07:08:09Z"' in ui.page("/repo/app").source


def test_charts_and_artifacts_say_when_they_were_built(ui):
    gallery = ui.gallery
    created = {"org.opencontainers.image.created": "2024-05-06T07:08:09Z"}
    gallery.artifact("notes", "v1", "application/vnd.example.notes", [], annotations=created)
    layer = gallery.part("chart", b"x", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    fields = b'{"name": "chart", "version": "1.0.0", "created": "2024-05-06T07:08:09.123+00:00"}'
    gallery.artifact("chart", "1.0.0", "", [layer], config_type=HELM, config=fields)
    for repository, tag in (("notes", "v1"), ("chart", "1.0.0")):
        for path in (f"/repo/{repository}", f"/image/{repository}:{tag}"):
            assert 'datetime="2024-05-06T07:08:09Z"' in ui.page(path).source, path
