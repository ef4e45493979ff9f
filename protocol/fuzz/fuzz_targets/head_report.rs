//! Fuzzes the decoder `head_report`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("head_report", bytes));
