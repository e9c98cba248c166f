//! Load, build, cache and run on the fake, and each way in which that can fail.

use std::process::Output;

use aecsad_program::ExitCode;

use crate::Fake;
use crate::fixture::{assert_refused, stderr, stdout};

const COMPILES: &str = "compiles it";
const ON_THE_FAKE: &str = "engine: TensorRT ";

#[track_caller]
fn assert_judged(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    assert!(stdout(output).contains(",good,"), "{}", stdout(output));
    stderr(output)
}

#[test]
fn golden_scores_are_those_of_the_cpu_which_computes_them() {
    let Some(fake) = Fake::new() else { return };
    let verified = fake.verify("", "tensorrt");
    assert!(verified.status.success(), "{}", stderr(&verified));
    let printed = stdout(&verified);
    assert!(printed.contains("largest difference 0.00e0"), "{printed}");
    let said = stderr(&verified);
    assert!(
        said.contains(ON_THE_FAKE) && said.contains("on a fake GPU"),
        "{said}"
    );
}

#[test]
fn a_network_is_compiled_once_and_then_loaded() {
    let Some(fake) = Fake::new() else { return };
    let first = assert_judged(&fake.judge("", "tensorrt"));
    assert!(
        first.contains(COMPILES) && first.contains("compiled in"),
        "{first}"
    );
    let second = assert_judged(&fake.judge("", "auto"));
    assert!(
        second.contains(ON_THE_FAKE) && !second.contains(COMPILES),
        "{second}"
    );
    assert_eq!(fake.fixture.files("plans").len(), 1);
}

#[test]
fn a_damaged_plan_is_compiled_again() {
    let Some(fake) = Fake::new() else { return };
    assert_judged(&fake.judge("", "tensorrt"));
    let plan = fake.plans().join(&fake.fixture.files("plans")[0]);
    let mut bytes = std::fs::read(&plan).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&plan, bytes).unwrap();
    let again = assert_judged(&fake.judge("", "tensorrt"));
    assert!(
        again.contains("its file is damaged") && again.contains(COMPILES),
        "{again}"
    );
    assert!(!assert_judged(&fake.judge("", "tensorrt")).contains(COMPILES));
}

#[test]
fn a_plan_that_does_not_load_is_compiled_once_more_and_then_refused() {
    let Some(fake) = Fake::new() else { return };
    assert_judged(&fake.judge("", "tensorrt"));
    let once = assert_judged(&fake.judge("plan-once", "tensorrt"));
    assert!(
        once.contains("the fake can't read this plan") && once.contains(COMPILES),
        "{once}"
    );
    let never = fake.judge("plan", "tensorrt");
    assert_eq!(stderr(&never).matches(COMPILES).count(), 1);
    assert_refused(&never, ExitCode::Engine, "the fake can't read this plan");
}

#[test]
fn what_is_missing_is_a_refusal_by_name_and_the_cpu_with_a_reason_otherwise() {
    let Some(fake) = Fake::new() else { return };
    for (fault, why) in [
        ("version", "the plugin was compiled for "),
        (
            "driver",
            "refused to start (an error of the fake, code 100)",
        ),
        ("no-gpu", "the driver reports no GPU"),
        ("build", "can't build the network (the fake builds nothing)"),
        ("throw", "the fake throws"),
    ] {
        let named = fake.judge(fault, "tensorrt");
        assert_refused(&named, ExitCode::Engine, why);
        let auto = assert_judged(&fake.judge(fault, "auto"));
        let said = auto.contains("engine: the CPU; not TensorRT: ") && auto.contains(why);
        assert!(said, "{fault}: {auto}");
    }
}

#[test]
fn without_the_plugin_or_its_libraries_the_reason_says_what_to_install() {
    let Some(fake) = Fake::new() else { return };
    let without = |name: &str, value: &str| {
        let mut command = fake.aecsad("");
        command
            .env(name, value)
            .args(["verify", "--engine", "tensorrt"]);
        command.arg(fake.fixture.bundle());
        fake.with_plans(command)
    };
    let no_plugin = without("AECSAD_TENSORRT_PLUGIN", "/nowhere/plugin.so");
    assert_refused(&no_plugin, ExitCode::Engine, "plugins/tensorrt/build.sh");
    let no_library = without("LD_LIBRARY_PATH", "/nowhere");
    assert_refused(&no_library, ExitCode::Engine, "install TensorRT ");
}

#[test]
fn other_scores_refuse_the_bundle_unless_its_tolerance_for_tensorrt_allows_them() {
    let Some(mut fake) = Fake::new() else { return };
    let differ = "where training had";
    assert_refused(&fake.judge("nudge", "tensorrt"), ExitCode::Bundle, differ);
    let auto = assert_judged(&fake.judge("nudge", "auto"));
    assert!(
        auto.contains("engine: the CPU; not TensorRT") && auto.contains(differ),
        "{auto}"
    );
    let verified = fake.verify("nudge", "auto");
    assert_refused(&verified, ExitCode::Bundle, differ);
    fake.fixture.manifest().tolerance.tensorrt = Some(1e9);
    let allowed = fake.verify("nudge", "tensorrt");
    assert!(allowed.status.success(), "{}", stderr(&allowed));
}

#[test]
fn a_failure_in_the_middle_of_a_run_ends_the_command() {
    let Some(fake) = Fake::new() else { return };
    // Eight golden images come first.
    let failed = fake.judge("run:9", "tensorrt");
    assert_refused(
        &failed,
        ExitCode::Engine,
        "the fake GPU failed in the middle of a run",
    );
}

#[test]
fn the_cpu_by_name_opens_no_plugin() {
    let Some(fake) = Fake::new() else { return };
    let judged = assert_judged(&fake.judge("throw", "cpu"));
    assert!(!judged.contains("engine"), "{judged}");
    assert!(!fake.plans().exists());
}

#[test]
fn a_folder_that_can_not_be_written_is_no_place_for_plans() {
    let Some(fake) = Fake::new() else { return };
    fake.fixture
        .put("plans", b"a file where the folder should be");
    let refused = fake.judge("", "tensorrt");
    assert_refused(&refused, ExitCode::Engine, "the folder");
}
