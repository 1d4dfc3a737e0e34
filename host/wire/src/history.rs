//! Parameters and results of `history/…`: what was painted, kept by the daemon for every editor.

use crate::image::{Image, Px};
use crate::methods::PatchRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use underpaint_raster::{Extent, Rect};

/// Most entries of one `history/list`.
pub const MOST_LISTED: u32 = 64;
/// Entries of a `history/list` that says nothing.
pub const LISTED: u32 = 24;
/// Longest side of a thumbnail.
pub const THUMBNAIL_SIDE: u32 = 192;

/// Parameters of `history/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListHistory {
    /// 1..=[`MOST_LISTED`]; absent = [`LISTED`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only entries older than this one, which need not exist any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// Parameters of `history/get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetEntry {
    /// From `history/list`.
    pub entry: String,
    /// Layout of the patches; absent = the one they were painted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub px: Option<Px>,
}

/// Parameters of `history/remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryName {
    /// From `history/list`.
    pub entry: String,
}

/// What an entry says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name; names sort by age.
    pub entry: String,
    /// When it was painted, since 1970.
    pub made_ms: u64,
    /// What the client called itself in `hello`.
    pub client: String,
    /// One of `generate`'s modes, or `upscale`.
    pub mode: String,
    /// As submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// As asked, nothing drawn.
    pub prompt: String,
    /// As asked, nothing drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The one that painted.
    pub model: String,
    /// Of the first patch.
    #[serde(with = "crate::generate::seed_number")]
    pub seed: u64,
    /// Size of the document, or of the picture where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extent: Option<Extent>,
}

/// Where a patch of an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// In canvas pixels.
    pub rect: Rect,
    /// The seed of this picture.
    #[serde(with = "crate::generate::seed_number")]
    pub seed: u64,
}

/// An entry as `history/list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedEntry {
    /// What it says of itself.
    #[serde(flatten)]
    pub entry: Entry,
    /// In order of their seeds.
    pub patches: Vec<Place>,
    /// The first patch, small, transparent where it is; all thumbnails of an answer lie in one blob.
    pub thumbnail: Image,
}

/// Result of `history/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryList {
    /// Newest first.
    pub entries: Vec<ListedEntry>,
    /// True if there are older ones.
    pub more: bool,
    /// True if what is painted is entered; false where the painter switched that off.
    pub keep: bool,
}

/// Result of `history/get`: the blobs were put before it, as with a job's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchedEntry {
    /// What it says of itself.
    #[serde(flatten)]
    pub entry: Entry,
    /// What to place above the picture.
    pub patches: Vec<PatchRef>,
    /// The values used, defaults included.
    pub used: Value,
    /// What is needed to make the same picture again.
    pub receipt: Value,
}
