#!/usr/bin/env bash
# Run the OCI conformance programme against a registry of our own, both editions of the
# specification, every API switched on; reports lie in results/.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv/conformance/conformance ] || tests/install-conformance.sh
HOLM_REQUIRE_CLIENTS=1 HOLM_CONFORMANCE_RESULTS="$PWD/results" \
    .venv/bin/python -m pytest tests/integration/test_conformance.py "$@"
