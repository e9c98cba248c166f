//! Delivers the images of a folder at a steady rate, with the same timing as a camera.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::{ImageError, list_images_flat, read_image_of_depth};

use super::{CameraError, FrameSource, LONGEST_WAIT, SourceEvent};

pub struct PacedFolder {
    images: Vec<PathBuf>,
    period: Duration,
    bit_depth: Option<u8>,
    next: usize,
    /// The next picture, read before it is due.
    read: Option<Result<Frame, ImageError>>,
    /// When the first frame was taken.
    start: Option<Instant>,
}

impl PacedFolder {
    /// Takes the images in the order of their names, one each `period`, once.
    pub fn open(folder: &Path, period: Duration) -> Result<Self, CameraError> {
        let images = list_images_flat(folder)?;
        if images.is_empty() {
            return Err(CameraError::NoImages(folder.into()));
        }
        Ok(PacedFolder {
            images,
            period,
            bit_depth: None,
            next: 0,
            read: None,
            start: None,
        })
    }

    /// The file of each part, the first part's first.
    pub fn images(&self) -> &[PathBuf] {
        &self.images
    }
}

impl FrameSource for PacedFolder {
    fn state_bit_depth(&mut self, bit_depth: Option<u8>) {
        self.bit_depth = bit_depth;
    }

    fn next(&mut self, frame: &mut Frame) -> Option<SourceEvent> {
        let path = self.images.get(self.next)?;
        // The file is read before the frame is due, so that the file's decoding does not count as inspection.
        let bit_depth = self.bit_depth;
        let read = self.read.take();
        let read = read.unwrap_or_else(|| read_image_of_depth(path, bit_depth));
        let start = *self.start.get_or_insert_with(Instant::now);
        let at = start + self.period * self.next as u32;
        let left = at.saturating_duration_since(Instant::now());
        thread::sleep(left.min(LONGEST_WAIT));
        if left > LONGEST_WAIT {
            self.read = Some(read);
            return Some(SourceEvent::Nothing);
        }
        self.next += 1;
        let event = match read {
            Ok(read) => {
                *frame = read;
                SourceEvent::Part
            }
            Err(error) => SourceEvent::NoFrame(error.into()),
        };
        frame.captured = Instant::now();
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_order_and_no_sooner_than_their_period() {
        let folder = tempfile::tempdir().unwrap();
        for (name, level) in [("b.png", 20), ("a.png", 10), ("c.PNG", 30)] {
            let image = image::RgbImage::from_pixel(20, 16, image::Rgb([level; 3]));
            image.save(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("b2.png"), "no image").unwrap();
        std::fs::write(folder.path().join("parts.csv"), "").unwrap();
        let period = Duration::from_millis(30);
        let mut source = PacedFolder::open(folder.path(), period).unwrap();
        let mut frame = Frame::empty();
        let mut captured: Vec<Instant> = Vec::new();
        for expected in [Some(10), Some(20), None, Some(30)] {
            let event = std::iter::repeat_with(|| source.next(&mut frame).unwrap())
                .find(|s| !matches!(s, SourceEvent::Nothing));
            assert_eq!(matches!(event, Some(SourceEvent::Part)), expected.is_some());
            if let Some(level) = expected {
                assert_eq!((frame.width, frame.height), (20, 16));
                assert_eq!(frame.rgb, [level; 20 * 16 * 3]);
            }
            captured.push(frame.captured);
        }
        assert!(source.next(&mut frame).is_none());
        for (i, at) in captured.iter().enumerate() {
            assert!(*at >= captured[0] + period * i as u32 - Duration::from_millis(1));
        }
    }

    #[test]
    fn no_folder_and_no_images_are_distinguished() {
        let folder = tempfile::tempdir().unwrap();
        let period = Duration::from_millis(1);
        let empty = PacedFolder::open(folder.path(), period).err().unwrap();
        assert!(matches!(empty, CameraError::NoImages(_)));
        let absent = PacedFolder::open(&folder.path().join("x"), period)
            .err()
            .unwrap();
        assert!(matches!(absent, CameraError::Image(_)));
    }
}
