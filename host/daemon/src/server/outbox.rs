//! What waits to be written to one connection, and in which order it goes.
//!
//! Decision: three kinds of frames, one rule. Responses and events are never dropped and go first, in order. Progress
//! is droppable: of each token only the newest waits, and at most ten a second go. Blobs go last, a chunk at a time,
//! so they never hold up the others; the response they belong to follows its last chunk.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use underpaint_wire::blob::{Name, Put};
use underpaint_wire::event::Progress;
use underpaint_wire::rpc::{self, Id};
use underpaint_wire::{Error, frame};

/// Shortest time between two progress events of one token.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Bytes of a blob that go between two looks at the events.
const CHUNK_BYTES: usize = 1 << 20;
/// Waiting responses and events at which reading further requests pauses.
const FULL: usize = 1000;

/// The outgoing side of a connection; cheap to share.
pub struct Outbox {
    state: Mutex<State>,
    /// Something can be written.
    work: Notify,
    /// There may be room for more requests.
    room: Notify,
}

#[derive(Default)]
struct State {
    /// The answer to the newest ping of a WebSocket.
    pong: Option<Vec<u8>>,
    first: VecDeque<Vec<u8>>,
    progress: Vec<Slot>,
    deliveries: VecDeque<Delivery>,
    /// Requests without their response on the wire; true once it is on its way.
    pending: HashMap<Id, bool>,
    next_blob: u64,
    /// Nothing more will be added; the writer ends when all is written.
    finished: bool,
}

struct Slot {
    token: String,
    waiting: Option<(Progress, Vec<u8>)>,
    sent: Option<Instant>,
}

struct Delivery {
    blobs: VecDeque<(Name, Arc<Vec<u8>>)>,
    /// Bytes of the front blob already handed out.
    done: usize,
    chunk: u64,
    id: Id,
    then: Vec<u8>,
}

/// What the writer does next.
pub enum Next {
    /// Write these bytes, which are no frame.
    Pong(Vec<u8>),
    /// Write these bytes.
    Frame(Vec<u8>),
    /// Write the head, then this range of the blob.
    Chunk(Vec<u8>, Arc<Vec<u8>>, Range<usize>),
    /// Nothing before this moment, unless woken.
    Later(Instant),
    /// Nothing, until woken.
    Idle,
    /// All is written and nothing will come.
    End,
}

impl Outbox {
    /// Empty.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), work: Notify::new(), room: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request waits for its response; false if one with this id already does.
    pub fn begin(&self, id: &Id) -> bool {
        let mut state = self.state();
        let free = !state.pending.contains_key(id);
        state.pending.entry(id.clone()).or_insert(false);
        free
    }

    /// Answers a pending request. A second answer to the same request is dropped.
    pub fn respond(&self, id: &Id, outcome: &Result<serde_json::Value, Error>) {
        self.respond_after(id, outcome, Vec::new());
    }

    /// Answers a pending request after putting `blobs`, whose names were made by [`Outbox::blob_name`].
    pub fn respond_after(&self, id: &Id, outcome: &Result<serde_json::Value, Error>, blobs: Vec<(Name, Arc<Vec<u8>>)>) {
        let mut state = self.state();
        match state.pending.get_mut(id) {
            Some(answered @ false) => *answered = true,
            _ => return,
        }
        let then = rpc::response(Some(id), outcome);
        if blobs.is_empty() {
            state.pending.remove(id);
            state.first.push_back(then);
        } else {
            state.deliveries.push_back(Delivery { blobs: blobs.into(), done: 0, chunk: 0, id: id.clone(), then });
        }
        drop(state);
        self.work.notify_one();
    }

    /// A fresh name for a blob of the daemon's.
    pub fn blob_name(&self) -> Name {
        let mut state = self.state();
        state.next_blob += 1;
        // `s` and a number is a valid name; the fallback only makes this total.
        Name::try_from(format!("s{}", state.next_blob)).unwrap_or_else(|_| unreachable!("s and a number is a name"))
    }

    /// An error that answers no request in particular.
    pub fn complain(&self, error: &Error) {
        self.push(rpc::response(None, &Err(error.clone())));
    }

    /// An event that must arrive.
    pub fn event(&self, method: &str, params: &impl serde::Serialize) {
        self.push(rpc::notification(method, params, &[]));
    }

    fn push(&self, frame: Vec<u8>) {
        self.state().first.push_back(frame);
        self.work.notify_one();
    }

    /// The newest progress of a token; it takes the place of one that still waits. A preview that still waits is
    /// kept until a newer one comes.
    pub fn progress(&self, mut progress: Progress, mut preview: Vec<u8>) {
        let mut state = self.state();
        let at = state.progress.iter().position(|s| s.token == progress.progress).unwrap_or_else(|| {
            state.progress.push(Slot { token: progress.progress.clone(), waiting: None, sent: None });
            state.progress.len() - 1
        });
        let slot = &mut state.progress[at];
        if progress.preview.is_none()
            && let Some((old, bytes)) = slot.waiting.take()
        {
            progress.preview = old.preview;
            progress.preview_rect = old.preview_rect;
            preview = bytes;
        }
        slot.waiting = Some((progress, preview));
        drop(state);
        self.work.notify_one();
    }

    /// Forgets progress that still waits: its job has ended.
    pub fn end_progress(&self, token: &str) {
        self.state().progress.retain(|s| s.token != token);
    }

    /// A ping was heard, and is answered between two frames; of several that wait the newest.
    pub fn pong(&self, bytes: Vec<u8>) {
        self.state().pong = Some(bytes);
        self.work.notify_one();
    }

    /// The other side reads nothing more: what waits is dropped.
    pub fn discard(&self) {
        let mut state = self.state();
        state.pong = None;
        state.first.clear();
        state.progress.clear();
        state.deliveries.clear();
    }

    /// Nothing more will be added.
    pub fn finish(&self) {
        self.state().finished = true;
        self.work.notify_one();
    }

    /// True if so much waits that reading further requests should pause.
    fn is_full(&self) -> bool {
        let state = self.state();
        state.first.len() >= FULL || state.deliveries.len() >= FULL
    }

    /// Completes when there is room for the answers to further requests.
    pub async fn room(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
    }

    /// Completes when [`Outbox::next`] may have something new to say.
    pub async fn wake(&self) {
        self.work.notified().await;
    }

    /// What to write at `now`. What it hands out counts as written.
    pub fn next(&self, now: Instant) -> Next {
        let mut state = self.state();
        if let Some(bytes) = state.pong.take() {
            return Next::Pong(bytes);
        }
        if let Some(frame) = state.first.pop_front() {
            if state.first.len() + 1 == FULL {
                self.room.notify_one();
            }
            return Next::Frame(frame);
        }
        let later = match state.due_progress(now) {
            Ok(frame) => return Next::Frame(frame),
            Err(later) => later,
        };
        if let Some(next) = state.next_of_delivery() {
            if state.deliveries.len() + 1 == FULL {
                self.room.notify_one();
            }
            return next;
        }
        match later {
            _ if state.finished => Next::End,
            Some(at) => Next::Later(at),
            None => Next::Idle,
        }
    }
}

impl State {
    /// The first progress frame that may go now, or when the next one may.
    fn due_progress(&mut self, now: Instant) -> Result<Vec<u8>, Option<Instant>> {
        let mut later: Option<Instant> = None;
        for slot in &mut self.progress {
            let due = slot.sent.map_or(now, |sent| sent + PROGRESS_EVERY);
            if slot.waiting.is_some() && due > now {
                later = Some(later.map_or(due, |l| l.min(due)));
            } else if let Some((progress, preview)) = slot.waiting.take() {
                slot.sent = Some(now);
                return Ok(rpc::notification("progress", &progress, &preview));
            }
        }
        Err(later)
    }

    fn next_of_delivery(&mut self) -> Option<Next> {
        let delivery = self.deliveries.front_mut()?;
        let Some((name, bytes)) = delivery.blobs.front() else {
            let Delivery { id, then, .. } = self.deliveries.pop_front()?;
            self.pending.remove(&id);
            return Some(Next::Frame(then));
        };
        let range = delivery.done..bytes.len().min(delivery.done + CHUNK_BYTES);
        let last = range.end == bytes.len();
        let put = Put { blob: name.clone(), size: bytes.len() as u64, chunk: delivery.chunk, last };
        let head = frame::head(&rpc::notification_header("blob/put", &put), range.len());
        let bytes = bytes.clone();
        (delivery.done, delivery.chunk) = (range.end, delivery.chunk + 1);
        if last {
            delivery.blobs.pop_front();
            (delivery.done, delivery.chunk) = (0, 0);
        }
        Some(Next::Chunk(head, bytes, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use underpaint_raster::Stage;

    fn progress(step: u32) -> Progress {
        Progress {
            progress: "p".into(),
            job: "j".into(),
            stage: Stage::Denoise,
            step,
            steps: 9,
            eta_ms: None,
            preview: None,
            preview_rect: None,
        }
    }

    /// What goes out at `now` until nothing may, in short: method or `=id` or blob chunk.
    fn drain(outbox: &Outbox, now: Instant) -> Vec<String> {
        let header = |frame: &[u8]| {
            let hlen = u32::from_le_bytes(frame[4..8].try_into().unwrap()) as usize;
            serde_json::from_slice::<serde_json::Value>(&frame[8..8 + hlen]).unwrap()
        };
        std::iter::from_fn(|| match outbox.next(now) {
            Next::Frame(frame) => {
                let header = header(&frame);
                Some(match header["method"].as_str() {
                    Some("progress") => format!("progress {}", header["params"]["step"]),
                    Some(method) => method.to_owned(),
                    None => format!("={}", header["id"]),
                })
            }
            Next::Chunk(head, _, range) => {
                let params = &header(&head)["params"];
                Some(format!(
                    "{}#{}{} {}",
                    params["blob"].as_str()?,
                    params["chunk"],
                    if params["last"] == true { "." } else { "" },
                    range.len()
                ))
            }
            Next::Pong(bytes) => Some(format!("pong {bytes:?}")),
            Next::Later(_) | Next::Idle | Next::End => None,
        })
        .collect()
    }

    #[test]
    fn blobs_never_hold_up_the_others_and_come_before_their_response() {
        let (outbox, now) = (Outbox::new(), Instant::now());
        let id = Id::Int(1);
        assert!(outbox.begin(&id) && !outbox.begin(&id));
        let blobs =
            vec![(outbox.blob_name(), Arc::new(vec![0; CHUNK_BYTES + 5])), (outbox.blob_name(), Arc::new(vec![]))];
        outbox.respond_after(&id, &Ok(json!({})), blobs);
        assert!(matches!(outbox.next(now), Next::Chunk(..)));
        outbox.pong(vec![1]);
        outbox.pong(vec![2]);
        outbox.event("queue/changed", &json!({}));
        outbox.respond(&id, &Ok(json!("a second answer")));
        assert_eq!(drain(&outbox, now), ["pong [2]", "queue/changed", "s1#1. 5", "s2#0. 0", "=1"]);
        outbox.event("queue/changed", &json!({}));
        outbox.discard();
        outbox.finish();
        assert!(matches!(outbox.next(now), Next::End));
    }

    #[test]
    fn of_progress_the_newest_goes_ten_times_a_second() {
        let (outbox, start) = (Outbox::new(), Instant::now());
        outbox.progress(progress(1), Vec::new());
        outbox.progress(progress(2), Vec::new());
        assert_eq!(drain(&outbox, start), ["progress 2"]);
        outbox.progress(progress(3), Vec::new());
        outbox.progress(progress(4), Vec::new());
        assert!(matches!(outbox.next(start), Next::Later(at) if at == start + PROGRESS_EVERY));
        assert_eq!(drain(&outbox, start + PROGRESS_EVERY), ["progress 4"]);
        outbox.progress(progress(5), Vec::new());
        outbox.end_progress("p");
        assert_eq!(drain(&outbox, start + PROGRESS_EVERY * 2), [""; 0]);
    }
}
