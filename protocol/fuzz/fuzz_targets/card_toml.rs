//! Fuzzes the decoder `card_toml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("card_toml", bytes));
