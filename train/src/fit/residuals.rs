//! What is learnt of the students before any branch: the few directions that stand for all channels of what they leave
//! over of the teacher.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::network::students::{residual_channels, whole_residuals};
use aecsad_inspect::network::{Encoder, Features, ResidualDirections};
use ndarray::Array2;

use super::on_all_cores::on_all_cores;
use super::{FitError, stopped};
use crate::estimators::low_rank;
use crate::images::Image;
use crate::networks::Trained;

/// Directions kept of the teacher's channels.
const RANK: usize = 40;
/// The directions are learnt from at most so many images.
const IMAGES: usize = 80;

/// The directions in which the residuals of good parts vary. None where there are no students, or their errors are read.
pub fn directions(
    networks: &Trained,
    train: &[Image],
    cancel: &AtomicBool,
) -> Result<Option<ResidualDirections>, FitError> {
    let Some(students) = networks.students()? else {
        return Ok(None);
    };
    let Some(channels) = residual_channels(&students) else {
        return Ok(None);
    };
    let encoder = Encoder::load(&networks.encoder)?;
    let used = train.len().min(IMAGES);
    let worker = || Ok((encoder.fork()?, students.fork()?, Features::empty()));
    let residuals = on_all_cores(used, worker, |at, (encoder, students, features)| {
        stopped(cancel)?;
        let image = &train[at * train.len() / used];
        encoder.encode(&image.tensor, features)?;
        Ok(whole_residuals(
            students,
            channels,
            &image.tensor,
            features,
        )?)
    })?;
    let (local, global): (Vec<Array2<f32>>, Vec<Array2<f32>>) =
        residuals.into_iter().map(<(_, _)>::from).unzip();
    let rank = RANK.min(channels);
    Ok(Some(ResidualDirections {
        local: low_rank::fit(&local, rank),
        global: low_rank::fit(&global, rank),
    }))
}
