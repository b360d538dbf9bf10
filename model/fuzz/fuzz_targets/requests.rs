//! Requests on items, legacy parameters included.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stator_model::fuzzing::requests(data));
