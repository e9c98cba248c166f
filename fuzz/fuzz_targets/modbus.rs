//! Any bytes as a Modbus unit's answer: a bit or a refusal, never a panic.
#![no_main]

use aecsad::reject::switched::exchange::BoardRequest;
use aecsad::reject::switched::modbus::{Ask, ModbusFrame};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for ask in [
        Ask::SetCoil { coil: 7, on: true },
        Ask::Coil(7),
        Ask::Input(2),
    ] {
        let request = ModbusFrame::new(1, ask);
        let _ = request.answer(bytes);
        let _ = request.explain(bytes);
    }
});
