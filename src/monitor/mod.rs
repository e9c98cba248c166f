//! Metrics of a station over HTTP, in Prometheus's text format.

mod metrics;
mod server;

pub use metrics::{Metrics, Snapshot};
pub use server::Server;

#[derive(Debug, thiserror::Error)]
#[error(
    "metrics can't be served on {address} ({reason}): close the program that holds it, or correct `monitor.listen` in the station file"
)]
pub struct MonitorError {
    pub address: std::net::SocketAddr,
    pub reason: String,
}
