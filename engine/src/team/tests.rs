use std::collections::HashSet;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use super::sync::AWAKE;
use super::*;

/// Of each unit how often it was done, and by which threads.
fn done(units: usize) -> (Vec<usize>, HashSet<ThreadId>) {
    let times: Vec<AtomicUsize> = (0..units).map(|_| AtomicUsize::new(0)).collect();
    let threads = Mutex::new(HashSet::new());
    each(units, usize::MAX, |range| {
        threads.lock().unwrap().insert(thread::current().id());
        for unit in range {
            times[unit].fetch_add(1, Ordering::Relaxed);
        }
    });
    let times = times.iter().map(|times| times.load(Ordering::Relaxed));
    (times.collect(), threads.into_inner().unwrap())
}

#[test]
fn every_unit_is_done_once() {
    for threads in 1..=5 {
        let team = Team::start(threads, || ()).unwrap();
        assert_eq!(hands(), threads);
        for units in (0..40).cycle().take(4_000) {
            let (times, by) = done(units);
            assert_eq!(times, vec![1; units]);
            assert!(by.len() <= threads);
        }
        drop(team);
        assert_eq!(hands(), 1);
        assert_eq!(done(7).1, HashSet::from([thread::current().id()]));
    }
}

#[test]
fn all_of_a_team_work() {
    let _team = Team::start(3, || ()).unwrap();
    let met = std::sync::Barrier::new(3);
    // No thread goes on before three have arrived.
    each(3, usize::MAX, |_| {
        met.wait();
    });
}

#[test]
fn chunks_are_apart() {
    let _team = Team::start(3, || ()).unwrap();
    for (length, chunk) in [(0, 4), (1, 4), (12, 4), (13, 4), (4_001, 3)] {
        let mut values = vec![0; length];
        each_chunk(&mut values, chunk, usize::MAX, |index, values| {
            values.iter_mut().for_each(|value| *value += index + 1);
        });
        let expected: Vec<usize> = (0..length).map(|at| at / chunk + 1).collect();
        assert_eq!(values, expected);
    }
}

#[test]
fn workers_start_with_begin_and_end_with_the_team() {
    let begun = Arc::new(AtomicUsize::new(0));
    let team = Team::start(4, {
        let begun = Arc::clone(&begun);
        move || {
            begun.fetch_add(1, Ordering::Relaxed);
        }
    });
    let dispatch = Arc::downgrade(&team.as_ref().unwrap().dispatch);
    // Joins them.
    drop(team);
    assert_eq!(begun.load(Ordering::Relaxed), 3);
    assert_eq!(dispatch.strong_count(), 0);
}

#[test]
fn workers_that_fell_asleep_are_woken() {
    let _team = Team::start(2, || ()).unwrap();
    for _ in 0..3 {
        thread::sleep(20 * AWAKE);
        let met = std::sync::Barrier::new(2);
        each(2, usize::MAX, |_| {
            met.wait();
        });
    }
}

#[test]
fn a_panic_on_any_thread_is_raised_on_the_leader() {
    let _team = Team::start(3, || ()).unwrap();
    let leader = thread::current().id();
    for befalls_leader in [true, false, true, false] {
        let met = std::sync::Barrier::new(3);
        let broken = panic::catch_unwind(|| {
            each(3, usize::MAX, |_| {
                met.wait();
                if (thread::current().id() == leader) == befalls_leader {
                    panic!("on purpose");
                }
            });
        });
        assert!(broken.is_err());
        // And the team works on.
        assert_eq!(hands(), 3);
        assert_eq!(done(9).0, vec![1; 9]);
    }
}

#[test]
fn a_piece_shares_nothing_out() {
    let _team = Team::start(2, || ()).unwrap();
    each(8, usize::MAX, |_| {
        assert_eq!(hands(), 1);
        assert_eq!(done(5).1, HashSet::from([thread::current().id()]));
    });
}
