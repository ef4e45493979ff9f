//! Fuzzes the decoder `founding_toml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("founding_toml", bytes));
