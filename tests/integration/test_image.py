"""The image of the Dockerfile, within the limits that the k8s manifests set."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import holm_registry
from holm_registry.oci.digest import Digest

from ..unit.test_k8s_manifests import documents
from .containers import IMAGE, ROOT, Containers, give_to
from .servers import Process, holm, registry2, require, run
from .test_garbage_collect import A, fill, pull, push
from .test_moving import commands
from .test_proxies import free_port

USER = 65532
LISTENING = r"listening on (127\.0\.0\.1:\d+)"
ADDRESS = "--env=REGISTRY_HTTP_ADDR=127.0.0.1:0"


@pytest.fixture(scope="module")
def containers(tmp_path_factory):
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as run_root:
        found = Containers(tmp_path_factory.mktemp("containers"), run_root)
        found.build()
        yield found
        found.podman("rm", "--all", "--force", "--time=0")


@pytest.fixture
def volume(tmp_path) -> Path:
    found = tmp_path / "volume"
    found.mkdir()
    give_to(found, USER)
    return found


def mounted(volume: Path) -> str:
    return f"--volume={volume}:/var/lib/registry"


def test_it_says_what_it_is(containers):
    (image,) = json.loads(containers.podman("inspect", IMAGE))
    config = image["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert set(config["ExposedPorts"]) == {"5000/tcp", "8080/tcp"}
    assert set(config["Volumes"]) == {"/var/lib/registry"}
    assert config["Entrypoint"] == ["/entrypoint.sh"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["org.opencontainers.image.version"] == holm_registry.__version__


def test_its_sbom_lists_its_packages(containers, tmp_path):
    engine = containers.engine(tmp_path / "engine")
    text = run(sys.executable, ROOT / "tools/sbom.py", IMAGE, engine)
    listed = {component["purl"]: component["name"] for component in json.loads(text)["components"]}
    python = {name for purl, name in listed.items() if purl.startswith("pkg:pypi/")}
    expected = {canonicalize_name(text.partition("==")[0]) for text in requirements()}
    assert expected | {"holm-registry"} == python
    debian = {name for purl, name in listed.items() if purl.startswith("pkg:deb/debian/")}
    assert {"libc6", "coreutils", "python3"} <= debian
    # Nothing is left of the container whose files were read.
    assert containers.podman("ps", "--all", "--quiet", f"--filter=ancestor={IMAGE}") == ""


#: Each call in one container: to make one takes seconds.
CALLS = """
/entrypoint.sh --version
registry --version
/entrypoint.sh help | head -n 1
/entrypoint.sh garbage-collect --dry-run /etc/docker/registry/config.yml 2>&1 | head -n 1
/entrypoint.sh /nowhere.yml || echo "status $?"
/entrypoint.sh echo as it is
id -u
ls /opt/holm/bin/pip /usr/bin/gcc || echo "no compiler, no installer"
"""


def test_its_entry_point_keeps_the_rules_of_registry2(containers, volume):
    done = containers.call("sh", "-c", f"exec 2>&1; {CALLS}", options=(mounted(volume),))
    lines = done.stdout.splitlines()
    assert lines[0] == lines[1]
    assert lines[0].startswith("holm-registry ")
    assert lines[2].startswith("usage: registry")
    assert "'/var/lib/registry' holds no store" in lines[3]
    missing = "holm-registry: configuration file /nowhere.yml: No such file or directory"
    assert lines[4:8] == [missing, "status 1", "as it is", str(USER)]
    assert lines[-1] == "no compiler, no installer"


def test_it_serves_pushes_and_pulls_on_a_volume_that_registry2_wrote(
    containers, volume, layout, skopeo, tmp_path
):
    with registry2(volume) as server:
        fill(server)
    give_to(volume, USER)
    with containers.serve(LISTENING, mounted(volume), ADDRESS, "serve", name="limited") as server:
        pull(server, "a", "v1")
        pull(server, "a/b", "v3")
        push(server, "a", "again", A, b"c", b"1")
        for name in ("multi", "single"):
            target = f"docker://{server.address}/team/{name}:v1"
            skopeo("copy", "--all", f"oci:{layout.root}:{name}", target)
            skopeo("copy", "--all", target, f"dir:{tmp_path}/{name}")
        assert (
            json.loads(
                containers.podman(
                    "exec", "limited", "sh", "-c", "registry stats --json 2>/dev/null"
                )
            )["total"]["repositories"]
            == 4
        )
        told = containers.podman(
            "exec", "limited", "registry", "garbage-collect", "/etc/docker/registry/config.yml"
        )
        assert "0 blobs, 0 manifests" in told.splitlines()[-1]
        (container,) = json.loads(containers.podman("inspect", "limited"))
        assert container["HostConfig"]["Memory"] == 256 * 1024 * 1024
        assert container["State"]["OOMKilled"] is False
    with registry2(volume) as server:
        pull(server, "a", "again")


def test_it_can_be_kept_in_our_own_registry(containers, tmp_path):
    with holm(tmp_path / "root") as server:
        name = f"{server.address}/holm-registry:test"
        containers.podman("tag", IMAGE, name)
        containers.buildah("push", "--tls-verify=false", name)
        containers.podman("rmi", name)
        containers.podman("pull", "--tls-verify=false", name)
        volume = tmp_path / "volume"
        volume.mkdir()
        give_to(volume, USER)
        with containers.serve(LISTENING, mounted(volume), ADDRESS, "serve", image=name) as inner:
            push(inner, "a", "v1", A, b"c", b"1")
            pull(inner, "a", "v1")
            assert server.request("HEAD", f"/v2/a/manifests/{Digest.of(A)}").status == 404


def test_it_can_be_brought_onto_a_node_as_the_document_says(containers, ctr, tmp_path):
    name = f"localhost/holm-registry:{holm_registry.__version__}"
    built, pushed, *imports = commands("kubernetes.md")[:4]
    assert built.startswith("buildah build ")
    assert name in built
    containers.podman("tag", IMAGE, name)
    archive = f"docker-archive:{tmp_path}/holm-registry.tar:{name}"
    assert pushed == f"buildah push {name} docker-archive:holm-registry.tar:{name}"
    containers.buildah("push", name, archive)
    assert all(each.endswith("images import holm-registry.tar") for each in imports)
    ctr("--namespace", "k8s.io", "images", "import", tmp_path / "holm-registry.tar")
    assert name in ctr("--namespace", "k8s.io", "images", "ls", "--quiet").splitlines()
    assert name in {each["image"] for each in pods_containers()}


def pods_containers():
    return [
        container
        for each in documents("registry.yaml", "registry-ui.yaml")
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    ]


def test_a_volume_of_somebody_else_is_said_with_what_to_do(containers, volume, tmp_path):
    with registry2(volume) as server:
        fill(server)
    # What was mounted may be anybody's to write to, and what is in it not.
    opened = tmp_path / "opened"
    shutil.copytree(volume, opened)
    for each in (volume, opened):
        give_to(each, 0)
    opened.chmod(0o777)
    done = containers.call(
        "sh",
        "-c",
        "registry serve; REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/opened registry serve",
        options=(mounted(volume), f"--volume={opened}:/opened", ADDRESS),
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    first, second = lines[::2]
    assert all("set storage.maintenance.readonly.enabled to true" in line for line in lines[1::2])
    assert "cannot use '/var/lib/registry': Permission denied" in first
    assert f"it belongs to user 0, and this is user {USER}" in first
    assert "cannot use '/opened/docker/registry/v2': Permission denied" in second
    (job,) = documents("own-volume.yaml")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    security = container["securityContext"]
    capabilities = [f"--cap-add={each}" for each in security["capabilities"]["add"]]
    options = (mounted(volume), f"--user={security['runAsUser']}", *capabilities)
    done = containers.call(*container["command"], options=options)
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in [volume, *volume.rglob("*")]} == {USER}


def test_it_serves_the_ui(containers):
    options = ("--env=PORT=127.0.0.1:0", "--env=REGISTRY_URL=http://127.0.0.1:1")
    with containers.serve(LISTENING, *options, "holm-ui") as server:
        assert server.request("GET", "/health").json == {"status": "healthy"}
        assert b"static/" in server.request("GET", "/", Accept="text/html").body


#: Where containers are nested, the only network for them is that of the machine.
HOST_NETWORK = """\
services:
  registry:
    network_mode: host
    ports: !reset []
    environment: {{REGISTRY_HTTP_ADDR: "127.0.0.1:{port}"}}
  ui:
    network_mode: host
    ports: !reset []
    environment: {{PORT: "127.0.0.1:0", REGISTRY_URL: "http://127.0.0.1:{port}"}}
"""


@pytest.fixture
def compose(docker_engine, tmp_path):
    """Return the command of Docker Compose, for the project's file and a network that is there."""
    override = tmp_path / "override.yaml"
    override.write_text(HOST_NETWORK.format(port=free_port()))
    program = require("docker-compose", "compose")
    return [program, f"--file={ROOT / 'compose.yaml'}", f"--file={override}"]


def test_docker_compose_starts_registry_and_ui(
    containers, docker, docker_engine, compose, tmp_path
):
    archive = tmp_path / "image.tar"
    name = f"localhost/holm-registry:{holm_registry.__version__}"
    containers.podman("tag", IMAGE, name)
    containers.podman("save", f"--output={archive}", name)
    docker("load", "--input", archive)

    def follow(service):
        command = [*compose, "logs", "--follow", "--no-log-prefix", service]
        words = ["sh", "-c", 'exec "$@" >&2', "sh", *command]
        return Process(words, LISTENING, env=docker_engine)

    try:
        run(*compose, "up", "--detach", "--no-build", env=docker_engine)
        with follow("registry") as server, follow("ui") as ui:
            push(server, "a", "v1", A, b"c", b"1")
            assert b'href="/repo/a"' in ui.request("GET", "/", Accept="text/html").body
    finally:
        run(*compose, "down", "--volumes", env=docker_engine)


def test_every_dependency_comes_as_a_wheel_for_both_architectures(tmp_path):
    """So that nothing is compiled, on a Raspberry Pi either."""
    for architecture in ("aarch64", "x86_64"):
        run(
            sys.executable,
            *("-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps"),
            *("--python-version", "3.13", "--implementation", "cp", "--dest", tmp_path),
            *(f"--platform=manylinux{tag}_{architecture}" for tag in ("2014", "_2_17", "_2_28")),
            *requirements(),
        )


def requirements() -> list[str]:
    """Give what the package needs, with all that this needs in turn, as it is installed here."""
    from importlib.metadata import distribution, requires

    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    waiting = [each for each in requires("holm-registry") or () if "extra ==" not in each]
    while waiting:
        need = Requirement(waiting.pop())
        if need.name.lower() in found or (need.marker and not need.marker.evaluate({"extra": ""})):
            continue
        installed = distribution(need.name)
        found[need.name.lower()] = f"{need.name}=={installed.version}"
        for each in installed.requires or ():
            inner = Requirement(each)
            wanted = [{"extra": extra} for extra in ("", *need.extras)]
            if inner.marker is None or any(map(inner.marker.evaluate, wanted)):
                waiting.append(f"{inner.name}{_extras(inner)}")
    assert (ROOT / "Dockerfile").exists()
    return sorted(found.values())


def _extras(requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
