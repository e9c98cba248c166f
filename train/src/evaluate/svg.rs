//! The page's two charts, drawn as inline SVG: the ROC curve and the scores' histogram with the threshold in it.
//! Colours are the page's style sheet's, through the kinds' names as classes.

use std::fmt::Write;

use crate::dataset::Kind;
use crate::metrics::Roc;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
const BINS: usize = 40;

/// Scores of one kind of image, `[images]`.
pub type KindScores = (Kind, Vec<f64>);

/// Maps fractions of the plot area to SVG coordinates, (0, 0) being its lower left corner.
fn place(x: f64, y: f64) -> (f64, f64) {
    (
        LEFT + x * (WIDTH - LEFT - RIGHT),
        TOP + (1.0 - y) * (HEIGHT - TOP - BOTTOM),
    )
}

/// One ROC curve for each anomalous kind present in `scores`, against the good ones.
pub fn roc(scores: &[KindScores]) -> String {
    let good = scores
        .iter()
        .find(|(kind, _)| *kind == Kind::Good)
        .map_or(&[][..], |(_, scores)| scores);
    let mut marks = frame("good parts rejected", "bad parts rejected");
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        marks += &tick_below(share, &format!("{share:.2}"));
        marks += &tick_beside(share, &format!("{share:.2}"));
    }
    for (kind, bad) in scores.iter().filter(|(kind, _)| *kind != Kind::Good) {
        let Some(curve) = Roc::new(good, bad) else {
            continue;
        };
        let mut path = String::new();
        for (step, (rejected, caught)) in curve.points().enumerate() {
            let (x, y) = place(rejected, caught);
            let _ = write!(path, "{}{x:.1} {y:.1}", if step == 0 { "M" } else { "L" });
        }
        let _ = write!(marks, r#"<path class="curve {}" d="{path}"/>"#, kind.name());
    }
    chart("ROC curve", &marks)
}

/// How many images of each kind score how much, and the threshold as a line. The axis ends where good scores and the
/// threshold can still be distinguished, however high the highest score is; what is beyond is in the last bar.
pub fn histogram(scores: &[KindScores], threshold: f64) -> String {
    let all = || scores.iter().flat_map(|(_, scores)| scores).copied();
    let lowest = all().fold(threshold, f64::min);
    let highest = all().fold(threshold, f64::max);
    let ordinary = median_good(scores).map_or(threshold, |median| median.max(threshold));
    let end = highest.min(ordinary + 2.0 * (ordinary - lowest));
    let width = if end > lowest {
        (end - lowest) / BINS as f64
    } else {
        1.0
    };

    let counted: Vec<(Kind, [usize; BINS])> = scores
        .iter()
        .map(|(kind, scores)| {
            let mut bins = [0; BINS];
            for score in scores {
                bins[(((score - lowest) / width) as usize).min(BINS - 1)] += 1;
            }
            (*kind, bins)
        })
        .collect();
    let tallest = counted
        .iter()
        .flat_map(|(_, bins)| bins)
        .copied()
        .max()
        .unwrap_or(0)
        .max(1);

    let mut marks = frame("score", "images");
    for share in [0.0, 0.5, 1.0] {
        let beyond = if share == 1.0 && highest > end {
            " and more"
        } else {
            ""
        };
        marks += &tick_below(
            share,
            &format!("{:.2}{beyond}", lowest + share * width * BINS as f64),
        );
    }
    marks += &tick_beside(1.0, &tallest.to_string());
    marks += &tick_beside(0.0, "0");
    for (kind, bins) in &counted {
        for (bin, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (left, top) = place(bin as f64 / BINS as f64, *count as f64 / tallest as f64);
            let (right, bottom) = place((bin + 1) as f64 / BINS as f64, 0.0);
            let _ = write!(
                marks,
                r#"<rect class="bar {}" x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/>"#,
                kind.name(),
                right - left - 0.5,
                bottom - top
            );
        }
    }
    let (x, top) = place((threshold - lowest) / (width * BINS as f64), 1.0);
    let (_, bottom) = place(0.0, 0.0);
    let _ = write!(
        marks,
        r#"<line class="threshold" x1="{x:.1}" x2="{x:.1}" y1="{top:.1}" y2="{bottom:.1}"/>"#
    );
    chart("Scores", &marks)
}

fn median_good(scores: &[KindScores]) -> Option<f64> {
    let (_, good) = scores.iter().find(|(kind, _)| *kind == Kind::Good)?;
    let mut good = good.clone();
    good.sort_by(f64::total_cmp);
    good.get(good.len() / 2).copied()
}

fn chart(title: &str, marks: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{marks}</svg>"#)
}

fn frame(below: &str, beside: &str) -> String {
    let ((left, bottom), (right, top)) = (place(0.0, 0.0), place(1.0, 1.0));
    let (centre, middle) = ((left + right) / 2.0, (top + bottom) / 2.0);
    format!(
        r#"<path class="axis" d="M{left} {top}V{bottom}H{right}"/><text x="{centre}" y="{}" text-anchor="middle">{below}</text><text transform="rotate(-90 12 {middle})" x="12" y="{middle}" text-anchor="middle">{beside}</text>"#,
        HEIGHT - 6.0
    )
}

fn tick_below(share: f64, label: &str) -> String {
    let (x, y) = place(share, 0.0);
    let anchor = if share == 1.0 { "end" } else { "middle" };
    format!(
        r#"<text x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{label}</text>"#,
        y + 14.0
    )
}

fn tick_beside(share: f64, label: &str) -> String {
    let (x, y) = place(0.0, share);
    format!(
        r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
        x - 4.0,
        y + 4.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_curve_runs_along_the_upper_left_edges() {
        let chart = roc(&[
            (Kind::Good, vec![0.0]),
            (Kind::Logical, vec![1.0]),
            (Kind::Structural, vec![]),
        ]);
        let (left, bottom) = place(0.0, 0.0);
        let (right, top) = place(1.0, 1.0);
        let path = format!(r#"d="M{left:.1} {bottom:.1}L{left:.1} {top:.1}L{right:.1} {top:.1}""#);
        assert!(chart.contains(&path), "{chart}");
        assert!(!chart.contains("curve structural"));
    }

    #[test]
    fn every_image_is_in_a_bar_and_far_scores_in_the_last() {
        let chart = histogram(
            &[(Kind::Good, vec![0.0, 1.0]), (Kind::Logical, vec![1e6])],
            2.0,
        );
        assert_eq!(chart.matches("bar good").count(), 2);
        assert_eq!(chart.matches("bar logical").count(), 1);
        assert!(chart.contains("and more") && chart.contains("threshold"));
    }

    #[test]
    fn a_threshold_below_every_score_leaves_the_scores_apart() {
        let good: Vec<f64> = (0..10).map(|score| 4.0 + 0.1 * f64::from(score)).collect();
        let chart = histogram(&[(Kind::Good, good)], 2.0);
        assert!(chart.matches("bar good").count() > 5, "{chart}");
    }

    #[test]
    fn equal_scores_draw_without_dividing_by_nothing() {
        let chart = histogram(&[(Kind::Good, vec![3.0; 5])], 3.0);
        assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
    }
}
