//! Request and model facts in, a fully resolved [`Plan`] out: the place where the field's know-how lives.
//!
//! Pure. Everything is decided here (crop, extents, masks, sampling, placement), so that the engine has
//! nothing left to choose and every decision can be tested as a row of a table.

//! A request whose names and numbers are right always has a plan; [`PlanError`] says which member is not.
//! [`plan()`] decides, [`Plan::prepare`] makes the pixels the engine sees, [`Plan::place`] brings the engine's picture
//! back to where it belongs; [`Plan::second`] is the same once more, finer, where it pays.

mod check;
mod context;
mod control;
mod error;
mod facts;
mod place;
mod plan;
mod prepare;
mod prepared;
mod refine;
mod region;
mod sampling;
mod scene;
mod steps;
mod tiles;

pub use check::{MAX_FILTERS, loras as check_loras};
pub use context::{Context, context};
pub use control::{ControlPlan, Preprocessing, Task, controls, preprocessed};
pub use error::{PlanError, mode_name};
pub use facts::{ControlFacts, ControlKind, Defaults, Family, Kind, ModelFacts};
pub use place::Placing;
pub use plan::{Alpha, CanvasFacts, Infill, Plan, modes, plan};
pub use prepared::{Inpaint, Prepared};
pub use refine::refine;
pub use region::{check_regions, placed, region_text};
pub use sampling::{Sampler, Sampling, Scheduler};
pub use scene::Scene;
pub use tiles::Tiles;
