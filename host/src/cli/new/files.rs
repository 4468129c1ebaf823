//! The files that projects are made of, as they were when this program was built.

/// A file's path in a project, and its text.
pub type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../", $folder, "/", $name)))),*]
    };
}

/// The contract.
pub const WIT: &[File] = files!("../wit": "types.wit", "hooks.wit", "capabilities.wit", "worlds.wit");

/// What every project has; names are those of the project.
pub const README: &str = include_str!("../../../templates/common/README.md");
pub const IGNORE: &str = include_str!("../../../templates/common/gitignore");

/// The cases of each role, by its name.
pub const CASES: &[File] = files!(
    "templates/cases": "authenticate.toml", "authorize.toml", "rate-limit.toml", "filter.toml", "body-filter.toml", "stream-filter.toml", "aggregate.toml", "balance.toml",
);

pub const RUST: &[File] = files!(
    "templates/rust": "Cargo.toml", "build.sh", "authenticate.rs", "authorize.rs", "rate-limit.rs", "filter.rs", "body-filter.rs", "stream-filter.rs", "aggregate.rs",
    "balance.rs",
);

/// What projects in other languages say of their hooks and imports.
pub const WORLD: &str = include_str!("../../../templates/wit/plugin.wit");

pub const JAVASCRIPT: &[File] = files!(
    "templates/javascript": "package.json", "build.sh", "authenticate.js", "authorize.js", "rate-limit.js", "filter.js", "body-filter.js", "stream-filter.js",
    "aggregate.js", "balance.js",
);

/// The helper modules of both.
pub const SLUICE_JS: &[File] = files!(
    "templates/javascript/sluice": "index.js", "clock.js", "crypto.js", "http-client.js", "kv.js", "limiter.js", "metrics.js",
    "random.js",
);

pub const TYPESCRIPT: &[File] = files!(
    "templates/typescript": "package.json", "tsconfig.json", "build.sh", "authenticate.ts", "authorize.ts", "rate-limit.ts",
    "filter.ts", "body-filter.ts", "stream-filter.ts", "aggregate.ts", "balance.ts",
);

/// Their types.
pub const SLUICE_TS: &[File] = files!(
    "templates/typescript/sluice": "index.d.ts", "clock.d.ts", "crypto.d.ts", "http-client.d.ts", "kv.d.ts", "limiter.d.ts",
    "metrics.d.ts", "random.d.ts",
);

pub const PYTHON: &[File] = files!(
    "templates/python": "app.py", "build.sh", "authenticate.py", "authorize.py", "rate-limit.py", "filter.py", "body-filter.py", "stream-filter.py", "aggregate.py",
    "balance.py",
);

/// The helper package.
pub const SLUICE_PY: &[File] = files!(
    "templates/python/sluice": "__init__.py", "answers.py", "clock.py", "convert.py", "crypto.py", "exchange.py", "exports.py",
    "hooks.py", "http_client.py", "kv.py", "limiter.py", "log.py", "messages.py", "metrics.py", "random.py",
);

pub const C: &[File] = files!(
    "templates/c": "build.sh", "authenticate.c", "authorize.c", "rate-limit.c", "filter.c", "body-filter.c", "stream-filter.c", "aggregate.c", "balance.c",
);

/// The helper, which C++ uses too.
pub const SLUICE_C: &[File] = files!(
    "templates/c/sluice": "sluice.h", "capabilities.h", "internal.h", "bindings.c", "capabilities.c", "hooks.c", "json.c",
    "memory.c", "message.c",
);

pub const CPP: &[File] = files!(
    "templates/cpp": "build.sh", "authenticate.cpp", "authorize.cpp", "rate-limit.cpp", "filter.cpp", "body-filter.cpp", "stream-filter.cpp", "aggregate.cpp",
    "balance.cpp",
);

/// What it has besides.
pub const SLUICE_CPP: &[File] = files!("templates/cpp/sluice": "sluice.hpp", "roles.hpp", "capabilities.hpp");

pub const GO: &[File] = files!(
    "templates/go": "go.mod", "build.sh", "authenticate.go", "authorize.go", "rate-limit.go", "filter.go", "body-filter.go", "stream-filter.go", "aggregate.go",
    "balance.go", "authenticate_test.go", "authorize_test.go", "filter_test.go", "balance_test.go",
);

/// The helper packages; they name the project's module.
pub const SLUICE_GO: &[File] = files!(
    "templates/go/sluice": "sluice.go", "roles.go", "answer.go", "clock/clock.go", "component/main.go", "crypto/crypto.go",
    "glue/glue.go", "glue/message.go", "httpclient/httpclient.go", "kv/kv.go", "limiter/limiter.go", "metrics/metrics.go",
    "random/random.go", "sluicetest/sluicetest.go", "wit/runtime/runtime.go", "wit/types/types.go",
);

pub const SDK_MANIFEST: &str = include_str!("../../../templates/rust/sdk.toml");

/// The SDK for Rust.
pub const SDK: &[File] = files!(
    "../plugin-sdk/src":
    "balance.rs",
    "body.rs",
    "clock.rs",
    "config.rs",
    "config/node.rs",
    "crypto.rs",
    "decision.rs",
    "encode.rs",
    "error.rs",
    "exchange.rs",
    "export.rs",
    "field.rs",
    "http.rs",
    "identity.rs",
    "json.rs",
    "json/document.rs",
    "json/pointer.rs",
    "json/scan.rs",
    "kv.rs",
    "lib.rs",
    "limiter.rs",
    "local_response.rs",
    "log.rs",
    "message.rs",
    "metrics.rs",
    "plugin.rs",
    "random.rs",
    "template.rs",
    "template/tests.rs",
    "template/variable.rs",
    "test/crypto.rs",
    "test/edit.rs",
    "test/exchange.rs",
    "test/host.rs",
    "test/limiter.rs",
    "test/mod.rs",
    "test/pick.rs",
    "test/plugin.rs",
    "test/store.rs",
    "test/sys.rs",
    "wasm/alloc.rs",
    "wasm/bindings.rs",
    "wasm/exports.rs",
    "wasm/lift.rs",
    "wasm/mod.rs",
    "wasm/sys.rs",
);
