//! Any bytes as a network: made ready and run on a frame, or refused; never a panic, and never more memory than a frame
//! needs. Start it with `-rss_limit_mb=2048` and tests/seeds/network as corpus.
#![no_main]

use aecsad::network::Network;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut network) = Network::load("fuzz.onnx", bytes) {
        let _ = network.run(&[(&[1, 1, 8, 8], &[0.5; 64])]);
    }
});
