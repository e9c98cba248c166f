//! Procedural texture: value noise on a hashed lattice, summed over octaves, and the materials made from it.
//! Everything is a pure function of place and seed, so a texture can be sampled in any order.

/// A repeatable value in 0..1 for a lattice point.
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    (h ^ (h >> 15)) as f32 / u32::MAX as f32
}

/// Smooth noise in -1..1 whose features are one unit wide.
pub fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (u, v) = (ease(x - x0), ease(y - y0));
    let (i, j) = (x0 as i32, y0 as i32);
    let top = mix(lattice(i, j, seed), lattice(i.wrapping_add(1), j, seed), u);
    let low = mix(
        lattice(i, j.wrapping_add(1), seed),
        lattice(i.wrapping_add(1), j.wrapping_add(1), seed),
        u,
    );
    2.0 * mix(top, low, v) - 1.0
}

/// `octaves` of [`value`], each twice as fine and half as strong as the one before; about -1..1.
pub fn fractal(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut frequency) = (0.0, 1.0, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight
            * value(
                x * frequency,
                y * frequency,
                seed.wrapping_add(octave * 101),
            );
        total += weight;
        weight *= 0.5;
        frequency *= 2.03;
    }
    sum / total
}

/// Fine parallel lines along x, as left by a rotating brush. About -1..1.
pub fn brushed(x: f32, y: f32, seed: u32) -> f32 {
    0.6 * fractal(x * 5.0, y * 260.0, 2, seed) + 0.4 * value(x * 1.7, y * 70.0, seed ^ 0x51)
}

/// Growth rings seen along a board, with pores. About -1..1; the grain runs along x.
pub fn wood(x: f32, y: f32, seed: u32) -> f32 {
    let warped = y * 9.0 + 1.1 * fractal(x * 1.3, y * 3.0, 3, seed);
    let ring = (warped * 6.3).sin();
    let pores = fractal(x * 14.0, y * 190.0, 2, seed ^ 0xA7);
    0.55 * ring * ring.abs() + 0.45 * pores
}

/// Plain weave with `threads` a unit: brightness in about -1..1 and how far the thread on top is turned away
/// from the viewer, as a tilt.
pub fn weave(x: f32, y: f32, threads: f32, seed: u32) -> (f32, [f32; 2]) {
    let wander = 0.35 * value(x * 7.0, y * 7.0, seed);
    let (u, v) = (x * threads + wander, y * threads - wander);
    let (column, row) = (u.floor() as i32, v.floor() as i32);
    let (a, b) = (u - u.floor() - 0.5, v - v.floor() - 0.5);
    let warp_on_top = (column + row).rem_euclid(2) == 0;
    let (across, along, thread) = if warp_on_top {
        (a, b, column)
    } else {
        (b, a, row)
    };
    let own = lattice(thread, i32::from(warp_on_top), seed ^ 0x33) - 0.5;
    let twist = value(along * 3.0 + thread as f32 * 9.7, across * 6.0, seed ^ 0x77);
    let edge = (across.abs() * 2.0).powi(4);
    let tilt = [across * 1.3, along * 0.7];
    let tilt = if warp_on_top {
        tilt
    } else {
        [tilt[1], tilt[0]]
    };
    (
        0.5 * own + 0.3 * twist - 0.9 * edge - 0.5 * along * along,
        tilt,
    )
}

/// 0 below `low`, 1 above `high`, smooth between.
pub fn smooth_step(low: f32, high: f32, x: f32) -> f32 {
    ease(((x - low) / (high - low)).clamp(0.0, 1.0))
}

pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_smooth_bounded_and_centred() {
        let mut sum = 0.0;
        for i in 0..4000 {
            let (x, y) = (i as f32 * 0.37 - 500.0, i as f32 * 0.11);
            let here = value(x, y, 7);
            assert!((-1.0..=1.0).contains(&here));
            assert!((value(x + 1e-3, y, 7) - here).abs() < 0.01);
            sum += here;
        }
        assert!((sum / 4000.0).abs() < 0.1);
    }

    #[test]
    fn another_seed_is_another_texture() {
        let differ = (0..100).filter(|&i| {
            let x = i as f32 * 0.9;
            (fractal(x, x, 3, 1) - fractal(x, x, 3, 2)).abs() > 0.05
        });
        assert!(differ.count() > 60);
    }
}
