//! `history/…` on the wire, and what of a job is entered.

use super::Daemon;
use super::hub::Hub;
use super::job::{Done, Ticket, Work};
use super::methods::{Session, internal, to_value};
use super::outbox::Outbox;
use super::requests::check_patch_px;
use crate::history::{EntryId, Fetched, History, Made, MadePatch, now_ms};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use underpaint_wire::blob::Name;
use underpaint_wire::generate::Generate;
use underpaint_wire::history::{
    Entry, EntryName, FetchedEntry, GetEntry, HistoryList, LISTED, ListHistory, ListedEntry, MOST_LISTED, Place,
};
use underpaint_wire::image::{self, Image, Px};
use underpaint_wire::methods::{PatchRef, Topic, Upscale};
use underpaint_wire::rpc::Id;
use underpaint_wire::{Error, Kind, json};

type Params = Map<String, Value>;

/// How long a list waits for what was painted just before.
const JUST_PAINTED: Duration = Duration::from_secs(2);

/// Tells whoever wants to hear of it that an entry came or went.
pub fn teller(hub: &Arc<Hub>) -> impl Fn() + Send + use<> {
    let hub = hub.clone();
    move || hub.announce(Topic::History, "history/changed")
}

/// What of a finished job is entered; `None` for filters and control pictures alone, for live painting and where nothing was
/// painted.
pub fn made(ticket: &Ticket, done: &Done) -> Option<Made> {
    let first = done.patches.first().filter(|_| !ticket.live)?;
    let (request, mode, model, extent) = match &ticket.work {
        Work::Filter(_) | Work::Preprocess(_) => return None,
        Work::Generate(painting) => {
            let canvas = painting.canvas.as_ref().map(|(canvas, _)| canvas.extent);
            let extent = canvas.unwrap_or(first.rect.extent());
            (Some(&painting.request), to_value(&painting.request.mode), painting.request.model.clone(), extent)
        }
        Work::Upscale(enlarging) => {
            let Upscale { model, refine, .. } = &enlarging.request;
            let painter = || refine.as_ref().and_then(|refine| refine.model.clone());
            (refine.as_ref(), json!("upscale"), model.clone().or_else(painter), first.rect.extent())
        }
    };
    let entry = Entry {
        entry: String::new(),
        made_ms: now_ms(),
        client: ticket.client.clone(),
        mode: mode.as_str().unwrap_or_default().to_owned(),
        label: ticket.label.clone(),
        prompt: request.map(|request| request.prompt.clone()).unwrap_or_default(),
        negative_prompt: request.and_then(|request: &Generate| request.negative_prompt.clone()),
        model: model.unwrap_or_default(),
        seed: done.seed,
        extent: Some(extent),
    };
    let patches = done.patches.iter();
    let patches = patches
        .map(|p| MadePatch { rect: p.rect, seed: p.seed, px: p.px, color: p.color, bytes: p.bytes.clone() })
        .collect();
    Some(Made { entry, patches, used: done.used.clone(), receipt: done.receipt.clone() })
}

/// An answer and the blobs that go before it.
type Answer = Result<(Value, Vec<(Name, Arc<Vec<u8>>)>), Error>;

impl Session {
    /// Answers a method of the history. Files are read and removed: not on the threads that serve connections.
    pub(super) fn history(&self, id: &Id, method: &str, params: &Params) {
        let (daemon, outbox, id) = (self.daemon.clone(), self.outbox.clone(), id.clone());
        let (method, params) = (method.to_owned(), params.clone());
        tokio::spawn(async move {
            let names = outbox.clone();
            let answered = tokio::task::spawn_blocking(move || answer(&daemon, &names, &method, &params)).await;
            match answered.unwrap_or_else(|_| Err(internal())) {
                Ok((result, blobs)) => outbox.respond_after(&id, &Ok(result), blobs),
                Err(error) => outbox.respond(&id, &Err(error)),
            }
        });
    }
}

fn answer(daemon: &Daemon, outbox: &Outbox, method: &str, params: &Params) -> Answer {
    let changed = teller(&daemon.hub);
    match method {
        "history/list" => {
            daemon.writer.settle(JUST_PAINTED);
            list(&daemon.history, outbox, &json::params(params)?)
        }
        "history/get" => {
            // One that turns out to be damaged is not in the list any more.
            get(&daemon.history, outbox, &json::params(params)?).inspect_err(|e| {
                if e.kind == Kind::Internal {
                    changed();
                }
            })
        }
        "history/remove" => {
            let EntryName { entry } = json::params(params)?;
            if daemon.history.remove(id("entry", &entry)?)? {
                changed();
            }
            Ok((json!({}), Vec::new()))
        }
        _ => {
            daemon.history.clear().inspect(|_| changed())?;
            Ok((json!({}), Vec::new()))
        }
    }
}

fn list(history: &History, outbox: &Outbox, asked: &ListHistory) -> Answer {
    let limit = asked.limit.unwrap_or(LISTED);
    if !(1..=MOST_LISTED).contains(&limit) {
        return Err(Error::field("limit", format!("`limit` is {limit}; it must be 1 to {MOST_LISTED}.")));
    }
    let before = asked.before.as_deref().map(|before| id("before", before)).transpose()?;
    let (found, more) = history.list(limit as usize, before);
    let (blob, mut thumbnails) = (outbox.blob_name(), Vec::new());
    let mut entries = Vec::with_capacity(found.len());
    for (known, pixels) in found {
        let offset = thumbnails.len() as u64;
        let thumbnail = Image { offset, ..Image::packed(blob.clone(), known.thumbnail, Px::Rgba8) };
        thumbnails.extend(pixels);
        let patches = known.patches.iter().map(|patch| patch.place).collect();
        entries.push(ListedEntry { entry: known.entry, patches, thumbnail });
    }
    let blobs = if entries.is_empty() { Vec::new() } else { vec![(blob, Arc::new(thumbnails))] };
    Ok((to_value(&HistoryList { entries, more, keep: history.keeping().keep }), blobs))
}

fn get(history: &History, outbox: &Outbox, asked: &GetEntry) -> Answer {
    check_patch_px(asked.px, asked.px.unwrap_or_default())?;
    let Fetched { entry, patches: kept, used, receipt } = history.get(id("entry", &asked.entry)?)?;
    let (mut patches, mut blobs) = (Vec::with_capacity(kept.len()), Vec::with_capacity(kept.len()));
    for (patch, picture) in kept {
        let (px, blob, Place { rect, seed }) = (asked.px.unwrap_or(patch.px), outbox.blob_name(), patch.place);
        patches.push(PatchRef { rect, image: Image::packed(blob.clone(), rect.extent(), px), seed });
        blobs.push((blob, Arc::new(image::to_bytes(&picture, px))));
    }
    Ok((to_value(&FetchedEntry { entry, patches, used, receipt }), blobs))
}

/// The entry that the member `field` names.
fn id(field: &str, name: &str) -> Result<EntryId, Error> {
    name.parse()
        .map_err(|()| Error::field(field, format!("`{field}` names no entry; `history/list` tells those there are.")))
}
