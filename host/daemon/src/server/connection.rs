//! One connection from hello to its end: bytes in, frames out, each on its own.
//!
//! Decision: reading and writing are two loops of one task. The reader never waits for a job, so the end of the
//! connection is noticed while one computes; the writer never waits for the reader. Whichever ends first ends both.

use super::Daemon;
use super::methods::Session;
use super::outbox::{Next, Outbox};
use interprocess::local_socket::tokio::Stream;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use underpaint_wire::frame::{Frame, MAX_FRAME_BYTES_BEFORE_HELLO, Reader};
use underpaint_wire::rpc::{Id, Malformed, Message};
use underpaint_wire::{Error, Kind};

/// How long a stranger is listened to before hello is answered.
const HELLO: Duration = Duration::from_secs(5);
/// How long a peer may stop in the middle of a frame, or read nothing while frames wait for it.
const STALLED: Duration = Duration::from_secs(120);

/// Why a connection ended.
enum End {
    /// The peer closed it, broke it, or stopped.
    Lost,
    /// It said something that cannot be gone on from; what waits for it is still written.
    Fatal,
}

/// Serves one connection until it ends.
pub async fn serve(daemon: Arc<Daemon>, stream: Stream) {
    let outbox = Outbox::new();
    let (known, is_known) = watch::channel(false);
    let mut session = None;
    let end = {
        let read = read(&daemon, &stream, &outbox, &mut session, &known);
        let write = write(&stream, &outbox, is_known.clone());
        tokio::pin!(write);
        tokio::select! {
            end = read => match end {
                End::Lost => End::Lost,
                End::Fatal => {
                    outbox.finish();
                    let _ = timeout(HELLO, write).await;
                    End::Fatal
                }
            },
            _ = &mut write => End::Lost,
        }
    };
    if let Some(session) = session {
        daemon.hub.leave(session.client);
    }
    drop((stream, end));
}

async fn read(
    daemon: &Arc<Daemon>,
    mut stream: &Stream,
    outbox: &Arc<Outbox>,
    session: &mut Option<Session>,
    known: &watch::Sender<bool>,
) -> End {
    let mut reader = Reader::new(MAX_FRAME_BYTES_BEFORE_HELLO);
    let accepted = Instant::now();
    loop {
        let patience = match session {
            None => HELLO.saturating_sub(accepted.elapsed()),
            Some(_) if reader.is_mid_frame() => STALLED,
            Some(_) => Duration::MAX,
        };
        let n = match timeout(patience, stream.read(reader.space())).await {
            Ok(Ok(n)) if n > 0 => n,
            _ => return End::Lost,
        };
        match reader.advance(n) {
            Ok(None) => continue,
            Ok(Some(frame)) => {
                if handle(daemon, outbox, session, &frame).await.is_err() {
                    return End::Fatal;
                }
            }
            Err(bad) => {
                outbox.complain(&Error::new(Kind::InvalidRequest, bad.to_string()));
                return End::Fatal;
            }
        }
        if session.is_some() {
            reader.set_max(daemon.limits.max_frame_bytes);
            known.send_replace(true);
        }
        outbox.room().await;
    }
}

/// The connection cannot go on; what was said about it waits in the outbox.
struct Fatal;

async fn handle(
    daemon: &Arc<Daemon>,
    outbox: &Arc<Outbox>,
    session: &mut Option<Session>,
    frame: &Frame<'_>,
) -> Result<(), Fatal> {
    let message = match Message::parse(frame) {
        Ok(message) => message,
        Err(Malformed::Fatal(error)) => {
            outbox.complain(&error);
            return Err(Fatal);
        }
        Err(Malformed::Answer(id, error)) => {
            answer(outbox, id.as_ref(), error);
            // Before hello nothing but hello is listened to.
            return if session.is_some() { Ok(()) } else { Err(Fatal) };
        }
    };
    match (message, session) {
        (Message::Request { id, method, params }, session @ None) => {
            outbox.begin(&id);
            let outcome = if method == "hello" {
                Session::open(daemon, outbox, &params)
            } else {
                Err(Error::new(Kind::InvalidRequest, "The first message must be `hello`."))
            };
            match outcome {
                Ok((new, welcome)) => {
                    outbox.respond(&id, &Ok(welcome));
                    *session = Some(new);
                    Ok(())
                }
                Err(error) => {
                    outbox.respond(&id, &Err(error));
                    Err(Fatal)
                }
            }
        }
        (_, None) => Err(Fatal),
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

async fn write(mut stream: &Stream, outbox: &Outbox, mut known: watch::Receiver<bool>) -> io::Result<()> {
    loop {
        let patience = if *known.borrow_and_update() { STALLED } else { HELLO };
        match outbox.next(Instant::now()) {
            Next::Frame(frame) => write_all(&mut stream, &frame, patience).await?,
            Next::Chunk(head, bytes, range) => {
                write_all(&mut stream, &head, patience).await?;
                write_all(&mut stream, &bytes[range], patience).await?;
            }
            Next::Later(at) => {
                let _ = timeout(at.saturating_duration_since(Instant::now()), outbox.wake()).await;
            }
            Next::Idle => outbox.wake().await,
            Next::End => return stream.flush().await,
        }
    }
}

/// Writes everything as long as the peer takes something now and then.
async fn write_all(stream: &mut &Stream, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = timeout(patience, stream.write(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[n..];
    }
    Ok(())
}
