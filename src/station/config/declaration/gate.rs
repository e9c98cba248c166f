//! Keys of the sections `conveyor`, `reject` and `policy`.

use super::Key;

const MODBUS: &[&str] = &["modbus"];
const RELAY_BOARDS: &[&str] = &["lcus", "kmtronic"];
const TROUBLE: &[&str] = &["reject", "pass", "stop"];
const LOSS: &[&str] = &["alarm", "stop"];

pub const KEYS: &[Key] = &[
    Key::number("conveyor.speed_mm_s", (1.0, 20_000.0), "the belt's speed; with an encoder its highest")
        .in_unit("mm/s")
        .default_in_words("speed and distance, or travel, or encoder with counts, distance and speed")
        .sample_in_force("200"),
    Key::number("conveyor.distance_mm", (1.0, 100_000.0), "the way from the camera to the gate")
        .in_unit("mm")
        .sample_in_force("400"),
    Key::number("conveyor.travel_ms", (10.0, 600_000.0), "the time that this way takes, instead of speed and distance")
        .in_unit("ms")
        .sample("2000"),
    Key::text(
        "conveyor.encoder",
        "the belt's encoder: `\"link\"` if it is wired to the actuator, else a counter's file, `/sys/bus/counter/devices/counter0/count0/count`. The belt may stop and change its speed then",
    )
    .sample("\"link\""),
    Key::number("conveyor.counts_per_mm", (0.01, 10_000.0), "counts of the encoder").in_unit("counts/mm").sample("10"),
    Key::number(
        "conveyor.part_mm",
        (0.0, 10_000.0),
        "a part's length along the belt, with the width of what throws it off. Where parts come so close that one's pulse may hit another as well, an alarm names it",
    )
    .in_unit("mm")
    .default("0")
    .sample("60"),
    Key::word(
        "reject.kind",
        &["framed", "modbus", "lcus", "kmtronic"],
        "`\"framed\"`: an actuator that speaks the framed reject link on a serial line; `\"modbus\"`: a coil of a Modbus RTU unit; `\"lcus\"`, `\"kmtronic\"`: a USB relay board",
    )
    .needed()
    .sample_in_force("\"framed\""),
    Key::text("reject.device", "its terminal; better `/dev/serial/by-id/...` than a number that changes with the order of plugging in")
        .needed()
        .sample_in_force("\"/dev/ttyUSB0\""),
    Key::whole("reject.baud", (1_200.0, 4_000_000.0), "its speed")
        .in_unit("baud")
        .default_in_words("115200; relay boards 9600")
        .sample_in_force("115200"),
    Key::word("reject.parity", &["none", "even", "odd"], "as the unit or board has it; Modbus units often leave the factory with even")
        .default("\"none\"")
        .sample("\"even\""),
    Key::number("reject.stop_bits", (1.0, 2.0), "as the unit or board has them").in_unit("bits").default("1").sample("1"),
    Key::number("reject.pulse_ms", (1.0, 5_000.0), "how long the output stays energised; shorter than the time between two parts")
        .needed()
        .in_unit("ms")
        .sample_in_force("40"),
    Key::number("reject.lead_ms", (0.0, 5_000.0), "from energising to the effect on the part")
        .in_unit("ms")
        .default("0")
        .sample_in_force("15"),
    Key::number("reject.margin_ms", (1.0, 5_000.0), "what the link is given to carry a reject, repetitions included")
        .in_unit("ms")
        .default("40")
        .sample_in_force("40"),
    Key::number("reject.unit", (1.0, 247.0), "number of the unit").of(MODBUS).default("1").sample("1"),
    Key::number("reject.coil", (0.0, 65_535.0), "number of the coil, from 0").of(MODBUS).default("0").sample("0"),
    Key::number("reject.channel", (1.0, 8.0), "number of the relay").of(RELAY_BOARDS).default("1").sample("1"),
    Key::number(
        "reject.confirm_within_ms",
        (1.0, 60_000.0),
        "a sensor behind the gate sees each rejected part fall, so long after its pulse at most. A framed actuator reports it; for Modbus name its discrete input too",
    )
    .in_unit("ms")
    .default_in_words("no sensor")
    .sample("400"),
    Key::number("reject.confirm_input", (0.0, 65_535.0), "Modbus: that sensor's discrete input, from 0").sample("0"),
    Key::word(
        "policy.late",
        TROUBLE,
        "the verdict did not come in time. Reject the part, let it pass, or reject it and stop the station; there is an alarm in each case",
    )
    .default("\"reject\"")
    .sample_in_force("\"reject\""),
    Key::word("policy.queue_full", TROUBLE, "the picture found no room before the engine")
        .default("\"reject\"")
        .sample_in_force("\"reject\""),
    Key::word("policy.engine_error", TROUBLE, "the engine failed, or the camera gave no usable picture")
        .default("\"reject\"")
        .sample_in_force("\"reject\""),
    Key::word("policy.camera_lost", LOSS, "the camera can't be reached: go on with an alarm, or stop")
        .default("\"alarm\"")
        .sample_in_force("\"alarm\""),
    Key::word("policy.gate_lost", LOSS, "what is at the gate can't be reached")
        .default("\"alarm\"")
        .sample_in_force("\"alarm\""),
    Key::number("policy.rejects_in_a_row", (1.0, 100_000.0), "stop after so many rejects without a good part between them")
        .in_unit("parts")
        .default_in_words("never")
        .sample("20"),
];
