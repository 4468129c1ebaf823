#!/bin/sh
# Builds {{NAME}}.wasm.
set -eu
cd "$(dirname "$0")"
target=wasm32-unknown-unknown
installed() { test -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib"; }
if installed; then
  cargo build --release --target $target
elif test -x /usr/bin/cargo && test -x /usr/bin/wasm-ld-22 && test -e /usr/lib/rustlib/src/rust/library; then
  # Debian's Rust has the sources of the standard library and a linker.
  PATH=/usr/bin:/bin RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C linker=wasm-ld-22 -C linker-flavor=wasm-ld" \
    /usr/bin/cargo build --release -Zbuild-std=std,panic_abort --target $target
else
  echo "Rust for $target is missing. Install it with one of:" >&2
  echo "  rustup target add $target" >&2
  echo "  apt-get install rustc-web cargo-web rust-web-src lld-22" >&2
  exit 3
fi
cp "${CARGO_TARGET_DIR:-target}/$target/release/{{SNAKE}}.wasm" "{{NAME}}.wasm"
