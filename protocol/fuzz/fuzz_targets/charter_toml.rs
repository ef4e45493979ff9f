//! Fuzzes the decoder `charter_toml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("charter_toml", bytes));
