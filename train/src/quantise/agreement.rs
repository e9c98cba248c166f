//! How well a network's tensors agree with another's, over samples.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::QuantiseError;
use super::observe::{Observed, Sample, over};

/// More than f32 itself can tell apart.
const MOST_DB: f64 = 150.0;

/// One tensor against its reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Power of the reference over power of the difference, in decibels (signal to quantisation noise).
    pub sqnr_db: f64,
    /// Cosine of the angle between the two.
    pub cosine: f64,
}

/// Sums over everything compared so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgreementSums {
    reference: f64,
    found: f64,
    product: f64,
    difference: f64,
}

impl AgreementSums {
    /// Counts one tensor in.
    ///
    /// *Shapes*: both are one tensor's values, row-major.
    pub fn add(&mut self, reference: &[f32], found: &[f32]) {
        for (&reference, &found) in reference.iter().zip(found) {
            let (reference, found) = (f64::from(reference), f64::from(found));
            self.reference += reference * reference;
            self.found += found * found;
            self.product += reference * found;
            self.difference += (reference - found).powi(2);
        }
    }

    fn join(&mut self, other: &Self) {
        self.reference += other.reference;
        self.found += other.found;
        self.product += other.product;
        self.difference += other.difference;
    }

    pub fn agreement(&self) -> Agreement {
        let lengths = (self.reference * self.found).sqrt();
        Agreement {
            sqnr_db: match self.difference == 0.0 {
                true => MOST_DB,
                false => {
                    (10.0 * (self.reference / self.difference).log10()).clamp(-MOST_DB, MOST_DB)
                }
            },
            cosine: if lengths > 0.0 {
                self.product / lengths
            } else {
                1.0
            },
        }
    }
}

/// Each tensor that both networks were loaded to show, over all samples.
pub fn compare(
    reference: &Observed,
    found: &Observed,
    samples: &[Sample],
    cancel: &AtomicBool,
) -> Result<Vec<Agreement>, QuantiseError> {
    let sums: Vec<AgreementSums> = over(
        samples,
        cancel,
        &[reference, found],
        |sums: &mut Vec<AgreementSums>, networks, sample| {
            let [reference, found] = networks else {
                return Ok(());
            };
            let mut wanted: Vec<Vec<f32>> = Vec::new();
            reference.run(sample, |seen| wanted.push(seen.values.to_vec()))?;
            sums.resize(wanted.len(), AgreementSums::default());
            found.run(sample, |seen| {
                sums[seen.index].add(&wanted[seen.index], seen.values);
            })
        },
        |whole, part| {
            whole.resize(part.len().max(whole.len()), AgreementSums::default());
            whole
                .iter_mut()
                .zip(&part)
                .for_each(|(sum, part)| sum.join(part));
        },
    )?;
    Ok(sums.iter().map(AgreementSums::agreement).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_noise_is_twenty_decibels() {
        let mut sums = AgreementSums::default();
        sums.add(&[3.0, 4.0], &[3.3, 3.6]);
        let Agreement { sqnr_db, cosine } = sums.agreement();
        assert!((sqnr_db - 20.0).abs() < 1e-5, "{sqnr_db}");
        let expected = (9.9 + 14.4) / (5.0 * (3.3f64.powi(2) + 3.6f64.powi(2)).sqrt());
        assert!((cosine - expected).abs() < 1e-6, "{cosine}");
    }

    #[test]
    fn what_is_equal_agrees_even_if_it_is_nothing() {
        let mut sums = AgreementSums::default();
        sums.add(&[0.0; 4], &[0.0; 4]);
        let nothing = sums.agreement();
        assert_eq!((nothing.sqnr_db, nothing.cosine), (MOST_DB, 1.0));
    }
}
