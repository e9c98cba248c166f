//! Why parts can't calibrate a station, or a calibration can't be used: one sentence each.

use std::path::PathBuf;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::decision::planted_scores::DetectionRate;
use aecsad_program::counted;

#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    #[error(
        "{needed} usable parts are needed to calibrate on, and {found} came: let more good parts pass"
    )]
    TooFew { found: usize, needed: usize },
    #[error(
        "{pictures} pictures show only {}: let good parts pass while the camera takes pictures (--keep-duplicates counts \
         each picture, where parts really are that alike)",
        counted(parts, "different part")
    )]
    SameParts { pictures: usize, parts: usize },
    #[error(
        "{blank} of {pictures} pictures show nothing, only an even surface: look for a cap on the lens, then at \
         exposure and lamp"
    )]
    ShowsNothing { blank: usize, pictures: usize },
    #[error(
        "{outliers} of {parts} parts lie far off all others, so they can't all be good parts of one product: sort out \
         what passes, then calibrate again (--keep-outliers counts them as good)"
    )]
    TooManyOutliers { outliers: usize, parts: usize },
    #[error(
        "with these parts the threshold would be {threshold:.1} and reject {here} planted anomalies, where the bundle's \
         own threshold rejects {own}: look for bad parts among them and at the light, then calibrate again"
    )]
    Blind {
        threshold: f32,
        here: DetectionRate,
        own: DetectionRate,
    },
    #[error(
        "the parts don't look like this bundle's product, by {far_off} of {branches} branches ({worst} by {off:.0} standard deviations): check that the right bundle and good parts are on the line, then its light and lens"
    )]
    WrongProduct {
        far_off: usize,
        branches: usize,
        worst: Branch,
        off: f64,
    },
    #[error(
        "the parts are shifted by {shift_percent:.0} % of the picture and turned by {degrees:.0}° against those the bundle was trained on: the camera was moved, put it back or train on pictures from here"
    )]
    CameraMoved { shift_percent: f64, degrees: f64 },
    #[error(
        "the parts differ from the bundle's in {branch} by {off:.0} standard deviations, more than a change of light explains: look at parts, light and camera, or train on pictures from here"
    )]
    FarOff { branch: Branch, off: f64 },
    #[error(
        "the line changed over from {from} to {to} while the parts of {from} passed: change back and calibrate again"
    )]
    ChangedOver { from: String, to: String },
    #[error("the calibration {} can't be read ({reason}): calibrate again with `aecsad calibrate`", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("the calibration {} can't be read ({source}): give the station's user read permission on it", path.display())]
    Forbidden {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`bundle.calibration` is the file {}, which has no effect with `bundle.slots`: name a folder, with one PRODUCT.toml for each product", .0.display())]
    NotAFolder(PathBuf),
    #[error("`bundle.calibration` is the folder {}, which has no effect with `bundle.path`: name the file that `aecsad calibrate` writes", .0.display())]
    NotAFile(PathBuf),
    #[error("the calibration {} is for {calibrated}, but the bundle is {bundle}: calibrate again with `aecsad calibrate`, or move the file away to work with the bundle's own threshold until then", path.display())]
    OtherBundle {
        path: PathBuf,
        calibrated: String,
        bundle: String,
    },
}
