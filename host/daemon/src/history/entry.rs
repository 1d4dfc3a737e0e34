//! One entry on the disk: a folder with a PNG for each patch, a thumbnail, and `entry.json` with all that is told of them.
//!
//! Decision: patches are 8- or 16-bit PNGs, as deep as they were painted and with their colours under alpha 0, so that a
//! painter finds ordinary pictures; floats become 16 bits, finer than what any model tells apart. The thumbnail is raw
//! `rgba8`: of those, a list reads dozens at once. Whatever is read is distrusted: a length or a size that does not fit makes
//! the entry damaged, and nothing is allocated for it.

use crate::picture::{self, Depth, MAX_PIXELS, MAX_SIDE, PictureError};
use crate::save;
use crate::thumbnail::fit;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use underpaint_raster::{Extent, Image, Rect};
use underpaint_wire::blob::{Name, TAIL};
use underpaint_wire::history::{Entry, Place, THUMBNAIL_SIDE};
use underpaint_wire::image::{self, Color, Px};

/// Version of the files' own shape.
const FORMAT: u32 = 1;
/// Most bytes of an `entry.json`: about what one answer can tell. Filters' texts are in the receipt.
const RECORD_BYTES: u64 = 8 << 20;
/// Most bytes of all its texts that a list shows: a request's header holds no more.
const TEXT_BYTES: usize = 72 << 10;
/// A job makes no more.
const MOST_PATCHES: usize = 16;

/// An entry's name: the millisecond it was entered in, as 12 hex digits, so that names sort by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(u64);

impl EntryId {
    /// The name at `now`, or the next after the newest so far; `None` once there are no more.
    pub fn after(newest: Option<EntryId>, now_ms: u64) -> Option<EntryId> {
        let next = newest.map_or(0, |newest| newest.0 + 1).max(now_ms);
        (next < 1 << 48).then_some(EntryId(next))
    }
}

impl FromStr for EntryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 12 || !text.bytes().all(digit) {
            return Err(());
        }
        u64::from_str_radix(text, 16).map(EntryId).map_err(|_| ())
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// What a job made, to be entered.
#[derive(Clone, Debug)]
pub struct Made {
    /// What is told of it; its name is given when it is entered.
    pub entry: Entry,
    /// Packed, straight alpha.
    pub patches: Vec<MadePatch>,
    /// The values used.
    pub used: Value,
    /// What is needed to make it again.
    pub receipt: Value,
}

/// One patch as packed bytes.
#[derive(Clone, Debug)]
pub struct MadePatch {
    /// In canvas pixels; as large as the picture in `bytes`.
    pub rect: Rect,
    /// Its seed.
    pub seed: u64,
    /// Layout of the bytes; not grey.
    pub px: Px,
    /// Their colour encoding; what is kept is sRGB.
    pub color: Color,
    /// The pixels.
    pub bytes: Arc<Vec<u8>>,
}

/// What is kept in memory of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// What it says of itself.
    #[serde(flatten)]
    pub entry: Entry,
    /// In order.
    pub patches: Vec<KnownPatch>,
    /// Size of the thumbnail.
    pub thumbnail: Extent,
}

/// A patch without its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPatch {
    /// Where it lies.
    #[serde(flatten)]
    pub place: Place,
    /// The layout it was painted in.
    pub px: Px,
}

/// Content of `entry.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    #[serde(flatten)]
    known: Known,
    used: Value,
    receipt: Value,
}

/// An entry with its pixels.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What it says of itself.
    pub entry: Entry,
    /// Each with the layout it was painted in.
    pub patches: Vec<(KnownPatch, Image)>,
    /// The values used.
    pub used: Value,
    /// What is needed to make it again.
    pub receipt: Value,
}

/// Why an entry cannot be had.
#[derive(Debug)]
pub struct Unreadable {
    /// A part of a sentence.
    pub what: String,
    /// True if it will never be readable; false if only the system did not let us.
    pub damaged: bool,
}

impl Unreadable {
    fn damaged(what: impl Into<String>) -> Self {
        Self { what: what.into(), damaged: true }
    }

    fn system(file: &Path, error: &io::Error) -> Self {
        let what = format!("{} cannot be read: {}", file.display(), picture::plain(error));
        Self { what, damaged: error.kind() == io::ErrorKind::NotFound }
    }
}

impl From<PictureError> for Unreadable {
    fn from(error: PictureError) -> Self {
        Self { what: error.to_string(), damaged: !matches!(error, PictureError::Read(..)) }
    }
}

fn record_file(folder: &Path) -> PathBuf {
    folder.join("entry.json")
}

fn thumbnail_file(folder: &Path) -> PathBuf {
    folder.join("thumbnail.rgba8")
}

fn patch_file(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("patch-{index}.png"))
}

/// Writes an entry's folder, whole or not at all, if its files have no more than `max_bytes`; gives what is known of it and
/// its bytes.
pub fn write(folder: &Path, made: &Made, max_bytes: u64) -> io::Result<(Known, u64)> {
    save::folder(folder, |part| {
        let mut patches = Vec::with_capacity(made.patches.len());
        let mut thumbnail = Image::new(Extent::new(1, 1));
        for (i, patch) in made.patches.iter().enumerate() {
            let picture = raster(patch);
            if i == 0 {
                thumbnail = fit(&picture, THUMBNAIL_SIDE);
            }
            let depth = if matches!(patch.px, Px::Rgba8 | Px::Bgra8) { Depth::Eight } else { Depth::Sixteen };
            let png = picture::encode(&picture, depth, true, None, &[]).map_err(io::Error::other)?;
            save::private(&patch_file(part, i), &png)?;
            patches.push(KnownPatch { place: Place { rect: patch.rect, seed: patch.seed }, px: patch.px });
        }
        save::private(&thumbnail_file(part), &image::to_bytes(&thumbnail, Px::Rgba8))?;
        let known = Known { entry: made.entry.clone(), patches, thumbnail: thumbnail.extent() };
        let (used, receipt) = (made.used.clone(), made.receipt.clone());
        let record = Record { format: FORMAT, known, used, receipt };
        let json = serde_json::to_vec(&record)?;
        save::private(&record_file(part), &json)?;
        // What could not be read again is not worth keeping.
        check(&record.known).map_err(|e| io::Error::other(e.what))?;
        if json.len() as u64 > RECORD_BYTES {
            return Err(io::Error::other("its receipt is too long"));
        }
        let bytes = bytes(part, &record.known).map_err(|e| io::Error::other(e.what))?;
        if bytes > max_bytes {
            return Err(io::Error::other(format!(
                "its {bytes} bytes are more than the {max_bytes} of the whole history"
            )));
        }
        Ok((record.known, bytes))
    })
}

/// What is known of the entry `id` in `folder`, and the bytes of its files.
pub fn look(folder: &Path, id: EntryId) -> Result<(Known, u64), Unreadable> {
    if !folder.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Unreadable::damaged("it is no folder"));
    }
    let known = record(folder, id)?.known;
    let bytes = bytes(folder, &known)?;
    Ok((known, bytes))
}

/// The entry `id` with its pixels.
pub fn fetch(folder: &Path, id: EntryId) -> Result<Fetched, Unreadable> {
    let Record { known, used, receipt, .. } = record(folder, id)?;
    let mut patches = Vec::with_capacity(known.patches.len());
    for (i, patch) in known.patches.iter().enumerate() {
        let file = patch_file(folder, i);
        length(&file)?;
        let image = picture::read(&file)?.image;
        if image.extent() != patch.place.rect.extent() {
            return Err(Unreadable::damaged(format!("{} is not as large as the entry says", file.display())));
        }
        patches.push((*patch, image));
    }
    Ok(Fetched { entry: known.entry, patches, used, receipt })
}

/// The pixels of an entry's thumbnail, `rgba8`.
pub fn thumbnail(folder: &Path, known: &Known) -> Result<Vec<u8>, Unreadable> {
    let file = thumbnail_file(folder);
    match length(&file)? == known.thumbnail.area() * 4 {
        true => read(&file),
        false => Err(Unreadable::damaged(format!("{} is not as long as the entry says", file.display()))),
    }
}

fn record(folder: &Path, id: EntryId) -> Result<Record, Unreadable> {
    let file = record_file(folder);
    let wrong = |what: &dyn fmt::Display| Unreadable::damaged(format!("{} is not right: {what}", file.display()));
    if length(&file)? > RECORD_BYTES {
        return Err(wrong(&"it is too long"));
    }
    let record: Record = serde_json::from_slice(&read(&file)?).map_err(|e| wrong(&e))?;
    if record.format != FORMAT {
        return Err(wrong(&format_args!("format {} is unknown", record.format)));
    }
    if record.known.entry.entry != id.to_string() {
        return Err(wrong(&"it is another entry's"));
    }
    check(&record.known)?;
    Ok(record)
}

/// Fails unless all numbers can be used without looking at them again.
fn check(known: &Known) -> Result<(), Unreadable> {
    let Known { entry, patches, thumbnail } = known;
    let lies =
        |extent: Extent, side: u32| extent.area() > 0 && extent.w.max(extent.h) <= side && extent.area() <= MAX_PIXELS;
    if patches.is_empty() || patches.len() > MOST_PATCHES {
        return Err(Unreadable::damaged(format!("it has {} patches", patches.len())));
    }
    for KnownPatch { place, px } in patches {
        let Rect { w, h, .. } = place.rect;
        if px.is_grey() || !lies(place.rect.extent(), MAX_SIDE) {
            return Err(Unreadable::damaged(format!("a patch of {w}x{h} pixels {px:?} is none")));
        }
    }
    if !lies(*thumbnail, THUMBNAIL_SIDE) {
        return Err(Unreadable::damaged(format!("a thumbnail of {}x{} pixels is none", thumbnail.w, thumbnail.h)));
    }
    let Entry { client, mode, label, prompt, negative_prompt, model, .. } = entry;
    let texts = [client, mode, prompt, model].into_iter().chain(label).chain(negative_prompt);
    if texts.map(String::len).sum::<usize>() > TEXT_BYTES {
        return Err(Unreadable::damaged("its texts are too long"));
    }
    Ok(())
}

/// Bytes of an entry's files.
fn bytes(folder: &Path, known: &Known) -> Result<u64, Unreadable> {
    let patches = (0..known.patches.len()).map(|i| patch_file(folder, i));
    patches.chain([record_file(folder), thumbnail_file(folder)]).map(|file| length(&file)).sum()
}

/// Bytes of a file, which must be one: no link, no pipe.
fn length(file: &Path) -> Result<u64, Unreadable> {
    let meta = file.symlink_metadata().map_err(|e| Unreadable::system(file, &e))?;
    match meta.is_file() {
        true => Ok(meta.len()),
        false => Err(Unreadable::damaged(format!("{} is no file", file.display()))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Unreadable> {
    fs::read(file).map_err(|e| Unreadable::system(file, &e))
}

/// Packed bytes as a raster.
fn raster(patch: &MadePatch) -> Image {
    let name = Name::try_from(TAIL.to_owned()).unwrap_or_else(|_| unreachable!("`tail` is a name"));
    let MadePatch { rect, px, color, .. } = *patch;
    image::Image { color, ..image::Image::packed(name, rect.extent(), px) }.to_raster(&patch.bytes)
}
