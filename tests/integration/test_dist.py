"""`make dist`: what it builds installs and runs elsewhere, and is the same bytes each time."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import holm_registry

from .servers import ENVIRONMENT, Process, run

ROOT = Path(__file__).parents[2]
LISTENING = r"listening on (127\.0\.0\.1:\d+)"
CONFIG = ROOT / "docs/config-example.yml"
EPOCH = 1_700_000_000

#: Nothing of the checkout is imported by what runs in a folder of its own.
CLEAN = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}


def build(source: Path, target: Path, umask: int = 0o022, **variables: str) -> dict[str, bytes]:
    """Build both files from a folder; return their bytes by name."""
    run(
        *(sys.executable, source / "tools/dist.py", target),
        cwd=target.parent,
        env={**CLEAN, "SOURCE_DATE_EPOCH": str(EPOCH), **variables},
        umask=umask,
    )
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The sdist and the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory) -> Path:
    """The sdist, unpacked by a user with other habits."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(*built.glob("*.tar.gz")) as sdist:
        sdist.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    for number, path in enumerate(source.rglob("*")):
        os.utime(path, (number * 1000, number * 1000))
        if path.is_file():
            path.chmod(path.stat().st_mode & 0o700)
    return source


def members(path: Path) -> set[str]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return set(wheel.namelist())
    with tarfile.open(path) as sdist:
        return {each.name.partition("/")[2] for each in sdist if each.isfile()}


def tracked(*folders: str) -> set[str]:
    """Return the files of the project, as git lists them."""
    if not (ROOT / ".git").exists():
        pytest.skip("git says which files are the project's")
    names = run("git", "-C", ROOT, "ls-files", *folders).splitlines()
    return {name for name in names if (ROOT / name).exists()}


def test_they_are_named_by_the_version(built):
    version = holm_registry.__version__
    assert {path.name for path in built.iterdir()} == {
        f"holm_registry-{version}.tar.gz",
        f"holm_registry-{version}-py3-none-any.whl",
    }


def test_the_wheel_holds_each_module_template_and_plugin_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = {name.removeprefix("holm_registry/") for name in tracked("templates")}
    expected = {f"holm_registry/{name}" for name in names} | tracked("holm_registry", "twisted")
    found = members(wheel)
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert f"holm_registry-{holm_registry.__version__}.dist-info/licenses/LICENSE" in found


def test_the_wheel_names_the_licence_and_the_extras(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith("/METADATA")]
        metadata = message_from_bytes(opened.read(name))
    assert metadata["License"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert set(metadata.get_all("Provides-Extra")) == {"docs", "s3", "test"}
    store = [text for text in metadata.get_all("Requires-Dist") if 'extra == "s3"' in text]
    assert [re.match("[a-z0-9]+", text)[0] for text in store] == ["botocore", "urllib3"]


def test_the_sdist_holds_all_files_of_the_project(built):
    (sdist,) = built.glob("*.tar.gz")
    found = {name for name in members(sdist) if "egg-info" not in name}
    assert found == tracked() | {"PKG-INFO"}


def test_another_folder_time_umask_and_hash_seed_give_the_same_bytes(built, unpacked, tmp_path):
    again = build(
        unpacked, tmp_path / "dist", umask=0o077, TZ="Pacific/Chatham", PYTHONHASHSEED="7", LANG="C"
    )
    assert again.keys() == {path.name for path in built.iterdir()}
    for name, content in again.items():
        assert content == (built / name).read_bytes(), name


def test_the_time_of_the_commit_is_the_time_of_all_files(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        assert {member.mtime for member in opened} == {EPOCH}
        assert {(member.uid, member.gid, member.uname) for member in opened} == {(0, 0, "")}


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"])
def installed(request, built, tmp_path_factory) -> Path:
    """The programs of an environment outside the checkout; only what we depend on is shared."""
    folder = tmp_path_factory.mktemp("clean") / "environment"
    venv.create(folder, symlinks=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": folder, "platbase": folder})
    # Path files of a folder that a path file names are not read, so the checkout stays out.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", f"--python={folder}/bin/python", "install", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    run(*pip, *offline, *built.glob(request.param), cwd=folder, env=CLEAN)
    return folder / "bin"


def call(installed: Path, *words: str) -> str:
    return run(installed / words[0], *words[1:], cwd=installed.parent, env=CLEAN)


def test_what_is_installed_is_not_the_checkout(installed):
    code = "import holm_registry, sys; print(holm_registry.__file__)"
    assert call(installed, "python", "-c", code).startswith(str(installed.parent))


def test_the_command_runs(installed):
    assert (
        call(installed, "registry", "--version") == f"holm-registry {holm_registry.__version__}\n"
    )
    assert "rootdirectory" in call(installed, "registry", "check", str(CONFIG))


def serve(installed: Path, folder: Path, *words: str, **variables: str) -> Process:
    environment = {**CLEAN, "PATH": f"{installed}:{CLEAN['PATH']}", **variables}
    command = [str(installed / words[0]), *words[1:]]
    return Process(command, LISTENING, env=environment, cwd=folder)


def test_registry_and_ui_serve(installed, tmp_path):
    variables = {
        "REGISTRY_HTTP_ADDR": "127.0.0.1:0",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
    }
    options = ("--port=127.0.0.1:0", "--registry-url")
    with (
        serve(installed, tmp_path, "registry", "serve", str(CONFIG), **variables) as registry,
        serve(installed, tmp_path, "holm-ui", *options, f"http://{registry.address}") as ui,
    ):
        assert registry.request("GET", "/v2/").status == 200
        page = ui.request("GET", "/", Accept="text/html")
        assert page.status == 200
        assert b"<title>" in page.body
        (style,) = [word for word in page.body.split(b'"') if b"app.css" in word]
        assert ui.request("GET", style.decode()).status == 200
