#!/usr/bin/env bash
# Install Helm beside the checkout's environment, by Go's modules.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v3.22.0
[ -x .venv/helm/helm ] && exit
mkdir -p .venv/helm
GOBIN="$PWD/.venv/helm" GOFLAGS=-buildvcs=false go install -ldflags="-s -w" "helm.sh/helm/v3/cmd/helm@$version"
