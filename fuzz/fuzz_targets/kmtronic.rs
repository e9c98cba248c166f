//! Any bytes as a KMTronic board's answer: a relay's state, and only for the requested channel, or a refusal.
#![no_main]

use aecsad::reject::switched::kmtronic::relay_state;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (channel, answer) = input;
    if let Some(on) = relay_state(channel, answer) {
        assert_eq!(answer, [0xff, channel, u8::from(on)]);
    }
});
