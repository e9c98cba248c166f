//! The students and what is read of them: two maps of squared errors, or what they leave over of the teacher, projected
//! onto the directions in which that varies on good parts.

use ndarray::Array2;
use ndarray::linalg::general_mat_mul;

use super::low_rank::LowRank;
use super::perception::{MAP_SIDE, batch_of_one, flat};
use super::{Features, Input, Network, NetworkError};

/// Side of the grid of residuals: each cell is the mean of four of the students' cells.
pub const RESIDUAL_SIDE: usize = MAP_SIDE / 2;
const MAP_CELLS: usize = MAP_SIDE * MAP_SIDE;
const CELLS: usize = RESIDUAL_SIDE * RESIDUAL_SIDE;

/// What each student leaves over of the teacher, as vectors of a few directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Residuals {
    /// F_T − F_L, `[RESIDUAL_SIDE², rank]`; of no cells where it is not read.
    pub local: Array2<f32>,
    /// F_T − F_G, `[RESIDUAL_SIDE², rank]`, likewise.
    pub global: Array2<f32>,
}

/// The directions onto which the residuals are projected.
#[derive(Clone, Debug)]
pub struct ResidualDirections {
    /// Its matrix is `[channels, rank]`.
    pub local: LowRank,
    pub global: LowRank,
}

/// What the students say of one frame.
#[derive(Clone, Debug)]
pub struct StudentMaps {
    /// Mean over channels of (F_T − F_L)², `[64, 64]`, row by row; 0 where it is not read.
    pub local: Vec<f32>,
    /// Mean over channels of (F_G − F_LG)², `[64, 64]`, likewise.
    pub global: Vec<f32>,
    pub residuals: Residuals,
}

impl StudentMaps {
    pub fn empty() -> Self {
        StudentMaps {
            local: vec![0.0; MAP_CELLS],
            global: vec![0.0; MAP_CELLS],
            residuals: Residuals::default(),
        }
    }
}

/// Both students in one network, with the buffers for what is read of them.
pub struct Students {
    network: Network,
    /// None where the errors are read.
    directions: Option<ResidualDirections>,
    /// `[channels, RESIDUAL_SIDE²]`
    pooled: Array2<f32>,
}

impl Students {
    /// Reads the maps of errors, which are the network's first outputs.
    pub fn errors(network: Network) -> Self {
        Students {
            network,
            directions: None,
            pooled: Array2::zeros((0, CELLS)),
        }
    }

    /// Reads the residuals. None if the network doesn't give them in the number of channels of `directions`.
    pub fn residuals(network: Network, directions: ResidualDirections) -> Option<Self> {
        let channels = residual_channels(&network)?;
        let fits = |low_rank: &LowRank| low_rank.matrix.nrows() == channels;
        let fit = fits(&directions.local) && fits(&directions.global);
        fit.then(|| Students {
            network,
            directions: Some(directions),
            pooled: Array2::zeros((channels, CELLS)),
        })
    }

    /// The same, to run beside these on another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        Ok(Students {
            network: self.network.fork()?,
            directions: self.directions.clone(),
            pooled: self.pooled.clone(),
        })
    }

    /// Runs them on an image, `[3, 256, 256]`, and its features, and writes into `maps`.
    pub fn see(
        &mut self,
        tensor: &[f32],
        features: &Features,
        maps: &mut StudentMaps,
    ) -> Result<(), NetworkError> {
        let network = &mut self.network;
        run(network, tensor, features)?;
        let Some(directions) = &self.directions else {
            maps.local.copy_from_slice(network.output(0, MAP_CELLS)?);
            maps.global.copy_from_slice(network.output(1, MAP_CELLS)?);
            return Ok(());
        };
        let length = self.pooled.nrows() * MAP_CELLS;
        let residuals = &mut maps.residuals;
        for (index, low_rank, vectors) in [
            (0, &directions.local, &mut residuals.local),
            (1, &directions.global, &mut residuals.global),
        ] {
            pool(network.output(index, length)?, &mut self.pooled);
            project(&self.pooled, low_rank, vectors);
        }
        Ok(())
    }
}

/// Channels of the residuals that a network of students gives; none of one that gives errors.
pub fn residual_channels(network: &Network) -> Option<usize> {
    let channels = |index| match network.output_shape(index)[..] {
        [1, channels, MAP_SIDE, MAP_SIDE] => Some(channels),
        _ => None,
    };
    let [local, global] = [channels(0)?, channels(1)?];
    (local == global && local > 1).then_some(local)
}

/// Both residuals of one image in all their channels, as training needs them to find directions:
/// `[RESIDUAL_SIDE², channels]` each, local and global.
pub fn whole_residuals(
    network: &mut Network,
    channels: usize,
    tensor: &[f32],
    features: &Features,
) -> Result<[Array2<f32>; 2], NetworkError> {
    run(network, tensor, features)?;
    let mut pooled = Array2::zeros((channels, CELLS));
    let mut of = |index| -> Result<Array2<f32>, NetworkError> {
        pool(network.output(index, channels * MAP_CELLS)?, &mut pooled);
        Ok(pooled.t().as_standard_layout().into_owned())
    };
    Ok([of(0)?, of(1)?])
}

fn run(network: &mut Network, tensor: &[f32], features: &Features) -> Result<(), NetworkError> {
    let [shape8, shape16] = [&features.stride8, &features.stride16].map(batch_of_one);
    let image: Input = (&[1, 3, 256, 256], tensor);
    let stride8: Input = (&shape8, flat(&features.stride8));
    let stride16: Input = (&shape16, flat(&features.stride16));
    network.run(&[image, stride8, stride16])
}

/// The mean of each two by two cells.
///
/// *Shapes*: `map` is `[channels, MAP_SIDE, MAP_SIDE]`, `pooled` `[channels, RESIDUAL_SIDE²]`.
fn pool(map: &[f32], pooled: &mut Array2<f32>) {
    let planes = map.chunks_exact(MAP_CELLS).zip(pooled.rows_mut());
    for (plane, mut pooled) in planes {
        let rows = plane.chunks_exact(2 * MAP_SIDE);
        let cells = rows.flat_map(|pair| {
            let (upper, lower) = pair.split_at(MAP_SIDE);
            let pairs = upper
                .as_chunks::<2>()
                .0
                .iter()
                .zip(lower.as_chunks::<2>().0);
            pairs.map(|(upper, lower)| (upper[0] + upper[1] + lower[0] + lower[1]) / 4.0)
        });
        for (cell, mean) in pooled.iter_mut().zip(cells) {
            *cell = mean;
        }
    }
}

fn project(pooled: &Array2<f32>, low_rank: &LowRank, vectors: &mut Array2<f32>) {
    let shape = (pooled.ncols(), low_rank.rank());
    if vectors.dim() != shape {
        *vectors = Array2::zeros(shape);
    }
    for mut vector in vectors.rows_mut() {
        vector.assign(&low_rank.offset);
    }
    general_mat_mul(1.0, &pooled.t(), &low_rank.matrix, 1.0, vectors);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn four_cells_become_their_mean_and_then_a_vector() {
        // One channel is a ramp along x, the other along y.
        let map: Vec<f32> = (0..2 * MAP_CELLS)
            .map(|at| match at < MAP_CELLS {
                true => (at % MAP_SIDE) as f32,
                false => (at % MAP_CELLS / MAP_SIDE) as f32,
            })
            .collect();
        let mut pooled = Array2::zeros((2, CELLS));
        pool(&map, &mut pooled);
        let cell = 5 * RESIDUAL_SIDE + 9;
        assert_eq!((pooled[[0, cell]], pooled[[1, cell]]), (18.5, 10.5));
        let low_rank = LowRank {
            matrix: array![[1.0, 0.0, 2.0], [0.0, 1.0, -2.0]],
            offset: array![0.5, 0.0, 1.0],
        };
        let mut vectors = Array2::default((0, 0));
        project(&pooled, &low_rank, &mut vectors);
        assert_eq!(vectors.row(cell), array![19.0, 10.5, 17.0]);
        let before = vectors.as_ptr();
        project(&pooled, &low_rank, &mut vectors);
        assert_eq!(vectors.row(cell), array![19.0, 10.5, 17.0]);
        assert_eq!(vectors.as_ptr(), before);
    }
}
