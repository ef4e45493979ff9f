//! Fuzzes the decoder `peer_message`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("peer_message", bytes));
