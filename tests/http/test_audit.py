"""The audit log."""

from __future__ import annotations

import json
import os

from holm_registry.api.event_emitter import EventEmitter
from holm_registry.oci.digest import Digest
from holm_registry.server.audit import open_audit
from holm_registry.threads import ImmediateThreads

from .logins import A, basic, guarding
from .wire import Server

DIGEST = Digest.of(A)


def test_the_audit_log_tells_who_did_what_and_who_was_kept_from_it(users, filled, tmp_path):
    path = tmp_path / "audit.jsonl"
    auditor = open_audit(str(path), ImmediateThreads(), pulls=False)
    guard = guarding(users, audit=auditor)
    server = Server(filled, settings={"guard": guard, "announcer": EventEmitter(auditor)})
    server.request("GET", "/v2/public/a/manifests/v1")
    server.request("PUT", "/v2/private/a/manifests/v2", A, X_Request_Id="one", **basic("ci"))
    server.request("DELETE", "/v2/private/a/manifests/v2", **basic("ci"))
    server.request("GET", "/v2/private/a/manifests/v2")
    server.request("GET", "/v2/", **basic("ci", "wrong-secret"))
    os.rename(path, tmp_path / "old")
    auditor.reopen()
    server.request("DELETE", "/v2/private/a/manifests/v2", **basic("admin"))
    server.hang_up()
    text = (tmp_path / "old").read_text()
    assert "secret" not in text
    deeds = [json.loads(line) for line in text.splitlines()]
    assert [(each["user"], each["action"], each["outcome"]) for each in deeds] == [
        ("ci", "push", "done"),
        ("ci", "delete", "403"),
        ("", "pull", "401"),
        ("", "login", "401"),
    ]
    assert deeds[0]["repository"] == "private/a"
    assert (deeds[0]["tag"], deeds[0]["digest"]) == ("v2", str(DIGEST))
    assert deeds[0]["request_id"] == "one"
    assert deeds[0]["time"].endswith("Z")
    (deed,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert (deed["user"], deed["action"], deed["tag"]) == ("admin", "delete", "v2")
    auditor._log.file.close()


def test_the_audit_log_tells_of_pulls_if_it_is_to_and_a_full_disk_refuses_nothing(
    filled, tmp_path, monkeypatch
):
    auditor = open_audit(str(tmp_path / "audit"), ImmediateThreads(), pulls=True)
    server = Server(filled, settings={"announcer": EventEmitter(auditor)})
    server.request("GET", "/v2/public/a/manifests/v1")
    assert json.loads((tmp_path / "audit").read_text())["action"] == "pull"

    def failing(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(auditor._log.file, "write", failing)
    assert server.request("DELETE", "/v2/public/a/manifests/v1").status == 202
    server.hang_up()
    auditor._log.file.close()
