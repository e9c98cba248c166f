//! The options that state the region of interest and what to ignore; `fit` and `label` share them.

use aecsad_inspect::optics::Region;
use aecsad_program::inputs::InputPath;

use crate::region::RegionOptions;

#[derive(Debug, clap::Args)]
pub(super) struct RegionArgs {
    /// Look at this part of the images alone, in pixels from their left upper corner. The bundle keeps it, so that frames of the
    /// training images' size are cropped by themselves; a station's `optics.region` comes before it
    #[arg(long, value_name = "LEFT,TOP,WIDTH,HEIGHT", value_parser = region)]
    region: Option<Region>,
    /// Ignore what this picture marks: a printed date, a fixture, a glare spot. It has the size of the images (or of the
    /// region); all that is not black is neither learnt nor judged. PNG, BMP or TIFF. The bundle keeps it
    #[arg(long, value_name = "PICTURE")]
    ignore: Option<InputPath>,
}

impl From<&RegionArgs> for RegionOptions {
    fn from(args: &RegionArgs) -> Self {
        RegionOptions {
            region: args.region,
            ignore: args.ignore.clone().map(Into::into),
        }
    }
}

fn region(text: &str) -> Result<Region, String> {
    let sides: Result<Vec<u32>, _> = text.split(',').map(|side| side.trim().parse()).collect();
    let sides = sides
        .ok()
        .and_then(|sides| <[u32; 4]>::try_from(sides).ok());
    sides.map(Region::from).ok_or_else(|| {
        "give left, top, width and height in whole pixels, as in 120,80,640,480".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_four_numbers() {
        assert_eq!(region("1, 2,30,40"), Ok([1, 2, 30, 40].into()));
        for text in [
            "",
            "1,2,30",
            "1,2,30,40,5",
            "1,2,-3,4",
            "1;2;3;4",
            "a,b,c,d",
        ] {
            assert!(region(text).is_err(), "{text}");
        }
    }
}
