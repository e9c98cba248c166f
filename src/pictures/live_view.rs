//! The latest picture for those who watch the page. Nothing is done for it while no one watches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Verdict;
use aecsad_inspect::optics::Region;

use super::{Picture, encode};
use crate::line::Cause;

/// No more pictures than one in this time.
const EACH: Duration = Duration::from_millis(400);
/// Sharpness is measured on at most so many rows and columns, in the middle of what is inspected.
const SHARPNESS_SIDE: usize = 1_024;

/// A picture as a browser gets it.
pub struct LivePicture {
    pub run: i64,
    pub part: u32,
    pub cause: Cause,
    pub verdict: Option<Verdict>,
    /// Of the frame, in pixels.
    pub width: u32,
    pub height: u32,
    pub region: Option<Region>,
    /// Variance of the Laplacian of the brightness: higher is sharper, comparable on one scene only (Pech-Pacheco et al.
    /// 2000).
    pub sharpness: f64,
    /// JPEG files.
    pub seen: Vec<u8>,
    pub heat: Option<Vec<u8>>,
}

pub struct LiveView {
    watchers: Arc<AtomicUsize>,
    next: Mutex<Option<Instant>>,
    latest: Mutex<Option<Arc<LivePicture>>>,
    notify: Box<dyn Fn(&LivePicture) + Send + Sync>,
}

/// A browser watches for as long as this value lives.
pub struct Watcher(Arc<AtomicUsize>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LiveView {
    /// `notify` is called on the thread of the pictures.
    pub fn new(notify: impl Fn(&LivePicture) + Send + Sync + 'static) -> Self {
        LiveView {
            watchers: Arc::default(),
            next: Mutex::default(),
            latest: Mutex::default(),
            notify: Box::new(notify),
        }
    }

    pub fn watch(&self) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher(Arc::clone(&self.watchers))
    }

    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    pub fn latest(&self) -> Option<Arc<LivePicture>> {
        let latest = self.latest.lock();
        latest.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the picture of the current part is wanted. Only the engine's thread calls it, so the lock is free.
    pub(super) fn wants(&self, idle: bool) -> bool {
        if !idle || self.watchers() == 0 {
            return false;
        }
        let Ok(mut next) = self.next.try_lock() else {
            return false;
        };
        let now = Instant::now();
        if next.is_some_and(|next| now < next) {
            return false;
        }
        *next = Some(now + EACH);
        true
    }

    pub(super) fn show(&self, picture: &Picture, run: i64) {
        let Ok(seen) = encode::jpeg(&picture.frame) else {
            return;
        };
        let heat = encode::with_heat(picture).ok().flatten();
        let shown = LivePicture {
            run,
            part: picture.part,
            cause: picture.wanted.cause,
            verdict: picture.wanted.verdict.clone(),
            width: picture.frame.width,
            height: picture.frame.height,
            region: picture.region,
            sharpness: sharpness(&picture.frame, picture.region),
            seen,
            heat: heat.and_then(|heat| encode::jpeg(&heat).ok()),
        };
        let shown = Arc::new(shown);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(Arc::clone(&shown));
        drop(latest);
        (self.notify)(&shown);
    }
}

/// See [`LivePicture::sharpness`].
fn sharpness(frame: &Frame, region: Option<Region>) -> f64 {
    let (width, height) = (frame.width as usize, frame.height as usize);
    if frame.rgb.len() != 3 * width * height {
        return 0.0;
    }
    let (left, top, across, down) = match region {
        Some(region) => (
            region.left as usize,
            region.top as usize,
            region.width as usize,
            region.height as usize,
        ),
        None => (0, 0, width, height),
    };
    let range = |first: usize, length: usize, end: usize| {
        let side = length.min(SHARPNESS_SIDE);
        let first = first + (length - side) / 2;
        first.max(1)..(first + side).min(end.saturating_sub(1))
    };
    let level = |x: usize, y: usize| {
        let at = 3 * (y * width + x);
        let pixel = &frame.rgb[at..at + 3];
        0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
    };
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for y in range(top, down, height) {
        for x in range(left, across, width) {
            let around = level(x - 1, y) + level(x + 1, y) + level(x, y - 1) + level(x, y + 1);
            let laplacian = around - 4.0 * level(x, y);
            count += 1.0;
            sum += laplacian;
            squares += laplacian * laplacian;
        }
    }
    match count > 0.0 {
        true => squares / count - (sum / count).powi(2),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sharp_edge_is_sharper_than_a_soft_one() {
        let frame = |width: u32, ramp: f32| Frame {
            width,
            height: 16,
            rgb: (0..16 * width)
                .flat_map(|at| {
                    let x = (at % width) as f32 - width as f32 / 2.0;
                    [(128.0 + (x / ramp).clamp(-1.0, 1.0) * 100.0) as u8; 3]
                })
                .collect(),
            captured: Instant::now(),
        };
        let sharp = sharpness(&frame(32, 0.5), None);
        let soft = sharpness(&frame(32, 8.0), None);
        assert!(sharp > 4.0 * soft, "{sharp} {soft}");
        // Too small to have a Laplacian.
        assert_eq!(sharpness(&frame(2, 1.0), None), 0.0);
        let edge = Region {
            left: 24,
            top: 8,
            width: 8,
            height: 8,
        };
        assert!(sharpness(&frame(32, 0.5), Some(edge)) < 1.0);
    }
}
