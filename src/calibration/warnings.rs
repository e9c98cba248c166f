//! What an operator should know of a calibration although it can be used.

use super::Fit;

/// A threshold above this multiple of the bundle's own, on the same scale, gives a warning.
const HIGH: f32 = 2.0;

/// Parts that lie far off all others. `shown` says where their pictures are.
pub fn left_out(fit: &Fit, parts: usize, shown: &str) -> Option<String> {
    if fit.left_out.is_empty() {
        return None;
    }
    let numbers: Vec<String> = fit.left_out.iter().map(|i| (i + 1).to_string()).collect();
    Some(format!(
        "part {} of {parts} lies far off all others and was left out: look at it in {shown}; if it is a good part, \
         calibrate again and keep outliers (--keep-outliers)",
        numbers.join(", "),
    ))
}

/// A threshold that may let bad parts pass.
pub fn weak(fit: &Fit, own_threshold: f32) -> Option<String> {
    match fit.planted {
        Some((here, bundled)) => (2 * here.rejected < bundled.rejected).then(|| {
            "that is less than half: bad parts may pass; look for bad parts among these, and at light and focus".into()
        }),
        None => {
            let multiple = fit.calibration.threshold / own_threshold.max(1.0);
            (multiple > HIGH).then(|| {
                format!(
                    "this is {multiple:.1} times the bundle's own threshold: bad parts may pass; look for bad parts among \
                     these"
                )
            })
        }
    }
}
