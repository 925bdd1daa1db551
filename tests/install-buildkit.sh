#!/usr/bin/env bash
# Install BuildKit (buildctl and buildkitd) beside the checkout's environment, by Go's modules.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v0.25.1
target="$PWD/.venv/buildkit"
[ -x "$target/buildkitd" ] && exit
mkdir -p "$target"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
# Its go.mod excludes versions, which "go install" refuses of a module that is not the main one.
cat >tools.go <<'GO'
//go:build tools

package tools

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
GO
go mod init tools 2>/dev/null
go get "github.com/moby/buildkit@$version" 2>/dev/null
go mod tidy 2>/dev/null
go build -buildvcs=false -o "$target/" \
    github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/cmd/buildkitd
