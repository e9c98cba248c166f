//! Any bytes on the reject link, in both directions: the decoders go on, the actuator never panics, and what it then
//! receives in order it does.
#![no_main]

use aecsad_link::{Actuator, FrameDecoder, Envelope, FromActuator, ToActuator};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (mut to, mut from) = (FrameDecoder::new(), FrameDecoder::new());
    let mut actuator = Actuator::new();
    for (now_us, byte) in bytes.iter().enumerate() {
        let now_us = now_us as u64 * 997;
        actuator.count(now_us, i64::from(*byte) << (byte % 56));
        if let Some(Ok(message)) = to.push::<Envelope<ToActuator>>(*byte) {
            let _ = actuator.receive(now_us, message);
        }
        let _ = from.push::<Envelope<FromActuator>>(*byte);
        while actuator.next_edge(now_us).is_some() {}
        let _ = (actuator.wake_us(now_us), actuator.counted(now_us));
    }
});
