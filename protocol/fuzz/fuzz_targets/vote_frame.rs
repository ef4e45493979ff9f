//! Fuzzes the decoder `vote_frame`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entente_fuzz::run("vote_frame", bytes));
