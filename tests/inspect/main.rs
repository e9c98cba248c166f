//! `aecsad inspect`, `verify` and `bench` through the real program, on a small real bundle.

mod bench;
mod fixture;
mod inspect;
mod refusals;
mod verify;
