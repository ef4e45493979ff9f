//! Fuzzes the decoder `frame_reader`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entente_discovery::decoders::frame_reader(bytes);
});
