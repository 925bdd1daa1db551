"""The audit log."""

from __future__ import annotations

import json
import os

from holm_registry.api.event_emitter import EventEmitter
from holm_registry.oci.digest import Digest
from holm_registry.server.audit import open_audit
from holm_registry.threads import ImmediateThreads

from .logins import A, authorizing, basic
from .wire import Server

DIGEST = Digest.of(A)


def test_actions_and_denials_are_in_the_audit_log_with_their_user(users, filled, tmp_path):
    path = tmp_path / "audit.jsonl"
    audit = open_audit(str(path), ImmediateThreads(), pulls=False)
    authorizer = authorizing(users, audit=audit)
    server = Server(
        filled, settings={"authorizer": authorizer, "event_emitter": EventEmitter(audit)}
    )
    server.request("GET", "/v2/public/a/manifests/v1")
    server.request("PUT", "/v2/private/a/manifests/v2", A, X_Request_Id="one", **basic("ci"))
    server.request("DELETE", "/v2/private/a/manifests/v2", **basic("ci"))
    server.request("GET", "/v2/private/a/manifests/v2")
    server.request("GET", "/v2/", **basic("ci", "wrong-secret"))
    os.rename(path, tmp_path / "old")
    audit.reopen()
    server.request("DELETE", "/v2/private/a/manifests/v2", **basic("admin"))
    server.hang_up()
    text = (tmp_path / "old").read_text()
    assert "secret" not in text
    records = [json.loads(line) for line in text.splitlines()]
    assert [(record["user"], record["action"], record["outcome"]) for record in records] == [
        ("ci", "push", "done"),
        ("ci", "delete", "403"),
        ("", "pull", "401"),
        ("", "login", "401"),
    ]
    assert records[0]["repository"] == "private/a"
    assert (records[0]["tag"], records[0]["digest"]) == ("v2", str(DIGEST))
    assert records[0]["request_id"] == "one"
    assert records[0]["time"].endswith("Z")
    (record,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert (record["user"], record["action"], record["tag"]) == ("admin", "delete", "v2")
    audit._log.file.close()


def test_pulls_are_logged_if_enabled_and_a_full_disk_denies_no_request(
    filled, tmp_path, monkeypatch
):
    audit = open_audit(str(tmp_path / "audit"), ImmediateThreads(), pulls=True)
    server = Server(filled, settings={"event_emitter": EventEmitter(audit)})
    server.request("GET", "/v2/public/a/manifests/v1")
    assert json.loads((tmp_path / "audit").read_text())["action"] == "pull"

    def failing(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit._log.file, "write", failing)
    assert server.request("DELETE", "/v2/public/a/manifests/v1").status == 202
    server.hang_up()
    audit._log.file.close()
