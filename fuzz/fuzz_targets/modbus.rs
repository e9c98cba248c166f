//! Any bytes as a Modbus unit's answer: a bit or a refusal, never a panic.
#![no_main]

use aecsad::reject::switched::modbus::{Ask, Exchange};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Exchange::is_whole(bytes);
    for ask in [
        Ask::SetCoil { coil: 7, on: true },
        Ask::Coil(7),
        Ask::Input(2),
    ] {
        let exchange = Exchange::new(1, ask).unwrap();
        let _ = exchange.answer(bytes);
    }
});
