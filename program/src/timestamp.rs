//! Time stamps for records.

use jiff::Timestamp;

/// The current time in seconds and UTC (RFC 3339), by the wall clock, which may be wrong. For people only.
pub fn timestamp() -> String {
    in_seconds(Timestamp::now())
}

/// The same for a reproducible file: SOURCE_DATE_EPOCH is used if it is set
/// (https://reproducible-builds.org/specs/source-date-epoch).
pub fn timestamp_of_build() -> String {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok();
    let set = set.and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
    in_seconds(set.unwrap_or_else(Timestamp::now))
}

fn in_seconds(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}
