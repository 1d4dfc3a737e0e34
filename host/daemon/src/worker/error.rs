//! Why a job ends without a result: whatever went wrong below, as one sentence and, where there is one, with the member of
//! the request it is about.

use crate::models::{LoadError, ModelError};
use std::fmt;
use underpaint_engine::EngineError;
use underpaint_filters::{FilterError, Reason};
use underpaint_plan::PlanError;
use underpaint_raster::Cancelled;

/// Why a job ended without a result. Displays as one sentence.
#[derive(Debug)]
pub enum JobError {
    /// Something in the request is not right; the error names the field.
    Request(PlanError),
    /// No such model, or none that can be used.
    Model(ModelError),
    /// The model or the computation failed.
    Engine(EngineError),
    /// A LoRA is broken or does not fit the model.
    Lora(EngineError),
    /// A filter was refused or failed.
    Filter(FilterError),
    /// The owner no longer wants the result.
    Cancelled,
}

impl JobError {
    /// The member of the request the error is about, if it is about one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Request(e) => Some(e.field()),
            Self::Lora(_) => Some("loras"),
            Self::Model(e) => Some(e.field()),
            Self::Engine(EngineError::Request { field, .. }) => Some(field),
            Self::Filter(_) => Some("filters"),
            Self::Engine(_) | Self::Cancelled => None,
        }
    }

    /// True if the card's memory was used up midway: then what is loaded had better be given back before the next job.
    pub fn is_full(&self) -> bool {
        let engine = match self {
            Self::Engine(e) | Self::Lora(e) => Some(e),
            _ => None,
        };
        engine.is_some_and(|e| matches!(e, EngineError::Full))
    }

    /// True if the request itself is wrong and the same request can never succeed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Request(_) => true,
            Self::Model(
                ModelError::NoSuchModel { .. }
                | ModelError::NoSuchControl { .. }
                | ModelError::NoEstimator { .. }
                | ModelError::NoSuchLora { .. }
                | ModelError::NoUpscaler { .. },
            ) => true,
            Self::Engine(e) => matches!(e, EngineError::Request { .. } | EngineError::Device { .. }),
            Self::Filter(e) => matches!(e.reason, Reason::Unknown(_) | Reason::BadParameter { .. }),
            Self::Model(_) | Self::Lora(_) | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(e) => e.fmt(f),
            Self::Model(e) => e.fmt(f),
            Self::Engine(e) | Self::Lora(e) => e.fmt(f),
            Self::Filter(e) => e.fmt(f),
            Self::Cancelled => f.write_str("the job was cancelled"),
        }
    }
}

impl std::error::Error for JobError {}

impl From<PlanError> for JobError {
    fn from(e: PlanError) -> Self {
        Self::Request(e)
    }
}

impl From<ModelError> for JobError {
    fn from(e: ModelError) -> Self {
        Self::Model(e)
    }
}

impl From<EngineError> for JobError {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::Cancelled(_) => Self::Cancelled,
            e => Self::Engine(e),
        }
    }
}

impl From<LoadError> for JobError {
    fn from(e: LoadError) -> Self {
        match e {
            LoadError::Model(e) => Self::Model(e),
            LoadError::Engine(e) => e.into(),
            LoadError::Lora(EngineError::Cancelled(_)) => Self::Cancelled,
            LoadError::Lora(e) => Self::Lora(e),
        }
    }
}

impl From<FilterError> for JobError {
    fn from(e: FilterError) -> Self {
        match e.reason {
            Reason::Cancelled => Self::Cancelled,
            _ => Self::Filter(e),
        }
    }
}

impl From<Cancelled> for JobError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
