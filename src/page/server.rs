//! Listens, and serves each connection within bounds: so many in all and from one address, a time for a request's header,
//! a time for a client that reads nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::libc;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::access::Peer;
use super::{Context, PageError, router};
use crate::station::system::lower_priority;

const MOST_CONNECTIONS: usize = 256;
/// Of one address. A proxy on this machine stands for many.
const MOST_OF_ONE: usize = 48;
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// How long a client may leave unread what was sent.
const READ_WITHIN: Duration = Duration::from_secs(20);
const MAX_HEADER: usize = 16 << 10;
/// Threads that read and write files.
const FILE_THREADS: usize = 3;
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// After an error of `accept`, usually too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds the address, with the assigned port if port 0 was requested.
pub fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), PageError> {
    let failed = |error: std::io::Error| PageError {
        address,
        reason: error.to_string(),
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The server at work; it ends with this value.
pub struct PageServer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub address: SocketAddr,
    pub context: Arc<Context>,
}

impl PageServer {
    pub fn start(listener: TcpListener, context: Arc<Context>) -> Result<Self, PageError> {
        let address = context.address;
        let failed = |error: std::io::Error| PageError {
            address,
            reason: error.to_string(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(FILE_THREADS)
            .thread_name("page-files")
            .on_thread_start(lower_priority)
            .build()
            .map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let routes = router(Arc::clone(&context));
        let thread = thread::Builder::new()
            .name("page".into())
            .spawn(move || {
                lower_priority();
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, routes) => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_timeout(CLOSE_WITHIN);
            })
            .map_err(failed)?;
        Ok(PageServer {
            stop: Some(stop),
            thread: Some(thread),
            address,
            context,
        })
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, routes: Router) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            log::error!("the page is not served: {error}");
            return;
        }
    };
    let open = OpenConnections::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // A connection too many is closed at once.
        if let Some(connection) = open.enter(peer.ip()) {
            tokio::spawn(serve(stream, connection, routes.clone()));
        }
    }
}

async fn serve(stream: TcpStream, connection: Connection, routes: Router) {
    let _ = stream.set_nodelay(true);
    drop_unread_after(&stream, READ_WITHIN);
    let service = routes.layer(Extension(Peer(connection.address)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    // A client that leaves is no error of ours.
    let _ = served.await;
    drop(connection);
}

/// The system closes the connection when what was sent stays unread so long (tcp(7), TCP_USER_TIMEOUT).
fn drop_unread_after(stream: &TcpStream, time: Duration) {
    let milliseconds = time.as_millis() as libc::c_uint;
    // SAFETY: the option takes an unsigned integer, which outlives the call. A system without the option keeps its own
    // time.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw const milliseconds).cast(),
            size_of::<libc::c_uint>() as libc::socklen_t,
        )
    };
}

#[derive(Clone, Default)]
struct OpenConnections(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// An open connection, counted until it is dropped.
struct Connection {
    open: OpenConnections,
    address: IpAddr,
}

impl OpenConnections {
    fn enter(&self, address: IpAddr) -> Option<Connection> {
        let address = address.to_canonical();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let here = open.get(&address).copied().unwrap_or(0);
        if all >= MOST_CONNECTIONS || (here >= MOST_OF_ONE && !address.is_loopback()) {
            return None;
        }
        open.insert(address, here + 1);
        Some(Connection {
            open: self.clone(),
            address,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_can_t_take_all_connections() {
        let open = OpenConnections::default();
        let far = IpAddr::from([10, 0, 0, 7]);
        let mut held: Vec<_> = (0..2 * MOST_OF_ONE)
            .map_while(|_| open.enter(far))
            .collect();
        assert_eq!(held.len(), MOST_OF_ONE);
        let near = IpAddr::from([127, 0, 0, 1]);
        held.extend((0..2 * MOST_CONNECTIONS).map_while(|_| open.enter(near)));
        assert_eq!(held.len(), MOST_CONNECTIONS);
        held.clear();
        assert!(open.0.lock().unwrap().is_empty());
        let port: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (_held, bound) = listen(port).unwrap();
        let error = listen(bound).err().unwrap().to_string();
        assert!(error.contains(&bound.to_string()), "{error}");
    }
}
