"""The volume goes from registry:2 to us and back, and everything on it is served."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ..images import image
from .servers import holm, registry2, require, run

ACCEPT = ", ".join(
    [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ]
)


def fill(server, layout, skopeo) -> None:
    there = f"docker://{server.address}"
    skopeo(
        "copy", "--all", "--preserve-digests", f"oci:{layout.root}:multi", f"{there}/team/multi:v1"
    )
    skopeo("copy", f"oci:{layout.root}:single", f"{there}/team/single:latest")
    skopeo("copy", "--format", "v2s2", f"oci:{layout.root}:single", f"{there}/a:docker")
    skopeo("copy", "--all", "--format", "v2s2", f"oci:{layout.root}:multi", f"{there}/a/b:list")


def served(server) -> dict[str, str]:
    """Read all that a registry serves: what is where, by the digest of its bytes."""
    found: dict[str, str] = {}
    for name in server.request("GET", "/v2/_catalog").json["repositories"]:
        for tag in server.request("GET", f"/v2/{name}/tags/list").json["tags"] or []:
            read_manifest(server, name, tag, found)
    return found


def read_manifest(server, name, reference, found) -> None:
    answer = server.request("GET", f"/v2/{name}/manifests/{reference}", Accept=ACCEPT)
    assert answer.status == 200, (name, reference, answer.body)
    digest = answer.headers["Docker-Content-Digest"]
    found[f"{name}@{reference}"] = digest
    assert digest == f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    document = answer.json
    for child in document.get("manifests", []):
        read_manifest(server, name, child["digest"], found)
    parts = [*document.get("layers", []), *([document["config"]] if "config" in document else [])]
    for part in parts:
        blob = server.request("GET", f"/v2/{name}/blobs/{part['digest']}")
        assert blob.status == 200, (name, part)
        assert f"sha256:{hashlib.sha256(blob.body).hexdigest()}" == part["digest"]
        found[f"{name} {part['digest']}"] = str(len(blob.body))


def test_we_serve_what_registry_2_wrote_and_it_serves_what_we_add(layout, skopeo, tmp_path):
    root = tmp_path / "volume"
    with registry2(root) as theirs:
        fill(theirs, layout, skopeo)
        before = served(theirs)
    assert len(before) > 20
    with holm(root) as ours:
        assert served(ours) == before
        skopeo(
            "copy", "--all", f"oci:{layout.root}:multi", f"docker://{ours.address}/added/later:v2"
        )
        after = served(ours)
    with registry2(root) as theirs:
        assert served(theirs) == after
        assert set(after) > set(before)


def test_registry_2_serves_what_we_wrote_and_takes_more(layout, skopeo, tmp_path):
    root = tmp_path / "volume"
    with holm(root) as ours:
        fill(ours, layout, skopeo)
        before = served(ours)
    with registry2(root) as theirs:
        assert served(theirs) == before
        skopeo(
            "copy", "--all", f"oci:{layout.root}:multi", f"docker://{theirs.address}/team/single:v2"
        )
        after = served(theirs)
    with holm(root) as ours:
        assert served(ours) == after


def tree(root: Path) -> dict[str, bytes]:
    top = root / "docker/registry/v2"
    return {
        str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()
    }


def test_the_same_pushes_write_the_same_tree(layout, skopeo, tmp_path):
    for name, start in (("ours", holm), ("theirs", registry2)):
        with start(tmp_path / name) as server:
            fill(server, layout, skopeo)
    ours, theirs = tree(tmp_path / "ours"), tree(tmp_path / "theirs")
    theirs = {path: data for path, data in theirs.items() if "/_uploads/" not in path}
    assert ours == theirs


def test_deletions_are_respected_both_ways(layout, skopeo, tmp_path):
    root = tmp_path / "volume"
    with holm(root) as ours:
        fill(ours, layout, skopeo)
        digest = ours.request("GET", "/v2/team/single/manifests/latest").headers[
            "Docker-Content-Digest"
        ]
        assert ours.request("DELETE", f"/v2/team/single/manifests/{digest}").status == 202
        assert ours.request("DELETE", "/v2/a/manifests/docker").status == 202
    with registry2(root) as theirs:
        for path in (
            f"/v2/team/single/manifests/{digest}",
            "/v2/team/single/manifests/latest",
            "/v2/a/manifests/docker",
        ):
            assert theirs.request("GET", path, Accept=ACCEPT).status == 404
        listed = theirs.request("GET", "/v2/a/b/manifests/list", Accept=ACCEPT)
        digest = listed.headers["Docker-Content-Digest"]
        assert theirs.request("DELETE", f"/v2/a/b/manifests/{digest}").status == 202
    with holm(root) as ours:
        assert ours.request("GET", "/v2/a/b/manifests/list").status == 404
        assert ours.request("GET", "/v2/team/multi/manifests/v1").status == 200


def push_sha512(server) -> tuple[str, str, str]:
    """Push an image all of whose names are sha512; give those of manifest, config and layer."""
    names = []
    for content in (b"config", b"layer"):
        digest = f"sha512:{hashlib.sha512(content).hexdigest()}"
        answer = server.request("POST", f"/v2/long/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201
        names.append(digest)
    payload = image(b"config", [b"layer"], algorithm="sha512")
    digest = f"sha512:{hashlib.sha512(payload).hexdigest()}"
    assert server.request("PUT", f"/v2/long/manifests/{digest}?tag=v1", payload).status == 201
    return digest, *names


def test_registry_2_serves_and_its_collection_keeps_our_sha512_content(tmp_path):
    root = tmp_path / "volume"
    with holm(root) as ours:
        manifest, *blobs = push_sha512(ours)
    with registry2(root) as theirs:
        for reference in (manifest, "v1"):
            answer = theirs.request("GET", f"/v2/long/manifests/{reference}", Accept=ACCEPT)
            assert answer.status == 200, answer.body
        for blob in blobs:
            assert theirs.request("GET", f"/v2/long/blobs/{blob}").status == 200
    collected = run(
        require("docker-registry"),
        "garbage-collect",
        "--delete-untagged",
        tmp_path / "volume.registry2.yml",
    )
    assert "0 blobs and 0 manifests eligible for deletion" in collected
    with holm(root) as ours:
        assert ours.request("GET", "/v2/long/manifests/v1").status == 200
        for blob in blobs:
            assert ours.request("GET", f"/v2/long/blobs/{blob}").status == 200


def test_we_serve_what_registry_2_took_as_sha512(tmp_path):
    root = tmp_path / "volume"
    content = b"x" * 1000
    digest = f"sha512:{hashlib.sha512(content).hexdigest()}"
    with registry2(root) as theirs:
        location = theirs.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        path = "/" + location.split("/", 3)[3]
        assert theirs.request("PUT", f"{path}&digest={digest}", content).status == 201
    with holm(root) as ours:
        answer = ours.request("GET", f"/v2/a/blobs/{digest}")
        assert (answer.status, answer.body) == (200, content)
        assert answer.headers["Docker-Content-Digest"] == digest


def test_an_upload_that_registry_2_left_half_finished_can_be_finished(tmp_path):
    root = tmp_path / "volume"
    content = b"0123456789" * 1000
    with registry2(root) as theirs:
        answer = theirs.request("POST", "/v2/a/blobs/uploads/")
        path = "/" + answer.headers["Location"].split("/", 3)[3]
        begun = answer.headers["Docker-Upload-UUID"]
        assert theirs.request("PATCH", path, content[:4000]).status == 202
        untouched = theirs.request("POST", "/v2/a/blobs/uploads/").headers["Docker-Upload-UUID"]
    with holm(root) as ours:
        path = f"/v2/a/blobs/uploads/{begun}"
        assert ours.request("GET", path).headers["Range"] == "0-3999"
        assert ours.request("PATCH", path, content[4000:], Content_Range="4000-9999").status == 202
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert ours.request("PUT", f"{path}?digest={digest}").status == 201
        assert ours.request("GET", f"/v2/a/blobs/{digest}").body == content
        assert ours.request("GET", f"/v2/a/blobs/uploads/{untouched}").status == 204
        left = ours.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        ours.request("PATCH", left, content[:100])
    with registry2(root) as theirs:
        assert theirs.request("GET", f"/v2/a/blobs/{digest}").body == content


def test_schema_1_leftovers_are_served_as_stored_and_no_longer_accepted(layout, skopeo, tmp_path):
    root = tmp_path / "volume"
    source = f"oci:{layout.root}:single"
    with registry2(root, "compatibility: {schema1: {enabled: true}}\n") as theirs:
        skopeo("copy", "--format", "v2s1", source, f"docker://{theirs.address}/old:v1")
        kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        before = theirs.request("GET", "/v2/old/manifests/v1", Accept=kind)
        assert before.headers["Content-Type"] == kind
    with holm(root) as ours:
        answer = ours.request("GET", "/v2/old/manifests/v1")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == kind
        digest = answer.headers["Docker-Content-Digest"]
        assert digest == before.headers["Docker-Content-Digest"]
        assert digest == f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        signed = before.json
        # registry:2 keeps no signatures; it signs what it sends anew each time.
        del signed["signatures"]
        assert answer.json == signed
        skopeo("copy", f"docker://{ours.address}/old:v1", f"dir:{tmp_path}/pulled")
        refused = ours.request("PUT", "/v2/old/manifests/v2", answer.body, Content_Type=kind)
        assert refused.status == 400
        assert refused.json["errors"][0]["code"] == "MANIFEST_INVALID"
        assert "schema 1" in refused.json["errors"][0]["message"]


def test_oddities_of_a_volume_break_nothing(layout, skopeo, tmp_path):
    """Empty links, folders nobody knows, files where folders belong."""
    root = tmp_path / "volume"
    with registry2(root) as theirs:
        fill(theirs, layout, skopeo)
        before = served(theirs)
    top = root / "docker/registry/v2"
    repositories = top / "repositories"
    for link in repositories.glob("team/multi/_layers/sha256/*/link"):
        link.write_bytes(b"")
    for link in repositories.glob("team/multi/_manifests/revisions/sha256/*/link"):
        link.write_bytes(b"")
    (repositories / "lost+found").mkdir()
    (repositories / "stray").write_text("a file")
    (repositories / "team/multi/_manifests/revisions/sha256/odd").mkdir()
    (repositories / "team/multi/_layers/sha256/odd").mkdir()
    (repositories / "team/multi/_strange").mkdir()
    (top / "blobs/sha256/zz").mkdir()
    (root / "scheduler-state.json").write_text("{}")
    with holm(root) as ours:
        assert served(ours) == before
        (repositories / "a/_manifests/tags/husk").mkdir()
        assert ours.request("GET", "/v2/a/manifests/husk").status == 404
        digest = ours.request("GET", "/v2/team/multi/manifests/v1").headers["Docker-Content-Digest"]
        assert ours.request("GET", f"/v2/team/multi/referrers/{digest}").status == 200
        skopeo(
            "copy", "--all", f"oci:{layout.root}:multi", f"docker://{ours.address}/team/multi:v1"
        )
    with registry2(root) as theirs:
        listed = theirs.request("GET", "/v2/team/multi/manifests/v1", Accept=ACCEPT)
        assert listed.status == 200
        assert json.loads(listed.body)["manifests"]


@pytest.fixture(autouse=True)
def _needs_registry_2():
    require("docker-registry")
