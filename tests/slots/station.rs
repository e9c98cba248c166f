//! What a station does with its slots, on a disk without trouble.

use aecsad::slots::state::{SlotCondition, SlotName};
use aecsad::slots::{FlashRequest, STATE_FILES, Slots, SlotsError};
use aecsad_inspect::bundle::Trust;

use super::disk::SimulatedDisk;
use super::{bundle, flash};

const TRUST: Trust = Trust::Anyone;

fn started(slots: &Slots<SimulatedDisk>) -> (String, u64, Vec<String>) {
    let started = slots.start(&TRUST).unwrap();
    let manifest = started.bundle.manifest;
    (manifest.product, manifest.version, started.alarms)
}

fn current(slots: &Slots<SimulatedDisk>) -> String {
    let state = slots.state().unwrap();
    let product = state.active_product().unwrap();
    let slot = product.slot(product.current().unwrap()).unwrap();
    slot.sha256.clone()
}

fn slots() -> Slots<SimulatedDisk> {
    Slots::new(SimulatedDisk::default())
}

/// `product` in `version`, through its trial.
fn proven(slots: &Slots<SimulatedDisk>, product: &str, version: u64) {
    flash(slots, &bundle(product, version, None)).unwrap();
    slots.start(&TRUST).unwrap();
    slots.confirm(&current(slots)).unwrap();
}

#[test]
fn a_new_bundle_works_on_trial_and_is_confirmed() {
    let slots = slots();
    assert!(matches!(slots.start(&TRUST), Err(SlotsError::Empty)));
    let flashed = flash(&slots, &bundle("gear", 1, None)).unwrap();
    assert_eq!((flashed.slot, flashed.fallback), (SlotName::A, None));
    assert_eq!(started(&slots), ("gear".into(), 1, vec![]));
    slots.confirm(&current(&slots)).unwrap();
    let flashed = flash(&slots, &bundle("gear", 2, None)).unwrap();
    assert_eq!((flashed.slot, flashed.fallback), (SlotName::B, Some(1)));
    assert!(slots.start(&TRUST).unwrap().on_trial);
    assert_eq!(
        slots.state().unwrap().products[0].floor,
        1,
        "not before it has passed"
    );
    slots.confirm(&current(&slots)).unwrap();
    assert_eq!(slots.state().unwrap().products[0].floor, 2);
    assert!(!slots.start(&TRUST).unwrap().on_trial);
    // Only what is on trial can be confirmed.
    let error = slots.confirm(&current(&slots)).unwrap_err();
    assert!(matches!(error, SlotsError::NoTrial { .. }));
}

#[test]
fn a_failed_trial_brings_the_old_bundle_back_and_says_why() {
    let slots = slots();
    proven(&slots, "gear", 1);
    flash(&slots, &bundle("gear", 2, None)).unwrap();
    assert_eq!(started(&slots).1, 2);
    slots
        .fail_trial(&current(&slots), "the light is another")
        .unwrap();
    assert_eq!(started(&slots).1, 1);
    let state = slots.state().unwrap();
    let failed = state.products[0].slot(SlotName::B).unwrap();
    assert_eq!(
        failed.condition,
        SlotCondition::Failed("the light is another".into())
    );
    let event = &state.events.last().unwrap().what;
    assert_eq!(
        event,
        "gear: back to version 1, because the light is another"
    );
    // What failed is nothing to go back to.
    assert!(matches!(
        slots.roll_back(),
        Err(SlotsError::NothingToGoBackTo { .. })
    ));
}

#[test]
fn the_first_bundle_of_all_has_nothing_behind_it() {
    let slots = slots();
    flash(&slots, &bundle("gear", 1, None)).unwrap();
    let error = slots.fail_trial(&current(&slots), "no reason").unwrap_err();
    assert!(matches!(error, SlotsError::NothingToGoBackTo { .. }));
    for _ in 0..3 {
        assert_eq!(started(&slots).2, Vec::<String>::new());
    }
    let (_, version, alarms) = started(&slots);
    assert_eq!((version, alarms.len()), (1, 1));
    assert!(alarms[0].contains("there is no older bundle"), "{alarms:?}");
}

#[test]
fn a_bundle_that_takes_the_station_down_is_given_up_after_three_starts() {
    let slots = slots();
    proven(&slots, "gear", 1);
    flash(&slots, &bundle("gear", 2, None)).unwrap();
    for _ in 0..3 {
        assert_eq!(started(&slots).1, 2);
    }
    let (_, version, alarms) = started(&slots);
    assert_eq!(version, 1);
    assert!(
        alarms[0].contains("works with version 1 again"),
        "{alarms:?}"
    );
    assert_eq!(started(&slots), ("gear".into(), 1, vec![]));
}

#[test]
fn a_flipped_bit_at_rest_is_found_at_start_and_the_other_slot_taken() {
    let disk = SimulatedDisk::default();
    let slots = Slots::new(disk.clone());
    proven(&slots, "gear", 1);
    proven(&slots, "gear", 2);
    let second = format!("{}.aecsad", current(&slots));
    let bits = 8 * disk.content(&second).unwrap().len();
    // Header, manifest, entry, padding, end.
    for bit in [3, 8 * 600, bits / 2, bits - 8 * 1500, bits - 1] {
        let disk = disk.copy();
        disk.flip_bit(&second, bit);
        let slots = Slots::new(disk.clone());
        let (_, version, alarms) = started(&slots);
        assert_eq!((version, alarms.len()), (1, 1), "bit {bit}");
        assert!(
            alarms[0].starts_with("slot B of gear (version 2) is unusable: "),
            "{alarms:?}"
        );
        assert!(alarms[0].ends_with("flash version 2 again"), "{alarms:?}");
        assert_eq!(started(&slots), ("gear".into(), 1, vec![]), "reported once");
        // Flashed again it is as before: the floor stands, and this version is not below it.
        flash(&slots, &bundle("gear", 2, None)).unwrap();
        assert_eq!(started(&slots).1, 2);
    }
    let disk = disk.copy();
    for name in disk.names().iter().filter(|name| name.ends_with("aecsad")) {
        disk.flip_bit(name, 5000);
    }
    let error = Slots::new(disk).start(&TRUST).unwrap_err().to_string();
    assert!(
        error.contains("no slot of gear holds a usable bundle"),
        "{error}"
    );
}

#[test]
fn one_damaged_copy_of_the_state_is_no_loss_and_two_are_said() {
    for copy in STATE_FILES {
        let disk = SimulatedDisk::default();
        let slots = Slots::new(disk.clone());
        proven(&slots, "gear", 4);
        let state = slots.state().unwrap();
        disk.flip_bit(copy, 100);
        assert_eq!(slots.state().unwrap(), state);
        assert_eq!(started(&slots).1, 4);
        let [a, b] = STATE_FILES.map(|name| disk.content(name).unwrap());
        assert_eq!(a, b, "repaired");
        for copy in STATE_FILES {
            disk.flip_bit(copy, 200);
        }
        let error = slots.start(&TRUST).unwrap_err();
        assert!(matches!(error, SlotsError::StateDamaged { .. }), "{error}");
        assert!(flash(&slots, &bundle("gear", 5, None)).is_err());
    }
}

#[test]
fn an_older_version_is_refused_unless_requested_and_the_floor_stays() {
    let slots = slots();
    proven(&slots, "gear", 5);
    let older = bundle("gear", 4, None);
    let mut request = FlashRequest {
        trust: &TRUST,
        allow_downgrade: false,
        add_product: false,
    };
    let flash = |request: &FlashRequest<'_>, bytes: &[u8]| {
        slots.flash(bytes, "old.aecsad", request, &mut |_| Ok(()))
    };
    let before = slots.state().unwrap();
    let error = flash(&request, &older).unwrap_err();
    assert!(
        matches!(
            error,
            SlotsError::Older {
                version: 4,
                floor: 5,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(slots.state().unwrap(), before);
    request.allow_downgrade = true;
    assert!(flash(&request, &older).unwrap().downgrade);
    slots.confirm(&current(&slots)).unwrap();
    let state = slots.state().unwrap();
    assert_eq!(state.products[0].floor, 5);
    assert!(
        state
            .events
            .iter()
            .any(|e| e.what.contains("because --allow-downgrade was given")),
        "{:?}",
        state.events
    );
    request.allow_downgrade = false;
    assert!(flash(&request, &older).is_err(), "once is not for ever");
}

#[test]
fn another_product_is_refused_unless_it_is_added_and_keeps_to_itself() {
    let slots = slots();
    proven(&slots, "gear", 5);
    let request = FlashRequest {
        trust: &TRUST,
        allow_downgrade: false,
        add_product: false,
    };
    let bolt = bundle("bolt", 1, None);
    let error = slots
        .flash(&bolt[..], "bolt.aecsad", &request, &mut |_| Ok(()))
        .unwrap_err();
    assert!(matches!(error, SlotsError::OtherProduct { .. }), "{error}");
    let flashed = flash(&slots, &bolt).unwrap();
    assert!(!flashed.active);
    assert_eq!(started(&slots).0, "gear");
    slots.select("bolt").unwrap();
    assert_eq!(started(&slots), ("bolt".into(), 1, vec![]));
    slots.select("gear").unwrap();
    assert_eq!(started(&slots), ("gear".into(), 5, vec![]));
    let error = slots.select("nut").unwrap_err().to_string();
    assert!(error.contains("there is: gear, bolt"), "{error}");
}

#[test]
fn rollback_goes_to_the_other_slot_and_back() {
    let slots = slots();
    proven(&slots, "gear", 1);
    proven(&slots, "gear", 2);
    assert_eq!(slots.roll_back().unwrap(), ("gear".into(), 1));
    assert_eq!(started(&slots).1, 1);
    assert_eq!(slots.state().unwrap().products[0].floor, 2);
    assert_eq!(slots.roll_back().unwrap(), ("gear".into(), 2));
    flash(&slots, &bundle("gear", 3, None)).unwrap();
    assert_eq!(
        slots.roll_back().unwrap(),
        ("gear".into(), 2),
        "out of the trial"
    );
}

#[test]
fn the_same_file_again_changes_nothing_and_mends_a_damaged_slot() {
    let disk = SimulatedDisk::default();
    let slots = Slots::new(disk.clone());
    let bytes = bundle("gear", 1, None);
    proven(&slots, "gear", 1);
    let state = slots.state().unwrap();
    disk.flip_bit(&format!("{}.aecsad", current(&slots)), 5000);
    assert!(flash(&slots, &bytes).unwrap().unchanged);
    assert_eq!(slots.state().unwrap(), state);
    assert_eq!(started(&slots), ("gear".into(), 1, vec![]));
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let disk = SimulatedDisk::default();
    let slots = Slots::new(disk.clone());
    proven(&slots, "gear", 1);
    let (state, names) = (slots.state().unwrap(), disk.names());
    let whole = bundle("gear", 2, None);
    for cut in [0, 1, 511, 512, 1500, whole.len() / 2, whole.len() - 1] {
        let error = flash(&slots, &whole[..cut]).unwrap_err();
        assert!(matches!(error, SlotsError::Refused(_)), "{error}");
    }
    let request = FlashRequest {
        trust: &TRUST,
        allow_downgrade: false,
        add_product: false,
    };
    let not_here = |_: &aecsad_inspect::bundle::Bundle| Err(SlotsError::Empty);
    slots
        .flash(&whole[..], "x", &request, &mut { not_here })
        .unwrap_err();
    assert_eq!(slots.state().unwrap(), state);
    assert_eq!(disk.names(), names);
}
