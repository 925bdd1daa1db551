"""
Write the SBOM (software bill of materials) of an image, as CycloneDX JSON.

    python tools/sbom.py IMAGE [ENGINE] > sbom.json
    python tools/sbom.py - < root-file-system.tar > sbom.json

ENGINE is ``podman`` or ``docker``; it must have the image. The SBOM lists the image's Python and
Debian packages, and CPython. Nothing in the image is run, so the image may be one for another
architecture.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from typing import BinaryIO

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCHEMA = SchemaVersion.V1_6
PROJECT = "holm-registry"

_PYTHON = re.compile(r"(?:\./)?.+/(?:site|dist)-packages/[^/]+\.dist-info/METADATA")
_DEBIAN = re.compile(r"(?:\./)?var/lib/dpkg/status(?:\.d/[^/]+)?")
_VENV = re.compile(r"(?:\./)?opt/holm/pyvenv\.cfg")
_RELEASE = re.compile(r"(?:\./)?(?:etc|usr/lib)/os-release")


class Files:
    """The files of an image from which its packages can be told."""

    def __init__(self, stream: BinaryIO) -> None:
        self.python: list[Message] = []
        self.debian: list[Message] = []
        self.venv = ""
        self.distribution = ""
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                if member.isfile():
                    self._read(archive, member)

    def _read(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = member.name
        if _PYTHON.fullmatch(name):
            self.python.append(message_from_string(_text(archive, member)))
        elif _DEBIAN.fullmatch(name) and not name.endswith(".md5sums"):
            paragraphs = re.split(r"\n\n+", _text(archive, member))
            self.debian += map(message_from_string, filter(None, paragraphs))
        elif _VENV.fullmatch(name):
            self.venv = _text(archive, member)
        elif _RELEASE.fullmatch(name):
            self.distribution = _distribution(_text(archive, member))


def make_bom(files: Files) -> Bom:
    """
    Return the SBOM of an image.

    :raises ValueError: The image does not contain the project.
    """
    python = dict(map(_python_component, files.python))
    if PROJECT not in python:
        raise ValueError(f"the image does not contain {PROJECT}")
    image = Component(
        type=ComponentType.CONTAINER,
        name=PROJECT,
        version=python[PROJECT].version,
        bom_ref="image",
        licenses=python[PROJECT].licenses,
    )
    bom = Bom()
    bom.metadata.component = image
    others = [*_interpreter(files.venv), *_debian_components(files)]
    for component in (*python.values(), *others):
        bom.components.add(component)
    bom.register_dependency(image, [python[PROJECT], *others])
    for message in files.python:
        name, _ = _python_component(message)
        bom.register_dependency(python[name], _required(message, python))
    _make_reproducible(bom)
    return bom


def _python_component(message: Message) -> tuple[str, Component]:
    name, version = canonicalize_name(message["Name"]), message["Version"]
    purl = PackageURL("pypi", name=name, version=version)
    return name, Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        description=message["Summary"],
        licenses=[LicenseFactory().make_from_string(text) for text in _licence(message)],
    )


def _licence(message: Message) -> Iterator[str]:
    """Return the licence that a package names, if it names one: its best form alone."""
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in message.get_all("Classifier", [])
        if text.startswith("License ::")
    ]
    stated = message["License"] or ""
    one_line = stated.strip() if "\n" not in stated.strip() else ""
    for text in (message["License-Expression"], one_line, " or ".join(classifiers)):
        if text and text != "UNKNOWN":
            yield text
            return


def _required(message: Message, python: dict[str, Component]) -> Iterator[Component]:
    """Return the packages that a package requires, those of its extras too, where installed."""
    for text in message.get_all("Requires-Dist", []):
        name = canonicalize_name(Requirement(text).name)
        if name in python and name != canonicalize_name(message["Name"]):
            yield python[name]


def _interpreter(settings: str) -> Iterator[Component]:
    match = re.search(r"^version(?:_info)? *= *([0-9.]+)", settings, re.MULTILINE)
    if match:
        purl = PackageURL("generic", name="python", version=match[1])
        yield Component(
            type=ComponentType.PLATFORM,
            name="python",
            version=match[1],
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=[LicenseFactory().make_from_string("PSF-2.0")],
        )


def _debian_components(files: Files) -> Iterator[Component]:
    for message in files.debian:
        if "installed" not in message.get("Status", "installed").split():
            continue
        qualifiers = {"arch": message["Architecture"], "distro": files.distribution}
        purl = PackageURL(
            "deb",
            namespace="debian",
            name=message["Package"],
            version=message["Version"],
            qualifiers={name: value for name, value in qualifiers.items() if value},
        )
        yield Component(
            name=message["Package"],
            version=message["Version"],
            purl=purl,
            bom_ref=purl.to_string(),
        )


def _distribution(text: str) -> str:
    """Return what os-release calls the distribution, such as ``debian-12``."""
    values = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', text, re.MULTILINE))
    return "-".join(values[name] for name in ("ID", "VERSION_ID") if name in values)


def _make_reproducible(bom: Bom) -> None:
    """Give a SBOM a serial number that depends on its content, and a time that can be set."""
    references = sorted(str(component.bom_ref) for component in bom.components)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(references))
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    bom.metadata.timestamp = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    return file.read().decode("utf-8", "replace") if file else ""


def to_json(bom: Bom) -> str:
    """
    Return a SBOM as JSON.

    :raises ValueError: It does not conform to the schema of CycloneDX.
    """
    text = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=2)
    error = JsonStrictValidator(SCHEMA).validate_str(text)
    if error:
        raise ValueError(f"the SBOM is not valid: {error}")
    return text


@contextmanager
def _root_file_system(image: str, engine: str) -> Iterator[BinaryIO]:
    """Return an image's files as a tar stream, from a container that is not started."""
    container = subprocess.run(
        [engine, "create", "--pull=never", image, "true"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    try:
        with subprocess.Popen([engine, "export", container], stdout=subprocess.PIPE) as export:
            yield export.stdout  # type: ignore[misc]
    finally:
        subprocess.run([engine, "rm", container], check=True, stdout=subprocess.DEVNULL)


def main(arguments: Iterable[str]) -> int:
    """Run the command line; return the exit status."""
    image, engine = (*arguments, "podman")[:2]
    try:
        if image == "-":
            files = Files(sys.stdin.buffer)
        else:
            with _root_file_system(image, engine) as stream:
                files = Files(stream)
        print(to_json(make_bom(files)))
    except (OSError, ValueError, subprocess.CalledProcessError, tarfile.TarError) as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
