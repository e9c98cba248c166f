//! Any bytes as a network: made ready and run on a frame, or refused; never a panic that leaves it, and never more memory
//! than a frame needs. Start it with `-rss_limit_mb=2048` and tests/seeds/network as corpus.
#![no_main]

use std::sync::Once;

use aecsad_inspect::network::Network;

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // libFuzzer's hook ends the process at any panic. `Network::load` catches those of the engine, and what is not caught
    // ends the process all the same.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| ())));
    if let Ok(mut network) = Network::load("fuzz.onnx", bytes) {
        let _ = network.run(&[(&[1, 1, 8, 8], &[0.5; 64])]);
    }
});
