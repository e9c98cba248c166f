//! Answers `GET /metrics`, from a thread of its own, one request at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tiny_http::{Header, Method, Response};

use super::{Metrics, MonitorError};

const LOOK_EACH: Duration = Duration::from_millis(200);
/// The content type of the format that the crate writes, according to Prometheus's documentation.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The address, with the assigned port if port 0 was requested.
    pub address: SocketAddr,
}

impl Server {
    pub fn start(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Self, MonitorError> {
        let failed = |reason: String| MonitorError { address, reason };
        let http = tiny_http::Server::http(address).map_err(|e| failed(e.to_string()))?;
        let bound = http.server_addr().to_ip().unwrap_or(address);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("monitor".into())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    if let Ok(Some(request)) = http.recv_timeout(LOOK_EACH) {
                        // A client that has disconnected needs no answer.
                        let _ = request.respond_with(&metrics);
                    }
                }
            })
            .map_err(|e| failed(e.to_string()))?;
        Ok(Server {
            stop,
            thread: Some(thread),
            address: bound,
        })
    }
}

trait Respond {
    fn respond_with(self, metrics: &Metrics) -> std::io::Result<()>;
}

impl Respond for tiny_http::Request {
    fn respond_with(self, metrics: &Metrics) -> std::io::Result<()> {
        match (self.method(), self.url()) {
            (Method::Get, "/metrics") => {
                let mut response = Response::from_string(metrics.text());
                if let Ok(header) = Header::from_bytes("Content-Type", CONTENT_TYPE) {
                    response.add_header(header);
                }
                self.respond(response)
            }
            (Method::Get, _) => self.respond(
                Response::from_string("there is only /metrics here\n").with_status_code(404),
            ),
            _ => self.respond(Response::from_string("use GET\n").with_status_code(405)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: station\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn metrics_are_served_and_a_taken_address_is_said() {
        let metrics = Arc::new(Metrics::new());
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(any, Arc::clone(&metrics)).unwrap();
        let answer = get(server.address, "/metrics");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("aecsad_parts"),
            "{answer}"
        );
        assert!(get(server.address, "/").starts_with("HTTP/1.1 404"));
        let error = Server::start(server.address, metrics)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(&server.address.to_string()), "{error}");
    }
}
