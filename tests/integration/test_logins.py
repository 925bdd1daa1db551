"""Real clients log in, push, pull, are refused, and log out."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from contextlib import ExitStack

import pytest

from ..tokens import ISSUER, SERVICE, ExternalIssuer
from .realm import realm
from .servers import BIN, CONFIG, ENVIRONMENT, holm, require, run
from .test_service import TWISTD, refused

#: The three lines of the README, and what they need.
ACCESS = """
access:
  - {subjects: [anonymous], repositories: ["*"], actions: [pull]}
  - {subjects: [ci], repositories: ["*"], actions: [pull, push]}
  - {subjects: [admin], repositories: ["*"], actions: [pull, push, delete]}
"""


def registry(*words, password="", check=True):
    done = subprocess.run(
        [str(BIN / "registry"), *map(str, words)],
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def htpasswd(*words, **options):
    return registry("htpasswd", *words, **options)


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "htpasswd"
    for name in ("ci", "admin"):
        htpasswd("add", path, name, password=f"{name}-secret")
    return path


def config(users, issuer=True, access=ACCESS):
    token = ", issuer: {}" if issuer else ""
    return f"{CONFIG}auth: {{htpasswd: {{realm: Holm, path: {users}}}{token}}}\n{access}"


def robots(folder):
    """Make the users above as robots, and give a configuration in which only robots log in."""
    file = folder / "robots.yml"
    root = folder / "root"
    root.mkdir()
    everything = "pull,push,delete"
    text = f"{CONFIG}auth: {{robots: {{}}}}\n{ACCESS}"
    file.write_text(f"{text}storage: {{filesystem: {{rootdirectory: {root}}}}}\n")
    secrets = {}
    for name, actions in (("ci", "pull,push"), ("admin", everything)):
        words = ["--name", name, "--repository", "*", "--actions", actions, "--expires", "1d"]
        done = registry("token", "create", *words, file)
        assert f"{name} may {actions.replace(',', ', ')} in *, until 2" in done.stderr
        secrets[name] = done.stdout.strip()
    return text, secrets


@pytest.fixture(scope="module", params=["tokens", "passwords", "robots", "others"])
def server(request, users, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logins")
    secrets = {"ci": "ci-secret", "admin": "admin-secret"}
    log = f"log: {{audit: {{path: {folder}/audit}}}}\n"
    with ExitStack() as stack:
        if request.param == "robots":
            text, secrets = robots(folder)
        elif request.param == "others":
            issuer = ExternalIssuer("rsa")
            issuer.write_certificates(folder / "roots.pem")
            text = (
                f"{CONFIG}auth: {{token: {{realm: {stack.enter_context(realm(issuer))}, "
                f"service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {folder}/roots.pem}}}}\n"
            )
        else:
            text = config(users, issuer=request.param == "tokens")
        found = stack.enter_context(holm(folder / "root", text + log))
        found.kind, found.secrets = request.param, secrets
        found.gives_tokens = request.param in ("tokens", "others")
        yield found
    audit = (folder / "audit").read_text()
    assert '"user":"ci"' in audit
    assert not any(each in audit + "".join(found.lines) for each in secrets.values())


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
    login("ci", server.secrets["ci"])
    skopeo(*push)
    skopeo("copy", "--src-tls-verify=false", there, f"dir:{tmp_path}/one")
    delete = ("delete", "--tls-verify=false", there)
    assert is_refusal(skopeo(*delete, check=False))
    skopeo("logout", "--tls-verify=false", server.address)
    skopeo("copy", "--src-tls-verify=false", there, f"dir:{tmp_path}/two")
    assert is_refusal(skopeo(*push, check=False))
    if server.kind == "others":
        # There is no admin there.
        return
    login("admin", server.secrets["admin"])
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
    docker("login", "--username=ci", f"--password={server.secrets['ci']}", server.address)
    docker("push", name)
    docker("rmi", name)
    docker("pull", name)
    docker("logout", server.address)
    docker("rmi", name)
    anonymous = docker("pull", name, check=False)
    if server.gives_tokens:
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
        f"--dest-creds=ci:{server.secrets['ci']}",
        "--dest-tls-verify=false",
        f"oci:{layout.root}:single",
        target,
    )
    name = target.removeprefix("docker://")
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", name)
    other = f"{server.address}/containerd/copy:v1"
    ctr("images", "tag", name, other)
    assert is_refusal(ctr("images", "push", "--plain-http", other, check=False))
    ctr("images", "push", "--plain-http", "--user", f"ci:{server.secrets['ci']}", other)


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
    buildah("push", "--tls-verify=false", f"--creds=ci:{server.secrets['ci']}", image, there)
    buildah("pull", "--tls-verify=false", there.removeprefix("docker://"))


def login(name, password):
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def test_users_come_and_go_while_it_serves(tmp_path):
    path = tmp_path / "htpasswd"
    htpasswd("add", path, "alice", password="one")
    with holm(tmp_path / "root", config(path, issuer=False, access="")) as server:
        assert server.request("GET", "/v2/", **login("alice", "one")).status == 200
        added = htpasswd("add", path, "bob", password="two")
        assert added.stdout == f"added bob to {path}\n"
        assert server.request("GET", "/v2/", **login("bob", "two")).status == 200
        kept = htpasswd("add", path, "alice", password="changed", check=False)
        assert (kept.returncode, kept.stdout) == (2, "")
        assert "alice exists; use --replace" in kept.stderr
        assert server.request("GET", "/v2/", **login("alice", "one")).status == 200
        replaced = htpasswd("add", "--replace", path, "alice", password="changed")
        assert replaced.stdout == f"replaced the password of alice in {path}\n"
        assert server.request("GET", "/v2/", **login("alice", "one")).status == 401
        assert server.request("GET", "/v2/", **login("alice", "changed")).status == 200
        assert htpasswd("list", path).stdout == "bob\nalice\n"
        assert htpasswd("remove", path, "alice").stdout == f"removed alice from {path}\n"
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
    done = registry("check", *words, check=False)
    assert done.stdout == f"{text}\n", done.stderr
    assert done.returncode == (0 if text.startswith("allowed") else 1)


def test_robots_are_listed_and_revoked(tmp_path):
    text, secrets = robots(tmp_path)
    file = tmp_path / "robots.yml"
    with holm(tmp_path / "root", text) as server:
        assert server.request("GET", "/v2/", **login("ci", secrets["ci"])).status == 200
        listed = registry("token", "list", file).stdout.splitlines()
        assert [each.partition(",")[0] for each in listed] == ["admin may pull", "ci may pull"]
        again = registry("token", "create", "--name=ci", "--repository=x", file, check=False)
        assert again.stderr.endswith("registry: robot 'ci' already exists\n")
        revoked = registry("token", "revoke", "ci", file)
        assert revoked.stdout == "revoked ci: its key is no longer accepted\n"
        assert f"configuration from file {file}, storage in {tmp_path}/root" in revoked.stderr
        assert server.request("GET", "/v2/", **login("ci", secrets["ci"])).status == 401
        unknown = registry("token", "revoke", "ci", file, check=False)
        assert unknown.stderr.endswith("registry: robot 'ci' does not exist\n")
    (tmp_path / "plain.yml").write_text(
        f"{CONFIG}storage: {{filesystem: {{rootdirectory: /tmp}}}}\n"
    )
    nobody = registry("token", "list", tmp_path / "plain.yml", check=False)
    assert "no robot can log in without auth.htpasswd or auth.robots" in nobody.stderr


def test_others_keys_that_cannot_be_used_are_said_before_it_serves(tmp_path):
    file = tmp_path / "c.yml"
    token = f"{{realm: 'http://x', service: x, issuer: x, jwks: {tmp_path}/none}}"
    file.write_text(f"{CONFIG}auth: {{token: {token}}}\n")
    said = refused(*TWISTD, "--config", file, "--root", tmp_path / "root")
    assert f"auth.token: {tmp_path}/none: No such file or directory" in said
