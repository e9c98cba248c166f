//! The example, as somebody runs it who uses the library alone.

use std::path::Path;
use std::process::Command;

#[test]
fn the_example_judges_an_image() {
    let own = std::env::current_exe().unwrap();
    let example = own.ancestors().nth(2).unwrap().join("examples/judge");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let judge = |part: &str| {
        let output = Command::new(&example)
            .arg(models.join("demo.aecsad"))
            .arg(models.join("demo-parts").join(part))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let labels = std::fs::read_to_string(models.join("demo-parts/parts.csv")).unwrap();
    let part = |label: &str| labels.lines().find_map(|line| line.strip_suffix(label));
    let good = judge(part(",good").unwrap());
    let bad = judge(part(",logical").unwrap());
    assert!(good.starts_with("good: "), "{good}");
    assert!(bad.starts_with("bad: "), "{bad}");
}
