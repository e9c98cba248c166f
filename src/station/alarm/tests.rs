//! The page of alarms has a row for each alarm, and no row for one that there is not. A match without a wildcard lists the
//! kinds of each enum, so that a new one is not forgotten here.

mod slots;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use aecsad_inspect::image_files::ImageError;
use aecsad_inspect::inspector::InspectorError;
use aecsad_inspect::network::NetworkError;

use super::*;
use crate::calibration::CalibrationStatus;
use crate::camera::CameraError;
use crate::journal::JournalError;
use crate::line::{Action, Cause, Fate, FirePoint, Part, Policies};
use crate::page::PageError;
use crate::reject::Peer;
use crate::station::ledger::{Ledger, LedgerEntry};
use crate::station::{Inspection, JudgeError, LineEvent, Message};

/// The patterns in the first columns of a page's tables between these two texts.
fn patterns(page: &str, from: &str, to: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = std::fs::read_to_string(page).unwrap();
    let (_, alarms) = page.split_once(from).unwrap();
    let (alarms, _) = alarms.split_once(to).unwrap();
    let rows = alarms.lines().filter_map(|line| line.strip_prefix('|'));
    let cells = rows.filter_map(|row| row.split('|').next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// Each sentence has its row on the page, and each row its sentence.
fn must_agree(page: &str, patterns: &[String], sentences: &[String]) {
    for sentence in sentences {
        let documented = patterns.iter().any(|pattern| matches(pattern, sentence));
        assert!(documented, "{page} has no row for: {sentence}");
    }
    for pattern in patterns {
        let raised = sentences.iter().any(|sentence| matches(pattern, sentence));
        assert!(raised, "{page} has a row for no alarm: {pattern}");
    }
}

/// In a pattern, `…` and the single letters N and M stand for any text; after the pattern anything may follow.
fn matches(pattern: &str, sentence: &str) -> bool {
    let words = pattern.split(' ').map(|word| match word {
        "N" | "M" => "…",
        word => word,
    });
    let pattern = words.collect::<Vec<_>>().join(" ");
    let mut pieces = pattern.split('…');
    let begin = pieces.next().unwrap_or_default();
    let Some(mut rest) = sentence.strip_prefix(begin) else {
        return false;
    };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else {
            return false;
        };
        rest = after;
    }
    true
}

fn io_error() -> io::Error {
    io::ErrorKind::Other.into()
}

fn journal_error() -> JournalError {
    JournalError::Folder {
        path: "journal".into(),
        reason: "full".into(),
        advice: "free space there",
    }
}

fn own() -> Vec<Alarm> {
    const KINDS: usize = 22;
    let kind = |alarm: &Alarm| match alarm {
        Alarm::Unconfirmed { .. } => 0,
        Alarm::Refused { .. } => 1,
        Alarm::TakenAlong { .. } => 2,
        Alarm::NotFallen { .. } => 3,
        Alarm::FellUnrequested => 4,
        Alarm::CountRestarted => 5,
        Alarm::EncoderSilent => 6,
        Alarm::AnomalousRun { .. } => 7,
        Alarm::NotPetted { .. } => 8,
        Alarm::NoPriority { .. } => 9,
        Alarm::MemoryNotLocked { .. } => 10,
        Alarm::OneBundle { .. } => 11,
        Alarm::OutputUncertain(_) => 12,
        Alarm::LinesLost { .. } => 13,
        Alarm::RecordsLost { .. } => 14,
        Alarm::JournalWaits { .. } => 15,
        Alarm::JournalReplaced { .. } => 16,
        Alarm::JournalRemoved(_) => 17,
        Alarm::PicturesWait { .. } => 18,
        Alarm::PicturesReplaced { .. } => 19,
        Alarm::ThresholdsUnread { .. } => 20,
        Alarm::OtherLight { .. } => 21,
    };
    let (part, lost) = (7, 3);
    let alarms = vec![
        Alarm::Unconfirmed { part },
        Alarm::Refused {
            part,
            reason: "its schedule is full",
        },
        Alarm::TakenAlong { part, with: 8 },
        Alarm::NotFallen { part },
        Alarm::FellUnrequested,
        Alarm::CountRestarted,
        Alarm::EncoderSilent,
        Alarm::AnomalousRun {
            rejected: 10,
            part,
            score: 500.0,
        },
        Alarm::OtherLight {
            count: 18,
            parts: 20,
            how: OtherLight::Brighter,
        },
        Alarm::NotPetted {
            what: "the gate does not answer",
            seconds: 30,
        },
        Alarm::NoPriority {
            priority: 50,
            error: io_error(),
        },
        Alarm::MemoryNotLocked {
            errno: nix::errno::Errno::EPERM,
        },
        Alarm::OneBundle {
            product: "nut".into(),
        },
        Alarm::OutputUncertain(RejectError::Silent { peer: peer() }),
        Alarm::LinesLost { lost },
        Alarm::RecordsLost {
            lost,
            why: String::new(),
        },
        Alarm::JournalWaits {
            why: journal_error().to_string(),
            kept: 8192,
        },
        Alarm::JournalReplaced {
            path: "parts.sqlite".into(),
            why: "damaged".into(),
            aside: "damaged-1.sqlite".into(),
        },
        Alarm::JournalRemoved("journal".into()),
        Alarm::PicturesWait {
            why: journal_error().to_string(),
        },
        Alarm::PicturesReplaced {
            folder: "pictures".into(),
            error: io_error(),
            aside: "damaged-1-pictures".into(),
        },
        Alarm::ThresholdsUnread {
            why: "the record of users and actions operators.sqlite can't be used".into(),
        },
    ];
    let kinds: BTreeSet<usize> = alarms.iter().map(kind).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    alarms
}

fn peer() -> Peer {
    Peer {
        name: "Modbus unit 7 on /dev/ttyS0".into(),
        device: "/dev/ttyS0".into(),
        serial: "9600 baud".into(),
        keys: "`unit`",
    }
}

/// Of a part without a frame, and of a camera that sees no parts.
fn of_the_camera() -> (Vec<CameraError>, Vec<CameraError>) {
    let device = || "/dev/video0".to_owned();
    let kind = |error: &CameraError| match error {
        // The station does not start with these.
        CameraError::NoImages(_)
        | CameraError::Missing(_)
        | CameraError::Busy(_)
        | CameraError::NoPermission(_)
        | CameraError::NotACamera(_)
        | CameraError::Failed { .. }
        | CameraError::NotGranted { .. }
        | CameraError::NoControl { .. }
        | CameraError::ControlRefused { .. } => None,
        CameraError::Image(_) => Some(0),
        CameraError::Dropped => Some(1),
        CameraError::Corrupt(_) => Some(2),
        CameraError::NoFrameForSensor => Some(3),
        CameraError::FlatField { .. } => Some(4),
        CameraError::Lost { .. } => Some(5),
        CameraError::Stalled { .. } => Some(6),
        CameraError::Sensor { .. } => Some(7),
    };
    let no_frame = vec![
        CameraError::Image(ImageError::Unreadable {
            path: "part.png".into(),
            source: io_error(),
        }),
        CameraError::Dropped,
        CameraError::Corrupt("cut short".into()),
        CameraError::NoFrameForSensor,
        CameraError::FlatField {
            path: "sheet.png".into(),
            reason: "of another size".into(),
        },
    ];
    let blind = vec![
        CameraError::Lost {
            device: device(),
            reason: "unplugged".into(),
        },
        CameraError::Stalled {
            device: device(),
            waited_ms: 2000,
        },
        CameraError::Sensor {
            device: device(),
            reason: "unplugged".into(),
        },
    ];
    let kinds: BTreeSet<_> = no_frame.iter().chain(&blind).filter_map(kind).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    (no_frame, blind)
}

fn of_the_gate() -> Vec<RejectError> {
    let device = || "/dev/ttyACM0".to_owned();
    let kind = |error: &RejectError| match error {
        // The station does not start with these.
        RejectError::Serial(_) | RejectError::NoCounter { .. } => None,
        RejectError::Lost { .. } => Some(0),
        RejectError::Silent { .. } => Some(1),
        RejectError::EchoAlone { .. } => Some(2),
        RejectError::AnswersLate { .. } => Some(3),
        RejectError::NoAnswer { .. } => Some(4),
        RejectError::WrongProtocol { .. } => Some(5),
        RejectError::Refuses { .. } => Some(6),
        RejectError::Overfull { .. } => Some(7),
    };
    let errors = vec![
        RejectError::Lost {
            device: device(),
            reason: "unplugged".into(),
        },
        RejectError::Silent { peer: peer() },
        RejectError::EchoAlone { peer: peer() },
        RejectError::AnswersLate {
            peer: peer(),
            after_ms: 90,
            allowed_ms: 50,
        },
        RejectError::NoAnswer {
            peer: peer(),
            what: "noise".into(),
        },
        RejectError::WrongProtocol {
            device: device(),
            expected: 3,
        },
        RejectError::Refuses {
            peer: peer(),
            reason: "illegal address".into(),
        },
        RejectError::Overfull {
            device: device(),
            part: 7,
            pending: 64,
        },
    ];
    let kinds: BTreeSet<_> = errors.iter().filter_map(kind).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    errors
}

/// The ledger's sentences for these inspections of parts that are rejected, and for parts that can't be.
fn of_parts(no_frame: Vec<CameraError>) -> Vec<String> {
    let now = Instant::now();
    let mut causes: Vec<(Cause, Option<Inspection>)> = Cause::ALL
        .into_iter()
        .filter(|cause| matches!(cause, Cause::Late | Cause::QueueFull))
        .map(|cause| (cause, None))
        .collect();
    let gpu_failed = JudgeError::GpuFailed {
        source: Box::new(InspectorError::Network(NetworkError::Run {
            name: "encoder.onnx".into(),
            why: "the driver refused".into(),
        })),
        next: "the CPU goes on".into(),
    };
    for error in [JudgeError::EngineBrokeOff, gpu_failed] {
        causes.push((Cause::EngineError, Some(Inspection::EngineError(error))));
    }
    causes.extend(no_frame.into_iter().map(|error| {
        let inspection = Inspection::NoFrame(error);
        (Cause::NoFrame, Some(inspection))
    }));
    let by = Duration::from_millis(12);
    let fire = FirePoint::At(now);
    let mut decided: Vec<(Cause, Action, Option<Inspection>)> = causes
        .into_iter()
        .map(|(cause, inspection)| (cause, Action::Pulse { fire }, inspection))
        .collect();
    decided.extend([
        (Cause::Bad, Action::Missed { by }, None),
        (Cause::Bad, Action::Astray, None),
    ]);
    let mut ledger = Ledger::new(false, &Policies::default());
    let mut sentences = Vec::new();
    for (id, (cause, action, inspection)) in decided.into_iter().enumerate() {
        let fate = Fate {
            part: Part {
                id: id as u32 + 1,
                captured: now,
            },
            cause,
            action,
            stop: None,
        };
        let event = LineEvent::Decided { fate, inspection };
        ledger.note(event, &mut |entry| {
            if let LedgerEntry::Message(Message::Alarm(sentence)) = entry {
                sentences.push(sentence);
            }
        });
    }
    sentences
}

#[test]
fn the_page_has_each_alarm_and_no_other() {
    let (no_frame, blind) = of_the_camera();
    let mut sentences: Vec<String> = own().iter().map(ToString::to_string).collect();
    sentences.extend(of_parts(no_frame));
    sentences.extend(blind.iter().map(ToString::to_string));
    sentences.extend(of_the_gate().iter().map(ToString::to_string));
    sentences.push(CalibrationStatus::awaited(Path::new("light.toml"), 2.0).to_string());
    let unserved = PageError {
        address: ([127, 0, 0, 1], 9464).into(),
        reason: "in use".into(),
    };
    sentences.push(unserved.to_string());

    let page = "docs/alarms.md";
    must_agree(page, &patterns(page, "\n", "\n## The journal"), &sentences);
}
