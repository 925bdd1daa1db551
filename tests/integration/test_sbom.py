"""The SBOM of the image, from a root file system that is made here."""

from __future__ import annotations

import configparser
import io
import json
import subprocess
import sys
import tarfile
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import holm_registry
from tools import sbom

ROOT = Path(__file__).parents[2]
PACKAGES = "opt/holm/lib/python3.13/site-packages"

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: arm64
Version: 2.36-9+deb12u10
Description: GNU C Library
 Contains the standard libraries.

Package: vim
Status: deinstall ok config-files
Architecture: arm64
Version: 2:9.0

"""

FILES = {
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2025b\nArchitecture: all\n",
    "var/lib/dpkg/status.d/tzdata.md5sums": "d41d8cd98f00b204e9800998ecf8427e  usr/share\n",
    "opt/holm/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.7\n",
    "usr/lib/os-release": 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n',
    f"{PACKAGES}/zlibs-1.0.dist-info/METADATA": "Name: Zlib_s\nVersion: 1.0\nLicense: Zlib\n",
    f"{PACKAGES}/zlibs-1.0.dist-info/RECORD": "Name: no\n",
    "home/METADATA": "Name: no\nVersion: 0\n",
}


def root_file_system(files: dict[str, str], prefix: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def required() -> list[str]:
    """Return what the project requires, as its sources say: the environment may be older."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["options"]["install_requires"].split()


def installed() -> dict[str, str]:
    """Return the metadata of the project and of this environment's packages, as image files."""
    texts = {each.metadata["Name"]: each.read_text("METADATA") for each in distributions()}
    texts["holm-registry"] = "\n".join(
        (
            f"Name: holm-registry\nVersion: {holm_registry.__version__}\nLicense: Apache-2.0",
            *(f"Requires-Dist: {text}" for text in required()),
        )
    )
    return {f"{PACKAGES}/{name}.dist-info/METADATA": text for name, text in texts.items() if text}


def made(files: dict[str, str], prefix: str = "") -> dict:
    stream = io.BytesIO(root_file_system(files, prefix))
    return json.loads(sbom.to_json(sbom.make_bom(sbom.Files(stream))))


@pytest.fixture(scope="module")
def document() -> dict:
    return made({**FILES, **installed()})


def by_purl(document: dict) -> dict[str, dict]:
    return {component["purl"]: component for component in document["components"]}


def test_it_conforms_to_the_schema(document):
    assert document["specVersion"] == "1.6"
    assert JsonStrictValidator(sbom.SCHEMA).validate_str(json.dumps(document)) is None
    broken = {**document, "components": [{"name": "no type"}]}
    assert JsonStrictValidator(sbom.SCHEMA).validate_str(json.dumps(broken)) is not None


def test_it_is_of_the_image_of_this_version(document):
    component = document["metadata"]["component"]
    assert component["type"] == "container"
    assert (component["name"], component["version"]) == ("holm-registry", holm_registry.__version__)
    assert component["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_it_lists_all_that_the_project_requires_with_what_this_requires(document):
    expected = {canonicalize_name(Requirement(text).name) for text in required()}
    assert "twisted" in expected
    assert expected <= {component["name"] for component in document["components"]}
    edges = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    (ours,) = [ref for ref in edges["image"] if ref.startswith("pkg:pypi/")]
    assert ours == f"pkg:pypi/holm-registry@{holm_registry.__version__}"
    assert {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in edges[ours]} == expected
    (twisted,) = [ref for ref in edges if ref.startswith("pkg:pypi/twisted@")]
    assert f"pkg:pypi/zope-interface@{version('zope.interface')}" in edges[twisted]


def test_it_lists_debian_packages_that_are_installed_and_the_interpreter(document):
    purls = [purl for purl in by_purl(document) if not purl.startswith("pkg:pypi/")]
    assert sorted(purls) == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=arm64&distro=debian-12",
        "pkg:deb/debian/tzdata@2025b?arch=all&distro=debian-12",
        "pkg:generic/python@3.13.7",
    ]


def test_licences_are_those_of_spdx_where_they_are_named_so(document):
    components = by_purl(document)
    assert components["pkg:pypi/zlib-s@1.0"]["licenses"] == [{"license": {"id": "Zlib"}}]
    # A sign that most packages have one.
    python = [each for purl, each in components.items() if purl.startswith("pkg:pypi/")]
    assert len([each for each in python if each.get("licenses")]) > len(python) * 0.8


def test_the_form_of_the_archive_does_not_matter(document, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    files = {**FILES, **installed()}
    one, other = made(files), made(dict(reversed(files.items())), prefix="./")
    assert one == other
    assert one["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert one["serialNumber"] == document["serialNumber"]
    assert made({**files, f"{PACKAGES}/x.dist-info/METADATA": "Name: x\nVersion: 1\n"}) != one


@pytest.mark.parametrize(
    ("archive", "problem"),
    [
        (root_file_system(FILES), "sbom: the image does not contain holm-registry\n"),
        (b"no archive", "sbom: "),
    ],
)
def test_what_is_no_image_of_the_project_is_refused(archive, problem):
    done = subprocess.run(
        [sys.executable, ROOT / "tools/sbom.py", "-"],
        input=archive,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().startswith(problem)
    assert done.stderr.count(b"\n") == 1


def test_an_engine_that_fails_is_named(capsys):
    assert sbom.main(["image", "/no/engine"]) == 1
    assert sbom.main(["image", "false"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("sbom: ")
    assert "/no/engine" in first
    assert "'false', 'create', '--pull=never', 'image'" in second
