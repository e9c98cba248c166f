//! `aecsad inspect`, `verify` and `bench` through the real program, on a small real bundle.

mod bench;
// Shared with tests/slots; each of the two uses a part of it.
#[allow(dead_code)]
mod fixture;
mod inspect;
mod refusals;
mod verify;
