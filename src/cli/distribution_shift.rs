//! What is said at the end of an inspection whose images are unlike those of training: they have another shape or light, or
//! nearly all of them are far from every good part, and are probably not of the bundle's product.

use aecsad_inspect::optics::{OtherLight, TrainingImages};

use super::findings::Finding;

/// The fewest images for the warning; fewer may all be bad.
const FEWEST: usize = 5;
/// The share of images that raises the warning.
const NEARLY_ALL: f64 = 0.9;

pub struct DistributionShift {
    trained_on: Option<TrainingImages>,
    judged: usize,
    far_off: usize,
    rejected: usize,
    other_shape: usize,
    jpeg: usize,
    /// Images in other light than any good part, by how it is other.
    other_light: [(OtherLight, usize); 4],
    /// The size of the first image of another shape.
    example: Option<(u32, u32)>,
}

impl DistributionShift {
    pub fn to(trained_on: Option<TrainingImages>) -> Self {
        DistributionShift {
            trained_on,
            judged: 0,
            far_off: 0,
            rejected: 0,
            other_shape: 0,
            jpeg: 0,
            other_light: OtherLight::ALL.map(|how| (how, 0)),
            example: None,
        }
    }

    pub fn note(&mut self, finding: &Finding) {
        let (Ok(verdict), Some(size)) = (&finding.outcome, finding.size) else {
            return;
        };
        self.judged += 1;
        self.jpeg += usize::from(finding.is_jpeg);
        self.far_off += usize::from(verdict.far_off);
        self.rejected += usize::from(verdict.reject);
        for (how, count) in &mut self.other_light {
            *count += usize::from(verdict.other_light == Some(*how));
        }
        if self
            .trained_on
            .as_ref()
            .is_some_and(|images| !images.match_shape(size))
        {
            self.other_shape += 1;
            self.example.get_or_insert(size);
        }
    }

    pub fn sentences(&self) -> impl Iterator<Item = String> {
        let images = self.trained_on.as_ref().zip(self.example);
        let shape = images.and_then(|(images, size)| images.other_shape(size));
        let judged = self.judged;
        let shape =
            shape.map(|why| format!("warning: {} of {judged} images: {why}", self.other_shape));
        let most = |count: usize| judged >= FEWEST && count as f64 >= NEARLY_ALL * judged as f64;
        let unlike = (most(self.far_off) && most(self.rejected)).then(|| {
            format!(
                "warning: {} of {judged} images look like no good part at all: images of another product, light, camera or \
                 format? Then these verdicts say nothing about the parts; take the bundle of this product, or train on \
                 images like these",
                self.far_off
            )
        });
        let images = self.trained_on.as_ref().filter(|_| self.jpeg > 0);
        let coded = images.and_then(TrainingImages::unseen_jpeg);
        let coded = coded.map(|why| format!("warning: {} of {judged} images: {why}", self.jpeg));
        let other_light = self.other_light.into_iter();
        let other_light = other_light.filter(|(_, count)| *count > 0);
        let kinds: Vec<String> = other_light
            .map(|(how, count)| format!("{count} {how}"))
            .collect();
        let evened_out: usize = self.other_light.iter().map(|(_, count)| count).sum();
        let lit = (evened_out > 0).then(|| {
            format!(
                "{evened_out} of {judged} images are exposed unlike any good part in training ({}): they were evened out \
                 before they were judged",
                kinds.join(", ")
            )
        });
        shape.into_iter().chain(coded).chain(unlike).chain(lit)
    }
}

#[cfg(test)]
mod tests {

    use aecsad_inspect::inspector::Verdict;

    use super::*;

    fn finding(other_light: Option<OtherLight>) -> Finding {
        Finding {
            name: "a.png".into(),
            outcome: Ok(Verdict {
                other_light,
                ..Verdict::passing(0.0, 0.0)
            }),
            size: Some((256, 256)),
            is_jpeg: false,
            warning: None,
        }
    }

    #[test]
    fn images_in_other_light_are_counted() {
        let said = |lights: &[Option<OtherLight>]| -> Vec<String> {
            let mut shift = DistributionShift::to(None);
            lights.iter().for_each(|light| shift.note(&finding(*light)));
            shift.sentences().collect()
        };
        assert_eq!(said(&[None, None]), [""; 0]);
        let (brighter, flatter) = (Some(OtherLight::Brighter), Some(OtherLight::Flatter));
        assert_eq!(
            said(&[brighter, None, flatter, brighter]),
            [
                "3 of 4 images are exposed unlike any good part in training (2 brighter, 1 of less contrast): they were \
                 evened out before they were judged"
            ]
        );
    }
}
