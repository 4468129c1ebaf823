#!/bin/sh
# Builds {{NAME}}.wasm. The first time, tools are fetched with npm.
set -eu
cd "$(dirname "$0")"
PATH="$PWD/node_modules/.bin:$PATH"
if ! command -v componentize-qjs >/dev/null || ! command -v tsc >/dev/null; then
  if ! command -v npm >/dev/null; then
    echo "npm is missing. Install it with: apt-get install npm" >&2
    exit 3
  fi
  if test -n "${SLUICE_OFFLINE:-}"; then
    echo "componentize-qjs or tsc is missing. Install them with: npm install" >&2
    exit 3
  fi
  npm install --no-audit --no-fund
fi
tsc
mkdir -p build/sluice
cp sluice/*.js build/sluice/
componentize-qjs --wit wit --world plugin --js build/plugin.js --opt-size --sync --stub-wasi --output {{NAME}}.wasm
