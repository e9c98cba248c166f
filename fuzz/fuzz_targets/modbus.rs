//! Any bytes as a Modbus unit's answer: a bit or a refusal, never a panic.
#![no_main]

use aecsad::reject::switched::exchange::BoardRequest;
use aecsad::reject::switched::modbus::{ModbusFrame, ModbusRequest};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for request in [
        ModbusRequest::SetCoil { coil: 7, on: true },
        ModbusRequest::Coil(7),
        ModbusRequest::Input(2),
    ] {
        let frame = ModbusFrame::new(1, request);
        let _ = frame.answer(bytes);
        let _ = frame.explain(bytes);
    }
});
