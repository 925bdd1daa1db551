"""Containers of our own image, in a storage of their own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .servers import ENVIRONMENT, Process, require, run

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/holm-registry:test"

#: What k8s manifests allow, and what else a container may not do there.
LIMITS = (
    "--network=host",
    "--memory=256m",
    "--cpus=0.5",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    # Where containers are nested, these may not be raised.
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
)

#: Parts of Debian that Python depends on, and that nothing here uses.
_UNUSED = ("perl", "libperl", "debconf", "cdebconf", "dpkg", "install-info", "gcc")

#: What lies beside the source in a checkout.
_NO_SOURCE = shutil.ignore_patterns(".*", "build", "data", "dist", "results", "*.egg-info")


class Containers:
    """
    Builds, pushes, pulls and runs images.

    :param run_root: A folder with a short path: podman takes no other.
    """

    def __init__(self, folder: Path, run_root: str) -> None:
        self._folder = folder
        self._storage = [
            "--storage-driver=vfs",
            f"--root={folder}/storage",
            f"--runroot={run_root}",
        ]

    def podman(self, *words: object, **options) -> str:
        """Call podman."""
        return run(require("podman"), *self._storage, *map(str, words), **options)

    def buildah(self, *words: object, **options) -> str:
        """Call buildah."""
        return run(require("buildah"), *self._storage, *map(str, words), **options)

    def serve(self, pattern: str, *words: str, image: str = IMAGE, name: str = "") -> Process:
        """Run a container that says where it listens."""
        named = [f"--name={name}"] if name else []
        command = [require("podman"), *self._storage, "--runtime=runc", "run", "--rm", *named]
        return Process([*command, *LIMITS, *words[:-1], image, *words[-1:]], pattern)

    def call(self, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        command = [require("podman"), *self._storage, "--runtime=runc", "run", "--rm"]
        return subprocess.run(
            [*command, *LIMITS, *options, IMAGE, *words],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            timeout=120,
        )

    def engine(self, target: Path) -> Path:
        """Write a program that is podman with our storage."""
        words = shlex.join([require("podman"), *self._storage])
        target.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        target.chmod(0o755)
        return target

    def build(self) -> None:
        """Build our image on what Debian's packages hold, without a network."""
        for program in ("apt-get", "apt-cache", "dpkg-deb", "buildah", "podman", "runc"):
            require(program)
        if os.geteuid() != 0:
            pytest.skip("volumes are given to other users: only root can")
        base, wheels = self._base(), self._folder / "wheels"
        # Of a copy: pip builds in the folder itself, where another process may build as well.
        source = shutil.copytree(ROOT, self._folder / "source", symlinks=True, ignore=_NO_SOURCE)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels)]
        run(*pip, str(source), "setuptools", cwd=self._folder)
        self.buildah(
            "build",
            "--isolation=chroot",
            f"--build-arg=BASE={base}",
            "--build-arg=PIP_ARGS=--no-index --find-links=/wheels",
            f"--volume={wheels}:/wheels:ro",
            f"--tag={IMAGE}",
            ROOT,
        )

    def _base(self) -> str:
        debs, root = self._folder / "debs", self._folder / "base"
        for folder in ("debs", "base/usr/bin", "base/usr/lib", "base/usr/lib64", "base/tmp"):
            (self._folder / folder).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        wanted = ["python3", "python3-venv", "dash", "coreutils"]
        options = [f"--no-{kind}" for kind in _RELATIONS]
        listed = run("apt-cache", "depends", "--recurse", *options, *wanted)
        names = {line for line in listed.splitlines() if line[:1].isalnum()}
        needed = sorted(name for name in names if not name.startswith(_UNUSED))
        run("apt-get", "download", "-qq", *needed, cwd=debs)
        status = root / "var/lib/dpkg/status"
        status.parent.mkdir(parents=True)
        with status.open("w") as file:
            for deb in debs.iterdir():
                run("dpkg-deb", "--extract", deb, root)
                file.write(run("dpkg-deb", "--field", deb) + "Status: install ok installed\n\n")
        run("tar", "-C", root, "-cf", self._folder / "base.tar", ".")
        self.podman("import", self._folder / "base.tar", "localhost/base:debian")
        return "localhost/base:debian"


_RELATIONS = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


def give_to(root: Path, user: int) -> None:
    """Give a volume to a user, as an operator would with ``chown -R``."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            os.lchown(os.path.join(folder, name), user, user)
    os.chown(root, user, user)
