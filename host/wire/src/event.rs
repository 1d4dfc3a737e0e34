//! Notifications of the daemon.

use crate::image::Image;
use crate::methods::JobState;
use crate::rpc::Id;
use serde::{Deserialize, Serialize};
use underpaint_raster::{Rect, Stage};

/// `job/state`: to the owner and everyone attached; never dropped, always in order, `queued` first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStateChanged {
    /// Which job.
    pub job: String,
    /// The request of this connection that waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The new state.
    pub state: JobState,
    /// While queued: jobs before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// After failure or cancellation: the error's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `progress`: at most 10 a second, the newest wins, may be dropped. Steps never go back within a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The token of the request.
    pub progress: String,
    /// Which job.
    pub job: String,
    /// What is under way.
    pub stage: Stage,
    /// Done in this stage.
    pub step: u32,
    /// Of this many.
    pub steps: u32,
    /// Estimate for the rest of this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<u64>,
    /// A small picture of the state so far, in this frame's tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Image>,
    /// Where the preview will be, in canvas pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_rect: Option<Rect>,
}

/// `queue/changed`, to subscribers of `queue`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueChanged {
    /// Waiting jobs.
    pub length: u32,
    /// The running job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
}

/// `server/closing`: the daemon ends; unfinished jobs are answered before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The connection ends at the latest after this time.
    pub after_ms: u64,
}
