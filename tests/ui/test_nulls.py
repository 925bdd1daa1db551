"""Documents in which null stands for nothing, as programs in Go write and read them."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec import inspect

from holm_registry.ui.model.documents import (
    Chart,
    Descriptor,
    DocumentInvalid,
    ImageConfig,
    Manifest,
    ReferrerList,
    read,
)

from .wire import answer

DIGEST = "sha256:" + "1" * 64


def fields_of(kind: type) -> list[tuple[type, str]]:
    """Give the fields that may be missing, of a document and all that is in it."""
    found, kinds = [], [inspect.type_info(kind)]
    for each in kinds:
        if isinstance(each, inspect.UnionType):
            kinds += each.types
        elif isinstance(each, inspect.ListType):
            kinds.append(each.item_type)
        elif isinstance(each, inspect.StructType):
            found += [(each.cls, field.encode_name) for field in each.fields if not field.required]
            kinds += [field.type for field in each.fields]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("kind", "name"),
    [each for kind in (Manifest, ImageConfig, Chart, ReferrerList) for each in fields_of(kind)],
)
def test_a_field_that_is_null_is_a_field_that_is_missing(kind, name):
    required = {"digest": DIGEST} if kind is Descriptor else {}
    found = read(json.dumps({**required, name: None}).encode(), kind)
    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(kind(**required))


def test_nulls_inside_are_zero_values():
    part = {"digest": DIGEST, "annotations": {"a": None, "b": "c"}, "urls": [None]}
    found = read(json.dumps({"layers": [part]}).encode(), Manifest).layers[0]
    assert (found.annotations, found.urls) == ({"a": "", "b": "c"}, [""])
    config = {
        "config": {
            "Labels": {"a": None},
            "Cmd": ["sh", None],
            "ExposedPorts": {"80/tcp": None},
            "Healthcheck": {"Test": None},
        },
        "history": [None, {"created_by": "x"}],
    }
    read_config = read(json.dumps(config).encode(), ImageConfig)
    assert read_config.config.labels == {"a": ""}
    assert read_config.config.cmd == ["sh", ""]
    assert list(read_config.config.exposed_ports) == ["80/tcp"]
    assert read_config.config.healthcheck == {"Test": None}
    assert [step.created_by for step in read_config.history] == [None, "x"]


@pytest.mark.parametrize("content", [b'{"layers":[null]}', b'{"config":{"digest":null}}', b"null"])
def test_what_must_be_there_must_not_be_null(content):
    with pytest.raises(DocumentInvalid):
        read(content, Manifest)


def test_an_image_with_nulls_is_shown_like_any_other(ui):
    gallery = ui.gallery
    image = gallery.image("app", "", [b"x" * 100])
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": image,
        "platform": {"os": "linux", "architecture": "amd64", "variant": None, "os.version": None},
        "annotations": None,
    }
    gallery.index("app", "v1", [entry, {**entry, "platform": {"os": None, "architecture": "s"}}])
    page = ui.page("/image/app:v1")
    assert "linux/amd64" in page.text
    assert "unknown/s" in page.text
    assert "not understood" not in page.text
    assert "not understood" not in ui.page("/repo/app").text


def test_nulls_in_the_registrys_answers(ui):
    bodies = {
        "/v2/_catalog": b'{"repositories":[null,"app"]}',
        "/v2/app/tags/list": b'{"name":"app","tags":["v1",null]}',
    }
    ui.wire.intercept = lambda method, path, headers: answer(200, bodies[path.partition("?")[0]])
    assert ui.get("/api/repos").json == {"repositories": ["app"]}
    assert ui.get("/api/tags/app").json["tags"] == ["v1"]
    ui.wire.intercept = lambda method, path, headers: answer(
        403, b'{"errors":[{"code":"DENIED","message":null,"detail":null}]}'
    )
    assert "DENIED" in ui.page("/repo/other", status=403).text
