"""The benchmark tool works: every workload, as small as can be. How fast it is, is not for here."""

from __future__ import annotations

import json
import sys

from benchmarks.workloads import WORKLOADS

from .servers import require, run


def test_every_workload_can_be_measured_and_is_told_of(tmp_path):
    for program in ("wrk", "/usr/sbin/nginx", "docker-registry", "openssl", "curl"):
        require(program)
    values, picture = tmp_path / "values.json", tmp_path / "chart.svg"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--rounds=1", "--folder", tmp_path]
    shown = run(*command, "--json", values, "--chart", picture)
    found = json.loads(values.read_text())["values"]
    assert set(found) == {workload.name for workload in WORKLOADS}
    for workload in WORKLOADS:
        measured = found[workload.name]
        assert set(measured) == {"Holm Registry", *workload.others}
        for goal in workload.goals:
            (value,) = measured["Holm Registry"][goal.figure]
            assert value > 0
            assert f"| {workload.name} | {goal.figure} |" in shown
    assert picture.read_text().startswith("<svg ")
    assert {each.name for each in tmp_path.iterdir()} == {"values.json", "chart.svg"}


def test_any_other_registry_can_be_measured(tmp_path, registry):
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--rounds=1", "--folder", tmp_path]
    url = f"http://{registry.address}"
    shown = run(*command, "--only", "push small", "--against", url)
    assert "| push small | blobs/s |" in shown
    assert f"| {url} |" in shown
    # What was pushed there is there.
    assert registry.request("GET", "/v2/_catalog").json["repositories"]


def test_a_workload_that_is_none_is_said_so(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--only", "no such"]
    assert "there is no workload 'no such'; there are push 1, " in run(*command, check=False)
