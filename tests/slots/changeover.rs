//! A running station whose slots change under it, step by step and without a clock.

use std::path::PathBuf;
use std::time::Instant;

use aecsad::slots::state::SlotCondition;
use aecsad::slots::storage::DiskFolder;
use aecsad::slots::{FlashRequest, Flashed, Slots, SlotsError};
use aecsad::station::changeover::{ChangingJudge, SELECT_NAME, Watcher, start};
use aecsad::station::config::bundle::{BundleConfig, BundleSource};
use aecsad::station::loaded_judge::LoadedJudge;
use aecsad::station::{Judge, JudgeError, Message};
use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Verdict;
use minisign::KeyPair;
use tempfile::TempDir;

use super::{bundle, sign};

const TRIAL: u32 = 4;

/// Gives each part its bundle's version as score; what the engine does wrong depends on the version.
struct Versioned(u64);

impl Judge for Versioned {
    fn judge(&mut self, _: &Frame) -> Result<Verdict, JudgeError> {
        match self.0 {
            66 => Err(JudgeError::EngineBrokeOff),
            77 => panic!("as an engine may"),
            version => Ok(verdict(version as f32)),
        }
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        None
    }
}

fn verdict(score: f32) -> Verdict {
    Verdict::passing(score, 0.0)
}

/// Good parts had scores from 0 to 50.
fn load(bundle: &Bundle) -> Result<LoadedJudge, JudgeError> {
    match bundle.manifest.version {
        88 => Err(JudgeError::EngineBrokeOff),
        version => Ok(LoadedJudge {
            viewed_region: None,
            judge: Box::new(Versioned(version)),
            calibration: vec![0.0, 50.0],
            warning: None,
        }),
    }
}

struct Station {
    folder: TempDir,
    key: KeyPair,
    config: BundleConfig,
    messages: Vec<Message>,
}

impl Station {
    /// Version 1 of gear has passed its trial.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_unencrypted_keypair().unwrap();
        let keys = folder.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        let public = key.pk.to_box().unwrap().into_string();
        std::fs::write(keys.join("line.pub"), public).unwrap();
        let config = BundleConfig {
            source: BundleSource::Slots {
                folder: folder.path().join("slots"),
                trial_parts: TRIAL,
            },
            keys: Some(keys),
            calibration: None,
            demo: false,
        };
        let station = Station {
            folder,
            key,
            config,
            messages: Vec::new(),
        };
        station.flash("gear", 1);
        let slots = station.slots();
        let state = slots.state().unwrap();
        let sha256 = &state.products[0].a.as_ref().unwrap().sha256;
        slots.confirm(sha256).unwrap();
        station
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("slots")
    }

    fn slots(&self) -> Slots<DiskFolder> {
        Slots::lock(&self.place()).unwrap()
    }

    fn flash(&self, product: &str, version: u64) -> Flashed {
        let bytes = bundle(product, version, Some(&|m| Ok(sign(&self.key, m))));
        let request = FlashRequest {
            trust: &self.config.trust().unwrap(),
            allow_downgrade: false,
            add_product: true,
        };
        let flashed = self
            .slots()
            .flash(&bytes[..], "some", &request, &mut |_| Ok(()));
        flashed.unwrap()
    }

    fn start(&mut self) -> (ChangingJudge, Watcher<'static>) {
        let place = self.place();
        let messages = &mut self.messages;
        start(&place, TRIAL, &self.config, &load, &mut |printed| {
            messages.push(printed)
        })
        .unwrap()
    }

    fn look(&mut self, watcher: &mut Watcher<'_>) {
        let messages = &mut self.messages;
        watcher.look(&mut |printed| messages.push(printed));
    }

    fn alarm(&self) -> &str {
        match self.messages.last() {
            Some(Message::Alarm(printed)) => printed,
            other => panic!("{other:?}"),
        }
    }

    fn condition(&self, version: u64) -> SlotCondition {
        let state = self.slots().state().unwrap();
        let found = state.bundles().find(|b| b.version == version);
        found.unwrap().condition.clone()
    }
}

fn judged(judge: &mut ChangingJudge) -> Option<f32> {
    let frame = Frame {
        width: 1,
        height: 1,
        rgb: vec![0; 3],
        captured: Instant::now(),
    };
    judge.judge(&frame).ok().map(|verdict| verdict.score)
}

#[test]
fn a_flash_takes_over_between_two_parts_and_is_confirmed() {
    let mut station = Station::new();
    let (mut judge, mut watcher) = station.start();
    assert_eq!(judged(&mut judge), Some(1.0));
    station.flash("gear", 2);
    assert_eq!(judged(&mut judge), Some(1.0), "not seen yet");
    station.look(&mut watcher);
    assert_eq!(station.condition(2), SlotCondition::Proven);
    for _ in 0..TRIAL {
        assert_eq!(judged(&mut judge), Some(2.0));
    }
    station.look(&mut watcher);
    assert_eq!(station.condition(2), SlotCondition::Confirmed);
    let printed = Message::Notice("version 2 of gear passed its trial".into());
    assert_eq!(station.messages.last(), Some(&printed));
    station.look(&mut watcher);
    assert_eq!(judged(&mut judge), Some(2.0));
    assert_eq!(
        station.messages.last(),
        Some(&printed),
        "nothing more to say"
    );
}

#[test]
fn an_idle_line_does_not_use_up_the_trial() {
    let mut station = Station::new();
    let (mut judge, mut watcher) = station.start();
    for version in [2, 3] {
        station.flash("gear", version);
        for _ in 0..20 {
            station.look(&mut watcher);
        }
    }
    // The one in between was never used.
    assert_eq!(judged(&mut judge), Some(3.0));
    let state = station.slots().state().unwrap();
    assert_eq!(state.products[0].trial.as_ref().unwrap().starts, 1);
}

#[test]
fn an_engine_fault_or_foreign_scores_bring_the_old_bundle_back() {
    for (version, parts, why) in [
        (66, 1, "the engine failed on a part"),
        (
            51,
            TRIAL,
            "the middle score of 4 parts is 51.00, and good parts had 0.00 to 50.00",
        ),
    ] {
        let mut station = Station::new();
        let (mut judge, mut watcher) = station.start();
        station.flash("gear", version);
        station.look(&mut watcher);
        for _ in 0..parts {
            judged(&mut judge);
        }
        station.look(&mut watcher);
        let alarmed = station.messages.iter().any(|messages| match messages {
            Message::Alarm(printed) => {
                printed.contains(why) && printed.contains("version 1 comes back")
            }
            Message::Notice(_) => false,
        });
        assert!(alarmed, "{:?}", station.messages);
        assert_eq!(judged(&mut judge), Some(1.0));
        assert!(matches!(
            station.condition(version),
            SlotCondition::Failed(_)
        ));
    }
}

#[test]
fn an_engine_that_breaks_off_on_a_part_is_a_fault_too() {
    let mut station = Station::new();
    let (mut judge, mut watcher) = station.start();
    station.flash("gear", 77);
    station.look(&mut watcher);
    for _ in 0..2 {
        // The engine's thread catches it.
        let broke = std::panic::AssertUnwindSafe(|| judged(&mut judge));
        assert!(std::panic::catch_unwind(broke).is_err());
    }
    station.look(&mut watcher);
    assert!(matches!(station.condition(77), SlotCondition::Failed(_)));
    assert_eq!(judged(&mut judge), Some(1.0));
}

#[test]
fn a_bundle_that_can_t_be_loaded_never_gets_to_work() {
    let mut station = Station::new();
    let (mut judge, mut watcher) = station.start();
    station.flash("gear", 88);
    station.look(&mut watcher);
    assert!(matches!(station.condition(88), SlotCondition::Failed(_)));
    assert_eq!(judged(&mut judge), Some(1.0));
    // The same at start.
    station.flash("gear", 88);
    let (mut judge, _) = station.start();
    assert!(
        station
            .alarm()
            .contains("version 88 of gear failed its trial"),
        "{}",
        station.alarm()
    );
    assert_eq!(judged(&mut judge), Some(1.0));
}

#[test]
fn the_first_bundle_stays_if_there_is_nothing_behind_it() {
    let mut station = Station::new();
    std::fs::remove_dir_all(station.place()).unwrap();
    station.flash("gear", 66);
    let (mut judge, mut watcher) = station.start();
    assert_eq!(judged(&mut judge), None);
    station.look(&mut watcher);
    assert!(
        station
            .alarm()
            .contains("there is no older one to go back to"),
        "{}",
        station.alarm()
    );
}

#[test]
fn a_product_is_selected_by_command_or_by_a_file() {
    let mut station = Station::new();
    station.flash("bolt", 7);
    let (mut judge, mut watcher) = station.start();
    station.slots().select("bolt").unwrap();
    station.look(&mut watcher);
    assert_eq!(judged(&mut judge), Some(7.0));
    let file = station.place().join(SELECT_NAME);
    std::fs::write(&file, "gear\n").unwrap();
    station.look(&mut watcher);
    assert_eq!(judged(&mut judge), Some(1.0));
    assert!(!file.exists());
    std::fs::write(&file, b"\xff\xfe").unwrap();
    station.look(&mut watcher);
    assert!(
        station.alarm().contains("can't be read"),
        "{}",
        station.alarm()
    );
    // Nothing is waited for.
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    station.look(&mut watcher);
    assert!(
        station.alarm().contains("it is a pipe or a device"),
        "{}",
        station.alarm()
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "nut").unwrap();
    station.look(&mut watcher);
    assert!(
        station.alarm().contains("there is no nut"),
        "{}",
        station.alarm()
    );
    assert_eq!(judged(&mut judge), Some(1.0));
}

#[test]
fn a_rollback_by_hand_during_a_trial_is_taken_over_too() {
    let mut station = Station::new();
    let (mut judge, mut watcher) = station.start();
    station.flash("gear", 2);
    station.look(&mut watcher);
    assert_eq!(judged(&mut judge), Some(2.0));
    station.slots().roll_back().unwrap();
    // The trial comes to its end before the rollback is seen: it has no say any more.
    for _ in 1..TRIAL {
        judged(&mut judge);
    }
    station.look(&mut watcher);
    assert_eq!(judged(&mut judge), Some(1.0));
    assert!(matches!(
        station.slots().confirm("0"),
        Err(SlotsError::NoTrial { .. })
    ));
    assert!(matches!(station.condition(2), SlotCondition::Failed(_)));
}
