//! Which part of a frame is looked at, who states it, and which places in it are ignored.

use serde::{Deserialize, Serialize};

use super::InputGeometry;
use super::ignored::Ignored;
use crate::frame::{Frame, Size};
use crate::image_files::MIN_SIDE;
use crate::optics::OpticsError;

/// The part of the frame that is looked at, in pixels of the frame. Written as left, top, width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Region {
    pub fn size(self) -> Size {
        Size {
            width: self.width,
            height: self.height,
        }
    }

    /// Whether it has pixels, and all of them are pixels of a frame of this size.
    pub fn is_inside(self, frame: Size) -> bool {
        let fits = |start: u32, length: u32, whole: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        fits(self.left, self.width, frame.width) && fits(self.top, self.height, frame.height)
    }
}

impl From<[u32; 4]> for Region {
    fn from([left, top, width, height]: [u32; 4]) -> Self {
        Region {
            left,
            top,
            width,
            height,
        }
    }
}

impl From<Region> for [u32; 4] {
    fn from(region: Region) -> Self {
        [region.left, region.top, region.width, region.height]
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Region {
            left,
            top,
            width,
            height,
        } = self;
        write!(f, "{width}×{height} pixels from {left}, {top}")
    }
}

/// What a bundle looks at in frames like those that it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedRegion {
    /// All of the frame where only some places are ignored.
    pub area: Region,
    /// Size of the frames. In a frame of another size the area would show something else, so none is cropped.
    pub frame: Size,
    /// Places in the area that are neither learnt nor judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
}

impl TrainedRegion {
    /// The pixels of a view of the area that are ignored; none where nothing is.
    ///
    /// *Shapes*: `[height, width]` of the view, row by row.
    pub fn ignored_in(&self, view: Size) -> Option<Vec<bool>> {
        let ignored = self.ignored.as_ref()?;
        Some(ignored.covered(self.area.size(), view))
    }

    /// Share of the whole view that is ignored.
    pub fn ignored_share(&self) -> f64 {
        let covered = self.ignored_in(Size::WHOLE).unwrap_or_default();
        let ignored = covered.iter().filter(|ignored| **ignored).count();
        ignored as f64 / Size::WHOLE.pixels() as f64
    }

    /// Why frames cannot be cropped to it; none if they can.
    pub fn fault(&self) -> Option<&'static str> {
        if !self.area.is_inside(self.frame) {
            return Some("reaches outside its frame");
        }
        if self.area.width < MIN_SIDE || self.area.height < MIN_SIDE {
            return Some("is less than 16 pixels wide or high");
        }
        let ignored = self.ignored.as_ref()?;
        if let Some(fault) = ignored.fault(self.area.size()) {
            return Some(fault);
        }
        (self.ignored_share() >= 1.0).then_some("is ignored as a whole")
    }

    /// The frame's pixels in the area, as a frame of its own.
    ///
    /// # Errors
    /// If the frame has another size than those of the training.
    pub fn crop(&self, frame: &Frame) -> Result<Frame, OpticsError> {
        let Region {
            left,
            top,
            width,
            height,
        } = ViewedRegion::from(self)
            .region_in(frame.size())?
            .unwrap_or(self.area);
        let row = 3 * frame.width as usize;
        let (from, to) = (3 * left as usize, 3 * (left + width) as usize);
        let rows = frame.rgb.chunks_exact(row.max(1));
        let rows = rows.skip(top as usize).take(height as usize);
        Ok(Frame {
            width,
            height,
            rgb: rows.flat_map(|row| &row[from..to]).copied().collect(),
            captured: frame.captured,
        })
    }
}

/// "640×480 pixels from 64, 0 in frames of 1280×960, 3.2 % ignored"
impl std::fmt::Display for TrainedRegion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.area.size() == self.frame {
            true => write!(f, "all of each {} frame", self.frame)?,
            false => write!(f, "{} in frames of {}", self.area, self.frame)?,
        }
        match self.ignored {
            Some(_) => write!(f, ", {:.1} % ignored", 100.0 * self.ignored_share()),
            None => Ok(()),
        }
    }
}

/// What is seen of each frame that comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewedRegion {
    /// All of it: it shows the region already, as golden images do, or there is none.
    #[default]
    All,
    /// A region that the station file states, of frames of any size.
    Region(Region),
    /// The region of the training, in frames of that size alone.
    Trained { area: Region, frame: Size },
}

impl ViewedRegion {
    /// The station's region where it states one, else the bundle's.
    pub fn of(station: Option<Region>, geometry: &InputGeometry) -> Self {
        match (station, &geometry.region) {
            (Some(region), _) => ViewedRegion::Region(region),
            (None, Some(trained)) => trained.into(),
            (None, None) => ViewedRegion::All,
        }
    }

    /// The region where one was stated, whatever the frame.
    pub fn region(self) -> Option<Region> {
        match self {
            ViewedRegion::All => None,
            ViewedRegion::Region(region) | ViewedRegion::Trained { area: region, .. } => {
                Some(region)
            }
        }
    }

    /// What is seen of a frame of this size; all of it if none.
    ///
    /// # Errors
    /// If the frame has another size than those of the training, or is too small.
    pub fn region_in(self, came: Size) -> Result<Option<Region>, OpticsError> {
        match self {
            ViewedRegion::Trained { area, frame } if frame != came => {
                Err(OpticsError::OtherFrame {
                    came,
                    trained: frame,
                    area,
                })
            }
            viewed_region => match viewed_region.region() {
                Some(region) if !region.is_inside(came) => {
                    Err(OpticsError::RegionOutside(region, came.width, came.height))
                }
                region => Ok(region),
            },
        }
    }
}

impl From<&TrainedRegion> for ViewedRegion {
    fn from(trained: &TrainedRegion) -> Self {
        ViewedRegion::Trained {
            area: trained.area,
            frame: trained.frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(area: [u32; 4]) -> TrainedRegion {
        TrainedRegion {
            area: area.into(),
            frame: Size {
                width: 100,
                height: 60,
            },
            ignored: None,
        }
    }

    #[test]
    fn a_region_lies_in_its_frame() {
        for (area, fault) in [
            ([0, 0, 100, 60], None),
            ([84, 44, 16, 16], None),
            ([85, 44, 16, 16], Some("reaches outside its frame")),
            ([u32::MAX, 0, 16, 16], Some("reaches outside its frame")),
            ([0, 0, 0, 16], Some("reaches outside its frame")),
            ([0, 0, 15, 16], Some("is less than 16 pixels wide or high")),
        ] {
            assert_eq!(trained(area).fault(), fault, "{area:?}");
        }
    }

    #[test]
    fn the_station_knows_better_than_the_training() {
        let mut geometry = InputGeometry::lite0(false);
        let here = Region::from([1, 2, 30, 40]);
        assert_eq!(ViewedRegion::of(None, &geometry), ViewedRegion::All);
        geometry.region = Some(trained([10, 10, 50, 50]));
        assert_eq!(
            ViewedRegion::of(Some(here), &geometry),
            ViewedRegion::Region(here)
        );
        let viewed_region = ViewedRegion::of(None, &geometry);
        assert_eq!(viewed_region.region(), Some([10, 10, 50, 50].into()));
    }

    #[test]
    fn only_frames_of_the_trained_size_are_cropped() {
        let frame = |width: u32, height: u32| Frame {
            width,
            height,
            rgb: (0..height)
                .flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 0]))
                .collect(),
            captured: std::time::Instant::now(),
        };
        let region = trained([20, 30, 40, 16]);
        let cropped = region.crop(&frame(100, 60)).unwrap();
        assert_eq!((cropped.width, cropped.height), (40, 16));
        assert_eq!(cropped.rgb[..3], [20, 30, 0]);
        assert_eq!(cropped.rgb[3 * (40 * 16 - 1)..], [59, 45, 0]);
        // The same shape in other pixels may be another field of view.
        let refused = region.crop(&frame(200, 120)).unwrap_err().to_string();
        assert!(
            refused.contains("200×120") && refused.contains("100×60"),
            "{refused}"
        );
    }
}
