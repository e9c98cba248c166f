//! The table of alarms about bundles and slots in `docs/flashing.md`.

use std::collections::BTreeSet;

use super::{io_error, must_agree, patterns};
use crate::calibration::CalibrationError;
use crate::slots::state::SlotName;
use crate::slots::{SlotAlarm, SlotsError};

fn of_slots() -> Vec<SlotAlarm> {
    let kind = |alarm: &SlotAlarm| match alarm {
        SlotAlarm::Unusable { .. } => 0,
        SlotAlarm::Forbidden { .. } => 1,
        SlotAlarm::Unwritable { .. } => 2,
        SlotAlarm::GivenUp { .. } => 3,
        SlotAlarm::NoneToGoBackTo { .. } => 4,
        SlotAlarm::NotLoaded { .. } => 5,
        SlotAlarm::TrialFailed { .. } => 6,
        SlotAlarm::TrialFailedAlone { .. } => 7,
        SlotAlarm::Unchanged { .. } => 8,
        SlotAlarm::SelectUnread { .. } => 9,
        SlotAlarm::SelectNotText { .. } => 10,
        SlotAlarm::SelectStays { .. } => 11,
    };
    let (version, back, slot) = (5, 4, SlotName::B);
    let product = || "gear".to_owned();
    let why = || "it is damaged".to_owned();
    let path = || "slots/select".into();
    let alarms = vec![
        SlotAlarm::Unusable {
            slot,
            product: product(),
            version,
            why: why(),
            back,
        },
        SlotAlarm::Forbidden {
            slot,
            product: product(),
            version,
            why: why(),
            back,
        },
        SlotAlarm::Unwritable { why: why() },
        SlotAlarm::GivenUp {
            version,
            product: product(),
            why: "the station started 3 times with it".into(),
            back,
        },
        SlotAlarm::NoneToGoBackTo {
            why: "the station started 3 times with it".into(),
            product: product(),
        },
        SlotAlarm::NotLoaded {
            version,
            product: product(),
            why: why(),
            back,
        },
        SlotAlarm::TrialFailed {
            product: product(),
            why: why(),
            back,
        },
        SlotAlarm::TrialFailedAlone {
            product: product(),
            why: why(),
        },
        SlotAlarm::Unchanged { why: why() },
        SlotAlarm::SelectUnread {
            path: path(),
            error: io_error(),
        },
        SlotAlarm::SelectNotText {
            path: path(),
            error: "it is no text".into(),
        },
        SlotAlarm::SelectStays {
            path: path(),
            error: io_error(),
        },
    ];
    let kinds: BTreeSet<usize> = alarms.iter().map(kind).collect();
    assert_eq!(kinds.len(), 12, "{kinds:?}");
    alarms
}

#[test]
fn the_page_on_flashing_has_each_alarm_about_slots_and_no_other() {
    let mut sentences: Vec<String> = of_slots().iter().map(ToString::to_string).collect();
    let refused_selection = SlotsError::NoProduct {
        product: "gear".into(),
        installed: "nut".into(),
    };
    sentences.push(refused_selection.to_string());
    let of_the_older_version = CalibrationError::OtherBundle {
        path: "gear.toml".into(),
        calibrated: "gear 1".into(),
        bundle: "gear 2".into(),
    };
    sentences.push(of_the_older_version.to_string());
    let page = "docs/flashing.md";
    let from = "\n| Alarm of a running station |";
    must_agree(page, &patterns(page, from, "\n\n"), &sentences);
}
