"""``compose.yaml``: what Docker Compose reads, and the limits of the k8s manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import holm_registry

from ..unit.test_k8s_manifests import container, environment, pod
from .servers import ENVIRONMENT, require, run

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose.yaml"
PLAIN = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("HOLM_")}


@pytest.fixture
def read():
    """Read the file as Docker Compose does, with variables of the environment."""
    program = require("docker-compose", "compose")
    command = [program, "--file", FILE, "config", "--format=json"]
    return lambda **variables: json.loads(run(*command, env={**PLAIN, **variables}))


def test_two_services_run_one_image_of_this_version_that_is_built_here(read):
    services = read()["services"]
    assert services.keys() == {"registry", "ui"}
    for service in services.values():
        assert service["image"] == f"localhost/holm-registry:{holm_registry.__version__}"
        assert service["build"] == {"context": str(ROOT), "dockerfile": "Dockerfile"}


@pytest.mark.parametrize(("name", "manifest"), [("registry", "registry"), ("ui", "registry-ui")])
def test_the_limits_are_those_of_the_manifests(read, name, manifest):
    service, only = read()["services"][name], container(manifest)
    limits = only["resources"]["limits"]
    assert int(service["mem_limit"]) == int(limits["memory"].removesuffix("Mi")) * 1024**2
    assert float(service["cpus"]) * 1000 == int(limits["cpu"].removesuffix("m"))
    security = only["securityContext"]
    assert service["read_only"] is security["readOnlyRootFilesystem"] is True
    assert service["cap_drop"] == security["capabilities"]["drop"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["stop_grace_period"] == f"{pod(manifest)['terminationGracePeriodSeconds']}s"
    # The image's own, which is not root.
    assert "user" not in service


def test_the_registry_has_a_volume_of_its_own_and_the_variables_of_the_manifests(read):
    project = read()
    registry = project["services"]["registry"]
    assert registry["environment"] == environment("registry")
    (volume,) = registry["volumes"]
    assert (volume["type"], volume["source"]) == ("volume", "registry")
    assert volume["target"] == "/var/lib/registry"
    assert "registry" in project["volumes"]


def test_the_ui_finds_the_registry(read):
    ui = read()["services"]["ui"]
    assert ui["command"] == container("registry-ui")["args"]
    assert ui["environment"]["REGISTRY_URL"] == "http://registry:5000"
    assert "registry" in ui["depends_on"]


def published(project, name):
    (port,) = project["services"][name]["ports"]
    return f"{port['host_ip']}:{port['published']}", port["target"]


def test_it_listens_for_this_machine_alone(read):
    project = read()
    assert published(project, "registry") == ("127.0.0.1:5000", 5000)
    assert published(project, "ui") == ("127.0.0.1:8080", 8080)


def test_variables_change_where_it_listens(read):
    variables = {"HOLM_HOST": "0.0.0.0", "HOLM_PORT": "5001", "HOLM_UI_PORT": "8081"}
    project = read(**variables, HOLM_NAME="images.lan")
    assert published(project, "registry") == ("0.0.0.0:5001", 5000)
    assert published(project, "ui") == ("0.0.0.0:8081", 8080)
    assert project["services"]["ui"]["environment"]["PUBLIC_REGISTRY"] == "images.lan:5001"
