//! Metrics of a station, in Prometheus's text format.

mod metrics;

pub use metrics::{Metrics, Snapshot};
