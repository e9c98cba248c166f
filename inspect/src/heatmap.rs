//! Renders heat maps: the part in grey, and over it in colour the anomalous places. All heat maps are rendered here, on
//! one scale.

use colorous::PLASMA;
use image::{Rgb, RgbImage};

use crate::branches::shared::map::resize;
use crate::optics::Region;

/// Heat below this is invisible. One good part in two hundred reaches it somewhere (see
/// [`Range`](crate::branches::shared::heat::Range)).
const FAINTEST: f32 = 0.1;
/// Heat from this on has the full colour.
const HOTTEST: f32 = 0.8;
/// The highest opacity, so that the part stays visible everywhere.
const DENSEST: f32 = 0.85;
/// The colour map starts here, because its dark purple start is invisible on dark parts.
const COLOURS_FROM: f32 = 0.3;

/// A map of so many `columns` over the `region` of a frame that it covers, all of it if none; 0 elsewhere.
///
/// *Shapes*: `map` is `[rows, columns]`, the result `[height, width]` in the frame's pixels, both row by row.
pub fn over_frame(
    map: &[f32],
    columns: usize,
    region: Option<Region>,
    width: u32,
    height: u32,
) -> Vec<f32> {
    let (width, height) = (width as usize, height as usize);
    let mut resized = Vec::new();
    let Some(region) = region else {
        resize(map, columns, width, height, &mut resized);
        return resized;
    };
    let (across, down) = (region.width as usize, region.height as usize);
    resize(map, columns, across, down, &mut resized);
    let mut heat = vec![0.0; width * height];
    let rows = heat
        .chunks_exact_mut(width.max(1))
        .skip(region.top as usize);
    for (row, values) in rows.zip(resized.chunks_exact(across.max(1))) {
        let here = row.iter_mut().skip(region.left as usize);
        here.zip(values).for_each(|(heat, value)| *heat = *value);
    }
    heat
}

/// Lays `heat` over its picture. Lightness rises with the heat, from purple over orange to yellow, so the colours can be
/// distinguished with any colour vision.
///
/// *Shapes*: `heat` is `[height, width]` of the picture.
pub fn overlay(picture: &mut RgbImage, heat: &[f32]) {
    for (pixel, heat) in picture.pixels_mut().zip(heat) {
        tint(pixel, *heat);
    }
}

fn tint(pixel: &mut Rgb<u8>, heat: f32) {
    let [red, green, blue] = pixel.0.map(f32::from);
    let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
    let place = if heat.is_nan() {
        1.0
    } else {
        ((heat - FAINTEST) / (HOTTEST - FAINTEST)).clamp(0.0, 1.0)
    };
    let colour = PLASMA.eval_continuous(f64::from(COLOURS_FROM + (1.0 - COLOURS_FROM) * place));
    let opacity = DENSEST * place.sqrt();
    for (channel, colour) in pixel.0.iter_mut().zip(colour.as_array()) {
        *channel = (grey + opacity * (f32::from(colour) - grey)).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tinted(heat: f32) -> [u8; 3] {
        let mut picture = RgbImage::from_pixel(4, 2, Rgb([90, 120, 60]));
        overlay(&mut picture, &[heat; 8]);
        assert!(picture.pixels().all(|p| p == picture.get_pixel(0, 0)));
        picture.get_pixel(0, 0).0
    }

    #[test]
    fn the_map_of_a_region_lies_over_the_region() {
        let region = Some([2, 1, 2, 2].into());
        let heat = over_frame(&[1.0, 2.0, 3.0, 4.0], 2, region, 5, 4);
        let rows: Vec<&[f32]> = heat.chunks(5).collect();
        assert_eq!(rows[0], [0.0; 5]);
        assert_eq!(rows[1], [0.0, 0.0, 1.0, 2.0, 0.0]);
        assert_eq!(rows[2], [0.0, 0.0, 3.0, 4.0, 0.0]);
        assert_eq!(rows[3], [0.0; 5]);
        assert_eq!(over_frame(&[7.0], 1, None, 2, 1), [7.0, 7.0]);
    }

    #[test]
    fn what_good_parts_show_stays_grey() {
        for heat in [f32::NEG_INFINITY, -1.0, 0.0, FAINTEST] {
            assert_eq!(tinted(heat), [104; 3]);
        }
    }

    #[test]
    fn hotter_is_more_colourful_up_to_a_bound() {
        let colourfulness = |heat| {
            let pixel = tinted(heat);
            pixel.iter().max().unwrap() - pixel.iter().min().unwrap()
        };
        assert!(colourfulness(0.15) < colourfulness(0.3));
        assert!(colourfulness(0.3) < colourfulness(0.6));
        assert_eq!(tinted(HOTTEST), tinted(f32::INFINITY));
        assert_eq!(tinted(HOTTEST), tinted(f32::NAN));
    }
}
