//! Every key there is, with values that no station can work with: refused in one sentence that leads to it.

use toml::{Table, Value};

use super::declaration::{Default, keys};
use super::*;

/// What a station file says apart from the key in question.
const BUNDLE: &str = "bundle.path = \"p\"";
const SLOTS: &str = "bundle.slots = \"s\"\nbundle.keys = \"k\"";
const FOLDER: &str = "camera = { kind = \"folder\", path = \"f\", rate_per_min = 60 }";
const CAMERA: &str =
    "camera = { kind = \"v4l2\", device = \"d\", width = 640, height = 480, format = \"Y10\" }";
const PRESENCE: &str = "trigger = { kind = \"presence\", belt_level = 20, contrast = 40 }";
const GPIO: &str = "trigger = { kind = \"gpio\", chip = \"c\", line = 1, wait_ms = 50 }";
const SERIAL: &str = "trigger = { kind = \"serial\", device = \"d\", wait_ms = 50 }";
const SPEED: &str = "conveyor = { speed_mm_s = 200, distance_mm = 400 }";
const TRAVEL: &str = "conveyor = { travel_ms = 2000 }";
const ENCODER: &str =
    "conveyor = { encoder = \"link\", counts_per_mm = 2, distance_mm = 400, speed_mm_s = 200 }";
const FRAMED: &str = "reject = { kind = \"framed\", device = \"g\", pulse_ms = 20 }";
const MODBUS: &str = "reject = { kind = \"modbus\", device = \"g\", pulse_ms = 20, confirm_within_ms = 90, confirm_input = 3 }";
const LCUS: &str = "reject = { kind = \"lcus\", device = \"g\", pulse_ms = 20 }";
const JOURNAL: &str = "journal.path = \"j\"";

/// A key, the sections that it needs beside the usual ones, a value that fits, and values that don't.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

/// No text, so that the file itself is wrong there.
const NO_TEXT: &[&str] = &["3", "[]", "true"];
const NO_WORD: &[&str] = &["\"perhaps\"", "\"\"", "1"];

#[rustfmt::skip]
const CASES: [Case; 74] = [
    ("bundle.path", &[BUNDLE], "\"p\"", NO_TEXT),
    ("bundle.slots", &[SLOTS], "\"s\"", NO_TEXT),
    ("bundle.keys", &[SLOTS], "\"k\"", NO_TEXT),
    ("bundle.trial_parts", &[SLOTS], "100000", &["0", "100001", "-1", "1.5", "\"9\""]),
    ("bundle.demo", &[BUNDLE], "true", &["1", "\"yes\""]),
    ("bundle.calibration", &[BUNDLE], "\"c\"", NO_TEXT),
    ("camera.kind", &[FOLDER], "\"folder\"", NO_WORD),
    ("camera.path", &[FOLDER], "\"f\"", NO_TEXT),
    ("camera.rate_per_min", &[FOLDER], "1", &["0.9", "6001", "-60", "nan", "inf", "\"fast\""]),
    ("camera.device", &[CAMERA], "\"d\"", NO_TEXT),
    ("camera.width", &[CAMERA], "16", &["15", "16385", "640.5", "-640", "nan"]),
    ("camera.height", &[CAMERA], "16384", &["15", "16385", "480.5", "-480", "nan"]),
    ("camera.format", &[CAMERA], "\"GREY\"", NO_WORD),
    ("camera.frame_rate", &[CAMERA], "0.1", &["0", "10001", "-1", "nan"]),
    ("camera.shift", &[CAMERA], "8", &["9", "-1", "1.5"]),
    ("camera.stall_ms", &[CAMERA], "50", &["49", "600001", "-1", "nan"]),
    ("camera.controls", &[CAMERA], "{ gain = 1 }", &["{ gain = 1.5 }", "{ gain = \"high\" }", "3"]),
    ("trigger.kind", &[CAMERA, "trigger = {}"], "\"frame\"", NO_WORD),
    ("trigger.belt_level", &[CAMERA, PRESENCE], "255", &["256", "-1", "20.5"]),
    ("trigger.contrast", &[CAMERA, PRESENCE], "1", &["0", "255", "40.5"]),
    ("trigger.share", &[CAMERA, PRESENCE], "1", &["0", "1.1", "nan"]),
    ("trigger.at", &[CAMERA, PRESENCE], "0", &["-0.1", "1.1", "nan"]),
    ("trigger.axis", &[CAMERA, PRESENCE], "\"y\"", NO_WORD),
    ("trigger.chip", &[CAMERA, GPIO], "\"c\"", NO_TEXT),
    ("trigger.line", &[CAMERA, GPIO], "0", &["-1", "1.5", "4294967296", "\"a\""]),
    ("trigger.edge", &[CAMERA, GPIO], "\"falling\"", NO_WORD),
    ("trigger.debounce_ms", &[CAMERA, GPIO], "0", &["-1", "1001", "nan"]),
    ("trigger.device", &[CAMERA, SERIAL], "\"d\"", NO_TEXT),
    ("trigger.baud", &[CAMERA, SERIAL], "1200", &["1199", "4000001", "-1", "\"fast\""]),
    ("trigger.delay_ms", &[CAMERA, SERIAL], "60000", &["-1", "60001", "nan"]),
    ("trigger.wait_ms", &[CAMERA, SERIAL], "1", &["0", "10001", "nan"]),
    ("optics.region", &[CAMERA], "[0, 0, 640, 480]", &["[0, 0, 0, 480]", "[0, 0, 15, 480]", "[1, 0, 640, 480]", "[0, 4294967295, 640, 480]", "[-1, 0, 9, 9]", "[0, 0, 64]", "3"]),
    ("optics.flat_field", &[], "\"f\"", NO_TEXT),
    ("conveyor.speed_mm_s", &[SPEED], "4000", &["0", "20001", "-200", "nan", "inf"]),
    ("conveyor.distance_mm", &[SPEED], "20", &["0.5", "100001", "-400", "nan"]),
    ("conveyor.travel_ms", &[TRAVEL], "600000", &["9", "600001", "-1", "nan"]),
    ("conveyor.encoder", &[ENCODER], "\"link\"", NO_TEXT),
    ("conveyor.counts_per_mm", &[ENCODER], "10000", &["0", "10001", "-1", "nan"]),
    ("conveyor.part_mm", &[SPEED], "80", &["-1", "10001", "nan", "90000"]),
    ("reject.kind", &[FRAMED], "\"framed\"", NO_WORD),
    ("reject.device", &[FRAMED], "\"g\"", NO_TEXT),
    ("reject.baud", &[FRAMED], "4000000", &["1199", "4000001", "-1", "9600.5"]),
    ("reject.parity", &[MODBUS], "\"even\"", NO_WORD),
    ("reject.stop_bits", &[MODBUS], "2", &["0", "3", "1.5", "\"two\""]),
    ("reject.pulse_ms", &[FRAMED], "1", &["0", "5001", "-20", "nan", "\"long\""]),
    ("reject.lead_ms", &[FRAMED], "0", &["-1", "5001", "1990", "nan"]),
    ("reject.margin_ms", &[FRAMED], "1", &["0", "5001", "2000", "nan"]),
    ("reject.unit", &[MODBUS], "247", &["0", "248", "1.5"]),
    ("reject.coil", &[MODBUS], "65535", &["65536", "-1", "1.5"]),
    ("reject.channel", &[LCUS], "8", &["0", "9", "1.5"]),
    ("reject.confirm_within_ms", &[FRAMED], "60000", &["0", "60001", "nan"]),
    ("reject.confirm_input", &[MODBUS], "0", &["65536", "-1", "0.5"]),
    ("policy.late", &[], "\"stop\"", NO_WORD),
    ("policy.queue_full", &[], "\"pass\"", NO_WORD),
    ("policy.engine_error", &[], "\"reject\"", NO_WORD),
    ("policy.camera_lost", &[], "\"stop\"", &["\"pass\"", "\"\"", "1"]),
    ("policy.gate_lost", &[], "\"alarm\"", &["\"reject\"", "\"\"", "1"]),
    ("policy.rejects_in_a_row", &[], "1", &["0", "100001", "1.5", "-1"]),
    ("journal.path", &[JOURNAL], "\"j\"", NO_TEXT),
    ("journal.records", &[JOURNAL], "1e9", &["999", "1.1e9", "1000.5", "nan"]),
    ("journal.images_mb", &[JOURNAL], "0", &["-1", "1000001", "nan"]),
    ("journal.sample_every", &[JOURNAL], "0", &["-1", "1000001", "1.5"]),
    ("journal.borderline", &[JOURNAL], "1", &["-0.1", "1.1", "nan"]),
    ("journal.samples_mb", &[JOURNAL], "0", &["-1", "1000001", "nan"]),
    ("monitor.listen", &[], "\"off\"", &["\"here\"", "\"127.0.0.1\"", "\":9464\"", "\"127.0.0.1:99999\"", "9464"]),
    ("monitor.shifts", &[], "\"23:59\"", &["\"\"", "\"24:00\"", "\"6\"", "\"06:60\"", "6"]),
    ("watchdog.device", &[], "\"w\"", NO_TEXT),
    ("watchdog.patience_s", &[], "5", &["4", "3601", "nan"]),
    ("system.priority", &[], "90", &["91", "-1", "1.5"]),
    ("system.lock_memory", &[], "true", &["1", "\"yes\""]),
    ("system.threads", &[], "64", &["0", "65", "-1", "1.5", "nan", "\"all\""]),
    ("system.engine", &[], "\"cpu\"", &["\"gpu\"", "true", "1"]),
    ("system.half_precision", &[], "true", &["1", "\"yes\""]),
    ("system.plans", &[], "\"plans\"", NO_TEXT),
];

/// A whole station file with this value of the key.
fn station(key: &str, sections: &[&str], value: &str) -> String {
    let usual = [BUNDLE, FOLDER, SPEED, FRAMED];
    let mut file = Table::new();
    for text in usual.iter().chain(sections) {
        for (section, content) in toml::from_str::<Table>(text).unwrap() {
            file.insert(section, content);
        }
    }
    let (section, name) = key.split_once('.').unwrap();
    let value = toml::from_str::<Table>(&format!("value = {value}")).unwrap();
    let section = file
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    let section = section.as_table_mut().unwrap();
    section.insert(name.into(), value["value"].clone());
    toml::to_string(&file).unwrap()
}

fn parse(text: &str) -> Result<StationConfig, String> {
    let parsed = StationConfig::parse(text, Path::new("station.toml"));
    parsed.map_err(|error| error.to_string())
}

#[test]
fn each_key_is_refused_where_its_value_can_t_be() {
    for (key, sections, fits, wrong) in CASES {
        let text = station(key, sections, fits);
        if let Err(error) = parse(&text) {
            panic!("{key} = {fits}: {error}");
        }
        for value in wrong {
            let text = station(key, sections, value);
            let Err(error) = parse(&text) else {
                panic!("{key} = {value} is accepted");
            };
            // By its name, or by its line where it is no number, text or word of the kind at all.
            let name = key.split_once('.').unwrap().1;
            let led = error.contains(key) || error.contains("line ") || error.contains(name);
            assert!(led && !error.contains('\n'), "{key} = {value}: {error}");
        }
    }
}

#[test]
fn each_key_is_refused_where_it_is_mistyped() {
    for (key, sections, fits, _) in CASES {
        let text = station(&format!("{key}_"), sections, fits);
        let error = parse(&text).unwrap_err();
        assert!(error.contains(&format!("unknown key `{key}_`")), "{error}");
        assert!(error.contains("did you mean"), "{error}");
    }
}

#[test]
fn no_key_was_forgotten() {
    let declared: Vec<&str> = keys().map(|key| key.name).collect();
    assert_eq!(CASES.map(|case| case.0)[..], declared);
}

/// What is read where a key is left out is what the declaration says.
#[test]
fn each_default_is_the_one_that_is_declared() {
    for (key, sections, fits, _) in CASES {
        let declared = keys().find(|declared| declared.name == key).unwrap();
        let Default::Value(default) = declared.default else {
            continue;
        };
        let read =
            |text: &str| format!("{:?}", parse(text).unwrap_or_else(|e| panic!("{key}: {e}")));
        let mut without: Table = toml::from_str(&station(key, sections, fits)).unwrap();
        let (section, name) = key.split_once('.').unwrap();
        without[section].as_table_mut().unwrap().remove(name);
        let without = toml::to_string(&without).unwrap();
        assert_eq!(
            read(&without),
            read(&station(key, sections, default)),
            "{key}"
        );
    }
}
