//! Fuzzes the decoder `ids`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("ids", bytes));
