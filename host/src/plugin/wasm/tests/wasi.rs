//! WASI 0.2 as guests see it: whatever a guest tries, there are no files, no sockets, no environment and no arguments,
//! and nothing of it reaches the process.

use std::time::Duration;

use super::capabilities::logged;
use super::guests::{self, COPY, TYPES, hook};
use super::{error, exchange, on_request, plugin, run};
use crate::config::model::Plugin as Configured;
use crate::plugin::role::{Decision, Lease, PluginError};

/// What guests here use of WASI.
const WASI: &str = r#"
    package wasi:clocks@0.2.0 {
        interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
        interface monotonic-clock {
            use wasi:io/poll@0.2.0.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
        }
    }
    package wasi:random@0.2.0 {
        interface random { get-random-u64: func() -> u64; get-random-bytes: func(len: u64) -> list<u8>; }
        interface insecure { get-insecure-random-u64: func() -> u64; }
        interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
    }
    package wasi:io@0.2.0 {
        interface error { resource error; }
        interface poll { resource pollable { block: func(); } }
        interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
            resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
        }
    }
    package wasi:cli@0.2.0 {
        interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
        interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
        interface exit { exit: func(status: result); }
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
            initial-cwd: func() -> option<string>;
        }
    }
    package wasi:filesystem@0.2.0 {
        interface types {
            enum descriptor-type { unknown, block-device, character-device, directory, fifo, symbolic-link, regular-file, socket }
            enum error-code { access, would-block, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
                illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory, loop, too-many-links, message-size,
                name-too-long, no-device, no-entry, no-lock, insufficient-memory, insufficient-space, not-directory, not-empty,
                not-recoverable, unsupported, no-tty, no-such-device, overflow, not-permitted, pipe, read-only, invalid-seek,
                text-file-busy, cross-device }
            resource descriptor { get-type: func() -> result<descriptor-type, error-code>; }
        }
        interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
    }
    package wasi:sockets@0.2.0 {
        interface network {
            resource network;
            enum error-code { unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
                concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable,
                address-in-use, remote-unreachable, connection-refused, connection-reset, connection-aborted,
                datagram-too-large, name-unresolvable, temporary-resolver-failure, permanent-resolver-failure }
            enum ip-address-family { ipv4, ipv6 }
        }
        interface instance-network { use network.{network}; instance-network: func() -> network; }
        interface ip-name-lookup {
            use network.{network, error-code};
            resource resolve-address-stream;
            resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
        }
        interface tcp { resource tcp-socket; }
        interface tcp-create-socket {
            use network.{error-code, ip-address-family};
            use tcp.{tcp-socket};
            create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
        }
        interface udp { resource udp-socket; }
        interface udp-create-socket {
            use network.{error-code, ip-address-family};
            use udp.{udp-socket};
            create-udp-socket: func(address-family: ip-address-family) -> result<udp-socket, error-code>;
        }
    }
"#;

/// A function of WASI, as the guest's own text names it: `$name`, interface, function, type.
type Import<'a> = (&'a str, &'a str, &'a str, &'a str);

/// A filter that runs `body` with functions of WASI.
fn with_wasi(imports: &[Import<'_>], body: &str) -> Vec<u8> {
    let mut interfaces: Vec<&str> = imports.iter().map(|(_, interface, ..)| *interface).collect();
    interfaces.dedup();
    let items: String = interfaces.iter().map(|interface| format!("import wasi:{interface}@0.2.0; ")).collect();
    let texts: String = imports
        .iter()
        .map(|(name, interface, function, of)| {
            format!("(import \"wasi:{interface}@0.2.0\" \"{function}\" (func {name} {of}))")
        })
        .collect();
    let fields = "(data (i32.const 2048) \"hello\\nworld\")".to_owned()
        + &hook("on-request", "handle", "$request $exchange", body);
    let items = format!("{items} export sluice:plugin/on-request@0.1.0;");
    guests::build_with(WASI, &items, &format!("{TYPES} {texts}"), &fields)
}

/// What the guest finds out: a digit for each of the numbers that `look` leaves at 256 and after it, byte by byte.
fn found(imports: &[Import<'_>], look: &str, bytes: usize) -> String {
    let digits: String = (0..bytes)
        .map(|at| {
            let (from, to) = (256 + at, 4000 + at);
            format!("(i32.store8 (i32.const {to}) (i32.add (i32.const 48) (i32.load8_u (i32.const {from}))))")
        })
        .collect();
    let bytes = with_wasi(imports, &format!("{look} {digits} (call $fail (i32.const 4000) (i32.const {bytes}))"));
    match run(async { error(on_request(&plugin(&bytes, |_| {})).await.1) }) {
        PluginError::Failed(text) => text,
        other => panic!("{other}"),
    }
}

/// Does `body` if the request has a field `x-a`, and [`COPY`] if not. The first has to trap with `text`, and the next
/// call be served.
fn assert_traps(imports: &[Import<'_>], body: &str, text: &str, change: impl FnOnce(&mut Configured)) {
    let body = format!(
        "(call $header (local.get $request) (i32.const 1024) (i32.const 3) (i32.const 128))
         (if (i32.load8_u (i32.const 128)) (then {body})) {COPY}"
    );
    let bytes = with_wasi(imports, &body);
    run(async {
        let plugin = plugin(&bytes, change);
        let refused = error(on_request(&plugin).await.1);
        assert!(matches!(&refused, PluginError::Trap(why) if why.contains(text)), "{text}: {refused}");
        let mut good = exchange();
        good.request.headers.remove("x-a");
        let (_, result) = plugin.on_request(&mut Lease::default(), good).await;
        assert!(matches!(result, Ok(Decision::Continue)), "{result:?}");
    });
}

#[test]
fn environment_and_arguments_are_empty() {
    let list = "(param i32)";
    for function in ["get-environment", "get-arguments"] {
        // Pointer and length of a list.
        let seen = found(&[("$get", "cli/environment", function, list)], "(call $get (i32.const 252))", 4);
        assert_eq!(seen, "0000", "{function}");
    }
    let seen = found(&[("$get", "cli/environment", "initial-cwd", list)], "(call $get (i32.const 256))", 1);
    assert_eq!(seen, "0", "no working directory");
}

#[test]
fn standard_input_is_closed() {
    let imports = [
        ("$stdin", "cli/stdin", "get-stdin", "(result i32)"),
        ("$read", "io/streams", "[method]input-stream.blocking-read", "(param i32 i64 i32)"),
    ];
    // An error, and that one is `closed`.
    let look = "(call $read (call $stdin) (i64.const 100) (i32.const 252))
                (i32.store8 (i32.const 257) (i32.load8_u (i32.const 256)))
                (i32.store8 (i32.const 256) (i32.load8_u (i32.const 252)))";
    assert_eq!(found(&imports, look, 2), "11");
}

#[test]
fn there_are_no_files() {
    let imports = [("$get", "filesystem/preopens", "get-directories", "(param i32)")];
    assert_eq!(found(&imports, "(call $get (i32.const 252))", 4), "0000", "no directory to begin with");
    // Nor can a handle be made up.
    let imports = [("$type", "filesystem/types", "[method]descriptor.get-type", "(param i32 i32)")];
    for forged in [0, 1, 3, 4096] {
        assert_traps(&imports, &format!("(call $type (i32.const {forged}) (i32.const 256))"), "handle", |_| {});
    }
}

#[test]
fn there_are_no_sockets() {
    // `access-denied` is the second case of the errors.
    let look = |call: &str| format!("{call} (i32.store8 (i32.const 257) (i32.load8_u (i32.const 260)))");
    for (interface, function) in
        [("sockets/tcp-create-socket", "create-tcp-socket"), ("sockets/udp-create-socket", "create-udp-socket")]
    {
        for family in [0, 1] {
            let call = format!("(call $create (i32.const {family}) (i32.const 256))");
            let seen = found(&[("$create", interface, function, "(param i32 i32)")], &look(&call), 2);
            assert_eq!(seen, "11", "{function}");
        }
    }
    let imports = [
        ("$network", "sockets/instance-network", "instance-network", "(result i32)"),
        ("$resolve", "sockets/ip-name-lookup", "resolve-addresses", "(param i32 i32 i32 i32)"),
    ];
    let call = "(call $resolve (call $network) (i32.const 2048) (i32.const 5) (i32.const 256))";
    // At once, and not when the answer is read: `permanent-resolver-failure`, the 21st.
    assert_eq!(found(&imports, &look(call), 2), "1D", "names aren't looked up");
}

#[test]
fn leaving_ends_the_call_and_not_the_process() {
    let imports = [("$exit", "cli/exit", "exit", "(param i32)")];
    for status in [0, 1] {
        assert_traps(&imports, &format!("(call $exit (i32.const {status}))"), "exit", |_| {});
    }
}

#[test]
fn wasi_never_widens_a_grant() {
    let number = "(result i64)";
    let clocks = [
        (("$now", "clocks/wall-clock", "now", "(param i32)"), "(call $now (i32.const 256))"),
        (("$now", "clocks/monotonic-clock", "now", number), "(drop (call $now))"),
        (
            ("$wait", "clocks/monotonic-clock", "subscribe-duration", "(param i64) (result i32)"),
            "(drop (call $wait (i64.const 1)))",
        ),
    ];
    let random = [
        (("$random", "random/random", "get-random-u64", number), "(drop (call $random))"),
        (
            ("$random", "random/random", "get-random-bytes", "(param i64 i32)"),
            "(call $random (i64.const 8) (i32.const 256))",
        ),
        (("$random", "random/insecure", "get-insecure-random-u64", number), "(drop (call $random))"),
        (("$random", "random/insecure-seed", "insecure-seed", "(param i32)"), "(call $random (i32.const 256))"),
    ];
    let clocks = clocks.into_iter().map(|(import, call)| (import, call, "grants = [\"clock\"]"));
    let random = random.into_iter().map(|(import, call)| (import, call, "grants = [\"random\"]"));
    for (import, call, line) in clocks.chain(random) {
        // The other one of the two doesn't help.
        assert_traps(&[import], call, line, |plugin| {
            plugin.grants.clock = line.contains("random");
            plugin.grants.random = line.contains("clock");
        });
        let bytes = with_wasi(&[import], &format!("{call} {COPY}"));
        run(async {
            let granted = plugin(&bytes, |plugin| {
                plugin.grants.clock = true;
                plugin.grants.random = true;
            });
            let (_, result) = on_request(&granted).await;
            assert!(result.is_ok(), "{import:?}: {result:?}");
        });
    }
}

#[test]
fn more_randomness_than_one_may_have_is_refused() {
    let imports = [("$random", "random/random", "get-random-bytes", "(param i64 i32)")];
    let greedy = "(call $random (i64.const 0x7fffffffffffffff) (i32.const 256))";
    assert_traps(&imports, greedy, "at most 65536 bytes", |plugin| plugin.grants.random = true);
}

#[test]
fn sleeping_ends_at_the_deadline() {
    let imports = [
        ("$wait", "clocks/monotonic-clock", "subscribe-duration", "(param i64) (result i32)"),
        ("$block", "io/poll", "[method]pollable.block", "(param i32)"),
    ];
    let bytes = with_wasi(&imports, &format!("(call $block (call $wait (i64.const 3600000000000))) {COPY}"));
    run(async {
        let plugin = plugin(&bytes, |plugin| {
            plugin.grants.clock = true;
            plugin.limits.deadline = Duration::from_millis(20);
        });
        assert_eq!(error(on_request(&plugin).await.1), PluginError::Deadline);
    });
}

#[test]
fn what_wasi_guests_print_is_logged() {
    let bytes = with_wasi(
        &[
            ("$stdout", "cli/stdout", "get-stdout", "(result i32)"),
            ("$write", "io/streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)"),
        ],
        &format!("(call $write (call $stdout) (i32.const 2048) (i32.const 11) (i32.const 256)) {COPY}"),
    );
    let text = logged(|| {
        run(async {
            let plugin = plugin(&bytes, |_| {});
            assert!(on_request(&plugin).await.1.is_ok());
        });
    });
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("sluice::plugin")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("hello") && lines[0].contains("exchange=\"0123456789"), "{}", lines[0]);
    assert!(lines[1].contains("world"), "{}", lines[1]);
}
