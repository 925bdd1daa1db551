"""The folder ``manifests/``: valid for Kubernetes, and saying what is promised."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import holm_registry
from holm_registry.config.load import ConfigFile, load
from holm_registry.ui.web.settings import read_settings

FOLDER = Path(__file__).parents[2] / "manifests"
RESOURCES = ["namespace.yaml", "registry.yaml", "registry-ui.yaml"]
VERSIONS = ["1.27", "1.29", "1.31", kubernetes_validate.latest_version()]


def documents(*files):
    return [each for file in files for each in yaml.safe_load_all((FOLDER / file).read_text())]


def found(kind, name):
    (document,) = [
        each
        for each in documents(*RESOURCES)
        if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return document


def pod(name):
    return found("Deployment", name)["spec"]["template"]["spec"]


def container(name):
    (only,) = pod(name)["containers"]
    return only


def environment(name):
    return {each["name"]: each["value"] for each in container(name)["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", [*RESOURCES, "own-volume.yaml"])
def test_kubernetes_takes_them(file, version):
    for document in documents(file):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_mistake_would_be_found():
    document = found("Service", "registry")
    document["spec"]["ports"][0]["nodePorts"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[0], strict=True)


def test_kustomize_brings_all_that_is_meant_to_stay():
    (kustomization,) = documents("kustomization.yaml")
    assert kustomization["resources"] == RESOURCES
    assert kustomization["namespace"] == "holm"
    assert all(
        each["metadata"].get("namespace", "holm") == "holm" for each in documents(*RESOURCES)
    )


@pytest.mark.parametrize(
    ("name", "port", "node_port", "path"),
    [("registry", 5000, 31500, "/v2/"), ("registry-ui", 8080, 31750, "/health")],
)
def test_ports_probes_resources_and_labels(name, port, node_port, path):
    deployment, service = found("Deployment", name), found("Service", name)
    assert deployment["spec"]["replicas"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == {"app": name}
    assert service["spec"]["selector"] == {"app": name}
    assert service["spec"]["type"] == "NodePort"
    (exposed,) = service["spec"]["ports"]
    assert (exposed["port"], exposed["targetPort"], exposed["nodePort"]) == (port, port, node_port)
    only = container(name)
    assert port in [each["containerPort"] for each in only["ports"]]
    assert only["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"cpu": "500m", "memory": "256Mi"},
    }
    probe = {"httpGet": {"path": path, "port": port}}
    assert only["livenessProbe"] == {**probe, "initialDelaySeconds": 5, "periodSeconds": 10}
    assert only["readinessProbe"] == {**probe, "initialDelaySeconds": 3, "periodSeconds": 5}


@pytest.mark.parametrize("name", ["registry", "registry-ui"])
def test_nothing_is_allowed_that_is_not_needed(name):
    spec, only = pod(name), container(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["runAsGroup"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"] == [
        {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/hostname",
                    "operator": "NotIn",
                    "values": ["openmediavault"],
                }
            ]
        }
    ]


def test_the_registry_has_its_volume_alone():
    assert found("Deployment", "registry")["spec"]["strategy"] == {"type": "Recreate"}
    claim = found("PersistentVolumeClaim", "registry-pvc")["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert claim["resources"] == {"requests": {"storage": "10Gi"}}
    volumes = {each["name"]: each for each in pod("registry")["volumes"]}
    mounts = {each["mountPath"]: each["name"] for each in container("registry")["volumeMounts"]}
    assert volumes[mounts["/var/lib/registry"]] == {
        "name": "storage",
        "persistentVolumeClaim": {"claimName": "registry-pvc"},
    }
    config = volumes[mounts["/etc/docker/registry"]]
    assert config["configMap"] == {"name": "registry-config"}
    assert pod("registry")["securityContext"]["fsGroup"] == 65532


def test_the_registry_understands_its_file_and_its_variables():
    text = found("ConfigMap", "registry-config")["data"]["config.yml"]
    loaded = load(ConfigFile("config.yml", text), environment("registry"))
    config = loaded.require()
    assert loaded.layers.warnings == []
    assert container("registry")["args"] == ["/etc/docker/registry/config.yml"]
    assert config.http.addr == ":5000"
    assert config.storage.filesystem.rootdirectory == "/var/lib/registry"
    assert config.storage.delete.enabled
    assert pod("registry")["terminationGracePeriodSeconds"] > config.http.draintimeout
    annotations = found("Deployment", "registry")["spec"]["template"]["metadata"]["annotations"]
    assert config.http.debug.addr == f":{annotations['prometheus.io/port']}"
    assert config.http.debug.prometheus.path == annotations["prometheus.io/path"]


def test_the_variables_are_the_five_that_were_always_set():
    assert environment("registry") == {
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin": "[*]",
        "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Methods": "[HEAD,GET,OPTIONS,DELETE]",
        "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Headers": (
            "[Authorization,Accept,Cache-Control]"
        ),
        "REGISTRY_HTTP_HEADERS_Access-Control-Expose-Headers": "[Docker-Content-Digest]",
    }


def test_the_ui_finds_the_registry():
    variables = environment("registry-ui")
    assert variables["REGISTRY_URL"] == "http://registry.holm.svc.cluster.local:5000"
    options = {"port": None, "registry-url": None, "public-registry": None, "repositories": None}
    settings = read_settings(options, variables)
    assert settings.listen == ":8080"
    assert container("registry-ui")["args"] == ["holm-ui"]


def test_all_run_one_image_of_this_version():
    images = {container("registry")["image"], container("registry-ui")["image"]}
    (job,) = documents("own-volume.yaml")
    images |= {each["image"] for each in job["spec"]["template"]["spec"]["containers"]}
    assert images == {f"localhost/holm-registry:{holm_registry.__version__}"}
