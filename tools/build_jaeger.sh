#!/bin/bash
# build_jaeger.sh VERSION FILE: builds Jaeger v2 as a Go module. Its pages are not in the module; its query API is.
# `go install` refuses a module that replaces others, so its sources are built as the main module.
set -euo pipefail
command -v go > /dev/null || { echo "no go on this machine: tests against Jaeger are skipped" >&2; exit 1; }
version=$1 target=$(realpath -m "$2")
sources=$(mktemp -d)
trap 'chmod -R u+w "$sources"; rm -rf "$sources"' EXIT
module=$(cd "$sources" && go mod download -json "github.com/jaegertracing/jaeger@$version" | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
cp -r "$module/." "$sources"
chmod -R u+w "$sources"
mkdir -p "$(dirname "$target")"
(cd "$sources" && nice -n 19 go build -trimpath -ldflags '-s -w' -o "$target" ./cmd/jaeger)
