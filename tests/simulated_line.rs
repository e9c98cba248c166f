//! A whole line against a virtual clock: a belt that stops and changes its speed, parts at irregular distances, late verdicts,
//! a link that loses, damages and delays messages, an actuator that loses its power. Between them stand the station's own
//! gatekeeper, its framed link and the actuator's own state machine. A million parts in all: no part is hit that was to
//! pass, and no part that was to be rejected passes without an alarm. `AECSAD_LINE_SEED=N` runs another million.

#[path = "simulated_line/belt.rs"]
mod belt;
#[path = "simulated_line/link.rs"]
mod link;
#[path = "simulated_line/world.rs"]
mod world;

use world::{Counting, Outcome, World};

fn run(counting: Counting, parts: u32, seed: u64) -> Outcome {
    let other = std::env::var("AECSAD_LINE_SEED").ok();
    let seed = seed + 1_000 * other.map_or(0, |n| n.parse::<u64>().expect("a number"));
    let outcome = World::new(counting, seed).run(parts);
    eprintln!("{counting:?}: {outcome:?}");
    assert_eq!(outcome.parts, parts);
    assert_eq!(
        outcome.wrongly_hit, [0; 0],
        "parts that were to pass were hit"
    );
    assert_eq!(
        outcome.passed_silently, [0; 0],
        "parts passed that were to be rejected, and no one was informed"
    );
    // What the run is for must have happened.
    assert!(outcome.rejected > parts / 10, "{outcome:?}");
    assert!(outcome.late > parts / 1_000 && outcome.alarmed > 0 && outcome.taken_along > 0);
    assert!(outcome.link_faults > 10 && outcome.power_losses > 3);
    // Alarms are for faults: nearly all parts to be rejected are.
    assert!(outcome.alarmed < outcome.rejected / 5, "{outcome:?}");
    outcome
}

#[test]
fn by_time() {
    run(Counting::Time, 450_000, 1);
}

#[test]
fn by_the_actuator_s_encoder() {
    let outcome = run(Counting::Actuators, 450_000, 2);
    assert!(outcome.belt_stops > 1_000);
}

#[test]
fn by_a_counter_of_the_station() {
    let outcome = run(Counting::Stations, 100_000, 3);
    assert!(outcome.belt_stops > 100);
}
