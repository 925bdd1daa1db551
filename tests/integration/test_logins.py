"""Real clients log in, push, pull, are refused, and log out."""

from __future__ import annotations

import base64
import json
import os
import subprocess

import pytest

from .servers import BIN, CONFIG, ENVIRONMENT, holm, require, run
from .test_service import TWISTD, refused

#: The three lines of the README, and what they need.
ACCESS = """
access:
  - {subjects: [anonymous], repositories: ["*"], actions: [pull]}
  - {subjects: [ci], repositories: ["*"], actions: [pull, push]}
  - {subjects: [admin], repositories: ["*"], actions: [pull, push, delete]}
"""


def htpasswd(*words, password="", check=True):
    done = subprocess.run(
        [str(BIN / "registry"), "htpasswd", *map(str, words)],
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "htpasswd"
    for name in ("ci", "admin"):
        htpasswd("add", path, name, password=f"{name}-secret")
    return path


def config(users, issuer=True, access=ACCESS):
    token = ", issuer: {}" if issuer else ""
    return f"{CONFIG}auth: {{htpasswd: {{realm: Holm, path: {users}}}{token}}}\n{access}"


@pytest.fixture(scope="module", params=["tokens", "passwords"])
def server(request, users, tmp_path_factory):
    text = config(users, issuer=request.param == "tokens")
    folder = tmp_path_factory.mktemp("logins")
    text += f"log: {{audit: {{path: {folder}/audit}}}}\n"
    with holm(folder / "root", text) as found:
        found.kind = request.param
        yield found
    audit = (folder / "audit").read_text()
    assert '"user":"ci"' in audit
    assert "secret" not in audit + "".join(found.lines)


#: What clients say where they may not: each in its own words.
REFUSALS = (
    "401",
    "unauthorized",
    "denied",
    "authentication required",
    "authorization failed",
    "invalid username/password",
    "no basic auth credentials",
)


def is_refusal(text: str) -> bool:
    return any(each in text.lower() for each in REFUSALS)


@pytest.fixture
def home(tmp_path):
    (tmp_path / "auth").write_text("{}")
    return {**ENVIRONMENT, "HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "auth")}


def test_skopeo_logs_in_pushes_pulls_deletes_and_logs_out(server, layout, home, tmp_path):
    program = require("skopeo")
    there = f"docker://{server.address}/skopeo/app:v1"
    push = ["copy", "--dest-tls-verify=false", f"oci:{layout.root}:single", there]

    def skopeo(*words, check=True, password=""):
        return run(program, "--insecure-policy", *words, check=check, env=home, input=password)

    def login(name, password, check=True):
        words = ("login", "--tls-verify=false", f"--username={name}", "--password-stdin")
        return skopeo(*words, server.address, password=password, check=check)

    assert is_refusal(skopeo(*push, check=False))
    assert is_refusal(login("ci", "wrong", check=False))
    login("ci", "ci-secret")
    skopeo(*push)
    skopeo("copy", "--src-tls-verify=false", there, f"dir:{tmp_path}/one")
    delete = ("delete", "--tls-verify=false", there)
    assert is_refusal(skopeo(*delete, check=False))
    skopeo("logout", "--tls-verify=false", server.address)
    skopeo("copy", "--src-tls-verify=false", there, f"dir:{tmp_path}/two")
    assert is_refusal(skopeo(*push, check=False))
    login("admin", "admin-secret")
    skopeo(*delete)
    assert "unknown" in skopeo("inspect", "--tls-verify=false", there, check=False).lower()


def test_docker_logs_in_pushes_pulls_and_logs_out(server, docker, layout, skopeo, tmp_path):
    archive = tmp_path / "image.tar"
    name = f"{server.address}/docker/app:v1"
    skopeo("copy", f"oci:{layout.root}:single", f"docker-archive:{archive}:{name}")
    docker("load", "--input", archive)
    assert is_refusal(docker("push", name, check=False))
    wrong = ("login", "--username=ci", "--password=wrong", server.address)
    assert is_refusal(docker(*wrong, check=False))
    docker("login", "--username=ci", "--password=ci-secret", server.address)
    docker("push", name)
    docker("rmi", name)
    docker("pull", name)
    docker("logout", server.address)
    docker("rmi", name)
    anonymous = docker("pull", name, check=False)
    if server.kind == "tokens":
        assert "Downloaded newer image" in anonymous
        # What other tests look for is that layers come.
        docker("rmi", name)
    else:
        # Docker has no way to be nobody where it was asked for a password.
        assert "no basic auth credentials" in anonymous


def test_containerd_pulls_without_a_login_and_pushes_with_one(server, layout, ctr, users):
    target = f"docker://{server.address}/containerd/app:v1"
    run(
        require("skopeo"),
        "--insecure-policy",
        "copy",
        "--dest-creds=ci:ci-secret",
        "--dest-tls-verify=false",
        f"oci:{layout.root}:single",
        target,
    )
    name = target.removeprefix("docker://")
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", name)
    other = f"{server.address}/containerd/copy:v1"
    ctr("images", "tag", name, other)
    assert is_refusal(ctr("images", "push", "--plain-http", other, check=False))
    ctr("images", "push", "--plain-http", "--user", "ci:ci-secret", other)


def test_buildah_pushes_with_a_login(server, layout, home, tmp_path):
    storage = ["--storage-driver=vfs", f"--root={tmp_path}/storage", f"--runroot={tmp_path}/run"]
    program = require("buildah")

    def buildah(*words, **options):
        return run(program, *storage, *words, env=home, **options)

    buildah("pull", f"oci:{layout.root}:single")
    image = json.loads(buildah("images", "--json"))[0]["id"]
    there = f"docker://{server.address}/buildah/app:v1"
    push = ("push", "--tls-verify=false", image, there)
    assert is_refusal(buildah(*push, check=False))
    buildah("push", "--tls-verify=false", "--creds=ci:ci-secret", image, there)
    buildah("pull", "--tls-verify=false", there.removeprefix("docker://"))


def login(name, password):
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def test_users_come_and_go_while_it_serves(tmp_path):
    path = tmp_path / "htpasswd"
    htpasswd("add", path, "alice", password="one")
    with holm(tmp_path / "root", config(path, issuer=False, access="")) as server:
        assert server.request("GET", "/v2/", **login("alice", "one")).status == 200
        htpasswd("add", path, "bob", password="two")
        assert server.request("GET", "/v2/", **login("bob", "two")).status == 200
        htpasswd("add", path, "alice", password="changed")
        assert server.request("GET", "/v2/", **login("alice", "one")).status == 401
        assert server.request("GET", "/v2/", **login("alice", "changed")).status == 200
        assert htpasswd("list", path).stdout == "bob\nalice\n"
        htpasswd("remove", path, "alice")
        assert server.request("GET", "/v2/", **login("alice", "changed")).status == 401
        assert htpasswd("remove", path, "alice", check=False).returncode == 2
        assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_file_of_users_that_cannot_be_used_is_said_before_it_serves(tmp_path, users):
    def said(path, text=None):
        if text is not None:
            path.write_text(text)
        file = tmp_path / "c.yml"
        file.write_text(config(path))
        return refused(*TWISTD, "--config", file, "--root", tmp_path / "root")

    assert "auth.htpasswd.path: " in said(tmp_path / "none")
    assert "registry htpasswd add FILE NAME makes one" in said(tmp_path / "none")
    assert "line 1 is not NAME:HASH" in said(tmp_path / "bad", "nothing")
    file = tmp_path / "c.yml"
    file.write_text(f"{CONFIG}log: {{audit: {{path: /nowhere/at/all}}}}\n")
    words = ["--config", file, "--root", tmp_path / "root"]
    assert "log.audit.path: /nowhere/at/all: No such file" in refused(*TWISTD, *words)


@pytest.mark.parametrize(
    ("user", "action", "text"),
    [
        ("ci", "push", "allowed: anonymous may pull in *; ci may pull, push in *"),
        ("ci", "delete", "denied: anonymous may pull in *; ci may pull, push in *"),
        ("", "pull", "allowed: anonymous may pull in *"),
    ],
)
def test_check_tells_who_may_do_what_and_why(tmp_path, users, user, action, text):
    file = tmp_path / "c.yml"
    file.write_text(config(users))
    words = ["--as", user, "--repository", "team/app", "--action", action, str(file)]
    done = subprocess.run(
        [str(BIN / "registry"), "check", *words],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.stdout == f"{text}\n", done.stderr
    assert done.returncode == (0 if text.startswith("allowed") else 1)
