//! Fuzzes the decoder `beacon`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entente_discovery::decoders::beacon(bytes);
});
