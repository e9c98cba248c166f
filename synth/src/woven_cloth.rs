//! A plain woven cloth: a texture with no parts, so with structural anomalies only. Detectors that look for
//! components have to notice that there are none.

use super::canvas::Brush;
use super::ground::{Ground, Material};
use super::product::{Arrangement, Disturbance, Grade, Part, Product, Region, Stream};
use super::shape::Shape;
use super::structural::Fault;

/// A cloth has no parts: this kind has no values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {}

pub struct WovenCloth;

impl Product for WovenCloth {
    type Kind = Kind;
    const NAME: &'static str = "woven_cloth";
    const LAMP: f32 = -2.0;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<Kind> {
        let ground = Ground::new(Material::Cloth, rng);
        Arrangement::new(ground, 0.0, 0.0, 0.0, rng)
    }

    fn outline(&self, kind: &Kind) -> Shape {
        match *kind {}
    }

    fn paint(&self, part: &Part<Kind>, _: &mut Brush) {
        match part.kind {}
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        Vec::new()
    }

    fn disturb(
        &self,
        _: usize,
        _: Grade,
        _: &mut Arrangement<Kind>,
        _: &mut Stream,
    ) -> Vec<Region> {
        Vec::new()
    }

    fn faults(&self) -> &'static [Fault] {
        &[
            Fault::Hole,
            Fault::Stain,
            Fault::Fibre,
            Fault::Bleach,
            Fault::Crack,
            Fault::Dent,
        ]
    }

    fn bends(&self, kind: &Kind) -> bool {
        match *kind {}
    }

    fn chips(&self, kind: &Kind) -> bool {
        match *kind {}
    }
}
