"""The Helm chart: the same objects as the k8s manifests, and kept in our own registry."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import holm_registry
from holm_registry.config.load import ConfigFile, load

from ..unit.test_k8s_manifests import VERSIONS, documents
from .servers import holm, require, run

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/holm-registry"

#: Everything that is off by default.
ALL = """\
commonLabels: {team: platform}
imagePullSecrets: [{name: pull}]
registry:
  image: {repository: registry.example.org/holm, digest: "sha256:%s"}
  config:
    auth: {htpasswd: {realm: Holm, path: /etc/holm/users}}
    http: {addr: "0.0.0.0:5443", proxies: [10.42.0.0/16]}
    storage: {limits: {manifest: 4194304}}
  env: {REGISTRY_LOG_LEVEL: debug, REGISTRY_STORAGE_DELETE_ENABLED: null}
  extraEnv: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
  extraEnvFrom: [{secretRef: {name: more}}]
  service: {type: ClusterIP, annotations: {a: b}}
  ingress: {enabled: true, className: nginx, tls: [{hosts: [registry.example.org], secretName: t}]}
  persistence: {storageClass: fast, size: 1Ti, annotations: {a: b}}
  ownVolume: {enabled: true}
  livenessProbe: {httpGet: {scheme: HTTPS}}
  readinessProbe: null
  podAnnotations: {a: b}
  podLabels: {a: b}
  serviceAccountName: holm
  priorityClassName: high
  nodeSelector: {disk: large}
  tolerations: [{key: registry, operator: Exists}]
  affinity: null
  extraVolumes: [{name: users, secret: {secretName: users}}]
  extraVolumeMounts: [{name: users, mountPath: /etc/holm}]
ui:
  port: 8081
  env: {PUBLIC_REGISTRY: registry.example.org}
  service: {type: LoadBalancer, nodePort: null}
  ingress: {enabled: true, path: /ui}
  extraVolumes: [{name: certificates, secret: {secretName: certificates}}]
  extraVolumeMounts: [{name: certificates, mountPath: /etc/holm}]
""" % ("0" * 64)


@pytest.fixture(scope="module")
def helm(tmp_path_factory):
    """Helm, with folders of its own."""
    home = tmp_path_factory.mktemp("helm")
    program = require("helm", "helm")
    folders = {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELM", "KUBE"))
    }
    return lambda *words, **options: run(program, *words, env={**environment, **folders}, **options)


@pytest.fixture(scope="module")
def render(helm):
    """Render the chart; return its objects by kind and name."""

    def call(*settings: str, chart: object = CHART, name: str = "registry", values: str = ""):
        options = [f"--set={each}" for each in settings]
        if values:
            options.append("--values=/dev/stdin")
        text = helm("template", name, chart, "--namespace=holm", *options, **given(values))
        return by_name(yaml.safe_load_all(text[text.index("---\n") :]))

    return call


def given(text: str) -> dict[str, object]:
    """Return what hands a text to a program on its standard input."""
    if not text:
        return {"stdin": subprocess.DEVNULL}
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    return {"stdin": read}


def by_name(objects) -> dict[tuple[str, str], dict]:
    return {(each["kind"], each["metadata"]["name"]): meaning(each) for each in objects if each}


def meaning(document: dict) -> dict:
    """Return an object without what has no meaning: the order of variables, the text of YAML."""
    for only in containers(document):
        only["env"] = sorted(only.get("env", []), key=lambda variable: variable["name"])
    if document["kind"] == "ConfigMap":
        document["data"] = {name: yaml.safe_load(text) for name, text in document["data"].items()}
    return document


def containers(document: dict) -> list[dict]:
    return document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])


def container(objects, name: str) -> dict:
    (only,) = containers(objects["Deployment", name])
    return only


def test_helm_finds_no_fault(helm):
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_its_version_is_that_of_the_project():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == holm_registry.__version__


def test_the_default_values_render_the_manifests(render):
    objects = render()
    # Two things that only Helm needs: it would remove the volume, and not restart the registry.
    annotations = objects["PersistentVolumeClaim", "registry-pvc"]["metadata"].pop("annotations")
    assert annotations == {"helm.sh/resource-policy": "keep"}
    template = objects["Deployment", "registry"]["spec"]["template"]
    assert len(template["metadata"]["annotations"].pop("checksum/config")) == 64
    assert objects == by_name(documents("registry.yaml", "registry-ui.yaml"))


def test_the_job_is_that_of_the_manifests(render):
    extra = {
        key: value
        for key, value in render("registry.ownVolume.enabled=true").items()
        if key[0] == "Job"
    }
    assert extra == by_name(documents("own-volume.yaml"))


@pytest.mark.parametrize("values", ["", ALL], ids=["default", "all"])
def test_kubernetes_takes_what_it_renders(render, values):
    for document in render(values=values).values():
        if document["kind"] == "ConfigMap":
            document["data"] = {"config.yml": yaml.safe_dump(document["data"])}
        for version in (VERSIONS[0], VERSIONS[-1]):
            kubernetes_validate.validate(document, version, strict=True)


def test_each_value_has_its_effect(render):
    objects = render(values=ALL)
    assert {kind for kind, _ in objects} >= {"Ingress", "Job"}
    registry, ui = container(objects, "registry"), container(objects, "registry-ui")
    assert registry["image"] == f"registry.example.org/holm@sha256:{'0' * 64}"
    assert ui["image"] == f"localhost/holm-registry:{holm_registry.__version__}"
    assert "readinessProbe" not in registry
    # Where logins are needed, /v2/ answers 401.
    get = {"path": "/", "port": 5443, "scheme": "HTTPS"}
    assert registry["livenessProbe"] == {
        "httpGet": get,
        "initialDelaySeconds": 5,
        "periodSeconds": 10,
    }
    variables = {each["name"]: each.get("value") for each in registry["env"]}
    assert variables["REGISTRY_LOG_LEVEL"] == "debug"
    assert "REGISTRY_STORAGE_DELETE_ENABLED" not in variables
    assert {"NODE", "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin"} <= variables.keys()
    variables = {each["name"]: each["value"] for each in ui["env"]}
    assert variables == {
        "PORT": "8081",
        "PUBLIC_REGISTRY": "registry.example.org",
        "REGISTRY_URL": "http://registry.holm.svc.cluster.local:5000",
    }
    assert "/etc/holm" in [each["mountPath"] for each in registry["volumeMounts"]]
    spec = objects["Deployment", "registry"]["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"disk": "large"}
    assert "affinity" not in spec


def test_ports_follow_the_configuration(render):
    objects = render(values=ALL)
    (port,) = objects["Service", "registry"]["spec"]["ports"]
    assert port == {"name": "registry", "port": 5000, "targetPort": 5443}
    (port,) = objects["Service", "registry-ui"]["spec"]["ports"]
    assert port == {"name": "http", "port": 8080, "targetPort": 8081}
    ports = [each["containerPort"] for each in container(objects, "registry")["ports"]]
    assert ports == [5443, 5001]
    backends = [
        each["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        for (kind, _), each in objects.items()
        if kind == "Ingress"
    ]
    assert backends == [
        {"name": "registry", "port": {"number": 5000}},
        {"name": "registry-ui", "port": {"number": 8080}},
    ]


def test_the_registry_understands_the_configuration(render):
    config = render(values=ALL)["ConfigMap", "registry-config"]["data"]["config.yml"]
    # Numbers in values are floating point ones to Helm.
    assert config["storage"]["limits"] == {"manifest": 4194304}
    text = yaml.safe_dump({**config, "auth": None})
    loaded = load(ConfigFile("config.yml", text), {})
    assert loaded.require().http.proxies
    assert loaded.layers.warnings == []


def test_metrics_that_are_off_are_not_announced(render):
    objects = render("registry.config.http.debug=null")
    annotations = objects["Deployment", "registry"]["spec"]["template"]["metadata"]["annotations"]
    assert list(annotations) == ["checksum/config"]
    assert len(container(objects, "registry")["ports"]) == 1


def test_a_change_of_the_configuration_restarts_the_registry(render):
    def checksum(*settings):
        template = render(*settings)["Deployment", "registry"]["spec"]["template"]
        return template["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum("ui.enabled=false")
    assert checksum() != checksum("registry.config.log.level=debug")


def test_a_claim_that_exists_is_used(render):
    objects = render("registry.persistence.existingClaim=old", "ui.enabled=false")
    assert {kind for kind, _ in objects} == {"ConfigMap", "Deployment", "Service"}
    volumes = objects["Deployment", "registry"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "storage", "persistentVolumeClaim": {"claimName": "old"}} in volumes


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("", {}), ("-", {"storageClassName": ""}), ("a", {"storageClassName": "a"})],
)
def test_a_storage_class_is_the_default_none_or_a_given_one(render, setting, expected):
    objects = render(f"registry.persistence.storageClass={setting}")
    spec = objects["PersistentVolumeClaim", "registry-pvc"]["spec"]
    assert {name: value for name, value in spec.items() if name == "storageClassName"} == expected


def test_names_are_those_of_the_release(render):
    objects = render(name="second")
    assert {name for _, name in objects} == {"second", "second-ui", "second-pvc", "second-config"}
    variables = {each["name"]: each["value"] for each in container(objects, "second-ui")["env"]}
    assert variables["REGISTRY_URL"] == "http://second.holm.svc.cluster.local:5000"
    for name in ("second", "second-ui"):
        selector = {"app": name}
        assert objects["Service", name]["spec"]["selector"] == selector
        assert objects["Deployment", name]["spec"]["selector"]["matchLabels"] == selector


@pytest.mark.parametrize(
    "setting",
    [
        "registry.imge.tag=v1",
        "ui.service.type=Nodeport",
        "registry.service.nodePort=x",
        "image.digest=v1",
        "registry.config.http.addr=localhost",
    ],
)
def test_a_wrong_value_is_refused(helm, setting):
    said = helm("template", "registry", CHART, f"--set={setting}", check=False)
    assert said.startswith("Error: ")
    assert "---" not in said


def test_it_is_pushed_to_and_installed_from_our_own_registry(helm, render, tmp_path):
    version = holm_registry.__version__
    helm("package", CHART, "--destination", tmp_path)
    package = tmp_path / f"holm-registry-{version}.tgz"
    with holm(tmp_path / "root") as server:
        charts = f"oci://{server.address}/charts"
        helm("push", package, charts, "--plain-http")
        tags = server.request("GET", "/v2/charts/holm-registry/tags/list").json["tags"]
        assert tags == [version]
        name = f"{charts}/holm-registry"
        shown = helm("show", "chart", name, "--plain-http", "--version", version)
        assert "appVersion: " in shown
        pulled = tmp_path / "pulled"
        pulled.mkdir()
        helm("pull", name, "--plain-http", "--version", version, "--destination", pulled)
        assert (pulled / package.name).read_bytes() == package.read_bytes()
        assert render(chart=pulled / package.name) == render()
        rendered = helm("template", "registry", name, "--plain-http", "--namespace=holm")
        assert by_name(yaml.safe_load_all(rendered[rendered.index("---\n") :])) == render()
