//! What the bottle, its liquid and its labels look like.

use std::f32::consts::{PI, TAU};

use super::super::canvas::{Brush, Relief, Texel};
use super::super::light::linear;
use super::super::noise;
use super::super::product::PlacedPart;
use super::super::shape::Shape;
use super::{BottleKind, HALF_WIDTH, Juice, WALL, half_width};

/// The slope of a round surface of this half width at x.
fn round(x: f32, half: f32) -> f32 {
    let across = (x / half).clamp(-0.94, 0.94);
    across / (1.0 - across * across).sqrt()
}

pub fn glass(part: &PlacedPart<BottleKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let tint = linear([168, 184, 180]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.03, 0.008), |[x, y]| {
        let across = (x / half_width(y)).clamp(-1.0, 1.0);
        let rim = across.abs().powi(6);
        let ripple = noise::fractal(x * 12.0, y * 5.0, 2, seed);
        Texel {
            tilt: [0.35 * round(x, half_width(y)), 0.0],
            gloss: 0.3,
            alpha: 0.32 + 0.45 * rim,
            ..Texel::matt(tint).brighter(1.0 - 0.45 * rim + 0.06 * ripple)
        }
    });
    // A window's reflection down the left side.
    let streak = Shape::stroke(&[[-0.118, -0.06], [-0.12, 0.12], [-0.118, 0.36]], |t| {
        0.014 * (t * PI).sin().max(0.2)
    });
    brush.paint(&streak, Relief::PRINT, |_| Texel {
        alpha: 0.35,
        ..Texel::matt([0.9; 3])
    });
}

pub fn liquid(
    juice: Juice,
    level: f32,
    part: &PlacedPart<BottleKind>,
    outline: &Shape,
    brush: &mut Brush,
) {
    let seed = part.seed;
    let rgb = juice.liquid().map(|v| v * part.tint);
    brush.paint(outline, Relief::PRINT, |[x, y]| {
        let half = half_width(y) - WALL;
        let across = (x / half).clamp(-1.0, 1.0);
        let pulp = noise::fractal(x * 34.0, y * 34.0, 3, seed);
        let settled = 0.1 * (y - level);
        let rim = 1.0 - 0.4 * across.abs().powi(5);
        let shine = (-((across + 0.72) / 0.09).powi(2)).exp();
        Texel {
            tilt: [0.3 * round(x, half), 0.0],
            gloss: 0.25,
            alpha: 0.93,
            ..Texel::matt(rgb).brighter((1.0 - settled + 0.05 * pulp) * rim + 0.3 * shine)
        }
    });
    // The meniscus: a bright ellipse seen a little from above.
    let half = half_width(level) - WALL;
    let mut surface = Shape::circle(half);
    for point in surface.contours.iter_mut().flatten() {
        point[1] = point[1] * 0.13 + level;
    }
    brush.paint(&surface, Relief::PRINT, |_| Texel {
        alpha: 0.85,
        ..Texel::matt(rgb.map(|v| 0.72 * v + 0.16))
    });
}

pub fn cap(juice: Juice, part: &PlacedPart<BottleKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let rgb = juice.cap().map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.02, 0.008), |[x, y]| {
        let slope = round(x, 0.072);
        let knurl = if y > -0.028 {
            // Ribs stand closer together towards the sides, as on any round cap.
            (x.clamp(-0.065, 0.065) / 0.068).asin() * 26.0
        } else {
            0.0
        };
        Texel {
            tilt: [0.6 * slope + 0.55 * knurl.sin(), 0.0],
            gloss: 0.3,
            ..Texel::matt(rgb).brighter(1.0 + 0.05 * noise::fractal(x * 60.0, y * 60.0, 2, seed))
        }
    });
}

pub fn ring(part: &PlacedPart<BottleKind>, outline: &Shape, brush: &mut Brush) {
    let white = linear([206, 206, 200]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.004, 0.003), |[x, _]| Texel {
        tilt: [0.6 * round(x, 0.066), 0.0],
        gloss: 0.2,
        ..Texel::matt(white)
    });
}

/// Label paper, bent round the bottle.
fn paper(part: &PlacedPart<BottleKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let white = linear([228, 224, 212]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.004, 0.003), |[x, y]| {
        let fibre = noise::fractal(x * 90.0, y * 60.0, 3, seed);
        let wave = noise::fractal(x * 8.0, y * 8.0, 2, seed ^ 6);
        Texel {
            tilt: [0.42 * round(x, HALF_WIDTH), 0.06 * wave],
            gloss: 0.06,
            ..Texel::matt(white).brighter(1.0 + 0.035 * fibre)
        }
    });
}

fn ink(brush: &mut Brush, shape: &Shape, rgb: [f32; 3]) {
    brush.paint(shape, Relief::PRINT, |[x, y]| Texel {
        tilt: [0.42 * round(x, HALF_WIDTH), 0.0],
        alpha: 0.93,
        ..Texel::matt(rgb).brighter(1.0 + 0.06 * noise::fractal(x * 80.0, y * 80.0, 2, 3))
    });
}

pub fn picture(juice: Juice, part: &PlacedPart<BottleKind>, outline: &Shape, brush: &mut Brush) {
    paper(part, outline, brush);
    let frame = Shape::rounded([0.103, 0.075], 0.006).with(Shape::rounded([0.099, 0.071], 0.005));
    ink(brush, &frame, linear([96, 92, 84]));
    let green = linear([72, 128, 58]);
    let stalk = linear([92, 74, 46]);
    match juice {
        Juice::Orange => {
            let at = [0.0, 0.006];
            ink(
                brush,
                &Shape::circle(0.05).moved(at),
                linear([222, 128, 34]),
            );
            let flesh = Shape::circle(0.042).moved(at);
            ink(brush, &flesh, linear([238, 176, 84]));
            for slice in 0..8 {
                let turn = TAU * slice as f32 / 8.0 + 0.2;
                let end = [at[0] + 0.042 * turn.cos(), at[1] + 0.042 * turn.sin()];
                let line = Shape::stroke(&[at, end], |_| 0.0045);
                ink(brush, &line, linear([246, 226, 184]));
            }
            ink(brush, &leaf(0.032, -0.5).moved([0.02, -0.052]), green);
        }
        Juice::Cherry => {
            let red = linear([164, 28, 40]);
            for (at, top) in [([-0.032, 0.025], -0.01), ([0.03, 0.03], 0.006)] {
                let stem = [[at[0], at[1] - 0.02], [top, -0.02], [0.0, -0.056]];
                ink(brush, &Shape::stroke(&stem, |_| 0.005), stalk);
                ink(brush, &Shape::circle(0.027).moved(at), red);
                let shine = Shape::circle(0.006).moved([at[0] - 0.009, at[1] - 0.01]);
                ink(brush, &shine, linear([240, 190, 190]));
            }
            ink(brush, &leaf(0.036, 0.35).moved([0.026, -0.05]), green);
        }
        Juice::Apple => {
            let skin = linear([124, 164, 66]);
            for side in [-1.0, 1.0] {
                ink(
                    brush,
                    &Shape::circle(0.037).moved([side * 0.019, 0.012]),
                    skin,
                );
            }
            let shine = Shape::circle(0.009).moved([-0.025, 0.0]);
            ink(brush, &shine, linear([206, 222, 158]));
            let stem = [[0.0, -0.016], [0.004, -0.036], [0.012, -0.05]];
            ink(brush, &Shape::stroke(&stem, |_| 0.006), stalk);
            ink(brush, &leaf(0.03, -0.3).moved([0.03, -0.042]), green);
        }
    }
}

fn leaf(length: f32, angle: f32) -> Shape {
    let line: Vec<_> = (0..=10)
        .map(|i| [length * (i as f32 / 10.0 - 0.5), 0.0])
        .collect();
    Shape::stroke(&line, |t| 0.45 * length * (t * PI).sin().max(0.05)).turned(angle)
}

pub fn text(juice: Juice, part: &PlacedPart<BottleKind>, outline: &Shape, brush: &mut Brush) {
    paper(part, outline, brush);
    let band = Shape::rect([0.107, 0.017]).moved([0.0, -0.052]);
    ink(brush, &band, juice.cap());
    let dark = linear([52, 50, 48]);
    // The name in the band: a word for each variant, as blocks of letters.
    let letters: &[f32] = match juice {
        Juice::Orange => &[0.011, 0.008, 0.01, 0.009, 0.011, 0.008],
        Juice::Cherry => &[0.009, 0.009, 0.008, 0.009, 0.009, 0.01],
        Juice::Apple => &[0.012, 0.009, 0.009, 0.006, 0.009],
    };
    let mut x = -letters.iter().sum::<f32>() / 2.0 - 0.002 * letters.len() as f32;
    for width in letters {
        let letter = Shape::rect([width / 2.0, 0.009]).with(Shape::rect([width / 5.0, 0.004]));
        ink(
            brush,
            &letter.moved([x + width / 2.0, -0.052]),
            linear([238, 234, 224]),
        );
        x += width + 0.004;
    }
    for (row, half) in [0.05, 0.042, 0.047, 0.03].into_iter().enumerate() {
        let at = [half - 0.096, -0.018 + 0.0155 * row as f32];
        ink(brush, &Shape::rect([half, 0.0032]).moved(at), dark);
    }
    let mut x = 0.032;
    for bar in 0..13_u32 {
        let width = 0.0016 + 0.0014 * ((bar * 7 + 3) % 4) as f32;
        if bar % 2 == 0 {
            ink(
                brush,
                &Shape::rect([width / 2.0, 0.026]).moved([x, 0.012]),
                dark,
            );
        }
        x += width + 0.0013;
    }
    let dots = match juice {
        Juice::Orange => 1,
        Juice::Cherry => 2,
        Juice::Apple => 3,
    };
    for dot in 0..dots {
        let at = [-0.088 + 0.024 * dot as f32, 0.06];
        ink(brush, &Shape::circle(0.0085).moved(at), juice.cap());
    }
}
