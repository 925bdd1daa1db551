"""What is remembered of addresses changes no answer, and does not grow."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import NotFound

from holm_registry.api.app import build_app
from holm_registry.api.context import ApiContext
from holm_registry.api.route_cache import MAX_ROUTES
from holm_registry.oci.errors import NameInvalid
from holm_registry.threads import ImmediateThreads


def test_the_same_address_leads_to_the_same_place_whoever_asks_how_often(memory):
    digest = memory.push_image("a/b", "v1", b"c", [b"1"])
    asked = [
        *(("GET", "/v2/a/b/manifests/v1"), ("HEAD", "/v2/a/b/manifests/v1")),
        *(("GET", f"/v2/a/b/manifests/{digest}"), ("GET", "/v2/a/b/tags/list")),
        *(("GET", "/v2/nope"), ("GET", "/v2/A/manifests/v1"), ("GET", "/v2/a/b/blobs/uploads/")),
    ]
    first = [memory.request(*each) for each in asked]
    for _ in range(2):
        again = [memory.request(*each) for each in asked]
        assert [(x.status, x.body) for x in again] == [(x.status, x.body) for x in first]
    assert memory.request("DELETE", "/v2/a/b/manifests/v1").status == 202
    assert memory.request("GET", "/v2/a/b/manifests/v1").status == 404
    assert memory.request("POST", "/v2/a/b/manifests/v1", b"").status == 405


def test_so_many_are_remembered_and_none_that_leads_nowhere(memory):
    app = build_app(ApiContext(memory.registry, ImmediateThreads()))
    known = app.url_map.bind.__self__._matches

    def match(method, path):
        mapper = app.url_map.bind("x", path_info=path, default_method=method, url_scheme="http")
        return mapper.match(return_rule=True)

    for number in range(MAX_ROUTES + 10):
        _, arguments = match("GET", f"/v2/a/manifests/v{number}")
        # What one request does to them is not for the next.
        arguments.clear()
        match("PATCH", f"/v2/a/blobs/uploads/{number}")
    assert len(known) == MAX_ROUTES
    assert match("GET", f"/v2/a/manifests/v{number}")[1]["repository"] == "a"
    with pytest.raises(NotFound):
        match("GET", "/nowhere")
    long = f"/v2/{'a/' * 300}a/tags/list"
    with pytest.raises(NameInvalid):
        match("GET", long)
    assert not {"/nowhere", long} & {path for _, path in known}
