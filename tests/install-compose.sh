#!/usr/bin/env bash
# Install Docker Compose beside the checkout's environment, by Go's modules.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v2.40.3
target="$PWD/.venv/compose"
[ -x "$target/docker-compose" ] && exit
mkdir -p "$target"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
# Its go.mod replaces modules, which "go install" refuses of a module that is not the main one.
module=$(go mod download -json "github.com/docker/compose/v2@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
cp -R "$module" "$work/compose"
chmod -R u+w "$work/compose"
cd "$work/compose"
go build -buildvcs=false -ldflags="-s -w" -o "$target/" ./cmd
mv "$target/cmd" "$target/docker-compose"
