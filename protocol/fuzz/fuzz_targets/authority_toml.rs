//! Fuzzes the decoder `authority_toml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("authority_toml", bytes));
