//! `aecsad inspect`, `verify` and `bench` through the real program, on a small real bundle.

mod bench;
// Shared with tests/slots; each of the two uses a part of it.
mod distribution_shift;
#[allow(dead_code)]
mod fixture;
mod inspect;
mod outputs;
mod paths;
mod refusals;
mod region;
mod verify;

/// Not a test of its own: makes the bundle that `tests/hil` takes into its virtual machine, to which white pictures of
/// the camera there are good.
#[test]
#[ignore = "run by tests/hil/run.sh"]
fn a_bundle_for_the_virtual_machine() {
    let Some(path) = std::env::var_os("AECSAD_HIL_BUNDLE") else {
        return;
    };
    let white = |level: u8| aecsad_inspect::frame::Frame {
        width: 320,
        height: 180,
        rgb: vec![level; 320 * 180 * 3],
        captured: std::time::Instant::now(),
    };
    let frames: Vec<_> = (248..=255).map(white).collect();
    std::fs::copy(fixture::Fixture::of(&frames).bundle(), path).unwrap();
}
