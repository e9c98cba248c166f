//! Keys of the sections `journal`, `monitor`, `watchdog` and `system`.

use super::Key;

pub const KEYS: &[Key] = &[
    Key::text("journal.path", "a folder for the record of each part and the pictures of rejected ones")
        .needed()
        .default_in_words("no journal")
        .sample_in_force("\"journal\""),
    Key::number("journal.records", (1_000.0, 1e9), "parts that are kept, the latest")
        .in_unit("parts")
        .default("1e6")
        .sample_in_force("1e6"),
    Key::number("journal.images_mb", (0.0, 1e6), "room for pictures")
        .in_unit("MB")
        .default("500")
        .sample_in_force("500"),
    Key::whole("journal.sample_every", (0.0, 1e6), "of so many good parts, one's picture is kept as well; 0: of none")
        .in_unit("parts")
        .default("500")
        .sample_in_force("500"),
    Key::number(
        "journal.borderline",
        (0.0, 1.0),
        "the pictures of good parts are kept as well if their score is at least this share of the threshold; 1: of none",
    )
    .default("0.8")
    .sample_in_force("0.8"),
    Key::number("journal.samples_mb", (0.0, 1e6), "room for these pictures of good parts")
        .in_unit("MB")
        .default("100")
        .sample_in_force("100"),
    Key::text(
        "monitor.listen",
        "address and port of the page beside the line, and of metrics in Prometheus's text format under /metrics; `\"off\"`: nowhere. On another address than this machine's own the page needs users: `aecsad users add`. If the default's port is taken, the station says so and runs without",
    )
    .default_in_words("127.0.0.1:9464")
    .sample_in_force("\"127.0.0.1:9464\""),
    Key::text(
        "monitor.shifts",
        "when the shifts start, local time, with spaces between them: the page counts the parts of the shift",
    )
    .default("\"06:00 14:00 22:00\"")
    .sample_in_force("\"06:00 14:00 22:00\""),
    Key::text(
        "watchdog.device",
        "the machine's watchdog, which resets it when the station makes no progress. systemd's is used wherever it is set",
    )
    .default_in_words("not used")
    .sample("\"/dev/watchdog\""),
    Key::number("watchdog.patience_s", (5.0, 3_600.0), "how long the threads, the camera or the gate may make no progress")
        .in_unit("s")
        .default("30")
        .sample_in_force("30"),
    Key::number("system.priority", (0.0, 90.0), "real-time priority of the three threads and the engine's helpers; 0 for none")
        .default("0")
        .sample_in_force("0"),
    Key::switch("system.lock_memory", "keep all of the program in memory")
        .default("false")
        .sample_in_force("false"),
    Key::number("system.threads", (1.0, 64.0), "threads that compute a verdict; the scores are the same with any number")
        .default_in_words("cores less 2, 1 to 4")
        .sample("1"),
    Key::word(
        "system.engine",
        &["auto", "cpu", "tensorrt"],
        "what runs the networks: `auto` takes TensorRT where it is set up and gives the bundle's golden scores, else the CPU",
    )
    .default("\"auto\"")
    .sample_in_force("\"auto\""),
    Key::switch("system.half_precision", "let TensorRT compute in FP16 where a network is not quantised")
        .default("false")
        .sample_in_force("false"),
    Key::text("system.plans", "the folder of the networks that TensorRT has compiled")
        .default("\"/var/lib/aecsad/plans\"")
        .sample("\"/var/lib/aecsad/plans\""),
];
