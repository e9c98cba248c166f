//! A calibration on a judge whose parts score differently each time.

use std::sync::mpsc::channel;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::decision::WeightedBranch;
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::trimmed_z::TrimmedZ;
use aecsad_inspect::inspector::Verdict;

use super::*;
use crate::calibration::Bundled;
use crate::calibration::task::CalibrationPlan;
use crate::station::JudgeError;

/// Its parts score differently each time.
struct Varied {
    bundle: Arc<str>,
    rng: fastrand::Rng,
    renewed: u32,
}

impl Judge for Varied {
    fn judge(&mut self, _: &Frame) -> Result<Verdict, JudgeError> {
        Ok(Verdict::passing(0.0, 1.0))
    }

    fn bundle(&self) -> Arc<str> {
        Arc::clone(&self.bundle)
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        None
    }

    fn calibration_part(&self, seen: &mut Frame) -> Option<CalibrationPart> {
        let mut rng = self.rng.clone();
        (seen.width, seen.height) = (32, 32);
        seen.rgb = (0..32 * 32 * 3).map(|_| rng.u8(..)).collect();
        let mut raw = RawScores::default();
        raw[Branch::Pooled as usize] = Some(10.0 + rng.f32());
        let pose = Pose::default();
        Some(CalibrationPart { raw, pose })
    }

    fn recalibrate(&mut self, _: &Renewal) {
        self.renewed += 1;
    }
}

fn varied() -> Varied {
    Varied {
        bundle: "bottle 3".into(),
        rng: fastrand::Rng::with_seed(7),
        renewed: 0,
    }
}

fn calibrated() -> Calibrated {
    let branch = WeightedBranch {
        branch: Branch::Pooled,
        weight: 1.0,
        z: TrimmedZ {
            mean: 10.5,
            std: 0.3,
        },
    };
    let bundled = Bundled {
        identity: "bottle 3".into(),
        decision: Decision {
            branches: [branch].into_iter().collect(),
            threshold: 3.0,
            calibration: Conformal::new(vec![0.0]),
        },
        planted: None,
    };
    Calibrated {
        task: CalibrationTask::new(bundled, 0.05, &CalibrationPlan::default()),
        sha256: "00".into(),
        outcome: None,
        user: "anna".into(),
        since_ms: 0,
        place: "calibration.toml".into(),
    }
}

/// Lets parts pass until the calibration has ended; its sentence. `change` is called before each part.
fn ended(line: &LineCalibration, mut change: impl FnMut(u32, &mut Varied)) -> String {
    let (said, sentence) = channel();
    line.start(calibrated(), move |sentence| said.send(sentence).unwrap())
        .unwrap();
    let mut inlet = line.inlet();
    let mut judge = varied();
    for part in 0..100_000 {
        if let Ok(sentence) = sentence.try_recv() {
            return sentence;
        }
        change(part, &mut judge);
        judge.rng.u8(..);
        inlet.take_part(&judge);
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it never ends");
}

#[test]
fn parts_are_collected_and_applied_once() {
    let line = LineCalibration::default();
    let said = ended(&line, |_, _| {});
    assert!(said.starts_with("ready: threshold"), "{said}");
    let refused = line.start(calibrated(), |_| {}).unwrap_err().to_string();
    assert!(refused.contains("anna"), "{refused}");
    let ready = line.take_ready().unwrap();
    assert!(line.take_ready().is_none());
    line.put_back(ready);
    let ready = line.take_ready().unwrap();
    let Some(Ok(fit)) = &ready.outcome else {
        panic!("no fit");
    };
    assert_eq!(fit.calibration.parts, 20);
    line.renew(Renewal {
        bundle: "bottle 3".into(),
        decision: ready.task.bundled.decision.clone(),
        status: CalibrationStatus::Calibrated("new".into()),
        at: Instant::now(),
    });
    let (mut inlet, mut judge) = (line.inlet(), varied());
    for _ in 0..3 {
        inlet.recalibrate(&mut judge);
    }
    assert_eq!(judge.renewed, 1);
    line.start(calibrated(), |_| {}).unwrap();
    line.discard();
}

#[test]
fn another_bundle_of_the_same_name_ends_it_too() {
    for bundle in ["bottle 4", "bottle 3"] {
        let line = LineCalibration::default();
        let said = ended(&line, |part, judge| {
            if part == 8 {
                judge.bundle = bundle.into();
            }
        });
        let expected = format!("refused: the line changed over from bottle 3 to {bundle}");
        assert!(said.starts_with(&expected), "{said}");
        assert!(line.take_ready().is_none());
    }
}
