//! Fuzzes the decoder `hello`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entente_discovery::decoders::hello(bytes);
});
