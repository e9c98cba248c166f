//! What the fuse box and its parts look like.

use std::f32::consts::PI;

use super::super::canvas::{Brush, Relief, Texel};
use super::super::light::linear;
use super::super::noise;
use super::super::product::PlacedPart;
use super::super::shape::Shape;
use super::{FuseBoxKind, PLAN, Rating, SLOT_HALF, slot};

pub fn housing(part: &PlacedPart<FuseBoxKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let plastic = linear([62, 64, 68]).map(|v| v * part.tint);
    let mould = move |[x, y]: [f32; 2]| {
        let grain = noise::fractal(x * 120.0, y * 120.0, 2, seed);
        let wear = noise::fractal(x * 5.0, y * 5.0, 3, seed ^ 2);
        Texel {
            gloss: 0.12,
            ..Texel::matt(plastic).brighter(1.0 + 0.18 * grain + 0.08 * wear)
        }
    };
    brush.paint(outline, Relief::raised(0.035, 0.014), mould);
    for index in 0..PLAN.len() {
        let [x, y] = slot(index);
        let at = [x - 0.5, y - 0.5];
        let dark = move |p| mould(p).brighter(0.42);
        brush.paint(
            &Shape::rounded(SLOT_HALF, 0.01).moved(at),
            Relief::recess(0.008),
            dark,
        );
        for side in [-1.0, 1.0] {
            let contact = Shape::rect([0.017, 0.004]).moved([at[0], at[1] + side * 0.05]);
            let brass = linear([168, 138, 78]);
            brush.paint(&contact, Relief::PRINT, |_| Texel::matt(brass));
        }
        // The slot's printed number, as short strokes.
        let above = at[1] - SLOT_HALF[1] - 0.018;
        for stroke in 0..=(index % 5) {
            let x = at[0] - 0.024 + 0.0115 * stroke as f32;
            print(brush, &Shape::rect([0.0028, 0.008]).moved([x, above]));
        }
    }
    for (half, at) in [
        ([0.075, 0.004], [-0.255, 0.262]),
        ([0.05, 0.004], [-0.28, 0.282]),
        ([0.19, 0.003], [0.105, 0.0]),
    ] {
        print(brush, &Shape::rect(half).moved(at));
    }
}

fn print(brush: &mut Brush, shape: &Shape) {
    let ink = linear([196, 196, 190]);
    brush.paint(shape, Relief::PRINT, |_| Texel {
        alpha: 0.8,
        ..Texel::matt(ink)
    });
}

pub fn fuse(rating: Rating, part: &PlacedPart<FuseBoxKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let rgb = rating.rgb().map(|v| v * part.tint);
    let body = move |[x, y]: [f32; 2]| {
        let streak = noise::fractal(x * 60.0, y * 18.0, 2, seed);
        Texel {
            gloss: 0.35,
            ..Texel::matt(rgb).brighter(1.0 + 0.08 * streak)
        }
    };
    brush.paint(outline, Relief::raised(0.022, 0.009), body);
    // The window over the link, darker because one looks into the body.
    brush.paint(
        &Shape::rounded([0.019, 0.026], 0.005),
        Relief::recess(0.006),
        |p| body(p).brighter(0.5),
    );
    let link = Shape::stroke(
        &[
            [-0.013, 0.018],
            [-0.011, -0.008],
            [0.0, -0.014],
            [0.011, -0.008],
            [0.013, 0.018],
        ],
        |_| 0.0048,
    );
    let zinc = linear([176, 172, 168]);
    brush.paint(&link, Relief::PRINT, |_| Texel {
        alpha: 0.75,
        ..Texel::matt(zinc)
    });
    for side in [-1.0, 1.0] {
        let test_point = Shape::rect([0.007, 0.0045]).moved([side * 0.016, -0.066]);
        brush.paint(&test_point, Relief::recess(0.002), |_| Texel::matt(zinc));
    }
    let marks = rating.marks();
    for mark in 0..marks {
        let y = 0.045 + 0.008 * mark as f32 - 0.004 * marks as f32;
        let bar = Shape::rect([0.014, 0.0022]).moved([0.0, y + 0.006]);
        brush.paint(&bar, Relief::PRINT, |_| Texel {
            alpha: 0.7,
            ..Texel::matt([0.82; 3])
        });
    }
}

pub fn relay(part: &PlacedPart<FuseBoxKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let grey = linear([178, 180, 176]).map(|v| v * part.tint);
    let case = move |[x, y]: [f32; 2]| {
        let grain = noise::fractal(x * 90.0, y * 90.0, 2, seed);
        Texel {
            gloss: 0.2,
            ..Texel::matt(grey).brighter(1.0 + 0.05 * grain)
        }
    };
    brush.paint(outline, Relief::raised(0.05, 0.012), case);
    brush.paint(
        &Shape::rounded([0.066, 0.082], 0.008),
        Relief::recess(0.005),
        move |p| case(p).brighter(0.94),
    );
    let ink = linear([40, 42, 48]);
    let mut printed = |shape: &Shape, alpha: f32| {
        brush.paint(shape, Relief::PRINT, |_| Texel {
            alpha,
            ..Texel::matt(ink)
        });
    };
    // The maker's name and a wiring diagram on top; the triangle shows which way round it belongs.
    for (line, half) in [(0, 0.05), (1, 0.036), (2, 0.044)] {
        let y = -0.058 + 0.017 * line as f32;
        printed(&Shape::rect([half, 0.0042]).moved([half - 0.056, y]), 0.8);
    }
    let ring = Shape::circle(0.02).with(Shape::circle(0.0155));
    printed(&ring.moved([-0.028, 0.022]), 0.8);
    printed(&Shape::rect([0.03, 0.002]).moved([0.022, 0.022]), 0.8);
    printed(&Shape::rect([0.002, 0.02]).moved([0.03, 0.042]), 0.8);
    printed(
        &Shape::polygon(vec![[0.036, -0.074], [0.06, -0.074], [0.06, -0.05]]),
        0.9,
    );
}

pub fn capacitor(part: &PlacedPart<FuseBoxKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let sleeve = linear([44, 58, 96]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.06, 0.012), |[x, y]| {
        // The pale stripe of the negative lead, on the left.
        let stripe = y.abs() < 0.026 && x < 0.0;
        let rgb = if stripe {
            linear([186, 192, 200])
        } else {
            sleeve
        };
        let grain = noise::value(x * 70.0, y * 70.0, seed);
        Texel {
            gloss: 0.3,
            ..Texel::matt(rgb).brighter(1.0 + 0.05 * grain)
        }
    });
    let can = linear([172, 174, 178]);
    brush.paint(
        &Shape::circle(0.045),
        Relief::raised(0.004, 0.005),
        |[x, y]| {
            let spun = noise::value(x.hypot(y) * 420.0, 0.0, seed);
            Texel {
                gloss: 0.5,
                ..Texel::matt(can).brighter(1.0 + 0.1 * spun)
            }
        },
    );
    // The vent scored into the can: a K-like cross, not symmetric.
    for line in [
        [[-0.03, 0.0], [0.03, 0.0]],
        [[0.0, 0.0], [0.02, -0.024]],
        [[0.0, 0.0], [0.02, 0.024]],
    ] {
        let groove = Shape::stroke(&line, |_| 0.004);
        brush.paint(&groove, Relief::recess(0.003), |_| {
            Texel::matt(can).brighter(0.55)
        });
    }
}

pub fn screw(part: &PlacedPart<FuseBoxKind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let steel = linear([158, 160, 160]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.012, 0.01), |[x, y]| Texel {
        tilt: [x * 12.0, y * 12.0],
        gloss: 0.5,
        ..Texel::matt(steel).brighter(1.0 + 0.12 * noise::fractal(x * 150.0, y * 60.0, 2, seed))
    });
    let cross = Shape::rect([0.017, 0.0045]);
    for angle in [0.0, PI / 2.0] {
        brush.paint(&cross.turned(angle), Relief::recess(0.004), |_| {
            Texel::matt(steel).brighter(0.25)
        });
    }
}
