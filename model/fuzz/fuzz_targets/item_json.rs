//! Item JSON, and the requests that carry it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stator_model::fuzzing::item_json(data));
