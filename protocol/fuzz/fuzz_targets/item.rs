//! Fuzzes the decoder `item`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("item", bytes));
