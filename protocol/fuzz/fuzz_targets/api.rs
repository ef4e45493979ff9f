//! Fuzzes the decoder `api`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entente_node::api::decoders::api(bytes);
});
