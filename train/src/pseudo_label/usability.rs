//! Whether components make sense for a product. A texture is cut differently each time; a bare plate or cell is one
//! piece whose shades vary. Their class histograms would measure noise, so the branch is left out.

use ndarray::Array2;

/// Whether the class maps are worth a histogram branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usable {
    Yes,
    /// Train without the histogram and layout branches, for this reason.
    No(String),
}

/// Clusters found again to this extent (mean Jaccard index) exist; below it they are an accident of the sample.
pub const FOUND_AGAIN: f32 = 0.75;
/// A class is everywhere if no sixteenth of the picture has less of it than this, against its mean.
const EVERYWHERE: f32 = 0.6;
/// A class is steady if its share, where it is present, varies by less than this (interquartile range / median); or if its share
/// against that of another class does, as in a product that comes in several sizes.
const STEADY: f32 = 0.5;
/// A class this large within the product, in a single piece, is the product itself.
const WHOLE_PRODUCT: f32 = 0.8;

/// Judges by the best re-clustering index and the class maps (`[64, 64]` each; `classes` includes background).
pub fn judge(found_again: f32, maps: &[Array2<u8>], classes: usize) -> Usable {
    if found_again < FOUND_AGAIN {
        return Usable::No(format!(
            "regions fall into other classes whenever half of the images is looked at (agreement {found_again:.2}, \
             needed {FOUND_AGAIN}), as in a texture"
        ));
    }
    if classes < 2 {
        return Usable::No("nothing but background is found in most images".into());
    }
    if is_everywhere(maps, classes) {
        return Usable::No(
            "every class is equally common at all places up to the corners, as in a texture or a picture cut out \
             of something larger"
                .into(),
        );
    }
    let shares = shares(maps, classes);
    let product: f32 = shares.iter().sum();
    let steady: Vec<usize> = (0..classes - 1)
        .filter(|&c| is_steady(&shares, c))
        .collect();
    let is_whole = |c: usize| {
        shares.column(c).sum() > WHOLE_PRODUCT * product && median_pieces(maps, c as u8 + 1) <= 1
    };
    match steady.as_slice() {
        [] => Usable::No("no class covers a similar area from image to image".into()),
        [only] if is_whole(*only) => Usable::No(
            "the product is one piece: a single class covers it and the others vary at random"
                .into(),
        ),
        _ => Usable::Yes,
    }
}

/// Share of the image that each class above background covers, `[images, classes - 1]`.
pub fn shares(maps: &[Array2<u8>], classes: usize) -> Array2<f32> {
    let mut shares = Array2::zeros((maps.len(), classes.saturating_sub(1)));
    for (map, mut row) in maps.iter().zip(shares.rows_mut()) {
        for &class in map.iter().filter(|c| **c > 0) {
            row[class as usize - 1] += 1.0 / map.len() as f32;
        }
    }
    shares
}

/// Whether each class, background included, has nearly the same share in each of the 4×4 blocks of the picture.
/// Loose parts still keep clear of the corners; a texture doesn't.
fn is_everywhere(maps: &[Array2<u8>], classes: usize) -> bool {
    const BLOCKS: usize = 4;
    let mut counts = Array2::<f32>::zeros((classes, BLOCKS * BLOCKS));
    for map in maps {
        let (rows, columns) = map.dim();
        for ((y, x), &class) in map.indexed_iter() {
            let block = y * BLOCKS / rows * BLOCKS + x * BLOCKS / columns;
            counts[[class.into(), block]] += 1.0;
        }
    }
    counts.rows().into_iter().all(|blocks| {
        let mean = blocks.sum() / blocks.len() as f32;
        blocks.iter().all(|&count| count >= EVERYWHERE * mean)
    })
}

fn is_steady(shares: &Array2<f32>, class: usize) -> bool {
    let share = present(shares.column(class).iter().copied());
    let others = (0..shares.ncols()).filter(|other| *other != class);
    let mut against = others.map(|other| {
        let pairs = shares.column(class).into_iter().zip(shares.column(other));
        let together = pairs.filter(|(_, other)| **other > 0.0);
        present(together.map(|(share, other)| share / other))
    });
    // The ratio of two that are seldom together says nothing.
    let is_steady = |ratios: Vec<f32>| 2 * ratios.len() > share.len() && spread(&ratios) < STEADY;
    spread(&share) < STEADY || against.any(is_steady)
}

/// Those above zero, ascending: a variant's absence is no unsteadiness.
fn present(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut present: Vec<f32> = values.filter(|value| *value > 0.0).collect();
    present.sort_by(f32::total_cmp);
    present
}

/// Interquartile range over median; infinite without values. `sorted` ascending.
fn spread(sorted: &[f32]) -> f32 {
    if sorted.is_empty() {
        return f32::INFINITY;
    }
    let quantile = |q: usize| sorted[(sorted.len() - 1) * q / 4];
    (quantile(3) - quantile(1)) / quantile(2)
}

/// Median number of 4-connected pieces of at least a twentieth of the class's area.
fn median_pieces(maps: &[Array2<u8>], class: u8) -> usize {
    let mut counts: Vec<usize> = maps
        .iter()
        .filter(|map| map.iter().any(|&c| c == class))
        .map(|map| {
            let sizes = piece_sizes(map, class);
            let area: usize = sizes.iter().sum();
            sizes.iter().filter(|size| **size * 20 >= area).count()
        })
        .collect();
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or(0)
}

fn piece_sizes(map: &Array2<u8>, class: u8) -> Vec<usize> {
    let mut open = map.mapv(|c| c == class);
    let mut sizes = Vec::new();
    for ((y, x), &c) in map.indexed_iter() {
        if c != class || !open[[y, x]] {
            continue;
        }
        open[[y, x]] = false;
        let (mut stack, mut size) = (vec![(y, x)], 0);
        while let Some((y, x)) = stack.pop() {
            size += 1;
            for next in [
                (y.wrapping_sub(1), x),
                (y + 1, x),
                (y, x.wrapping_sub(1)),
                (y, x + 1),
            ] {
                if open.get(next).copied().unwrap_or(false) {
                    open[next] = false;
                    stack.push(next);
                }
            }
        }
        sizes.push(size);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(draw: impl Fn(usize, usize, usize) -> u8) -> Vec<Array2<u8>> {
        (0..20)
            .map(|i| Array2::from_shape_fn((64, 64), |(y, x)| draw(i, y, x)))
            .collect()
    }

    fn reason(usable: Usable) -> String {
        match usable {
            Usable::No(reason) => reason,
            Usable::Yes => String::new(),
        }
    }

    #[test]
    fn a_bare_plate_with_random_shades_has_no_components() {
        let plate = maps(|i, y, x| match (y, x) {
            (6..58, 6..58) if y < 6 + i % 7 => 2,
            (6..58, 6..58) => 1,
            _ => 0,
        });
        assert!(reason(judge(0.95, &plate, 3)).contains("one piece"));
    }

    #[test]
    fn several_pieces_of_one_kind_are_components() {
        let washers = maps(|i, y, x| {
            u8::from((y + i) % 24 < 6 && (x + 3 * i) % 24 < 6 && (8..56).contains(&y) && x > 7)
        });
        assert_eq!(judge(0.95, &washers, 2), Usable::Yes);
    }

    /// One, two or four plugs, each with a clamp in it: no share is steady, but there is as much clamp as plug.
    #[test]
    fn a_product_in_sizes_has_components() {
        let plugs = |clamp: fn(usize) -> usize| {
            maps(move |i, y, x| match (y, x) {
                (4..60, 20..40) if y < 4 + 14 * [1, 2, 4][i % 3] => {
                    1 + u8::from((y - 4) % 14 < clamp(i))
                }
                _ => 0,
            })
        };
        assert_eq!(judge(0.95, &plugs(|_| 6), 3), Usable::Yes);
        let none = reason(judge(0.95, &plugs(|i| i % 7 * 2), 3));
        assert!(none.contains("similar area"), "{none}");
    }

    /// The two varying classes meet in one image of twenty.
    #[test]
    fn what_meets_once_is_not_steady_against_each_other() {
        let maps = maps(|i, y, x| match (y, x) {
            (4..60, 20..40) if y < 9 + i % 10 * 5 && i < 11 => 1,
            (4..60, 40..60) if y < 4 + i % 8 * 7 && i > 9 => 2,
            _ => 0,
        });
        let none = reason(judge(0.95, &maps, 3));
        assert!(none.contains("similar area"), "{none}");
    }

    #[test]
    fn spots_all_over_the_picture_are_a_texture() {
        let spots = maps(|i, y, x| u8::from((y + i) % 16 < 6 && (x + 3 * i) % 16 < 6));
        assert!(reason(judge(0.95, &spots, 2)).contains("up to the corners"));
    }

    #[test]
    fn what_is_not_found_again_is_a_texture() {
        let washers = maps(|_, y, x| u8::from(y % 32 < 6 && x % 32 < 6));
        assert!(reason(judge(0.6, &washers, 2)).contains("texture"));
        assert!(reason(judge(0.9, &maps(|_, _, _| 0), 1)).contains("background"));
    }
}
