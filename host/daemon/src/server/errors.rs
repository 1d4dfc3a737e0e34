//! The one place where a failure of the pipeline becomes an error of the protocol.

use crate::models::ModelError;
use crate::worker::JobError;
use underpaint_engine::EngineError;
use underpaint_filters::{FilterError, Reason};
use underpaint_wire::{Error, Kind};

/// What a client is told when a job could not be done.
pub fn job(error: &JobError) -> Error {
    match error {
        JobError::Request(e) => Error::field(e.field(), sentence(e)),
        JobError::Model(e) => model(e),
        JobError::Engine(e) => engine(e),
        JobError::Lora(e) => engine(e).with("field", "loras"),
        JobError::Filter(e) => filter(e),
        JobError::Cancelled => Error::new(Kind::Cancelled, "The job was cancelled."),
    }
}

/// The same of a `control/preprocess`: what it names itself, and what the request that it is for does.
pub fn preprocess(error: &JobError) -> Error {
    match error {
        JobError::Model(ModelError::NoEstimator { .. }) => job(error).with("field", "preprocessor"),
        _ => steered(job(error)),
    }
}

/// `error`, which is about a member of the request that a `control/preprocess` is for unless that has such a member itself.
pub fn steered(error: Error) -> Error {
    let own = |field: &str| {
        ["preprocess", "preprocessor", "image", "rect", "px", "generate"]
            .iter()
            .any(|own| field.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    match error.data.get("field").and_then(|field| field.as_str()).filter(|field| !own(field)) {
        Some(field) => {
            let field = format!("generate.{field}");
            error.with("field", field)
        }
        None => error,
    }
}

/// What a client is told when there is no model to do it with.
pub fn model(error: &ModelError) -> Error {
    let kind = match error {
        ModelError::NoSuchLora { .. } => return Error::field("loras", sentence(error)),
        ModelError::NoSuchModel { .. }
        | ModelError::NoSuchControl { .. }
        | ModelError::NoEstimator { .. }
        | ModelError::NoUpscaler { .. } => Kind::NoSuchModel,
        ModelError::Unusable { .. } => Kind::ModelUnusable,
    };
    Error::new(kind, sentence(error)).with("field", error.field())
}

/// What a client is told when a filter was refused or failed.
pub fn filter(error: &FilterError) -> Error {
    match error.reason {
        Reason::Unknown(_) | Reason::BadParameter { .. } => Error::field("filters", sentence(error)),
        Reason::Cancelled => Error::new(Kind::Cancelled, "The job was cancelled."),
        _ => Error::new(Kind::FilterFailed, sentence(error))
            .with("filter", error.filter.as_str())
            .with("reason", error.reason.word()),
    }
}

fn engine(error: &EngineError) -> Error {
    use EngineError as E;
    match error {
        E::Request { field, .. } => Error::field(field, sentence(error)),
        E::Cancelled(_) => Error::new(Kind::Cancelled, "The job was cancelled."),
        E::Read { .. }
        | E::NotSafetensors { .. }
        | E::Damaged { .. }
        | E::WrongArchitecture { .. }
        | E::NotControl { .. }
        | E::NotUpscaler { .. }
        | E::NotTiny { .. }
        | E::Tensor { .. }
        | E::Lora { .. }
        | E::Changed { .. }
        | E::Config { .. } => Error::new(Kind::ModelUnusable, sentence(error)),
        E::Memory { needed_bytes, free_bytes, .. } => Error::new(Kind::OutOfMemory, sentence(error))
            .with("needed_bytes", *needed_bytes)
            .with("free_bytes", *free_bytes),
        E::Full => Error::new(Kind::OutOfMemory, sentence(error)),
        _ => Error::new(Kind::EngineFailed, sentence(error)),
    }
}

/// What another crate says of its error, as a sentence of ours: a capital and a full stop.
pub fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    // Names of fields and files keep their spelling; only a plain word begins with a capital.
    let first = text.split(' ').next().unwrap_or_default();
    let plain = first.len() > 1 && first.bytes().all(|b| b.is_ascii_lowercase());
    let head: String = match (plain, chars.next()) {
        (true, Some(c)) => c.to_uppercase().chain(chars).collect(),
        _ => text.clone(),
    };
    if head.ends_with(['.', '!', '?']) { head } else { head + "." }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        for (text, expected) in [
            ("there is no model `x`", "There is no model `x`."),
            ("guidance_scale is 3", "guidance_scale is 3."),
            ("/a/b is damaged.", "/a/b is damaged."),
            ("", "."),
        ] {
            assert_eq!(super::sentence(&text), expected);
        }
    }

    #[test]
    fn too_little_memory_is_told_with_numbers_where_it_was_reckoned() {
        let reckoned = EngineError::Memory { what: "is too little".into(), needed_bytes: 9, free_bytes: 5 };
        let told = super::job(&JobError::from(reckoned));
        assert_eq!(told.kind, Kind::OutOfMemory);
        assert_eq!((&told.data["needed_bytes"], &told.data["free_bytes"]), (&9.into(), &5.into()));
        let full = super::job(&JobError::from(EngineError::Full));
        assert!(full.kind == Kind::OutOfMemory && full.data.is_empty(), "{full:?}");
        assert!(JobError::from(EngineError::Full).is_full() && JobError::Lora(EngineError::Full).is_full());
        assert!(!JobError::Cancelled.is_full());
    }
}
