#!/usr/bin/env bash
# Install the conformance programme of the OCI distribution-spec beside the checkout's environment.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v0.0.0-20260831232431-97274622c111
mkdir -p .venv/conformance
GOBIN="$PWD/.venv/conformance" GOFLAGS=-buildvcs=false \
    go install "github.com/opencontainers/distribution-spec/conformance@$version"
