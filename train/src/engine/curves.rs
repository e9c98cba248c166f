//! A picture of a training: each recorded loss over the steps, on a logarithmic scale.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use aecsad_program::whole_file;
use serde_json::Value;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;
const LEGEND: f64 = 130.0;
/// Points a curve has at most; more can't be distinguished.
const POINTS: usize = 700;
/// Wong's colours (Nature Methods, 2011), distinguished with any colour vision.
const COLOURS: [&str; 7] = [
    "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// One curve: steps and positive values.
type LossCurve = Vec<(f64, f64)>;

/// The curves of a metrics file as SVG; None as long as there is nothing to draw.
pub fn draw(title: &str, metrics: &str) -> Option<String> {
    let curves = read(metrics);
    let all = || curves.values().flatten();
    let last = all().map(|(step, _)| *step).fold(0.0, f64::max);
    let low = all().map(|(_, v)| v.log10()).fold(f64::INFINITY, f64::min);
    let high = all()
        .map(|(_, v)| v.log10())
        .fold(f64::NEG_INFINITY, f64::max);
    if last == 0.0 {
        return None;
    }
    let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
    let x = |step: f64| LEFT + (WIDTH - LEFT - LEGEND) * step / last;
    let y = |v: f64| 10.0 + (HEIGHT - BOTTOM - 10.0) * (high - v.log10()) / (high - low);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\"><title>{title}</title><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for decade in low as i32..=high as i32 {
        let at = y(10f64.powi(decade));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">1e{decade}</text>",
            WIDTH - LEGEND,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for (index, (name, curve)) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let stride = curve.len().div_ceil(POINTS).max(1);
        let points: Vec<String> = curve
            .iter()
            .step_by(stride)
            .map(|(step, value)| format!("{:.1},{:.1}", x(*step), y(*value)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            WIDTH - LEGEND + 10.0,
            24 + 18 * index
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">step 0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{last}</text></svg>",
        HEIGHT - 14.0,
        WIDTH - LEGEND,
        HEIGHT - 14.0
    );
    Some(svg)
}

/// Writes the picture of `metrics` to `picture`; a training doesn't stop for want of one.
pub fn write(title: &str, metrics: &Path, picture: &Path) {
    let drawn = std::fs::read_to_string(metrics)
        .map(|text| draw(title, &text))
        .and_then(|svg| svg.map_or(Ok(()), |svg| whole_file::write(picture, svg.as_bytes())));
    if let Err(error) = drawn {
        log::warn!(
            "{}: the loss curves can't be drawn ({error})",
            picture.display()
        );
    }
}

fn read(metrics: &str) -> BTreeMap<String, LossCurve> {
    let mut curves: BTreeMap<String, LossCurve> = BTreeMap::new();
    for line in metrics.lines() {
        let Ok(Value::Object(line)) = serde_json::from_str(line) else {
            continue;
        };
        let Some(step) = line.get("step").and_then(Value::as_f64) else {
            continue;
        };
        for (name, value) in line {
            let drawn = name != "step" && name != "learning_rate";
            if let Some(value) = value.as_f64().filter(|value| drawn && *value > 0.0) {
                curves.entry(name).or_default().push((step, value));
            }
        }
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_a_curve() {
        let lines: Vec<String> = (0..2000)
            .map(|s| {
                format!(
                    "{{\"step\":{s},\"learning_rate\":0.1,\"loss\":{},\"dice\":0.5}}",
                    2.0 / (s + 1) as f64
                )
            })
            .collect();
        let svg = draw("students", &(lines.join("\n") + "\n{\"step\":20")).unwrap();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">loss<") && svg.contains(">dice<") && !svg.contains("learning_rate"));
        assert!(svg.matches(',').count() < 1500, "curves are thinned");
        assert!(draw("students", "").is_none());
    }
}
