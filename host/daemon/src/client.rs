//! Talking to a running daemon from the command line.
//!
//! Decision: blocking calls that look like working in process: pictures in, patches out, progress and cancellation
//! through the same [`Job`]. Underneath one thread waits for the daemon and looks at the job every few milliseconds;
//! two threads on one pipe would block each other on Windows.

use crate::home::Home;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Stream as _;
use interprocess::local_socket::{GenericFilePath, ToFsName};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use underpaint_raster::{Extent, Image, Job, Mask, Patch, Rect, Unattended};
use underpaint_wire::blob::{Name, Put};
use underpaint_wire::event::Progress;
use underpaint_wire::frame::{self, MAX_FRAME_BYTES, Reader};
use underpaint_wire::generate::{FilterCall, Generate, Preview};
use underpaint_wire::hello::{Hello, OURS, Peer, Welcome};
use underpaint_wire::history::{FetchedEntry, HistoryList, ListHistory};
use underpaint_wire::image::{self, Px};
use underpaint_wire::methods::{JobResult, Upscale};
use underpaint_wire::pairing::{Begun, Ended};
use underpaint_wire::rpc::{self, Id, Message};
use underpaint_wire::{Error, json, methods};

/// How often a running request looks whether its job was cancelled.
const LOOK: Duration = Duration::from_millis(20);
/// How long a daemon may take to answer hello.
const HELLO: Duration = Duration::from_secs(5);
/// Pictures up to this many bytes travel as floats, exactly; larger ones as 16 bits a channel.
const FLOAT_BYTES: u64 = 256 << 20;

/// Why a call to the daemon failed.
#[derive(Debug)]
pub enum ClientError {
    /// The connection broke.
    Lost(io::Error),
    /// The other side does not speak the protocol; one sentence.
    Nonsense(String),
    /// The daemon answered with an error, or cannot even be asked.
    Refused(Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(e) => write!(f, "The connection to the running Underpaint was lost: {e}."),
            Self::Nonsense(sentence) => write!(f, "The running Underpaint cannot be understood: {sentence}"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(e: io::Error) -> Self {
        Self::Lost(e)
    }
}

/// What a painting gave.
#[derive(Clone, Debug)]
pub struct Painted {
    /// What to place on the canvas, and the seed of each.
    pub patches: Vec<(Patch, u64)>,
    /// The values used.
    pub used: Value,
    /// What is needed to make it again.
    pub receipt: Value,
    /// Where the time went.
    pub timing_ms: serde_json::Map<String, Value>,
}

/// A connection that has said hello.
pub struct Client {
    runtime: Runtime,
    link: Link,
    /// What the daemon said of itself.
    pub welcome: Welcome,
}

impl Client {
    /// Connects to the daemon of this home, or of `UNDERPAINT_SOCKET`; `None` if none runs.
    pub fn connect(home: &Home) -> Result<Option<Client>, ClientError> {
        let forced = std::env::var("UNDERPAINT_SOCKET").ok().filter(|s| !s.is_empty());
        let path = match (&forced, home.endpoint()?) {
            (Some(path), _) => path.clone(),
            (None, Some(endpoint)) => endpoint.socket,
            (None, None) => return Ok(None),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connected =
            runtime.block_on(async { Stream::connect(path.as_str().to_fs_name::<GenericFilePath>()?).await });
        let stream = match connected {
            Ok(stream) => stream,
            // A daemon that was killed leaves its endpoint behind.
            Err(e)
                if forced.is_none()
                    && matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        };
        let mut link = Link {
            stream,
            reader: Reader::new(MAX_FRAME_BYTES),
            blobs: HashMap::new(),
            held: Vec::new(),
            event: None,
            next_id: 0,
            next_blob: 0,
        };
        let me = Peer { name: "underpaint-cli".into(), version: env!("CARGO_PKG_VERSION").into() };
        let hello = Hello { protocol: OURS, client: me, token: None, proof: None, caps: vec!["preview".into()] };
        let answer =
            runtime.block_on(async { tokio::time::timeout(HELLO, link.exchange("hello", &hello, &Unattended)).await });
        let answer = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Some(Client { runtime, link, welcome: read_result(answer)? }))
    }

    /// Any request; its result as JSON.
    pub fn call(&mut self, method: &str, params: &impl Serialize) -> Result<Value, ClientError> {
        self.runtime.block_on(self.link.exchange(method, params, &Unattended))
    }

    /// Paints: as `worker::run` does, but in the daemon. `canvas` is the document's size, the part of it `image` covers, and
    /// its pixels; `mask` has its own place on the canvas, as have the pictures of the request's controls and the masks of its regions.
    /// Cancelling the job cancels it in the daemon.
    pub fn generate(
        &mut self,
        request: &Generate,
        canvas: Option<(Extent, Rect, &Image)>,
        mask: Option<(Rect, &Mask)>,
        controls: &[Option<(Rect, Image)>],
        regions: &[Option<(Rect, Mask)>],
        job: &dyn Job,
    ) -> Result<Painted, ClientError> {
        self.runtime.block_on(async {
            let mut params = object(request);
            if let Some((extent, rect, pixels)) = canvas {
                let image = self.link.put_image(pixels).await?;
                params.insert("canvas".into(), json!({ "extent": extent, "rect": rect, "image": image }));
            } else {
                params.insert("px".into(), json!(Px::Rgbaf32));
            }
            if let Some((rect, mask)) = mask {
                params.insert("mask".into(), self.link.put_mask(rect, mask).await?);
            }
            self.link.put_regions(params.get_mut("regions"), regions).await?;
            for (i, control) in controls.iter().enumerate() {
                let Some((rect, picture)) = control else { continue };
                let image = self.link.put_image(picture).await?;
                if let Some(call) = params.get_mut("controls").and_then(|list| list.get_mut(i)) {
                    call["image"] = json!({ "rect": rect, "image": image });
                }
            }
            self.link.paint("generate", params, job).await
        })
    }

    /// Runs filters over a whole picture.
    pub fn filter(
        &mut self,
        picture: &Image,
        filters: &[FilterCall],
        seed: u64,
        job: &dyn Job,
    ) -> Result<Painted, ClientError> {
        self.runtime.block_on(async {
            let image = self.link.put_image(picture).await?;
            let params = json!({ "image": image, "filters": filters, "seed": seed.to_string() });
            self.link.paint("filter/apply", object(&params), job).await
        })
    }

    /// An entry of the history, its patches as they were painted.
    pub fn entry(&mut self, entry: &str) -> Result<(FetchedEntry, Vec<(Patch, u64)>), ClientError> {
        let answer = self.call("history/get", &json!({ "entry": entry }))?;
        let fetched: FetchedEntry = read_result(answer)?;
        let patches = self.link.patches(&fetched.patches)?;
        Ok((fetched, patches))
    }

    /// Entries of the history, without their thumbnails.
    pub fn entries(&mut self, asked: &ListHistory) -> Result<HistoryList, ClientError> {
        let answer = self.call("history/list", asked);
        self.link.blobs.clear();
        read_result(answer?)
    }

    /// Enlarges a whole picture by the upscaler of `request`.
    pub fn upscale(
        &mut self,
        request: &Upscale,
        picture: &Image,
        regions: &[Option<(Rect, Mask)>],
        job: &dyn Job,
    ) -> Result<Painted, ClientError> {
        self.runtime.block_on(async {
            let mut params = object(request);
            let calls = params.get_mut("refine").and_then(|refine| refine.get_mut("regions"));
            self.link.put_regions(calls, regions).await?;
            params.insert("image".into(), json!(self.link.put_image(picture).await?));
            self.link.paint("upscale", params, job).await
        })
    }

    /// Lets one program in that shows the code; [`Client::paired`] waits for it.
    pub fn pair(&mut self) -> Result<Begun, ClientError> {
        read_result(self.call("pairing/begin", &json!({}))?)
    }

    /// Waits for the end of the pairing.
    pub fn paired(&mut self) -> Result<Ended, ClientError> {
        self.runtime.block_on(async {
            loop {
                if let Some((method, params)) = self.link.event.take()
                    && method == "pairing/ended"
                {
                    return read_result(Value::Object(params));
                }
                self.link.receive(&Unattended).await?;
            }
        })
    }

    /// Asks the daemon to end, and waits until it has closed this connection.
    pub fn shutdown(mut self) -> Result<(), ClientError> {
        self.call("shutdown", &json!({}))?;
        self.runtime.block_on(async { while self.link.receive(&Unattended).await.is_ok() {} });
        Ok(())
    }
}

/// The connection itself.
struct Link {
    stream: Stream,
    reader: Reader,
    /// Blobs of the daemon that have arrived, or are arriving.
    blobs: HashMap<Name, Vec<u8>>,
    /// Blobs of ours that the daemon holds.
    held: Vec<Name>,
    /// The newest event that is neither of blobs nor of progress.
    event: Option<(String, serde_json::Map<String, Value>)>,
    next_id: u64,
    next_blob: u64,
}

/// A response to a request of ours.
struct Response {
    id: Option<Id>,
    outcome: Result<Value, Error>,
}

impl Link {
    /// Sends a request and waits for its response; the job hears of progress and may cancel.
    async fn exchange(&mut self, method: &str, params: &impl Serialize, job: &dyn Job) -> Result<Value, ClientError> {
        self.next_id += 1;
        let id = Id::Int(self.next_id);
        self.send(&rpc::request(&id, method, params, &[]).map_err(ClientError::Refused)?).await?;
        let mut cancelled = false;
        loop {
            let response = match tokio::time::timeout(LOOK, self.receive(job)).await {
                Ok(received) => received?,
                Err(_) => None,
            };
            match response {
                Some(response) if response.id.as_ref() == Some(&id) || response.id.is_none() => {
                    return response.outcome.map_err(ClientError::Refused);
                }
                _ => {}
            }
            if !cancelled && job.is_cancelled() {
                cancelled = true;
                self.send(&rpc::notification("cancel", &json!({ "id": id }), &[])).await?;
            }
        }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        let mut stream = &self.stream;
        stream.write_all(frame).await?;
        Ok(())
    }

    /// Reads one frame. Safe to drop at any point: what has arrived stays in the reader.
    async fn receive(&mut self, job: &dyn Job) -> Result<Option<Response>, ClientError> {
        let mut stream = &self.stream;
        loop {
            let n = stream.read(self.reader.space()).await?;
            if n == 0 {
                return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
            let Some(frame) = self.reader.advance(n).map_err(|e| ClientError::Nonsense(e.to_string()))? else {
                continue;
            };
            let message =
                Message::parse(&frame).map_err(|_| ClientError::Nonsense("a message is malformed.".into()))?;
            return match message {
                Message::Response { id, outcome } => Ok(Some(Response { id, outcome })),
                Message::Notification { method, params } => {
                    notice(&method, &params, frame.tail, &mut self.blobs, job)?;
                    if !matches!(method.as_str(), "blob/put" | "progress") {
                        self.event = Some((method, params));
                    }
                    Ok(None)
                }
                Message::Request { .. } => Err(ClientError::Nonsense("it asks instead of answering.".into())),
            };
        }
    }

    /// Puts bytes under a fresh name.
    async fn put(&mut self, bytes: Vec<u8>) -> Result<Name, ClientError> {
        self.next_blob += 1;
        let blob = Name::try_from(format!("c{}", self.next_blob)).map_err(ClientError::Nonsense)?;
        // An empty blob is still one chunk.
        let chunks = bytes.len().div_ceil(CHUNK_BYTES).max(1);
        for chunk in 0..chunks {
            let tail = &bytes[chunk * CHUNK_BYTES..bytes.len().min((chunk + 1) * CHUNK_BYTES)];
            let put =
                Put { blob: blob.clone(), size: bytes.len() as u64, chunk: chunk as u64, last: chunk + 1 == chunks };
            self.send(&frame::head(&rpc::notification_header("blob/put", &put), tail.len())).await?;
            self.send(tail).await?;
        }
        self.held.push(blob.clone());
        Ok(blob)
    }

    async fn put_image(&mut self, picture: &Image) -> Result<image::Image, ClientError> {
        let px = if picture.extent().area() * Px::Rgbaf32.bytes() <= FLOAT_BYTES { Px::Rgbaf32 } else { Px::Rgba16 };
        let blob = self.put(image::to_bytes(picture, px)).await?;
        Ok(image::Image::packed(blob, picture.extent(), px))
    }

    /// A mask at its place, as a request names it.
    async fn put_mask(&mut self, rect: Rect, mask: &Mask) -> Result<Value, ClientError> {
        let blob = self.put(image::mask_to_bytes(mask)).await?;
        Ok(json!({ "rect": rect, "image": image::Image::packed(blob, mask.extent(), Px::Gf32) }))
    }

    /// The masks of `regions`, each in its place in the list of `calls`.
    async fn put_regions(
        &mut self,
        calls: Option<&mut Value>,
        regions: &[Option<(Rect, Mask)>],
    ) -> Result<(), ClientError> {
        let calls = calls.and_then(Value::as_array_mut).into_iter().flatten();
        for (call, region) in calls.zip(regions) {
            if let Some((rect, mask)) = region {
                call["mask"] = self.put_mask(*rect, mask).await?;
            }
        }
        Ok(())
    }

    /// A job's request: previews if the job shows them, patches at the end.
    async fn paint(
        &mut self,
        method: &str,
        mut params: serde_json::Map<String, Value>,
        job: &dyn Job,
    ) -> Result<Painted, ClientError> {
        params.insert("progress".into(), json!("p"));
        if job.wants_preview() {
            params.insert("preview".into(), json!(Preview::default()));
        }
        let answer = self.exchange(method, &params, job).await;
        for blob in std::mem::take(&mut self.held) {
            self.send(&rpc::notification("blob/free", &json!({ "blob": blob }), &[])).await?;
        }
        let result: JobResult = read_result(answer?)?;
        let patches = self.patches(&result.patches)?;
        Ok(Painted { patches, used: result.used, receipt: result.receipt, timing_ms: result.timing_ms })
    }

    /// Patches whose blobs have come, each with its seed.
    fn patches(&mut self, told: &[methods::PatchRef]) -> Result<Vec<(Patch, u64)>, ClientError> {
        let mut patches = Vec::new();
        for patch in told {
            let bytes = self.blobs.remove(&patch.image.blob).unwrap_or_default();
            patch
                .image
                .check("patch", bytes.len() as u64, &Default::default())
                .map_err(|e| ClientError::Nonsense(e.message))?;
            image::check_placed("patch", patch.rect, &patch.image).map_err(|e| ClientError::Nonsense(e.message))?;
            patches.push((Patch { rect: patch.rect, image: patch.image.to_raster(&bytes) }, patch.seed));
        }
        Ok(patches)
    }
}

/// Bytes of one chunk; no daemon accepts fewer.
const CHUNK_BYTES: usize = 4 << 20;
/// A daemon's blob is at most this large; more is nonsense.
const MAX_BLOB_BYTES: u64 = 4 << 30;

/// Handles a notification of the daemon: chunks are collected, progress is passed on, the rest is not for us.
fn notice(
    method: &str,
    params: &serde_json::Map<String, Value>,
    tail: &[u8],
    blobs: &mut HashMap<Name, Vec<u8>>,
    job: &dyn Job,
) -> Result<(), ClientError> {
    let nonsense = |e: Error| ClientError::Nonsense(e.message);
    match method {
        "blob/put" => {
            let put: Put = json::params(params).map_err(nonsense)?;
            if put.size > MAX_BLOB_BYTES {
                return Err(ClientError::Nonsense(format!("a blob of {} bytes is too large.", put.size)));
            }
            if put.chunk == 0 {
                blobs.insert(put.blob.clone(), Vec::with_capacity(put.size as usize));
            }
            if let Some(bytes) = blobs.get_mut(&put.blob) {
                bytes.extend_from_slice(tail);
            }
        }
        "progress" => {
            let progress: Progress = json::params(params).map_err(nonsense)?;
            job.progress(progress.stage, progress.step, progress.steps);
            if let Some(preview) = progress.preview
                && preview.check("preview", tail.len() as u64, &Default::default()).is_ok()
            {
                job.preview(preview.to_raster(tail));
            }
        }
        _ => {}
    }
    Ok(())
}

fn read_result<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ClientError> {
    serde_json::from_value(value).map_err(|e| ClientError::Nonsense(format!("an answer is wrong: {e}.")))
}

fn object(value: &impl Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        // What is passed in are our own structs; anything else has no members.
        _ => serde_json::Map::new(),
    }
}
