//! A plain woven cloth: a texture with no parts, so with structural anomalies only. Detectors that look for
//! components have to notice that there are none.

use super::canvas::Brush;
use super::ground::{Ground, Material};
use super::product::{Arrangement, Disturbance, Grade, PlacedPart, Product, Stream, TruthRegion};
use super::shape::Shape;
use super::structural::Defect;

/// A cloth has no parts: this kind has no values.
#[derive(Clone, Copy, Debug)]
pub enum ClothKind {}

pub struct WovenCloth;

impl Product for WovenCloth {
    type Kind = ClothKind;
    const NAME: &'static str = "woven_cloth";
    const LAMP: f32 = -2.0;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<ClothKind> {
        let ground = Ground::new(Material::Cloth, rng);
        Arrangement::new(ground, 0.0, 0.0, 0.0, rng)
    }

    fn outline(&self, kind: &ClothKind) -> Shape {
        match *kind {}
    }

    fn paint(&self, part: &PlacedPart<ClothKind>, _: &mut Brush) {
        match part.kind {}
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        Vec::new()
    }

    fn disturb(
        &self,
        _: usize,
        _: Grade,
        _: &mut Arrangement<ClothKind>,
        _: &mut Stream,
    ) -> Vec<TruthRegion> {
        Vec::new()
    }

    fn faults(&self) -> &'static [Defect] {
        &[
            Defect::Hole,
            Defect::Stain,
            Defect::Fibre,
            Defect::Bleach,
            Defect::Crack,
            Defect::Dent,
        ]
    }

    fn bends(&self, kind: &ClothKind) -> bool {
        match *kind {}
    }

    fn chips(&self, kind: &ClothKind) -> bool {
        match *kind {}
    }
}
