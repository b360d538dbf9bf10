//! What a client of the native DAX protocol may send.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stator_dax_proxy::fuzzing::frames(data));
