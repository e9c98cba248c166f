//! One vector for each region: what colour it has and what the encoder sees in it, never where it lies. Regions of
//! the same part must land close together in whichever image and place they are found.

use aecsad_inspect::network::Features;
use nalgebra::DMatrix;
use ndarray::{Array2, Array3, ArrayView3, Axis, s};

use super::LabelError;
use super::regions::Regions;
use super::square_image::{SIDE, SquareImage};

/// Outer cells of a stride-4 map that see the convolutions' padding instead of the part.
const PADDED_CELLS: usize = 3;

/// Width of each group of a descriptor: colour, stride 4, stride 8.
pub const GROUPS: [usize; 3] = [3, 24, 40];

/// Unscaled descriptors of one image's regions, `[regions, 67]`.
///
/// # Errors
/// A feature map has another shape than [`Features`] promises.
pub fn describe(
    index: usize,
    square: &SquareImage,
    features: &Features,
    regions: &Regions,
) -> Result<Array2<f32>, LabelError> {
    for (map, shape) in [
        (&features.stride4, [GROUPS[1], SIDE / 4, SIDE / 4]),
        (&features.stride8, [GROUPS[2], SIDE / 8, SIDE / 8]),
    ] {
        if map.shape() != shape {
            return Err(LabelError::FeatureShape {
                index,
                found: map.shape().to_vec(),
                expected: shape.to_vec(),
            });
        }
    }
    let lab = square.balanced_lab();
    let stride4 = without_padding(&features.stride4, PADDED_CELLS);
    let stride8 = without_padding(&features.stride8, PADDED_CELLS.div_ceil(2));

    let mut rows = Array2::zeros((regions.len(), GROUPS.iter().sum()));
    for (region, mut row) in regions.iter().zip(rows.rows_mut()) {
        for &pixel in region {
            for c in 0..3 {
                row[c] += lab[pixel as usize][c] / region.len() as f32;
            }
        }
        let (first, second) = (GROUPS[0], GROUPS[0] + GROUPS[1]);
        pool(region, &stride4, row.slice_mut(s![first..second]));
        pool(region, &stride8, row.slice_mut(s![second..]));
    }
    Ok(rows)
}

/// The mean balanced L*a*b* of each region.
pub fn colours(square: &SquareImage, regions: &Regions) -> Vec<[f32; 3]> {
    let lab = square.balanced_lab();
    let mean = |region: &Vec<u32>| {
        let share = |p: u32, c: usize| lab[p as usize][c] / region.len() as f32;
        [0, 1, 2].map(|c| region.iter().map(|&p| share(p, c)).sum())
    };
    regions.iter().map(mean).collect()
}

/// Scales the descriptors of all images in place so that each group is centred and has a total variance of one:
/// colour and the two feature levels then weigh the same, while channels keep their proportions within a group.
///
/// Descriptors of another width are one group.
///
/// *Shapes*: `rows` is `[regions, width]`.
pub fn balance_groups(rows: &mut Array2<f32>) {
    if rows.nrows() == 0 {
        return;
    }
    let width = rows.ncols();
    let groups = match width == GROUPS.iter().sum::<usize>() {
        true => GROUPS.to_vec(),
        false => vec![width],
    };
    let mut start = 0;
    for width in groups {
        let mut group = rows.slice_mut(s![.., start..start + width]);
        if let Some(mean) = group.mean_axis(Axis(0)) {
            group -= &mean;
        }
        let variance = group.mapv(|v| v * v).sum() / group.nrows() as f32;
        group /= variance.sqrt().max(1e-6);
        start += width;
    }
}

/// Shrinks, in place, the directions in which the picture's surroundings vary: lamp, grain and wood streaks move the
/// regions at the border, and a difference of that kind doesn't tell one part from another. `at_border` says of
/// each row whether its region touches the border.
///
/// *Shapes*: `rows` is `[regions, 67]`, `at_border` `[regions]`.
pub fn whiten_by_border(rows: &mut Array2<f32>, at_border: &[bool]) {
    let chosen: Vec<usize> = (0..rows.nrows()).filter(|&i| at_border[i]).collect();
    let border = rows.select(Axis(0), &chosen);
    let Some(mean) = border.mean_axis(Axis(0)) else {
        return;
    };
    let border = border - mean;
    let covariance = border.t().dot(&border) / chosen.len() as f32;
    let dimensions = rows.ncols();
    // The mean variance of a direction over all regions (the groups have a variance of one each): what varies less
    // than this at the border is left alone.
    let floor = GROUPS.len() as f64 / dimensions as f64;
    let eigen = DMatrix::from_fn(dimensions, dimensions, |r, c| f64::from(covariance[[r, c]]))
        .symmetric_eigen();
    let shrink = eigen
        .eigenvalues
        .map(|variance| (floor / (variance.max(0.0) + floor)).sqrt());
    let transform =
        &eigen.eigenvectors * DMatrix::from_diagonal(&shrink) * eigen.eigenvectors.transpose();
    *rows = rows.dot(&Array2::from_shape_fn(
        (dimensions, dimensions),
        |(r, c)| transform[(r, c)] as f32,
    ));
}

/// The map with its outer `cells` replaced by the nearest inner ones.
fn without_padding(map: &Array3<f32>, cells: usize) -> Array3<f32> {
    let (_, h, w) = map.dim();
    Array3::from_shape_fn(map.dim(), |(c, y, x)| {
        map[[
            c,
            y.clamp(cells, h - 1 - cells),
            x.clamp(cells, w - 1 - cells),
        ]]
    })
}

/// Mean of the map over a region. A cell counts by the square of the share that the region covers of it, so that
/// the cells inside a part outweigh those it shares with its neighbour.
fn pool(region: &[u32], map: &Array3<f32>, mut out: ndarray::ArrayViewMut1<f32>) {
    let map: ArrayView3<f32> = map.view();
    let (_, rows, columns) = map.dim();
    let stride = SIDE / rows;
    let mut cover = vec![0.0f32; rows * columns];
    let mut touched = Vec::new();
    for &pixel in region {
        let (y, x) = (
            pixel as usize / SIDE / stride,
            pixel as usize % SIDE / stride,
        );
        let cell = y * columns + x;
        if cover[cell] == 0.0 {
            touched.push(cell);
        }
        cover[cell] += 1.0;
    }
    let total: f32 = touched.iter().map(|&cell| cover[cell] * cover[cell]).sum();
    for cell in touched {
        let weight = cover[cell] * cover[cell] / total;
        out.scaled_add(weight, &map.slice(s![.., cell / columns, cell % columns]));
    }
}
