"""What programs call: exact answers, aliases, errors as JSON."""

from __future__ import annotations

import pytest

from .wire import answer


@pytest.mark.parametrize("path", ["/api/repos", "/api/repositories", "/api/catalog"])
def test_repositories(gallery, path):
    found = gallery.get(path).json
    assert list(found) == ["repositories"]
    assert found["repositories"][0] == "busybox"
    assert found["repositories"] == sorted(found["repositories"])


@pytest.mark.parametrize("path", ["/api/tags/team/app", "/api/repositories/team/app/tags"])
def test_tags(gallery, path):
    found = gallery.get(path).json
    assert found["repo"] == "team/app"
    assert found["tags"] == gallery.tags("team/app")


def test_search(gallery):
    assert gallery.get("/api/search?q=busybox:1.*").json == {
        "query": "busybox:1.*",
        "results": [{"repository": "busybox", "tags": ["1.36"]}],
    }
    assert gallery.get("/api/search?q=labels").json["results"] == [
        {"repository": "hostile/labels", "tags": []}
    ]
    assert gallery.get("/api/search").json == {"query": "", "results": []}


def test_an_answer_of_a_program_is_always_fresh(ui):
    ui.gallery.image("app", "v1", [b"x"])
    assert ui.get("/api/repos").json == {"repositories": ["app"]}
    assert ui.get("/api/tags/app").json["tags"] == ["v1"]
    ui.gallery.image("new", "v1", [b"x"])
    ui.gallery.image("app", "v2", [b"x"])
    assert ui.get("/api/repos").json == {"repositories": ["app", "new"]}
    assert ui.get("/api/tags/app").json["tags"] == ["v1", "v2"]


def test_every_page_of_a_long_list_is_followed(ui):
    for number in range(25):
        ui.gallery.image(f"app{number:02}", "v1", [b"x"])
    asked = []

    def small_pages(method, path, headers):
        asked.append(path)
        if path == "/v2/_catalog?n=1000":
            return ui._carry("GET", "/v2/_catalog?n=10", None, {})
        return None

    ui.wire.intercept = small_pages
    assert len(ui.get("/api/repos").json["repositories"]) == 25
    assert sum("_catalog" in path for path in asked) == 3


def test_a_link_that_leads_nowhere_new_ends_the_list(ui):
    ui.wire.intercept = lambda method, path, headers: answer(
        200, b'{"repositories":["a"]}', Link=f'<{path}>; rel="next"'
    )
    assert ui.get("/api/repos").json == {"repositories": ["a"]}


def test_a_link_to_another_host_is_followed_on_this_one(ui):
    def elsewhere(method, path, headers):
        if path == "/v2/_catalog?n=1000":
            link = '<https://evil.example/v2/_catalog?n=1000&last=a>; rel="next"'
            return answer(200, b'{"repositories":["a"]}', Link=link)
        assert path == "/v2/_catalog?n=1000&last=a"
        return answer(200, b'{"repositories":["b"]}')

    ui.wire.intercept = elsewhere
    assert ui.get("/api/repos").json == {"repositories": ["a", "b"]}


def test_health_is_about_this_process(ui):
    ui.wire.intercept = lambda method, path, headers: answer(500)
    found = ui.get("/health")
    assert (found.status, found.body) == (200, b'{"status":"healthy"}')
    deep = ui.get("/health?deep=1")
    assert deep.status == 503
    assert deep.json["registry_status"] == 500
    ui.wire.intercept = lambda method, path, headers: None
    assert ui.get("/health?deep=1").status == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/api/tags/nope", 404), ("/api/tags/NO", 404), ("/api/nope", 404)]
)
def test_errors_are_json_for_programs(ui, path, status):
    found = ui.get(path)
    assert found.status == status
    assert found.header("Content-Type") == "application/json"
    assert found.json["error"]


def test_a_program_elsewhere_may_ask_for_json(ui):
    assert ui.get("/repo/nope", Accept="application/json").json["registry_status"] == 404
    assert ui.get("/nope", Accept="text/html, application/json").body.startswith(b"<!doctype")


def test_wrong_methods_are_refused(ui):
    found = ui.request("DELETE", "/")
    assert found.status == 405
    assert "GET" in found.header("Allow")


def test_prometheus_is_shown_what_the_ui_does(gallery):
    gallery.site.observer = gallery.context.metrics.observer
    gallery.get("/")
    gallery.get("/repo/team/app")
    gallery.get("/repo/nowhere/at/all")
    gallery.get("/logout")
    gallery.get("/wp-login.php")
    answer = gallery.get("/metrics")
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("text/plain")
    lines = answer.body.decode().splitlines()
    for line in (
        'holm_ui_http_requests_total{code="200",handler="repositories",method="get"} 1.0',
        'holm_ui_http_requests_total{code="200",handler="repo",method="get"} 1.0',
        'holm_ui_http_requests_total{code="404",handler="repo",method="get"} 1.0',
        'holm_ui_http_requests_total{code="401",handler="logout",method="get"} 1.0',
        'holm_ui_http_requests_total{code="404",handler="other",method="get"} 1.0',
        "holm_ui_registry_requests_in_flight 0.0",
    ):
        assert line in lines
    asked = next(line for line in lines if line.startswith("holm_ui_registry_requests_total "))
    assert float(asked.split()[1]) == len(gallery.wire.requests_sent) > 0
    failed = next(line for line in lines if line.startswith("holm_ui_registry_failures_total "))
    assert 0 < float(failed.split()[1]) < len(gallery.wire.requests_sent)
