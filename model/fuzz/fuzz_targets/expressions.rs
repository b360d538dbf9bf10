//! Expressions of every kind, parsed and applied.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stator_model::fuzzing::expressions(data));
