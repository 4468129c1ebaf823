#!/bin/sh
# Builds {{NAME}}.wasm. The first time, the compiler (zig, which compiles C) is fetched with pip.
set -eu
cd "$(dirname "$0")"
sluice=${SLUICE:-sluice}
if ! command -v "$sluice" >/dev/null; then
  echo "sluice is missing: put it in the PATH, or its path into SLUICE" >&2
  exit 3
fi
if command -v zig >/dev/null; then
  zig=zig
else
  python=$PWD/.venv/bin/python
  if test -x "$python" && "$python" -c "import ziglang" 2>/dev/null; then
    :
  elif python3 -c "import ziglang" 2>/dev/null; then
    python=python3
  elif test -n "${SLUICE_OFFLINE:-}"; then
    echo "zig is missing. Install it with: pip install ziglang==0.17.1" >&2
    exit 3
  elif ! command -v python3 >/dev/null; then
    echo "Python is missing. Install it with: apt-get install python3 python3-venv" >&2
    exit 3
  else
    python3 -m venv .venv
    .venv/bin/pip install --quiet ziglang==0.17.1
  fi
  zig="$python -m ziglang"
fi
"$sluice" plugin bindings --lang c --output build/bindings
$zig cc --target=wasm32-wasi -mexec-model=reactor -std=c11 -O2 -g0 -Wall -Wextra -Isluice -isystem build/bindings \
  -Wl,--strip-debug,-z,stack-size=65536 -o build/module.wasm plugin.c sluice/*.c
"$sluice" plugin component build/module.wasm --output {{NAME}}.wasm
