//! What every rendered product has in common: parts arranged in a frame, a way to disturb the arrangement, and
//! from both a picture with its ground truth.

use image::RgbImage;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::canvas::{Brush, Canvas};
use super::coverage::Coverage;
use super::ground::Ground;
use super::light::{Exposure, Light, spread};
use super::overlay::Overlay;
use super::shape::{Deformation, Shape, Transform};
use super::structural::Defect;

pub type Stream = ChaCha8Rng;

/// How hard an anomaly is to see: by size, contrast or distance from what is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Easy,
    Medium,
    Hard,
}

impl Grade {
    pub const ALL: [Grade; 3] = [Grade::Easy, Grade::Medium, Grade::Hard];

    pub fn of<T>(self, easy: T, medium: T, hard: T) -> T {
        match self {
            Grade::Easy => easy,
            Grade::Medium => medium,
            Grade::Hard => hard,
        }
    }
}

/// How much of a region has to be marked for a full score (MVTec LOCO AD's saturation threshold).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Saturation {
    /// All of it.
    Whole,
    /// An area in product units squared: where any of several places could be the wrong one.
    Area(f32),
}

/// One way in which the arrangement can be wrong though every part is sound.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    pub name: &'static str,
    pub saturation: Saturation,
    /// False where it is the same however hard it is meant to be; it then counts as medium.
    pub graded: bool,
}

/// One part of a product in one picture.
#[derive(Clone, Debug)]
pub struct PlacedPart<K> {
    pub kind: K,
    /// In the product's frame.
    pub pose: Transform,
    pub seed: u32,
    /// Factor of its brightness.
    pub tint: f32,
    pub deformation: Option<Deformation>,
    /// Broken off, in picture pixels.
    pub missing: Option<Coverage>,
}

impl<K> PlacedPart<K> {
    pub fn new(kind: K, at: [f32; 2], angle: f32, rng: &mut Stream) -> Self {
        Self {
            kind,
            pose: Transform::new(at, angle, 1.0),
            seed: rng.random(),
            tint: 1.0 + spread(rng, 0.06),
            deformation: None,
            missing: None,
        }
    }

    /// Shifted and turned by up to the given amounts, as parts are when they are put in.
    pub fn jittered(mut self, shift: f32, turn: f32, rng: &mut Stream) -> Self {
        self.pose.at[0] += spread(rng, shift);
        self.pose.at[1] += spread(rng, shift);
        self.pose.angle += spread(rng, turn);
        self
    }
}

/// Everything in one picture, before it is painted. Parts later in the list lie on top.
#[derive(Clone, Debug)]
pub struct Arrangement<K> {
    pub ground: Ground,
    /// Where the product lies in the picture (0 to 1).
    pub frame: Transform,
    pub parts: Vec<PlacedPart<K>>,
    pub overlays: Vec<Overlay>,
}

impl<K> Arrangement<K> {
    /// A product whose centre (0.5, 0.5) is put down within ±`shift` and ±`turn` of straight.
    pub fn new(ground: Ground, shift: f32, turn: f32, scale: f32, rng: &mut Stream) -> Self {
        let about = Transform::new([-0.5, -0.5], 0.0, 1.0);
        let placed = Transform::new(
            [0.5 + spread(rng, shift), 0.5 + spread(rng, shift)],
            spread(rng, turn),
            1.0 + spread(rng, scale),
        );
        Self {
            ground,
            frame: placed.after(&about),
            parts: Vec::new(),
            overlays: Vec::new(),
        }
    }

    /// From the product's frame to pixels.
    pub fn to_pixels(&self, size: usize) -> Transform {
        Transform::new([0.0, 0.0], 0.0, size as f32).after(&self.frame)
    }
}

/// A region of the ground truth, in the product's frame: all of `shapes`, without `except`.
#[derive(Clone, Debug, Default)]
pub struct TruthRegion {
    pub shapes: Vec<Shape>,
    pub except: Vec<Shape>,
}

impl TruthRegion {
    pub fn of(shape: Shape) -> Self {
        Self {
            shapes: vec![shape],
            except: Vec::new(),
        }
    }

    pub fn cover(&self, to_pixels: &Transform, size: usize) -> Coverage {
        let cover = |shape: &Shape| Coverage::of(&shape.placed(to_pixels), size, 0.0);
        let all = self
            .shapes
            .iter()
            .map(cover)
            .reduce(|a, b| a.joined(&b))
            .unwrap_or_default();
        self.except
            .iter()
            .fold(all, |all, shape| all.without(&cover(shape)))
    }
}

/// A product: how its good arrangement varies, what it looks like, and how it goes wrong.
pub trait Product: Sync {
    type Kind: Clone + Sync + Send;

    /// Its folder.
    const NAME: &'static str;
    /// The direction of the lamp in the picture, radians.
    const LAMP: f32;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<Self::Kind>;

    /// The outline of a part in its own coordinates.
    fn outline(&self, kind: &Self::Kind) -> Shape;

    fn paint(&self, part: &PlacedPart<Self::Kind>, brush: &mut Brush);

    /// Its logical anomalies; empty for a product that has no parts to arrange.
    fn disturbances(&self) -> Vec<Disturbance>;

    /// Does the `which`-th of [`disturbances`](Self::disturbances) to the arrangement and says where.
    fn disturb(
        &self,
        which: usize,
        grade: Grade,
        arrangement: &mut Arrangement<Self::Kind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion>;

    fn faults(&self) -> &'static [Defect];

    /// Whether a part of this kind can deformation along its y axis.
    fn bends(&self, kind: &Self::Kind) -> bool;

    /// Whether a piece can break off the edge of a part of this kind.
    fn chips(&self, kind: &Self::Kind) -> bool;

    /// A part's outline as it lies in the product's frame.
    fn placed(&self, part: &PlacedPart<Self::Kind>) -> Shape {
        let outline = self.outline(&part.kind);
        match &part.deformation {
            Some(deformation) => outline.bent(deformation).placed(&part.pose),
            None => outline.placed(&part.pose),
        }
    }
}

/// Paints an arrangement and takes its picture.
pub fn photograph<P: Product>(
    product: &P,
    arrangement: &Arrangement<P::Kind>,
    size: usize,
    rng: &mut Stream,
) -> RgbImage {
    let light = Light::around(P::LAMP, rng);
    let camera = Exposure::new(size, rng);
    let mut canvas = Canvas::new(size, light.clone());
    arrangement.ground.paint(&mut canvas);
    let to_pixels = arrangement.to_pixels(size);
    for part in &arrangement.parts {
        let pose = to_pixels.after(&part.pose);
        let mut brush = Brush::new(&mut canvas, pose, part.deformation, part.missing.as_ref());
        product.paint(part, &mut brush);
    }
    for overlay in &arrangement.overlays {
        overlay.paint(&mut canvas);
    }
    camera.expose(canvas.rgb, size, &light, rng)
}

/// The random streams of one picture. Each depends on nothing but the seed and the picture's own place in the
/// data set, so that asking for more pictures changes none of the others.
pub struct Streams {
    key: [u8; 32],
}

impl Streams {
    pub fn new(seed: u64, product: &str, folder: &str, index: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(format!("{product}/{folder}/{index}"));
        Self {
            key: hash.finalize().into(),
        }
    }

    pub fn arrangement(&self) -> Stream {
        self.stream(0)
    }

    pub fn anomaly(&self) -> Stream {
        self.stream(1)
    }

    /// Light and sensor: apart, so that a picture and its undisturbed twin are lit alike.
    pub fn exposure(&self) -> Stream {
        self.stream(2)
    }

    fn stream(&self, number: u64) -> Stream {
        let mut stream = Stream::from_seed(self.key);
        stream.set_stream(number);
        stream
    }
}

/// One of several, evenly.
pub fn pick<'a, T>(among: &'a [T], rng: &mut impl Rng) -> Option<&'a T> {
    if among.is_empty() {
        return None;
    }
    among.get(rng.random_range(0..among.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_address() {
        let first = |seed, product, folder, index| {
            Streams::new(seed, product, folder, index)
                .arrangement()
                .random::<u64>()
        };
        let base = first(1, "a", "train", 0);
        assert_eq!(base, first(1, "a", "train", 0));
        for other in [
            first(2, "a", "train", 0),
            first(1, "b", "train", 0),
            first(1, "a", "test", 0),
            first(1, "a", "train", 1),
            Streams::new(1, "a", "train", 0).anomaly().random(),
        ] {
            assert_ne!(base, other);
        }
    }
}
