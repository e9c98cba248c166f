//! The machine's watchdog, which resets it, and systemd's, which restarts the service. Both are petted only while the
//! threads run, the camera sees and the gate answers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::Health;
use super::alarm::Alarm;
use super::config::WatchdogConfig;

/// The machine is reset after this many seconds without petting, if its watchdog can be set.
const RESET_AFTER_S: i32 = 30;
const PET_EACH: Duration = Duration::from_secs(1);

nix::ioctl_readwrite!(set_timeout, b'W', 6, nix::libc::c_int);

#[derive(Debug, thiserror::Error)]
#[error("the watchdog {} can't be used ({source}): run as root, close the program that holds it, or correct `watchdog.device` in the station file", path.display())]
pub struct WatchdogError {
    pub path: PathBuf,
    pub source: io::Error,
}

pub struct Watchdog {
    device: Option<File>,
    systemd: bool,
    patience: Duration,
    /// The latest time at which everything worked.
    well_at: Instant,
    pet_at: Instant,
    starved: bool,
}

impl Watchdog {
    /// Opening the device arms it.
    pub fn start(config: &WatchdogConfig, now: Instant) -> Result<Self, WatchdogError> {
        let device = match &config.device {
            None => None,
            Some(path) => Some(arm(path)?),
        };
        // A missing service manager is no error.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        Ok(Watchdog {
            device,
            systemd: sd_notify::watchdog_enabled().is_some(),
            patience: config.patience,
            well_at: now,
            pet_at: now,
            starved: false,
        })
    }

    /// Pets the watchdogs while everything works, and for a short time after. Then it stops and returns the alarm once.
    pub fn turn(&mut self, health: &Health, now: Instant) -> Option<String> {
        if health.camera_sees && health.gate_up && health.stuck_for < self.patience {
            self.well_at = now;
        }
        let unwell = now.saturating_duration_since(self.well_at);
        let starving = unwell > self.patience;
        if !starving && now >= self.pet_at {
            self.pet_at = now + PET_EACH;
            if let Some(device) = &mut self.device {
                let _ = device.write_all(b"\n");
            }
            if self.systemd {
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
        }
        let first = starving && !std::mem::replace(&mut self.starved, starving);
        let watched = self.device.is_some() || self.systemd;
        (first && watched).then(|| {
            let what = if health.stuck_for >= self.patience {
                "a thread is stuck"
            } else if !health.camera_sees {
                "the camera sees nothing"
            } else {
                "the gate does not answer"
            };
            let seconds = unwell.as_secs();
            Alarm::NotPetted { what, seconds }.to_string()
        })
    }

    /// Sets the status that a service manager shows.
    pub fn show_status(&self, status: &str) {
        let _ = sd_notify::notify(&[NotifyState::Status(status)]);
    }
}

fn arm(path: &Path) -> Result<File, WatchdogError> {
    let failed = |source| WatchdogError {
        path: path.into(),
        source,
    };
    let device = OpenOptions::new().write(true).open(path).map_err(failed)?;
    let mut timeout_s = RESET_AFTER_S;
    // SAFETY: the request takes exactly one int, which outlives the call.
    if let Err(errno) = unsafe { set_timeout(device.as_raw_fd(), &raw mut timeout_s) } {
        if errno == nix::errno::Errno::ENOTTY {
            return Err(failed(io::Error::other("it is no watchdog")));
        }
        log::warn!(
            "{}: the watchdog keeps its own timeout ({errno})",
            path.display()
        );
    }
    Ok(device)
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        if let Some(device) = &mut self.device {
            // The magic character disarms the watchdog: an orderly end is no reason for a reset.
            let _ = device.write_all(b"V");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Faults;

    const S: Duration = Duration::from_secs(1);

    fn health() -> Health {
        Health {
            stuck_for: Duration::ZERO,
            camera_sees: true,
            gate_up: true,
            queued: 0,
            faults: Faults::default(),
        }
    }

    /// One whose device is a file: a line for each petting.
    fn watchdog(file: &Path, now: Instant) -> Watchdog {
        Watchdog {
            device: Some(File::create(file).unwrap()),
            systemd: false,
            patience: 10 * S,
            well_at: now,
            pet_at: now,
            starved: false,
        }
    }

    #[test]
    fn it_is_petted_while_all_is_well_and_starves_after_its_patience() {
        let sick = [
            Health {
                camera_sees: false,
                ..health()
            },
            Health {
                gate_up: false,
                ..health()
            },
            Health {
                stuck_for: 11 * S,
                ..health()
            },
        ];
        for (sick, word) in sick.iter().zip(["camera", "gate", "stuck"]) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("watchdog");
            let start = Instant::now();
            let mut watchdog = watchdog(&file, start);
            let pettings = || std::fs::read(&file).unwrap().len();
            for second in 0..5 {
                assert_eq!(watchdog.turn(&health(), start + second * S), None);
            }
            assert_eq!(pettings(), 5);
            let reported: Vec<String> = (5..40)
                .filter_map(|s| watchdog.turn(sick, start + s * S))
                .collect();
            assert_eq!(pettings(), 15, "ten seconds of patience");
            assert!(
                reported.len() == 1 && reported[0].contains(word),
                "{reported:?}"
            );
            // It recovers if there is still time.
            watchdog.turn(&health(), start + 40 * S);
            drop(watchdog);
            assert_eq!(std::fs::read(&file).unwrap()[15..], *b"\nV");
        }
    }

    #[test]
    fn what_is_no_watchdog_is_refused() {
        let config = WatchdogConfig {
            device: Some("/dev/null".into()),
            patience: S,
        };
        let error = Watchdog::start(&config, Instant::now())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("/dev/null") && error.contains("no watchdog"),
            "{error}"
        );
    }
}
