//! Puts a line's events in order: one row for each part once everything about it is known, the totals, and a sentence
//! for each alarm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use aecsad_inspect::inspector::Verdict;

use super::alarm::Alarm;
use super::anomalous_run::AnomalousRun;
use super::other_light::OtherLightRun;
use super::{Inspection, LineEvent, Message};
use crate::camera::CameraError;
use crate::line::{Action, Cause, Fate, Policies, TakenAlong};
use crate::reject::{Answer, RejectEvent};

/// The most rows that wait for an earlier one. More means that an event of the earlier row was lost.
const MOST_OPEN_ROWS: usize = 512;

/// The state of a part's reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PulseState {
    /// The part was to pass.
    None,
    /// Requested; the actuator has not reported it yet.
    Pending,
    /// Reported by the actuator, so many microseconds after the requested time.
    Seen { error_us: i64 },
    /// The actuator did not report it.
    Unconfirmed,
    /// It could not be requested, in time or at all.
    Impossible,
}

impl PulseState {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            PulseState::None => "none",
            PulseState::Pending => "waiting",
            PulseState::Seen { .. } => "seen",
            PulseState::Unconfirmed => "unconfirmed",
            PulseState::Impossible => "impossible",
        }
    }
}

/// One part with everything known about it.
#[derive(Clone, Debug)]
pub struct Row {
    pub part: u32,
    pub cause: Cause,
    pub captured: Instant,
    pub verdict: Option<Verdict>,
    /// The bundle that gave the verdict.
    pub bundle: Option<Arc<str>>,
    pub pulse: PulseState,
    /// Whether the sensor behind the gate saw it fall, if there is one and it was to.
    pub fallen: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub parts: u32,
    pub good: u32,
    pub bad: u32,
    pub late: u32,
    pub queue_full: u32,
    pub engine_error: u32,
    pub no_frame: u32,
    /// Pulses the actuator reported.
    pub pulsed: u32,
    /// Rejects without such a report.
    pub unconfirmed: u32,
    /// Rejects that could not be requested.
    pub impossible: u32,
    /// Parts that should pass but were hit by a neighbour's pulse.
    pub taken_along: u32,
    /// Rejected parts seen by the sensor behind the gate, not seen there, and parts seen there that were not rejected.
    pub fallen: u32,
    pub not_fallen: u32,
    pub fell_unrequested: u32,
    /// Runs of parts that are far from every good part.
    pub anomalous_runs: u32,
    /// Parts whose frames were evened out, because they were exposed unlike any good part in training.
    pub evened_out: u32,
    pub alarms: u32,
}

/// What a [`Ledger`] hands on.
#[derive(Debug)]
pub enum LedgerEntry<'a> {
    Row(&'a Row),
    Message(Message),
}

impl LedgerEntry<'_> {
    pub fn alarm(sentence: String) -> Self {
        LedgerEntry::Message(Message::Alarm(sentence))
    }

    pub fn notice(sentence: &str) -> Self {
        LedgerEntry::Message(Message::Notice(sentence.into()))
    }
}

#[derive(Default)]
pub struct Ledger {
    open: BTreeMap<u32, Row>,
    /// A row waits for the sensor behind the gate.
    awaits_fall: bool,
    /// The station stops where the camera, or the gate, can't be reached.
    stops_blind: bool,
    stops_without_gate: bool,
    written: u32,
    anomalous: AnomalousRun,
    other_light: OtherLightRun,
    pub totals: Totals,
}

impl Ledger {
    /// `awaits_fall`: there is a sensor behind the gate.
    pub fn new(awaits_fall: bool, policies: &Policies) -> Self {
        Ledger {
            awaits_fall,
            stops_blind: policies.stop_when_blind,
            stops_without_gate: policies.stop_without_gate,
            ..Ledger::default()
        }
    }

    pub fn note(&mut self, event: LineEvent, write: &mut impl FnMut(LedgerEntry<'_>)) {
        match event {
            LineEvent::Decided { fate, inspection } => self.decided(&fate, inspection, write),
            LineEvent::NotScheduled { part, error } => {
                self.totals.impossible += 1;
                self.settle(part, PulseState::Impossible);
                self.alarm(error.to_string(), write);
            }
            LineEvent::Gate(RejectEvent::Up) => write(LedgerEntry::notice("the actuator answers")),
            LineEvent::Gate(RejectEvent::Down(error)) => {
                let next = match self.stops_without_gate {
                    true => "the station stops",
                    false => "the station keeps trying to reach it",
                };
                self.alarm(format!("{error}; {next}"), write);
            }
            LineEvent::Gate(RejectEvent::Pulsed { part, error_us, .. }) => {
                self.totals.pulsed += 1;
                self.settle(part, PulseState::Seen { error_us });
            }
            LineEvent::Gate(RejectEvent::Unconfirmed { part }) => {
                self.totals.unconfirmed += 1;
                self.settle(part, PulseState::Unconfirmed);
                self.alarm(Alarm::Unconfirmed { part }.to_string(), write);
            }
            LineEvent::Gate(RejectEvent::Refused { part, answer }) => {
                self.totals.impossible += 1;
                self.settle(part, PulseState::Impossible);
                let reason = reason(answer);
                self.alarm(Alarm::Refused { part, reason }.to_string(), write);
            }
            LineEvent::Gate(RejectEvent::CountRestarted) => {
                self.alarm(Alarm::CountRestarted.to_string(), write);
            }
            // The gatekeeper and the changeover handle these.
            LineEvent::Gate(
                RejectEvent::Count { .. } | RejectEvent::Fell { .. } | RejectEvent::Select { .. },
            ) => {}
            LineEvent::TakenAlong(TakenAlong { part, with }) => {
                self.totals.taken_along += 1;
                self.alarm(Alarm::TakenAlong { part, with }.to_string(), write);
            }
            LineEvent::Fallen { part } => {
                self.totals.fallen += 1;
                self.confirm(part, true);
            }
            LineEvent::NotFallen { part } => {
                self.totals.not_fallen += 1;
                self.confirm(part, false);
                self.alarm(Alarm::NotFallen { part }.to_string(), write);
            }
            LineEvent::FellUnrequested => {
                self.totals.fell_unrequested += 1;
                self.alarm(Alarm::FellUnrequested.to_string(), write);
            }
            LineEvent::Blind(error) => {
                let next = match error {
                    _ if self.stops_blind => "; the station stops",
                    CameraError::Lost { .. } | CameraError::Stalled { .. } => {
                        "; parts pass unseen while the station tries to reach it again"
                    }
                    _ => "",
                };
                self.alarm(format!("{error}{next}"), write);
            }
            LineEvent::Sees => write(LedgerEntry::notice("the camera sees the parts again")),
            LineEvent::Encoder { silent: true } => {
                self.alarm(Alarm::EncoderSilent.to_string(), write);
            }
            LineEvent::Arrived { .. } | LineEvent::Health(_) => {}
            LineEvent::Encoder { silent: false } => {
                write(LedgerEntry::notice("the belt's encoder counts"))
            }
        }
        self.write_settled(write);
    }

    /// Writes the rows that still wait, at the end of a run.
    pub fn close(&mut self, write: &mut impl FnMut(LedgerEntry<'_>)) {
        for row in std::mem::take(&mut self.open).values() {
            write(LedgerEntry::Row(row));
        }
    }

    fn decided(
        &mut self,
        fate: &Fate,
        inspection: Option<Inspection>,
        write: &mut impl FnMut(LedgerEntry<'_>),
    ) {
        let totals = &mut self.totals;
        totals.parts += 1;
        *match fate.cause {
            Cause::Good => &mut totals.good,
            Cause::Bad => &mut totals.bad,
            Cause::QueueFull => &mut totals.queue_full,
            Cause::EngineError => &mut totals.engine_error,
            Cause::NoFrame => &mut totals.no_frame,
            Cause::Late => &mut totals.late,
        } += 1;
        let pulse = match fate.action {
            Action::Pass => PulseState::None,
            Action::Pulse { .. } => PulseState::Pending,
            Action::Missed { .. } | Action::Astray => {
                totals.impossible += 1;
                PulseState::Impossible
            }
        };
        if fate.alarm() {
            self.alarm(sentence(fate, inspection.as_ref()), write);
        }
        let part = fate.part.id;
        if let Some(Inspection::Verdict(verdict, _)) = &inspection
            && let Some(sentence) = self.anomalous.note(part, verdict)
        {
            self.totals.anomalous_runs += 1;
            self.alarm(sentence, write);
        }
        if let Some(Inspection::Verdict(verdict, _)) = &inspection {
            self.totals.evened_out += u32::from(verdict.other_light.is_some());
            match self.other_light.note(verdict) {
                Some(Message::Alarm(sentence)) => self.alarm(sentence, write),
                Some(notice) => write(LedgerEntry::Message(notice)),
                None => {}
            }
        }
        let (verdict, bundle) = match inspection {
            Some(Inspection::Verdict(verdict, bundle)) => (Some(verdict), Some(bundle)),
            _ => (None, None),
        };
        let row = Row {
            part,
            cause: fate.cause,
            captured: fate.part.captured,
            verdict,
            bundle,
            pulse,
            fallen: None,
        };
        self.open.insert(part, row);
    }

    fn settle(&mut self, part: u32, pulse: PulseState) {
        if let Some(row) = self.open.get_mut(&part) {
            row.pulse = pulse;
        }
    }

    fn confirm(&mut self, part: u32, fallen: bool) {
        if let Some(row) = self.open.get_mut(&part) {
            row.fallen = Some(fallen);
        }
    }

    fn alarm(&mut self, sentence: String, write: &mut impl FnMut(LedgerEntry<'_>)) {
        self.totals.alarms += 1;
        write(LedgerEntry::alarm(sentence));
    }

    fn write_settled(&mut self, write: &mut impl FnMut(LedgerEntry<'_>)) {
        while let Some(first) = self.open.first_entry() {
            let row = first.get();
            let pulsed = match row.pulse {
                PulseState::Pending => false,
                PulseState::Seen { .. } => !self.awaits_fall || row.fallen.is_some(),
                _ => true,
            };
            let settled = pulsed && row.part == self.written + 1;
            if !settled && self.open.len() <= MOST_OPEN_ROWS {
                return;
            }
            if let Some((part, row)) = self.open.pop_first() {
                self.written = part;
                write(LedgerEntry::Row(&row));
            }
        }
    }
}

/// Why an actuator refused to pulse.
fn reason(answer: Answer) -> &'static str {
    match answer {
        Answer::TooLate => "its time had passed",
        Answer::Full => "its schedule is full",
        Answer::NoEncoder => "it has no encoder",
        Answer::OutOfRange => "the delay or the pulse is longer than it allows",
        Answer::NoSession => "it was restarted",
        Answer::WrongProtocol => "it uses another protocol",
        Answer::Done | Answer::AlreadyKnown => "it gave no reason",
    }
}

fn sentence(fate: &Fate, inspection: Option<&Inspection>) -> String {
    let part = fate.part.id;
    let reason = match (fate.cause, inspection) {
        (_, Some(Inspection::EngineError(error))) => error.to_string(),
        (_, Some(Inspection::NoFrame(error))) => error.to_string(),
        (Cause::Late, _) => "its verdict did not come in time".into(),
        (Cause::QueueFull, _) => "its picture found no room before the engine".into(),
        (cause, _) => cause.name().into(),
    };
    let outcome = match fate.action {
        Action::Pass => "passes".into(),
        Action::Pulse { .. } => "is rejected".into(),
        Action::Missed { by } => format!(
            "should be rejected, but its time had passed by {} ms: look for it",
            by.as_millis()
        ),
        Action::Astray => {
            "should be rejected, but its place on the belt is not known: look for it".into()
        }
    };
    let stop = if fate.stop.is_some() {
        ", and the station stops"
    } else {
        ""
    };
    format!("part {part} {outcome}{stop}: {reason}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::line::{FirePoint, Part};

    fn decided(id: u32, cause: Cause, action: Action) -> LineEvent {
        let fate = Fate {
            part: Part {
                id,
                captured: Instant::now(),
            },
            cause,
            action,
            stop: None,
        };
        LineEvent::Decided {
            fate,
            inspection: None,
        }
    }

    #[test]
    fn rows_come_in_order_and_complete() {
        let mut ledger = Ledger::default();
        let (mut rows, mut alarms) = (Vec::new(), 0);
        let mut write = |entry: LedgerEntry<'_>| match entry {
            LedgerEntry::Row(row) => rows.push((row.part, row.pulse)),
            LedgerEntry::Message(Message::Alarm(_)) => alarms += 1,
            LedgerEntry::Message(Message::Notice(_)) => {}
        };
        let fire_at = Instant::now();
        let fire = FirePoint::At(fire_at);
        let pulse = Action::Pulse { fire };
        let pulsed = |part| {
            LineEvent::Gate(RejectEvent::Pulsed {
                part,
                at: fire_at,
                error_us: 7,
            })
        };
        ledger.note(decided(2, Cause::Good, Action::Pass), &mut write);
        ledger.note(decided(1, Cause::Bad, pulse), &mut write);
        ledger.note(decided(3, Cause::NoFrame, pulse), &mut write);
        ledger.note(pulsed(1), &mut write);
        let by = Duration::from_millis(3);
        ledger.note(decided(4, Cause::Bad, Action::Missed { by }), &mut write);
        ledger.note(
            LineEvent::Gate(RejectEvent::Unconfirmed { part: 3 }),
            &mut write,
        );
        ledger.note(decided(6, Cause::Bad, pulse), &mut write);
        ledger.close(&mut write);
        assert_eq!(
            rows,
            [
                (1, PulseState::Seen { error_us: 7 }),
                (2, PulseState::None),
                (3, PulseState::Unconfirmed),
                (4, PulseState::Impossible),
                (6, PulseState::Pending),
            ]
        );
        assert_eq!(alarms, 3);
        let expected = Totals {
            parts: 5,
            good: 1,
            bad: 3,
            no_frame: 1,
            pulsed: 1,
            unconfirmed: 1,
            impossible: 1,
            alarms: 3,
            ..Totals::default()
        };
        assert_eq!(ledger.totals, expected);
    }

    #[test]
    fn a_lost_event_holds_the_rows_up_only_so_long() {
        let mut ledger = Ledger::default();
        let mut rows = 0;
        for part in 2..1_000 {
            ledger.note(decided(part, Cause::Good, Action::Pass), &mut |_| rows += 1);
        }
        assert!(rows >= 1_000 - MOST_OPEN_ROWS - 3, "{rows}");
        assert!(ledger.open.len() <= MOST_OPEN_ROWS);
    }
}
