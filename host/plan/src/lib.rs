//! Request and model facts in, a fully resolved [`Plan`] out: the place where the field's know-how lives.
//!
//! Pure. Everything is decided here (crop, extents, masks, sampling, placement), so that the engine has
//! nothing left to choose and every decision can be tested as a row of a table.

mod facts;
mod prepared;
mod sampling;

pub use facts::{Defaults, Family, ModelFacts};
pub use prepared::{Inpaint, Prepared};
pub use sampling::{Sampler, Sampling, Scheduler};
