#!/bin/sh
# Builds {{NAME}}.wasm. The first time, componentize-py is fetched with pip.
set -eu
cd "$(dirname "$0")"
PATH="$PWD/.venv/bin:$PATH"
if ! command -v componentize-py >/dev/null; then
  if ! command -v python3 >/dev/null; then
    echo "Python is missing. Install it with: apt-get install python3 python3-venv" >&2
    exit 3
  fi
  if test -n "${SLUICE_OFFLINE:-}"; then
    echo "componentize-py is missing. Install it with: pip install componentize-py==0.25.1" >&2
    exit 3
  fi
  python3 -m venv .venv
  .venv/bin/pip install --quiet componentize-py==0.25.1
fi
componentize-py --wit-path wit --world plugin componentize --stub-wasi --python-path . --output {{NAME}}.wasm app
