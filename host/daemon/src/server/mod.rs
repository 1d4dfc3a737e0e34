//! `underpaint serve`: one socket, any number of editors, one device.
//!
//! - `start` makes this process the daemon of its user; `connection` serves one editor, `methods` is what it may ask
//!   for, `requests` checks what it asks to be painted, `blobs` holds its pixels, `outbox` what waits to be sent.
//! - `transport` is what the local socket and the `websocket` do not have in common; `proof` shows the latter's clients
//!   who is there, and asks them the same; `pairing` hands out the token for it.
//! - `hub` keeps the books of jobs in the order of `queue`; `device` is the one thread that computes; `errors` is
//!   where its failures become errors of the protocol; `history` is where its results become entries.
//!
//! The server knows nothing of how a picture is made: `device` hands checked requests to the same function the command
//! line calls. Nothing here takes a path, a URL or a command from a client.

mod blobs;
mod connection;
mod device;
mod errors;
mod history;
mod hub;
mod job;
mod methods;
mod outbox;
mod pairing;
mod proof;
mod queue;
mod requests;
mod start;
mod transport;
mod websocket;

pub use start::StartError;

use crate::config::Config;
use crate::history::{History, Writer};
use crate::home::{Endpoint, Home};
use crate::platform;
use crate::styles::Styles;
use device::Inventory;
use hub::Hub;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Listener as _;
use pairing::Pairing;
use start::Claim;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::{Link, Transport};
use underpaint_wire::hello::Limits;
use underpaint_wire::methods::{WebSocket, WebSocketState};
use underpaint_wire::{Error, Kind};

/// Why there is no WebSocket though one is wanted, and what may be done.
pub const TAKEN: &str =
    "other programs have the ports 17231, 17232 and 17233, so Photoshop finds no Underpaint; end them and start again";

/// Connections at one time to each of socket and WebSocket; more are closed at once.
const MAX_CONNECTIONS: usize = 64;

/// What every connection shares.
pub struct Daemon {
    hub: Arc<Hub>,
    limits: Limits,
    instance: String,
    token: String,
    started: Instant,
    inventory: watch::Receiver<Option<Arc<Inventory>>>,
    history: Arc<History>,
    writer: Arc<Writer>,
    styles: Styles,
    websocket: WebSocket,
    pairing: Pairing,
}

impl Daemon {
    /// What can be painted with; waits for the device thread's first look around.
    async fn inventory(&self) -> Result<Arc<Inventory>, Error> {
        let mut inventory = self.inventory.clone();
        let found = inventory.wait_for(Option::is_some).await.ok().and_then(|i| i.clone());
        found.ok_or_else(|| Error::new(Kind::ShuttingDown, "Underpaint is shutting down."))
    }
}

/// How the daemon is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Replaces the token that clients may prove themselves with.
    pub new_token: bool,
    /// Leaves the WebSocket shut, whatever the configuration says.
    pub no_websocket: bool,
}

/// Runs the daemon until it is told to stop (`shutdown`, Ctrl-C, SIGTERM). `ready` is called once the socket accepts
/// connections and the endpoint is published.
pub fn serve(home: &Home, options: Options, ready: impl FnOnce(&Endpoint)) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("underpaint-io")
        .enable_all()
        .build()
        .map_err(|e| StartError::System("Starting threads", e))?;
    let served = runtime.block_on(run(home, options, ready));
    // A blocking task that is still describing a filter is not worth waiting for.
    runtime.shutdown_background();
    served
}

async fn run(home: &Home, options: Options, ready: impl FnOnce(&Endpoint)) -> Result<(), StartError> {
    let started = Instant::now();
    // Before anybody can know that the daemon is there: who asks it to end is heard from then on.
    let terminated = platform::terminated().map_err(|e| StartError::System("Listening for the end", e))?;
    let config = Config::load(home.root()).map_err(StartError::Place)?;
    let wanted = config.websocket && !options.no_websocket;
    let claim = Claim::take(home, options.new_token, wanted).await?;
    let websocket = match claim.endpoint.ws_port {
        Some(port) => WebSocket { state: WebSocketState::Listening, port: Some(port) },
        None if wanted => WebSocket { state: WebSocketState::Taken, port: None },
        None => WebSocket { state: WebSocketState::Off, port: None },
    };
    if websocket.state == WebSocketState::Taken {
        eprintln!("warning: {TAKEN}");
    }
    let limits = Limits::default();
    let (styles, refused) = Styles::open(&home.styles_file());
    if let Some(sentence) = refused {
        eprintln!("warning: {sentence}");
    }
    let hub = Hub::new(&claim.endpoint.instance, limits.max_jobs);
    let history = Arc::new(History::new(home));
    let writer = Writer::start(history.clone(), history::teller(&hub));
    let writer = writer.map_err(|e| StartError::System("Starting the history's thread", e))?;
    let (device, inventory) = device::start(home.clone(), hub.clone(), writer.clone())
        .map_err(|e| StartError::System("Starting the device's thread", e))?;
    let daemon = Arc::new(Daemon {
        hub: hub.clone(),
        limits,
        instance: claim.endpoint.instance.clone(),
        token: claim.token.clone(),
        started,
        inventory,
        history,
        writer: writer.clone(),
        styles,
        websocket,
        pairing: Pairing::at(claim.websocket.as_ref().map_or(0, websocket::Listener::place)),
    });
    ready(&claim.endpoint);
    let (mut connections, mut web) = (JoinSet::new(), JoinSet::new());
    tokio::select! {
        () = accept(&claim, &daemon, &mut connections) => {}
        () = accept_web(&claim, &daemon, &mut web) => {}
        () = hub.closed() => {}
        () = terminated => {}
    }
    hub.close();
    // The running job ends within a step; then everything is answered and only has to be written.
    let _ = tokio::time::timeout(hub::CLOSING, device).await;
    let entered = tokio::task::spawn_blocking(move || writer.finish(hub::CLOSING));
    hub.dismiss();
    let _ = tokio::time::timeout(hub::CLOSING, async {
        while connections.join_next().await.is_some() {}
        while web.join_next().await.is_some() {}
    })
    .await;
    let _ = entered.await;
    drop(claim);
    Ok(())
}

async fn accept(claim: &Claim, daemon: &Arc<Daemon>, connections: &mut JoinSet<()>) {
    loop {
        let accepted = claim.listener.accept().await;
        // Counted now, not before: many may have ended while nobody came.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(stream) if connections.len() < MAX_CONNECTIONS && platform::peer_is_this_user(&stream) => {
                connections.spawn(serve_local(daemon.clone(), stream));
            }
            // A stranger, or one too many: closed without a word.
            Ok(_) => {}
            // Out of file descriptors, most likely: one of the connections has to end before the next can begin.
            Err(_) => {
                let _ = tokio::time::timeout(std::time::Duration::from_millis(100), connections.join_next()).await;
            }
        }
    }
}

async fn serve_local(daemon: Arc<Daemon>, stream: Stream) {
    let (reads, writes) = (&stream, &stream);
    let link = Link { transport: Transport::Local, accepted: Instant::now(), reads, writes, stranger: None };
    connection::serve(daemon, link).await;
}

async fn accept_web(claim: &Claim, daemon: &Arc<Daemon>, connections: &mut JoinSet<()>) {
    match &claim.websocket {
        Some(listener) => listener.serve(daemon, connections).await,
        None => std::future::pending().await,
    }
}

/// `2 * N` hex digits of the system's random numbers.
pub(crate) fn random_hex<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(crate::models::hex(&bytes))
}
