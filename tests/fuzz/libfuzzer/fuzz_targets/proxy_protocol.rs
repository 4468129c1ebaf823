#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::target("proxy_protocol")(data));
