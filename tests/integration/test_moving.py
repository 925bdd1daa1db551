"""Moving over from registry:2 and back, by the commands of docs/moving.md; and other documents."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from holm_registry.oci.digest import Digest

from ..unit.test_k8s_manifests import documents
from .servers import BIN, ENVIRONMENT, Process, registry2, require
from .test_garbage_collect import A, fill, pull, push

DOCS = Path(__file__).parents[2] / "docs"

#: systemctl, for the two services that the document names.
SYSTEMCTL = """
start() {
    "$@" >log 2>&1 & echo $! >pid
    until curl --silent --fail --output /dev/null localhost:$PORT/v2/; do
        kill -0 $(cat pid) || exit 1
    done
}
systemctl() {
    case "$1 $2" in
        "start holm-registry") start registry serve config.yml ;;
        "start docker-registry") start docker-registry serve config.yml ;;
        stop\\ *) kill $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do :; done ;;
    esac
}
"""


def commands(document: str, marker: str = "") -> list[str]:
    """Give the commands of a document, or of the block behind a marker."""
    text = (DOCS / document).read_text()
    if marker:
        text = text.partition(f"<!-- {marker} -->")[2].partition("```console")[2]
        text = text.partition("```")[0]
    return [line.strip()[2:] for line in text.splitlines() if line.strip().startswith("$ ")]


class Machine:
    """A folder with a configuration, and services that a shell starts and stops."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        (folder / "config.yml").write_text(
            f"version: 0.1\nhttp: {{addr: '{self.address}'}}\nstorage:\n"
            f"  filesystem: {{rootdirectory: {folder}/root}}\n  delete: {{enabled: true}}\n"
        )

    def run(self, *lines: str) -> None:
        script = "\n".join(lines)
        script = script.replace("/etc/docker/registry/config.yml", "config.yml")
        script = script.replace("localhost:5000", f"localhost:{self.port}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", SYSTEMCTL + script],
            cwd=self.folder,
            env={**ENVIRONMENT, "PATH": f"{BIN}:{ENVIRONMENT['PATH']}", "PORT": str(self.port)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"

    #: What the helpers of other tests ask of a server.
    request = Process.request


@pytest.fixture
def machine(tmp_path):
    found = Machine(tmp_path)
    yield found
    found.run("if [ -e pid ]; then systemctl stop any || true; fi")


def test_over_and_back_by_the_commands_of_the_document(machine):
    require("docker-registry")
    over, back = commands("moving.md", "over"), commands("moving.md", "back")
    assert len(over) == 6
    assert len(back) == 4
    with registry2(machine.folder / "root") as server:
        fill(server)
    machine.run("systemctl start docker-registry")
    machine.run(*over)
    pull(machine, "a", "v1")
    pull(machine, "a/b", "v3")
    push(machine, "a", "new", A, b"c", b"1")
    machine.run(*back)
    for name, reference in (("a", "v1"), ("a", "new"), ("a/b", "v3"), ("a/b", Digest.of(A))):
        pull(machine, name, reference)


@pytest.mark.parametrize("document", ["moving.md", "kubernetes.md"])
def test_what_kubectl_is_told_is_there(document):
    """Nobody can run it here: what it names is compared with the k8s manifests."""
    names = {
        f"{each['kind'].lower()}/{each['metadata']['name']}"
        for file in ("registry.yaml", "registry-ui.yaml", "own-volume.yaml")
        for each in documents(file)
    }
    found = [line for line in commands(document) if line.startswith("kubectl")]
    assert found
    for line in found:
        for name in re.findall(r"(?:deployment|job)/[a-z-]+", line):
            assert name in names, line
        for path in re.findall(r"manifests/\S*", line):
            assert (DOCS.parent / path).exists(), line
        assert "--namespace holm" in line or "apply" in line, line


def test_every_command_of_registry_that_a_document_names_is_one():
    for document in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for line in document.read_text().splitlines():
            command = re.match(r"\$ (?:kubectl \S+ \S+ exec \S+ -- )?registry ([a-z-]+)(.*)", line)
            if command is None:
                continue
            words = [command[1]]
            if command[1] in ("htpasswd", "token"):
                # These have verbs of their own.
                words.append(command[2].split()[0])
            done = subprocess.run(
                [str(BIN / "registry"), *words, "--help"], capture_output=True, check=False
            )
            assert done.returncode == 0, line
            for option in re.findall(r"--[a-z-]+", command[2]):
                assert option in done.stdout.decode(), line


def test_links_between_documents_lead_somewhere():
    for document in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_dashboard_shows_figures_that_there_are(tmp_path):
    from .servers import CONFIG, holm, holm_ui
    from .test_operations import DEBUG, ask, debug_of

    endpoint = "notifications: {endpoints: [{name: a, url: 'http://127.0.0.1:1'}]}\n"
    with holm(tmp_path / "root", f"{CONFIG}{DEBUG}{endpoint}") as server:
        push(server, "a", "v1", A, b"c", b"1")
        text = ask(debug_of(server), "/metrics")[1].decode()
        with holm_ui(server.address) as ui:
            ui.request("GET", "/")
            text += ask(ui.address, "/metrics")[1].decode()
    names = {line.partition(" ")[0].partition("{")[0] for line in text.splitlines()}
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    shown = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    used = set(re.findall(r"\b(?:registry|holm_ui|process)_[a-z_]+", shown))
    assert len(used) > 15
    assert used <= names, used - names
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
