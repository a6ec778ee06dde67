//! See src/lib.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kuboard_ha_fuzz::evidence(bytes));
