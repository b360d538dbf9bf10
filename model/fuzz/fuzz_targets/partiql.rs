//! PartiQL statements, parsed, written, parsed again and planned.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stator_model::fuzzing::partiql(data));
