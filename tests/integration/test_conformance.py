"""The official conformance programme of the OCI distribution-spec: nothing fails, nothing skips."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from .servers import CONFIG, holm, run

PROGRAM = Path(__file__).parents[2] / ".venv/conformance/conformance"

#: What an edition leaves to the registry and this one offers.
EVERYTHING = {
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
    "OCI_DATA_SHA512": "true",
}

#: An operator who takes in manifests of which parts are elsewhere.
SPARSE = f"{CONFIG}validation: {{disabled: true}}\n"


@pytest.mark.parametrize("version", ["1.1", "dev"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_registry_conforms(tmp_path, version, sparse):
    if not PROGRAM.exists():
        if os.environ.get("HOLM_REQUIRE_CLIENTS") and shutil.which("go"):
            pytest.fail(f"{PROGRAM} is missing: run tests/install-conformance.sh")
        pytest.skip("the conformance programme is not installed: tests/install-conformance.sh")
    results = Path(os.environ.get("HOLM_CONFORMANCE_RESULTS", tmp_path))
    with holm(tmp_path / "root", SPARSE if sparse else CONFIG) as registry:
        environment = {
            "PATH": os.environ["PATH"],
            **EVERYTHING,
            "OCI_DATA_SPARSE": str(sparse).lower(),
            "OCI_VERSION": version,
            "OCI_REGISTRY": registry.address,
            "OCI_TLS": "disabled",
            "OCI_RESULTS_DIR": str(results / f"{version}{'-sparse' if sparse else ''}"),
        }
        output = run(PROGRAM, env=environment)
    counts = {
        name: int(count)
        for name, count in re.findall(
            r"^  (Pass|Skip|FAIL|Error|Disabled)\.+:\s+(\d+)$", output, re.MULTILINE
        )
    }
    failed = [line for line in output.splitlines() if line.lstrip().startswith("- ")]
    assert not failed, failed
    assert counts["Pass"] > 900
    assert {name for name, count in counts.items() if count} == {"Pass"}, counts
    summary = output.split("API conformance:")[1]
    others = [
        line.strip()
        for line in summary.splitlines()
        if line.strip().endswith(("Unknown", "Skip", "FAIL", "Error", "Disabled"))
    ]
    assert [line for line in others if sparse or "Sparse" not in line] == []
