//! Fuzzes the decoder `epoch_proof`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("epoch_proof", bytes));
