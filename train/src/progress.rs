//! Reports the progress of a long run on stderr: the stage that begins, and how far a training is. On a terminal it is
//! a bar with loss and remaining time, in a log file a plain line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use aecsad_program::standard_streams::note;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Says what a stage begins with, or has found.
pub fn stage(name: &str, what: &str) {
    note(format_args!("{name}: {what}"));
}

/// How far a training is, or a pass over the images.
pub struct Progress {
    stage: &'static str,
    bar: Option<ProgressBar>,
    steps: usize,
    first_step: usize,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    pub fn start(stage: &'static str, first_step: usize, steps: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr())
                    .with_position(first_step as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}, {msg}, {eta} left")
            {
                bar.set_style(style);
            }
            bar.set_prefix(stage);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self {
            stage,
            bar,
            steps,
            first_step,
            started: now,
            last_line: now,
        }
    }

    pub fn step_done(&mut self, step: usize, loss: f32) {
        self.done("step", step, &format!("loss {loss:.4}"));
    }

    /// One more image; `found` says what came of it.
    #[cfg(feature = "foundation")]
    pub fn image_done(&mut self, image: usize, found: &str) {
        self.done("image", image, found);
    }

    fn done(&mut self, unit: &str, index: usize, what: &str) {
        let done = index + 1;
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.set_position(done as u64);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            let each = self.started.elapsed() / (done - self.first_step) as u32;
            note(format_args!(
                "{}: {unit} {done} of {}, {what}, about {} left",
                self.stage,
                self.steps,
                HumanDuration(each * (self.steps - done) as u32)
            ));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
