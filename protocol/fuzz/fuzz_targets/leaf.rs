//! Fuzzes the decoder `leaf`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("leaf", bytes));
