//! The playground: a page on this machine where an author tries filters on a picture.
//!
//! Decision: HTTP on 127.0.0.1 alone, spoken by hyper, so that any browser is the window. A page on the web must not
//! be able to use it: every request has to name this very host and port, none may come from another origin, and
//! everything but the page itself needs the token, which stands in the address after `#`, where it is never sent. No
//! request can name a path, an address or a command: pictures come as bytes, results go as bytes.

mod guard;
mod pictures;

use crate::picture::{self, PictureError};
use guard::Guard;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use pictures::Pictures;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use underpaint_filters::{Beside, Call, FilterError, Filters, PictureRef, Settings};
use underpaint_raster::{Extent, Image, Job, Stage};

/// The page: path, kind, bytes.
const PAGE: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
];

/// Sent with every answer: the page loads nothing from elsewhere, and nobody shows it inside another.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
];

/// Longest picture file and longest other body, in bytes.
const MAX_PICTURE: usize = 256 << 20;
const MAX_JSON: usize = 8 << 20;

/// Connections at a time; a browser opens six.
const MAX_CONNECTIONS: usize = 32;

/// Makes the filters there are: the installed ones, and files an author works on.
pub type Load = Box<dyn Fn() -> Result<Filters, FilterError> + Send + Sync>;

/// What the playground shows.
pub struct Options {
    /// 0 for any that is free.
    pub port: u16,
    /// Files that are looked at again before each run: an author builds, and the page shows it.
    pub watched: Vec<PathBuf>,
    /// Makes the filters anew.
    pub load: Load,
    /// The picture that is there from the beginning.
    pub picture: picture::Picture,
}

/// A playground that listens.
pub struct Playground {
    listener: TcpListener,
    state: Arc<State>,
}

struct State {
    guard: Guard,
    load: Load,
    watched: Vec<PathBuf>,
    filters: Mutex<(Vec<Stamp>, Arc<Filters>)>,
    pictures: Mutex<Pictures>,
    /// The newest request for a preview: older ones stop.
    newest: AtomicU64,
}

/// When a file was changed, and its length: what tells that it must be read again.
type Stamp = Option<(std::time::SystemTime, u64)>;

impl Playground {
    /// Listens on 127.0.0.1. `token` is what requests must bring.
    pub async fn bind(options: Options, token: String) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
        let guard = Guard::new(listener.local_addr()?.port(), token);
        let filters = (options.load)().map_err(io::Error::other)?;
        let state = State {
            guard,
            filters: Mutex::new((options.watched.iter().map(|path| stamp(path)).collect(), Arc::new(filters))),
            load: options.load,
            watched: options.watched,
            pictures: Mutex::new(Pictures::new(options.picture)),
            newest: AtomicU64::new(0),
        };
        Ok(Self { listener, state: Arc::new(state) })
    }

    /// Where the page is, token included.
    pub fn address(&self) -> String {
        self.state.guard.address()
    }

    /// Serves until the future is dropped.
    pub async fn serve(self) -> io::Result<()> {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let (stream, _) = self.listener.accept().await?;
            let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
            let state = self.state.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let state = state.clone();
                    async move { Ok::<_, Infallible>(answer(&state, request).await) }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_buf_size(64 << 10);
                // Who closes a connection early wants no answer any more.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
                drop(place);
            });
        }
    }
}

type Answer = Response<Full<Bytes>>;

/// Why a request is not served: a status and a sentence.
struct Refused(StatusCode, String);

impl Refused {
    fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self(status, sentence.into())
    }
}

impl From<FilterError> for Refused {
    fn from(error: FilterError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<PictureError> for Refused {
    fn from(error: PictureError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Answer {
    let made = match state.guard.check(request.headers()) {
        Ok(()) => route(state, request).await,
        Err(sentence) => Err(Refused::new(StatusCode::FORBIDDEN, sentence)),
    };
    let mut answer = made.unwrap_or_else(|Refused(status, sentence)| {
        let mut answer = data("application/json", json!({ "error": sentence }).to_string());
        *answer.status_mut() = status;
        answer
    });
    for (name, value) in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

async fn route(state: &Arc<State>, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Some((_, kind, text)) = PAGE.iter().find(|(page, _, _)| *page == path) {
        return match method {
            Method::GET => Ok(data(kind, *text)),
            _ => Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "The page can only be read.")),
        };
    }
    if !state.guard.knows(request.headers()) {
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "The token is missing or wrong; open the address that `underpaint filter play` printed.",
        ));
    }
    match (method, path.as_str()) {
        (Method::GET, "/api/filters") => blocking(state, filters).await,
        (Method::PUT, "/api/picture") => put_picture(state, request, None).await,
        (Method::PUT, "/api/mask") => put_picture(state, request, Some("mask")).await,
        (Method::PUT, "/api/image") => put_picture(state, request, Some("image")).await,
        (Method::POST, "/api/apply") => apply(state, request).await,
        (Method::POST, "/api/save") => save(state, request).await,
        _ => Err(Refused::new(StatusCode::NOT_FOUND, "There is nothing here.")),
    }
}

fn data(kind: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    if let Ok(kind) = HeaderValue::from_str(kind) {
        answer.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    }
    answer
}

async fn body(request: Request<Incoming>, most: usize) -> Result<Bytes, Refused> {
    let collected = Limited::new(request.into_body(), most).collect().await;
    collected.map(|body| body.to_bytes()).map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Refused::new(StatusCode::PAYLOAD_TOO_LARGE, format!("At most {} MiB are taken.", most >> 20)),
        None => Refused::new(StatusCode::BAD_REQUEST, "The request broke off."),
    })
}

async fn blocking(
    state: &Arc<State>,
    work: impl FnOnce(&State) -> Result<Answer, Refused> + Send + 'static,
) -> Result<Answer, Refused> {
    let state = state.clone();
    let done = tokio::task::spawn_blocking(move || work(&state)).await;
    done.unwrap_or_else(|_| Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "A mistake in Underpaint.")))
}

fn filters(state: &State) -> Result<Answer, Refused> {
    let filters = state.filters()?;
    let extent = lock(&state.pictures).extent();
    Ok(data("application/json", json!({"filters": filters.list(), "w": extent.w, "h": extent.h}).to_string()))
}

/// A new picture, a mask for it, or a picture for an input, which is named in the answer.
async fn put_picture(
    state: &Arc<State>,
    request: Request<Incoming>,
    role: Option<&'static str>,
) -> Result<Answer, Refused> {
    let bytes = body(request, MAX_PICTURE).await?;
    blocking(state, move |state| {
        let read = picture::decode(Path::new("the picture"), &bytes)?;
        let Extent { w, h } = read.image.extent();
        let mut pictures = lock(&state.pictures);
        let id = match role {
            None => {
                *pictures = Pictures::new(read);
                None
            }
            Some("mask") => {
                pictures
                    .set_mask(picture::as_mask(&read))
                    .map_err(|e| Refused::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
                None
            }
            Some(_) => Some(pictures.add(read.image)),
        };
        Ok(data("application/json", json!({"w": w, "h": h, "id": id}).to_string()))
    })
    .await
}

/// What to run, and how much of it to see.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Apply {
    chain: Vec<Step>,
    #[serde(default)]
    seed: u32,
    /// The longest side of the preview; absent for the picture itself.
    #[serde(default)]
    side: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    #[serde(default)]
    params: Map<String, Value>,
    /// Input to the `id` of a picture that was sent.
    #[serde(default)]
    images: BTreeMap<String, u32>,
}

/// A job that ends when a newer one begins or nobody waits for it any more.
struct Newest {
    state: Arc<State>,
    number: u64,
    gone: Arc<AtomicBool>,
}

impl Job for Newest {
    fn is_cancelled(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || self.state.newest.load(Ordering::Relaxed) != self.number
    }

    fn progress(&self, _: Stage, _: u32, _: u32) {}
}

/// Sets its flag when the request's connection is closed and its future with it.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The preview, as bytes of RGBA; sizes and milliseconds beside it.
async fn apply(state: &Arc<State>, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (asked, job, _waiting) = begin(state, request).await?;
    blocking(state, move |state| {
        let side = asked.side.map(|side| side.clamp(16, 4096));
        let (before, scale, mask) = lock(&state.pictures).view(side);
        let start = Instant::now();
        let made = run(state, &asked, &before, scale, mask.as_deref(), &job)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let (was, is) = (before.extent(), made.extent());
        let bytes: Vec<u8> =
            [&*before, &made].into_iter().flat_map(|image| image.data()).map(|v| (v * 255.0 + 0.5) as u8).collect();
        let mut answer = data("application/octet-stream", bytes);
        let facts = json!({"before": [was.w, was.h], "after": [is.w, is.h], "scale": scale, "ms": ms});
        if let Ok(facts) = HeaderValue::from_str(&facts.to_string()) {
            answer.headers_mut().insert("x-underpaint", facts);
        }
        Ok(answer)
    })
    .await
}

/// The whole picture as a PNG of the depth and profile it came with.
async fn save(state: &Arc<State>, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (asked, job, _waiting) = begin(state, request).await?;
    blocking(state, move |state| {
        let (before, scale, mask) = lock(&state.pictures).view(None);
        let made = run(state, &asked, &before, scale, mask.as_deref(), &job)?;
        let like = lock(&state.pictures).file();
        let png = picture::encode(&made, like.depth, like.has_alpha, like.icc.as_deref(), &[])
            .map_err(|_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "The picture cannot be written as a PNG."))?;
        Ok(data("image/png", png))
    })
    .await
}

async fn begin(state: &Arc<State>, request: Request<Incoming>) -> Result<(Apply, Newest, Waiting), Refused> {
    let bytes = body(request, MAX_JSON).await?;
    let asked: Apply = serde_json::from_slice(&bytes)
        .map_err(|e| Refused::new(StatusCode::BAD_REQUEST, format!("The request cannot be read: {e}.")))?;
    if asked.chain.len() > 32 {
        return Err(Refused::new(StatusCode::BAD_REQUEST, "A chain has at most 32 filters."));
    }
    let number = state.newest.fetch_add(1, Ordering::Relaxed) + 1;
    let gone = Arc::new(AtomicBool::new(false));
    Ok((asked, Newest { state: state.clone(), number, gone: gone.clone() }, Waiting(gone)))
}

fn run(
    state: &State,
    asked: &Apply,
    before: &Image,
    scale: f32,
    mask: Option<&underpaint_raster::Mask>,
    job: &dyn Job,
) -> Result<Image, Refused> {
    let filters = state.filters()?;
    let call = |step: &Step| {
        let pictures = lock(&state.pictures);
        let images = step.images.iter().filter_map(|(input, id)| Some((input.clone(), pictures.get(*id)?))).collect();
        Call { name: step.name.clone(), params: step.params.clone(), images }
    };
    let chain: Vec<Call> = asked.chain.iter().map(call).collect();
    let beside = Beside { mask, before: Some(PictureRef::from(before)), generated: Some(PictureRef::from(before)) };
    let settings = Settings { seed: asked.seed.into(), scale, beside, ..Settings::default() };
    Ok(filters.apply_with(before, &chain, &settings, job)?)
}

impl State {
    /// The filters, made anew if one of the watched files is another than before.
    fn filters(&self) -> Result<Arc<Filters>, FilterError> {
        let mut known = lock(&self.filters);
        let now: Vec<Stamp> = self.watched.iter().map(|path| stamp(path)).collect();
        // A compiler may be about to write the file: what cannot be seen is no reason to drop what there is.
        if known.0 != now && now.iter().all(Option::is_some) {
            *known = (now, Arc::new((self.load)()?));
        }
        Ok(known.1.clone())
    }
}

fn stamp(path: &Path) -> Stamp {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
