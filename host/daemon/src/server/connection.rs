//! One connection from hello to its end: bytes in, frames out, each on its own.
//!
//! Decision: reading and writing are two loops of one task. The reader never waits for a job, so the end of the
//! connection is noticed while one computes; the writer never waits for the reader. Whichever ends first ends both.

use super::Daemon;
use super::methods::{Session, parse};
use super::outbox::{Next, Outbox};
use super::pairing;
use super::proof::{self, Expected};
use super::transport::{Link, Transport};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use underpaint_wire::frame::{Frame, MAX_FRAME_BYTES_BEFORE_HELLO};
use underpaint_wire::pairing::{Pair, Paired};
use underpaint_wire::rpc::{Id, Malformed, Message};
use underpaint_wire::websocket::{self, Close, Heard};
use underpaint_wire::{Error, Kind};

/// How long a stranger is listened to before hello is answered.
pub const HELLO: Duration = Duration::from_secs(5);
/// How long a peer may stop in the middle of a frame, or read nothing while frames wait for it.
const STALLED: Duration = Duration::from_secs(120);

/// Why a connection ended.
enum End {
    /// The peer closed it, broke it, or stopped.
    Lost,
    /// It is closed; what waits for the peer is still written.
    Closed(Close),
    /// Everything was written and nothing will come: the daemon ends.
    Dismissed,
}

/// Serves one connection until it ends.
pub async fn serve<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(daemon: Arc<Daemon>, link: Link<R, W>) {
    let Link { transport, accepted, reads, mut writes, stranger } = link;
    let outbox = Outbox::new();
    let (known, is_known) = watch::channel(false);
    let mut peer = Peer { daemon: &daemon, transport, outbox: &outbox, expected: None, session: None };
    let close = {
        let write = write(&mut writes, transport, &outbox, is_known);
        tokio::pin!(write);
        let end = tokio::select! {
            end = read(&mut peer, reads, accepted, stranger, &known) => end,
            written = &mut write => if written.is_ok() { End::Dismissed } else { End::Lost },
        };
        if let Some(session) = peer.session {
            session.leave();
        }
        match end {
            End::Lost => None,
            End::Dismissed => Some(Close::Away),
            End::Closed(close) => {
                outbox.finish();
                timeout(HELLO, write).await.is_ok_and(|written| written.is_ok()).then_some(close)
            }
        }
    };
    if let Some(close) = close {
        // The last word; whoever does not hear it loses nothing.
        let _ = write_all(&mut writes, &transport.close(close), HELLO).await;
    }
}

async fn read<R: AsyncRead + Unpin>(
    peer: &mut Peer<'_>,
    mut reads: R,
    accepted: Instant,
    mut stranger: Option<OwnedSemaphorePermit>,
    known: &watch::Sender<bool>,
) -> End {
    let mut reader = peer.transport.reader(MAX_FRAME_BYTES_BEFORE_HELLO);
    loop {
        let patience = match peer.session {
            None => HELLO.saturating_sub(accepted.elapsed()),
            Some(_) if reader.is_mid_frame() => STALLED,
            Some(_) => Duration::MAX,
        };
        let n = match timeout(patience, reads.read(reader.space())).await {
            Ok(Ok(n)) if n > 0 => n,
            _ => return End::Lost,
        };
        match reader.advance(n) {
            Ok(Heard::Nothing) => continue,
            Ok(Heard::Frame(frame)) => {
                if let Err(Fatal(close)) = peer.handle(&frame).await {
                    return End::Closed(close);
                }
            }
            Ok(Heard::Ping(payload)) => peer.outbox.pong(websocket::pong(payload)),
            Ok(Heard::Closed) => {
                peer.outbox.discard();
                return End::Closed(Close::Normal);
            }
            Err(broken) => {
                peer.outbox.complain(&Error::new(Kind::InvalidRequest, broken.sentence));
                return End::Closed(broken.close);
            }
        }
        if peer.session.is_some() {
            stranger.take();
            reader.set_max(peer.daemon.limits.max_frame_bytes);
            known.send_replace(true);
        }
        peer.outbox.room().await;
    }
}

/// The connection cannot go on; what was said about it waits in the outbox.
struct Fatal(Close);

/// The other side, as far as it is known.
struct Peer<'a> {
    daemon: &'a Arc<Daemon>,
    transport: Transport,
    outbox: &'a Arc<Outbox>,
    /// What the client is to prove itself with, after its `challenge`.
    expected: Option<Expected>,
    session: Option<Session>,
}

impl Peer<'_> {
    async fn handle(&mut self, frame: &Frame<'_>) -> Result<(), Fatal> {
        let outbox = self.outbox;
        let message = match Message::parse(frame) {
            Ok(message) => message,
            Err(Malformed::Fatal(error)) => {
                outbox.complain(&error);
                return Err(Fatal(Close::Broken));
            }
            Err(Malformed::Answer(id, error)) => {
                answer(outbox, id.as_ref(), error);
                // Before hello nothing but hello is listened to.
                return if self.session.is_some() { Ok(()) } else { Err(Fatal(Close::Refused)) };
            }
        };
        match (message, &mut self.session) {
            (Message::Request { id, method, params }, None) => {
                outbox.begin(&id);
                let answer = self.greet(&method, &params).await;
                outbox.respond(&id, &answer);
                answer.map(drop).map_err(|_| Fatal(Close::Refused))
            }
            (_, None) => Err(Fatal(Close::Refused)),
            (Message::Request { id, method, params }, Some(session)) => {
                if outbox.begin(&id) {
                    session.request(&id, &method, &params, frame.tail).await;
                } else {
                    // The one that waits keeps its right to the one response with this id.
                    outbox.complain(
                        &Error::new(
                            Kind::InvalidRequest,
                            format!("The id {id} belongs to a request that is still pending."),
                        )
                        .with("id", id_value(&id)),
                    );
                }
                Ok(())
            }
            (Message::Notification { method, params }, Some(session)) => {
                session.notification(&method, &params, frame.tail);
                Ok(())
            }
            // The daemon asks nothing, so there is nothing to answer.
            (Message::Response { .. }, Some(_)) => Ok(()),
        }
    }

    /// The answer to what a stranger may ask.
    async fn greet(
        &mut self,
        method: &str,
        params: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<serde_json::Value, Error> {
        match (method, self.transport) {
            ("hello", transport) => {
                let (session, welcome) =
                    Session::open(self.daemon, self.outbox, params, transport, self.expected.as_ref())?;
                self.session = Some(session);
                Ok(welcome)
            }
            ("challenge", Transport::WebSocket) => self.challenge(params),
            ("pair", Transport::WebSocket) => {
                let Pair { code, client } = parse(params)?;
                let redeemed = self.daemon.pairing.redeem(&code, &client, Instant::now());
                if redeemed.is_err() {
                    tokio::time::sleep(pairing::PENANCE).await;
                }
                redeemed.map(|()| super::methods::to_value(&Paired { token: self.daemon.token.clone() }))
            }
            _ => Err(Error::new(Kind::InvalidRequest, "The first message must be `hello`.")),
        }
    }

    /// Once on a connection: whoever could ask again and again might look for an answer that suits.
    fn challenge(&mut self, params: &serde_json::Map<String, serde_json::Value>) -> Result<serde_json::Value, Error> {
        let challenge = parse(params)?;
        let port = self.daemon.websocket.port.filter(|_| self.expected.is_none());
        let port = port.ok_or_else(|| Error::new(Kind::InvalidRequest, "`challenge` was already answered."))?;
        let (challenged, expected) = proof::answer(&self.daemon.token, port, &challenge)?;
        self.expected = Some(expected);
        Ok(super::methods::to_value(&challenged))
    }
}

fn id_value(id: &Id) -> serde_json::Value {
    serde_json::to_value(id).unwrap_or_default()
}

/// Answers a message that was understood only in part. A request that is pending under this id keeps its response.
fn answer(outbox: &Outbox, id: Option<&Id>, error: Error) {
    match id {
        Some(id) if outbox.begin(id) => outbox.respond(id, &Err(error)),
        _ => outbox.complain(&error),
    }
}

async fn write<W: AsyncWrite + Unpin>(
    writes: &mut W,
    transport: Transport,
    outbox: &Outbox,
    mut known: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        let patience = if *known.borrow_and_update() { STALLED } else { HELLO };
        match outbox.next(Instant::now()) {
            Next::Pong(bytes) => write_all(writes, &bytes, patience).await?,
            Next::Frame(frame) => {
                write_all(writes, &transport.head(frame.len()), patience).await?;
                write_all(writes, &frame, patience).await?;
            }
            Next::Chunk(head, bytes, range) => {
                write_all(writes, &transport.head(head.len() + range.len()), patience).await?;
                write_all(writes, &head, patience).await?;
                write_all(writes, &bytes[range], patience).await?;
            }
            Next::Later(at) => {
                let _ = timeout(at.saturating_duration_since(Instant::now()), outbox.wake()).await;
            }
            Next::Idle => outbox.wake().await,
            Next::End => return writes.flush().await,
        }
    }
}

/// Writes everything as long as the peer takes something now and then.
async fn write_all<W: AsyncWrite + Unpin>(writes: &mut W, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = timeout(patience, writes.write(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[n..];
    }
    Ok(())
}
