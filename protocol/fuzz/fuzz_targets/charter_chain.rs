//! Fuzzes the decoder `charter_chain`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("charter_chain", bytes));
