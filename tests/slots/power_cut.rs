//! Every storage operation of every change is failed, and is the last one before a power cut. Whatever of the unsynced
//! things survives, the station must find the old state or the new one, and every bundle in it whole.

use std::cell::Cell;
use std::io::{self, Read, Write};

use aecsad::slots::state::State;
use aecsad::slots::storage::Storage;
use aecsad::slots::{STATE_FILES, Slots, SlotsError};
use aecsad_inspect::bundle::Trust;

use super::disk::{SimulatedDisk, Survives, Trouble};
use super::{bundle, flash};

const FAILURES: [Trouble; 4] = [
    Trouble::Fails(io::ErrorKind::Other),
    Trouble::Fails(io::ErrorKind::StorageFull),
    Trouble::Fails(io::ErrorKind::ReadOnlyFilesystem),
    Trouble::FailsAfterwards,
];

fn survivals(random: u64) -> impl Iterator<Item = Survives> {
    let throws = (0..random).map(Survives::Some);
    [Survives::Nothing, Survives::Everything]
        .into_iter()
        .chain(throws)
}

/// What a station would find: product at work, and of each product its current version and its floor.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    active: Option<String>,
    products: Vec<(String, u64, u64)>,
    /// Slots whose bundle is not what was flashed.
    broken: Vec<(String, String)>,
}

fn look(disk: &SimulatedDisk) -> Result<Found, SlotsError> {
    let slots = Slots::new(disk.clone());
    let state = slots.state()?;
    let broken = slots.inspect(&Trust::Anyone)?.into_iter();
    let products = state.products.iter().map(|product| {
        let current = product.current().and_then(|slot| product.slot(slot));
        let version = current.map_or(0, |slot| slot.version);
        (product.name.clone(), version, product.floor)
    });
    Ok(Found {
        active: state.active.clone(),
        products: products.collect(),
        broken: broken
            .filter(|(_, _, whole)| whole.is_err())
            .map(|(product, slot, _)| (product, slot.to_string()))
            .collect(),
    })
}

type Change<'a> = &'a dyn Fn(&Slots<SimulatedDisk>) -> Result<(), SlotsError>;

#[derive(Default)]
struct Tally {
    operations: u64,
    cuts: u64,
    failures: u64,
    torn: u64,
}

/// Tries `change` on `disk` with every trouble at every operation. A change that is `sure` is made when it says so; the
/// others go on without the disk, and where a bundle can't be read, with the older one.
fn try_everything(name: &str, disk: &SimulatedDisk, change: Change<'_>, sure: bool) -> Tally {
    let before = look(disk).unwrap();
    let undisturbed = disk.copy();
    change(&Slots::new(undisturbed.clone())).unwrap();
    let after = look(&undisturbed).unwrap();
    let mut tally = Tally {
        operations: undisturbed.operations_of(|disk| drop(change(&Slots::new(disk))), disk),
        ..Tally::default()
    };
    let mut unread = before.clone();
    if let Some(gear) = unread.products.first_mut().filter(|_| !sure) {
        gear.1 = gear.2;
    }
    let judge = |found: Result<Found, SlotsError>, what: &str| {
        let whole = match &found {
            Ok(found) => {
                let known = [&before, &after, &unread];
                known.contains(&found)
                    && found.broken.iter().all(|slot| before.broken.contains(slot))
                    && floors_hold(&before, found)
            }
            Err(_) => false,
        };
        if !whole {
            eprintln!("{name}, {what}: {found:?}\nbefore {before:?}\nafter {after:?}");
        }
        u64::from(!whole)
    };
    for at in 0..tally.operations {
        let cut = disk.copy();
        cut.expect(at, Trouble::PowerCut);
        let _ = change(&Slots::new(cut.clone()));
        for survives in survivals(24) {
            let rebooted = cut.rebooted(survives);
            tally.cuts += 1;
            let what = format!("power cut at operation {at}, {survives:?}");
            tally.torn += judge(look(&rebooted), &what);
            tally.torn += starts_and_takes_another(&rebooted, &what);
        }
        for trouble in FAILURES {
            let failed = disk.copy();
            failed.expect(at, trouble);
            let done = change(&Slots::new(failed.clone()));
            tally.failures += 1;
            let what = format!("{trouble:?} at operation {at}");
            let live = look(&failed.copy());
            if sure && done.is_ok() && live.as_ref().is_ok_and(|live| *live != after) {
                eprintln!("{name}, {what}: printed to be done, but it is not");
                tally.torn += 1;
            }
            tally.torn += judge(live, &what);
            for survives in survivals(6) {
                let rebooted = failed.rebooted(survives);
                let found = look(&rebooted);
                if sure && done.is_ok() && found.as_ref().is_ok_and(|found| *found != after) {
                    eprintln!("{name}, {what}, {survives:?}: printed to be done, and lost");
                    tally.torn += 1;
                }
                tally.torn += judge(found, &what);
            }
            tally.torn += starts_and_takes_another(&failed.copy(), &what);
        }
    }
    println!(
        "{name:<34} {:>4} operations, {:>5} power cuts, {:>4} failures, {} torn or lost",
        tally.operations, tally.cuts, tally.failures, tally.torn
    );
    tally
}

impl SimulatedDisk {
    /// How many operations `act` takes on a copy of `disk`.
    fn operations_of(&self, act: impl FnOnce(SimulatedDisk), disk: &SimulatedDisk) -> u64 {
        let counted = disk.copy();
        act(counted.clone());
        counted.operations()
    }
}

fn floors_hold(before: &Found, found: &Found) -> bool {
    let floor_in = |found: &Found, name: &str| {
        let product = found.products.iter().find(|(n, ..)| n == name);
        product.map_or(0, |(_, _, floor)| *floor)
    };
    let mut products = before.products.iter();
    products.all(|(name, _, floor)| floor_in(found, name) >= *floor)
}

/// 0 if a station starts from this disk (unless nothing is installed) and the next flash goes through.
fn starts_and_takes_another(disk: &SimulatedDisk, what: &str) -> u64 {
    let disk = disk.copy();
    let slots = Slots::new(disk.clone());
    let started = match slots.start(&Trust::Anyone) {
        Ok(_) | Err(SlotsError::Empty) => true,
        Err(error) => {
            eprintln!("{what}: no start: {error}");
            false
        }
    };
    thread_local!(static NEXT: Vec<u8> = bundle("gear", 9, None));
    let flashed = NEXT.with(|next| flash(&slots, next));
    let current = look(&disk).map(|found| found.products.iter().any(|p| p.1 == 9));
    let leftovers = disk.names().iter().any(|name| name.ends_with(".new"));
    let good = started && flashed.is_ok() && current.is_ok_and(|current| current) && !leftovers;
    if !good {
        eprintln!("{what}: the next flash: {flashed:?}, {:?}", disk.names());
    }
    u64::from(!good)
}

/// Two products; of one, version 2 is at work and version 1 in the other slot.
fn station() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let slots = Slots::new(disk.clone());
    for (product, version) in [("gear", 1), ("gear", 2), ("bolt", 7)] {
        flash(&slots, &bundle(product, version, None)).unwrap();
        slots.select(product).unwrap();
        slots.start(&Trust::Anyone).unwrap();
        slots
            .confirm(&current_sha256(&slots.state().unwrap()))
            .unwrap();
    }
    slots.select("gear").unwrap();
    assert!(!disk.names().iter().any(|name| name.ends_with(".new")));
    disk
}

fn current_sha256(state: &State) -> String {
    let product = state.active_product().unwrap();
    let slot = product.current().unwrap();
    product.slot(slot).unwrap().sha256.clone()
}

/// The same with version 3 on trial.
fn on_trial() -> SimulatedDisk {
    let disk = station();
    flash(&Slots::new(disk.clone()), &bundle("gear", 3, None)).unwrap();
    disk
}

#[test]
fn whatever_happens_the_old_or_the_new_is_there_whole() {
    let third = bundle("gear", 3, None);
    let first = bundle("gear", 1, None);
    let sha256_on_trial = current_sha256(&Slots::new(on_trial()).state().unwrap());
    let endless = on_trial();
    for _ in 0..3 {
        Slots::new(endless.clone()).start(&Trust::Anyone).unwrap();
    }
    let damaged = station();
    let current = current_sha256(&Slots::new(damaged.clone()).state().unwrap());
    damaged.flip_bit(&format!("{current}.aecsad"), 9000);
    let copy_damaged = station();
    copy_damaged.flip_bit(STATE_FILES[1], 300);
    let first_copy_damaged = station();
    first_copy_damaged.flip_bit(STATE_FILES[0], 300);

    let fourth = bundle("gear", 4, None);
    let nut = bundle("nut", 1, None);
    let start: Change<'_> = &|slots| slots.start(&Trust::Anyone).map(drop);
    let flash_third: Change<'_> = &|slots| flash(slots, &third).map(drop);
    let cases: [(&str, SimulatedDisk, Change<'_>); 14] = [
        ("the first flash", SimulatedDisk::default(), flash_third),
        ("flash", station(), flash_third),
        ("flash during a trial", on_trial(), &|slots| {
            flash(slots, &fourth).map(drop)
        }),
        ("flash of an older version", station(), &|slots| {
            flash(slots, &first).map(drop)
        }),
        ("flash of one more product", station(), &|slots| {
            flash(slots, &nut).map(drop)
        }),
        (
            "flash, second state copy damaged",
            copy_damaged,
            flash_third,
        ),
        (
            "flash, first state copy damaged",
            first_copy_damaged,
            flash_third,
        ),
        ("start on trial", on_trial(), start),
        ("start after too many", endless, start),
        ("start, slot damaged at rest", damaged, start),
        ("confirm", on_trial(), &|slots| {
            slots.confirm(&sha256_on_trial).map(drop)
        }),
        ("failed trial", on_trial(), &|slots| {
            slots.fail_trial(&sha256_on_trial, "no reason").map(drop)
        }),
        ("rollback", station(), &|slots| slots.roll_back().map(drop)),
        ("select", station(), &|slots| slots.select("bolt")),
    ];
    let (mut cuts, mut failures, mut torn) = (0, 0, 0);
    for (name, disk, change) in &cases {
        let sure = !name.starts_with("start");
        let tally = try_everything(name, disk, change, sure);
        assert!(tally.operations > 5, "{name}");
        cuts += tally.cuts;
        failures += tally.failures;
        torn += tally.torn;
    }
    println!("{cuts} power cuts and {failures} failures tried, {torn} torn or lost states");
    assert_eq!(torn, 0);
}

/// An error is no reboot: the program goes on, and what it believes to see may not be on the disk yet.
#[test]
fn a_power_cut_after_an_error_loses_nothing_either() {
    let (third, fourth) = (bundle("gear", 3, None), bundle("gear", 4, None));
    let base = station();
    let operations = base.operations_of(
        |disk| drop(flash(&Slots::new(disk), &third).unwrap()),
        &base,
    );
    let (mut cuts, mut torn) = (0, 0);
    for first in 0..operations {
        for trouble in [FAILURES[0], Trouble::FailsAfterwards] {
            let failed = base.copy();
            failed.expect(first, trouble);
            let _ = flash(&Slots::new(failed.clone()), &third);
            for second in 0.. {
                let cut = failed.copy();
                cut.expect(second, Trouble::PowerCut);
                let _ = flash(&Slots::new(cut.clone()), &fourth);
                if !cut.power_is_off() {
                    break;
                }
                for survives in survivals(3) {
                    cuts += 1;
                    let found = look(&cut.rebooted(survives));
                    let whole = found.as_ref().is_ok_and(|found| {
                        found.broken.is_empty()
                            && found.active.as_deref() == Some("gear")
                            && [2, 3, 4].contains(&found.products[0].1)
                            && found.products[0].2 == 2
                    });
                    if !whole {
                        eprintln!(
                            "{trouble:?} at {first}, cut at {second}, {survives:?}: {found:?}"
                        );
                        torn += 1;
                    }
                }
            }
        }
    }
    println!("{cuts} power cuts after an error tried, {torn} torn or lost states");
    assert!(cuts > 1000);
    assert_eq!(torn, 0);
}

/// Controls: ways to write a file that look right. If the simulated disk forgave them, it would prove nothing.
#[test]
fn naive_writers_are_caught() {
    type Write<'a> = &'a dyn Fn(&SimulatedDisk, &[u8]) -> io::Result<()>;
    let in_place: Write<'_> = &|disk, bytes| {
        let mut file = disk.create("bundle")?;
        file.write_all(bytes)?;
        file.sync()
    };
    let rename_without_sync: Write<'_> = &|disk, bytes| {
        disk.create("bundle.new")?.write_all(bytes)?;
        disk.rename("bundle.new", "bundle")?;
        disk.sync_folder()
    };
    let removed_before_the_folder_is_synced: Write<'_> = &|disk, bytes| {
        let mut file = disk.create("next")?;
        file.write_all(bytes)?;
        file.sync()?;
        disk.rename("bundle", "old")?;
        disk.rename("next", "bundle")?;
        disk.remove("old")
    };
    let right: Write<'_> = &|disk, bytes| {
        let mut file = disk.create("bundle.new")?;
        file.write_all(bytes)?;
        file.sync()?;
        disk.rename("bundle.new", "bundle")?;
        disk.sync_folder()
    };
    let torn = |write: Write<'_>| {
        let torn = Cell::new(0);
        let disk = SimulatedDisk::default();
        right(&disk, b"the old bundle, whole").unwrap();
        for at in 0..6 {
            let cut = disk.copy();
            cut.expect(at, Trouble::PowerCut);
            let _ = write(&cut, b"the new bundle, as whole as the old one");
            for survives in survivals(24) {
                let found = cut.rebooted(survives).content("bundle");
                let whole = matches!(
                    found.as_deref(),
                    Some(b"the old bundle, whole" | b"the new bundle, as whole as the old one")
                );
                torn.set(torn.get() + u32::from(!whole));
            }
        }
        torn.get()
    };
    for (name, write, expected) in [
        ("in place", in_place, true),
        ("rename without sync", rename_without_sync, true),
        (
            "old one out of the way first",
            removed_before_the_folder_is_synced,
            true,
        ),
        ("as the slots do it", right, false),
    ] {
        let torn = torn(write);
        println!("{name:<30} {torn} torn or lost");
        assert_eq!(torn > 0, expected, "{name}");
    }
}

/// A disk that is read-only, or gives errors on whatever is written, still has its bundle.
#[test]
fn a_disk_that_can_t_be_written_still_starts_the_station() {
    let disk = on_trial();
    // Each operation that writes fails, from the first on.
    struct ReadOnly(SimulatedDisk);
    impl Storage for ReadOnly {
        fn list(&self) -> io::Result<Vec<String>> {
            self.0.list()
        }
        fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
            self.0.read(name)
        }
        fn create(&self, _: &str) -> io::Result<Box<dyn aecsad::slots::storage::NewFile + '_>> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }
        fn rename(&self, _: &str, _: &str) -> io::Result<()> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }
        fn remove(&self, _: &str) -> io::Result<()> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }
        fn sync_folder(&self) -> io::Result<()> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }
    }
    let slots = Slots::new(ReadOnly(disk));
    let started = slots.start(&Trust::Anyone).unwrap();
    assert_eq!(started.bundle.manifest.version, 3);
    assert_eq!(started.alarms.len(), 1, "{:?}", started.alarms);
    assert!(started.alarms[0].contains("can't be written"));
    let refused = flash(&slots, &bundle("gear", 4, None)).unwrap_err();
    assert!(matches!(refused, SlotsError::Storage(_)), "{refused}");
}
