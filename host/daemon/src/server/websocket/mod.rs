//! The WebSocket, for editors that reach no local socket (Photoshop): a port on this machine, one HTTP request that is
//! looked at closely (`handshake`), and from then on the same frames as on the local socket.
//!
//! Decision: hyper reads the one HTTP request, as in the playground, within bounds of time and bytes; then the bare TCP
//! connection is served. The ports are fixed because a Photoshop plug-in has to name them in its manifest.

mod handshake;

use super::transport::{Link, Transport};
use super::{Daemon, MAX_CONNECTIONS, connection};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Where the daemon listens: the first of these that is free.
const PORTS: [u16; 3] = [17231, 17232, 17233];
/// Up to three other ports than [`PORTS`], separated by commas; 0 is any free one. For tests, which run side by side.
const PORTS_VARIABLE: &str = "UNDERPAINT_WS_PORTS";
/// Connections at one time that have not said hello.
const MAX_STRANGERS: usize = 8;
/// Longest request in bytes; hyper accepts no smaller limit.
const MAX_REQUEST: usize = 8 << 10;
/// How long what a client still sends is read after the connection was closed, so that it hears why.
const LINGER: Duration = Duration::from_secs(1);

/// A port of this machine's own addresses.
pub struct Listener {
    v4: TcpListener,
    /// Absent on a machine without IPv6.
    v6: Option<TcpListener>,
    port: u16,
    place: usize,
}

/// The ports that are tried, in order.
fn ports() -> Vec<u16> {
    let named = std::env::var(PORTS_VARIABLE).ok();
    let named = named.map(|text| text.split(',').filter_map(|port| port.trim().parse().ok()).collect());
    named.unwrap_or_else(|| PORTS.to_vec())
}

impl Listener {
    /// Takes the first port that is free, `None` if none is.
    pub async fn bind() -> Option<Listener> {
        for (place, port) in ports().into_iter().take(PORTS.len()).enumerate() {
            if let Ok(listener) = Self::at(place, port).await {
                return Some(listener);
            }
        }
        None
    }

    async fn at(place: usize, port: u16) -> io::Result<Listener> {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = v4.local_addr()?.port();
        // `localhost` may be either address: both are ours, or neither.
        let v6 = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(v6) => Some(v6),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(e),
            Err(_) => None,
        };
        Ok(Listener { v4, v6, port, place })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Which of the ports that were tried it is, counted from 0.
    pub fn place(&self) -> usize {
        self.place
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let v6 = async {
            match &self.v6 {
                Some(v6) => v6.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.v4.accept() => accepted,
            accepted = v6 => accepted,
        }
        .map(|(stream, _)| stream)
    }

    /// Accepts connections until dropped; never ends.
    pub async fn serve(&self, daemon: &Arc<Daemon>, connections: &mut JoinSet<()>) {
        let strangers = Arc::new(Semaphore::new(MAX_STRANGERS));
        loop {
            let accepted = self.accept().await;
            while connections.try_join_next().is_some() {}
            match (accepted, strangers.clone().try_acquire_owned()) {
                (Ok(stream), Ok(place)) if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(serve(daemon.clone(), self.port, stream, place));
                }
                // One too many: closed without a word.
                (Ok(_), _) => {}
                // Out of file descriptors, most likely.
                (Err(_), _) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

async fn serve(daemon: Arc<Daemon>, port: u16, stream: TcpStream, place: OwnedSemaphorePermit) {
    let accepted = Instant::now();
    let greeted = timeout(connection::HELLO, greet(port, stream)).await.ok().flatten();
    let Some(Greeted { mut stream, early, agreed }) = greeted else { return };
    if agreed {
        let (reads, writes) = stream.split();
        let reads = early.chain(reads);
        let link = Link { transport: Transport::WebSocket, accepted, reads, writes, stranger: Some(place) };
        connection::serve(daemon, link).await;
    } else {
        // Whoever was refused is in no other's way.
        drop(place);
    }
    // Closing while something is unread would reset the connection, and the client might never see what was said.
    let _ = stream.shutdown().await;
    let _ = timeout(LINGER, tokio::io::copy(&mut stream, &mut tokio::io::sink())).await;
}

/// A connection whose one HTTP request was answered.
struct Greeted {
    stream: TcpStream,
    /// What was sent right behind the request.
    early: io::Cursor<hyper::body::Bytes>,
    /// It is a WebSocket now.
    agreed: bool,
}

/// Answers the request; `None` if it was none.
async fn greet(port: u16, stream: TcpStream) -> Option<Greeted> {
    stream.set_nodelay(true).ok()?;
    let agreed = AtomicBool::new(false);
    let service = service_fn(|request| {
        let answer = handshake::answer(port, &request);
        agreed.store(answer.status() == hyper::StatusCode::SWITCHING_PROTOCOLS, Ordering::Relaxed);
        ready(Ok::<_, Infallible>(answer))
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(connection::HELLO).max_buf_size(MAX_REQUEST);
    let parts = http.serve_connection(TokioIo::new(stream), service).without_shutdown().await.ok()?;
    let (stream, early) = (parts.io.into_inner(), io::Cursor::new(parts.read_buf));
    Some(Greeted { stream, early, agreed: agreed.into_inner() })
}

#[cfg(test)]
mod tests {
    /// Photoshop lets its plug-in connect to what the manifest names, and to nothing else.
    #[test]
    fn the_photoshop_adapter_names_exactly_our_ports() {
        let manifest = include_str!("../../../../../adapters/photoshop/manifest.json");
        let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
        let named: Vec<&str> = manifest["requiredPermissions"]["network"]["domains"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|domain| domain.as_str())
            .collect();
        let hosts = |port: u16| [format!("ws://127.0.0.1:{port}"), format!("ws://localhost:{port}")];
        assert_eq!(named, super::PORTS.into_iter().flat_map(hosts).collect::<Vec<_>>());
    }
}
