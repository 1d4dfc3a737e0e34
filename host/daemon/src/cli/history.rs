//! `underpaint history`: what was painted in any editor, looked at, taken out as PNG, or removed for good.
//!
//! A running daemon is asked, so that editors hear of what goes; without one the same files are read here.

use super::output::Results;
use super::{Failure, Global, paint};
use crate::client::Client;
use crate::history::{self, EntryId, now_ms};
use crate::picture::{Depth, Picture};
use crate::worker::Output;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use underpaint_raster::{Extent, Image, Patch};
use underpaint_wire::history::{Entry, LISTED, ListHistory, MOST_LISTED, Place};
use underpaint_wire::image::Px;

const EXAMPLES: &str = "\
Examples:
  underpaint history list
  underpaint history list --limit 200 --json
  underpaint history show 019ac1b2f3d4
  underpaint history export 019ac1b2f3d4 -o lake.png
  underpaint history remove 019ac1b2f3d4
  underpaint history clear

The daemon keeps what it painted for any editor, readable by you alone: prompts are in it. config.json
says how much, and with \"keep\": false nothing is added from then on:
  {\"history\": {\"keep\": true, \"max_bytes\": 2147483648, \"max_entries\": 1000}}";

/// What was painted in any editor: list it, take it out as PNG, remove it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct History {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// What was painted, the newest first
    List {
        /// Most entries that are shown
        #[arg(long, value_name = "N", default_value_t = LISTED as usize)]
        limit: usize,
    },
    /// Everything that is known of an entry, with the receipt that makes it again
    Show {
        /// From `underpaint history list`
        #[arg(value_parser = entry)]
        entry: EntryId,
    },
    /// Write an entry's pictures as PNG, transparent where nothing was painted
    Export {
        /// From `underpaint history list`
        #[arg(value_parser = entry)]
        entry: EntryId,
        /// The PNG; OUT_0.png, OUT_1.png, … for several
        #[arg(short, long, value_name = "OUT.png")]
        output: PathBuf,
    },
    /// Remove entries for good
    Remove {
        /// From `underpaint history list`
        #[arg(value_parser = entry, required = true)]
        entries: Vec<EntryId>,
    },
    /// Remove all entries for good
    Clear,
}

fn entry(text: &str) -> Result<EntryId, String> {
    text.parse().map_err(|()| "an entry is named by 12 digits, as `underpaint history list` shows them".into())
}

impl History {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let mut shelf = Shelf::open(global)?;
        match self.action {
            Action::List { limit } => list(global, &mut shelf, limit),
            Action::Show { entry } => show(global, shelf.get(entry)?),
            Action::Export { entry, output } => export(global, shelf.get(entry)?, &output),
            Action::Remove { entries } => {
                entries.iter().try_for_each(|entry| shelf.remove(*entry))?;
                let names: Vec<String> = entries.iter().map(EntryId::to_string).collect();
                global.say(&json!({ "removed": names }), &format!("removed {}", names.join(", ")));
                Ok(())
            }
            Action::Clear => {
                shelf.clear()?;
                global.say(&json!({ "cleared": true }), "the history is empty");
                Ok(())
            }
        }
    }
}

/// Where the history is had from.
enum Shelf {
    Daemon(Box<Client>),
    Files(history::History),
}

/// An entry without its pixels.
type Told = (Entry, Vec<Place>);

/// An entry with its pixels.
struct Fetched {
    entry: Entry,
    patches: Vec<(Patch, u64)>,
    deep: bool,
    used: Value,
    receipt: Value,
}

impl Shelf {
    fn open(global: &Global) -> Result<Shelf, Failure> {
        let home = global.home()?;
        Ok(match paint::daemon(&home) {
            Some(client) => Shelf::Daemon(Box::new(client)),
            None => Shelf::Files(history::History::new(&home)),
        })
    }

    /// Some of the entries older than `before`, the newest first, and whether there are older ones.
    fn page(&mut self, limit: usize, before: Option<EntryId>) -> Result<(Vec<Told>, bool), Failure> {
        let limit = limit.min(MOST_LISTED as usize);
        match self {
            Shelf::Daemon(client) => {
                let before = before.map(|id| id.to_string());
                let list = client.entries(&ListHistory { limit: Some(limit as u32), before });
                let list = list.map_err(|e| Failure::failed(&e))?;
                Ok((list.entries.into_iter().map(|listed| (listed.entry, listed.patches)).collect(), list.more))
            }
            Shelf::Files(history) => {
                let (found, more) = history.list(limit, before);
                let places = |known: history::Known| known.patches.iter().map(|patch| patch.place).collect();
                Ok((found.into_iter().map(|(known, _)| (known.entry.clone(), places(known))).collect(), more))
            }
        }
    }

    fn get(&mut self, entry: EntryId) -> Result<Fetched, Failure> {
        let deep = |px: Px| !matches!(px, Px::Rgba8 | Px::Bgra8);
        match self {
            Shelf::Daemon(client) => {
                let (fetched, patches) = client.entry(&entry.to_string()).map_err(|e| Failure::failed(&e))?;
                let deep = fetched.patches.iter().any(|patch| deep(patch.image.px));
                Ok(Fetched { entry: fetched.entry, patches, deep, used: fetched.used, receipt: fetched.receipt })
            }
            Shelf::Files(history) => {
                let fetched = history.get(entry).map_err(|e| Failure::failed(&e))?;
                let deep = fetched.patches.iter().any(|(patch, _)| deep(patch.px));
                let patch = |(known, image): (history::KnownPatch, Image)| {
                    (Patch { rect: known.place.rect, image }, known.place.seed)
                };
                let patches = fetched.patches.into_iter().map(patch).collect();
                Ok(Fetched { entry: fetched.entry, patches, deep, used: fetched.used, receipt: fetched.receipt })
            }
        }
    }

    fn remove(&mut self, entry: EntryId) -> Result<(), Failure> {
        match self {
            Shelf::Daemon(client) => {
                let removed = client.call("history/remove", &json!({ "entry": entry.to_string() }));
                removed.map(drop).map_err(|e| Failure::failed(&e))
            }
            Shelf::Files(history) => history.remove(entry).map(drop).map_err(|e| Failure::failed(&e)),
        }
    }

    fn clear(&mut self) -> Result<(), Failure> {
        match self {
            Shelf::Daemon(client) => {
                client.call("history/clear", &json!({})).map(drop).map_err(|e| Failure::failed(&e))
            }
            Shelf::Files(history) => history.clear().map(drop).map_err(|e| Failure::failed(&e)),
        }
    }
}

fn list(global: &Global, shelf: &mut Shelf, limit: usize) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut more = limit > 0;
    while more && entries.len() < limit {
        let before = entries.last().and_then(|(entry, _): &(Entry, _)| entry.entry.parse().ok());
        let (page, older) = shelf.page(limit - entries.len(), before)?;
        more = older && !page.is_empty();
        entries.extend(page);
    }
    if global.json {
        let told = |(entry, patches): &Told| {
            let mut told = json!(entry);
            told["patches"] = json!(patches);
            told
        };
        global.print(&json!({ "entries": entries.iter().map(told).collect::<Vec<_>>(), "more": more }));
        return Ok(());
    }
    if entries.is_empty() {
        outln!("nothing was painted yet, or the history is switched off in config.json");
    }
    let now = now_ms();
    for (entry, patches) in entries {
        let Entry { client, mode, prompt, model, made_ms, label, .. } = &entry;
        let text = if prompt.is_empty() { label.as_deref().unwrap_or_default() } else { prompt };
        let size = patches.first().map(|p| format!("{}x{}", p.rect.w, p.rect.h)).unwrap_or_default();
        let age = age(now.saturating_sub(*made_ms));
        outln!("{}  {age:>10}  {client:<14} {mode:<10} {size:>9}  {model:<16} {}", entry.entry, line(text));
    }
    Ok(())
}

fn show(global: &Global, fetched: Fetched) -> Result<(), Failure> {
    let Fetched { entry, patches, used, receipt, .. } = fetched;
    let places: Vec<Place> = patches.iter().map(|(patch, seed)| Place { rect: patch.rect, seed: *seed }).collect();
    if global.json {
        let mut told = json!(entry);
        told["patches"] = json!(places);
        told["used"] = used;
        told["receipt"] = receipt;
        global.print(&told);
        return Ok(());
    }
    let ago = age(now_ms().saturating_sub(entry.made_ms));
    outln!("{}: {} by {} in {}, {ago}", entry.entry, entry.mode, entry.model, entry.client);
    if let Some(label) = &entry.label {
        outln!("label            {}", line(label));
    }
    outln!("prompt           {}", line(&entry.prompt));
    if let Some(negative) = &entry.negative_prompt {
        outln!("negative prompt  {}", line(negative));
    }
    if let Some(Extent { w, h }) = entry.extent {
        outln!("document         {w}x{h}");
    }
    for Place { rect, seed } in places {
        outln!("patch            {}x{} at {},{}, seed {seed}", rect.w, rect.h, rect.x, rect.y);
    }
    outln!("receipt          {receipt}");
    Ok(())
}

fn export(global: &Global, fetched: Fetched, output: &Path) -> Result<(), Failure> {
    let Fetched { patches, deep, used, receipt, .. } = fetched;
    let mut results = Results::new(global, output, Some(patches.len() as u32))?;
    let made = Output { patches, used, receipt, timing_ms: Map::new(), saved: None };
    let depth = if deep { Depth::Sixteen } else { Depth::Eight };
    let like = Picture { image: Image::new(Extent::new(1, 1)), depth, has_alpha: true, icc: None };
    for (i, (patch, seed)) in made.patches.iter().enumerate() {
        results.write(i, *seed, &patch.image, &like, &made)?;
    }
    results.tell(global, &made)
}

/// How long ago something was, for people.
fn age(ms: u64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => "just now".into(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// A text as one line that fits a terminal.
fn line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ages_are_told_roughly() {
        for (ms, expected) in
            [(59_999, "just now"), (60_000, "1 min ago"), (7_200_000, "2 h ago"), (1 << 28, "3 days ago")]
        {
            assert_eq!(super::age(ms), expected);
        }
    }
}
