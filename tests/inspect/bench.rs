//! What `bench` reports; never how fast it must be.

use aecsad_program::ExitCode;

use crate::fixture::{Fixture, aecsad, assert_refused, stderr, stdout};

#[test]
fn every_stage_has_its_figures() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle();
    let run = aecsad(&[&"bench", &"--bundle", &bundle, &"--frames", &"6", &"--json"]);
    assert!(run.status.success(), "{}", stderr(&run));
    let figures: serde_json::Value = serde_json::from_str(&stdout(&run)).unwrap();
    let stages = figures["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().filter_map(|s| s["stage"].as_str()).collect();
    assert_eq!(names, ["frame to verdict", "optics", "networks", "scores"]);
    for stage in stages {
        let time = |key: &str| stage[key].as_f64().unwrap();
        assert!(0.0 < time("min_ms") && time("min_ms") <= time("p50_ms"));
        assert!(time("p50_ms") <= time("p99_ms"));
    }
    assert!(figures["memory"]["resident"].as_f64().unwrap() > 1.0);
    assert!(figures["first_verdict_ms"].as_f64() > figures["load_ms"].as_f64());
}

#[test]
fn a_whole_line_has_its_figures_too() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle();
    let run = aecsad(&[
        &"bench",
        &"--bundle",
        &bundle,
        &"--frames",
        &"6",
        &"--line",
        &"--json",
    ]);
    assert!(run.status.success(), "{}", stderr(&run));
    let figures: serde_json::Value = serde_json::from_str(&stdout(&run)).unwrap();
    let line = &figures["line"];
    assert!(line["parts_per_min"].as_f64().unwrap() > 0.0, "{line}");
    for figure in ["rejects", "p50_ms", "p99_ms", "p999_ms", "most_ms"] {
        assert!(line.get(figure).is_some(), "{line}");
    }
}

#[test]
fn images_come_from_a_folder_or_the_bundle_or_are_required() {
    let mut fixture = Fixture::new();
    fixture.remove_entries("golden/");
    fixture.draw("parts/0.png", 2);
    let bundle = fixture.bundle();
    let run = aecsad(&[&"bench", &"--bundle", &bundle]);
    assert_refused(&run, ExitCode::Input, "name a folder with --images");
    let folder = fixture.at("parts");
    let run = aecsad(&[
        &"bench",
        &"--bundle",
        &bundle,
        &"--images",
        &folder,
        &"--frames",
        &"2",
        &"--threads",
        &"3",
    ]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(stdout(&run).contains("ms over 2 frames on 3 threads"));
}
