//! Fuzzes the decoder `gate`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entente_discovery::decoders::credential(bytes);
});
