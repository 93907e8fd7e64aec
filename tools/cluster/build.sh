#!/bin/bash
# build.sh FILE: builds the control plane for tests (main.go) from Go modules, once: a quarter of an hour on two cores.
set -euo pipefail
command -v go > /dev/null || { echo "no go on this machine: tests against a control plane are skipped" >&2; exit 1; }
target=$(realpath -m "$1")
cd "$(dirname "$0")"
mkdir -p "$(dirname "$target")"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<< "${version#v}"
of=k8s.io/component-base/version
# What the parts say that they are; without it each is v0.0.0, and takes no feature of its release.
nice -n 19 go build -mod=readonly -buildvcs=false -trimpath -o "$target" \
  -ldflags "-s -w -X $of.gitVersion=$version -X $of.gitMajor=$major -X $of.gitMinor=$minor" .
