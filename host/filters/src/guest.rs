//! One instance of a filter, whichever version of the contract it was built against.
//!
//! Everything else in this crate speaks the newest version. What an older one said is translated here and nowhere
//! else; its WIT lies frozen in `wit/`. A version that was ever released is never dropped.

mod since_0_1;

use crate::contract::{Descriptor, Error, Guest, GuestPre, PixelsThere, Plan, Request, Tile};
use crate::error::{Reason, plain};
use crate::package::{Api, Manifest};
use crate::picture::Value;
use crate::sandbox::{Sandbox, State, Watch, reason, store};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{Component, Func};

const FILTER: &str = "underpaint:filter/filter@1.0.0";

/// A compiled filter, its imports connected.
pub(crate) enum Linked {
    V1 {
        pre: GuestPre<State>,
        /// What `process` returned stays where it is until the next call, so that it need not be copied twice.
        keeps: bool,
    },
    Since01(since_0_1::GuestPre<State>),
}

/// What an instance is given for everything before pixels come, in bytes that it may hand to the host.
const SMALL_TALK: usize = 256 << 10;

/// One instance of a filter.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Version,
}

enum Version {
    V1 { guest: Guest, process: Option<Func> },
    Since01 { guest: since_0_1::Guest },
}

impl Linked {
    /// Checks that a component imports and exports what its contract says.
    pub fn new(sandbox: &Sandbox, component: &Component, manifest: &Manifest) -> Result<Self, Reason> {
        let contract = |e: wasmtime::Error| Reason::Contract(plain(&format!("{e:#}"), 300));
        let pre = sandbox.instance_pre(component).map_err(contract)?;
        match manifest.api {
            Api::V1 => GuestPre::new(pre).map(|pre| Linked::V1 { pre, keeps: manifest.keeps_output }).map_err(contract),
            Api::V0_1 => since_0_1::GuestPre::new(pre).map(Linked::Since01).map_err(contract),
        }
    }
}

impl Instance {
    /// `memory` is its limit in bytes.
    pub fn new(linked: &Linked, watch: &Arc<Watch>, memory: u64) -> Result<Self, Reason> {
        let mut store = match linked {
            Linked::V1 { pre, .. } => store(pre.engine(), watch, memory, SMALL_TALK),
            Linked::Since01(pre) => store(pre.engine(), watch, memory, SMALL_TALK),
        };
        let guest = match linked {
            Linked::V1 { pre, keeps } => v1(&mut store, pre, *keeps),
            Linked::Since01(pre) => pre.instantiate(&mut store).map(|guest| Version::Since01 { guest }),
        };
        let guest = guest.map_err(|e| reason(&store, &e))?;
        Ok(Self { store, guest })
    }

    pub fn describe(&mut self) -> Result<Descriptor, Reason> {
        let said = match &self.guest {
            Version::V1 { guest, .. } => guest.underpaint_filter_filter().call_describe(&mut self.store),
            Version::Since01 { guest } => {
                guest.underpaint_filter_filter().call_describe(&mut self.store).map(since_0_1::descriptor)
            }
        };
        said.map_err(|e| reason(&self.store, &e))
    }

    pub fn prepare(&mut self, request: Request<'_>) -> Result<Plan, Reason> {
        let plan = match &self.guest {
            Version::V1 { guest, .. } => guest.underpaint_filter_filter().call_prepare(&mut self.store, request),
            Version::Since01 { guest } => {
                let (width, height) = (request.width, request.height);
                let params = since_0_1::values(request.params);
                guest
                    .underpaint_filter_filter()
                    .call_prepare(&mut self.store, since_0_1::request(&request, &params))
                    .map(|plan| plan.map(|plan| since_0_1::plan(plan, width, height)).map_err(since_0_1::error))
            }
        };
        plan.map_err(|e| reason(&self.store, &e))?.map_err(refusal)
    }

    /// Gives it room for what it is handed once and may keep, in bytes: as it comes in, and as the filter likes it.
    pub fn room_for(&mut self, kept: u64) {
        let memory = &mut self.store.data_mut().memory;
        memory.limit = memory.limit.saturating_add(kept.saturating_mul(2));
    }

    /// Gives it room for the largest tile, in bytes, and lets it hand as much to the host in one call.
    pub fn room_for_tiles(&mut self, largest: u64) {
        self.room_for(largest.saturating_mul(2));
        self.store.set_hostcall_fuel(usize::try_from(largest).unwrap_or(usize::MAX).saturating_add(SMALL_TALK));
    }

    /// Hands the new pixels to `take`, as they lie in the filter's memory.
    pub fn process<S: Value>(
        &mut self,
        pass: u32,
        tile: Tile<'_>,
        take: impl FnOnce(&[S]) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let other = || Reason::BadOutput("values of another type than it was given".into());
        match &self.guest {
            Version::V1 { process: Some(process), .. } => {
                let made = process
                    .typed::<(u32, Tile<'_>), (Result<PixelsThere, Error>,)>(&self.store)
                    .and_then(|process| process.call(&mut self.store, (pass, tile)));
                let there = made.map_err(|e| reason(&self.store, &e))?.0.map_err(refusal)?;
                take(S::there(&there, &self.store).ok_or_else(other)?)
            }
            Version::V1 { guest, process: None } => {
                let made = guest.underpaint_filter_filter().call_process(&mut self.store, pass, tile);
                let pixels = made.map_err(|e| reason(&self.store, &e))?.map_err(refusal)?;
                take(&S::back(pixels).ok_or_else(other)?)
            }
            Version::Since01 { guest } => {
                let tile = since_0_1::tile(&tile).ok_or_else(other)?;
                let made = guest.underpaint_filter_filter().call_process(&mut self.store, tile);
                let values = made.map_err(|e| reason(&self.store, &e))?.map_err(since_0_1::error).map_err(refusal)?;
                take(&S::back(crate::contract::PixelsResult::Float32(values)).ok_or_else(other)?)
            }
        }
    }

    pub fn survey(&mut self, pass: u32, tile: Tile<'_>) -> Result<Vec<u8>, Reason> {
        let Version::V1 { guest, .. } = &self.guest else { return Ok(Vec::new()) };
        let answer = guest.underpaint_filter_filter().call_survey(&mut self.store, pass, tile);
        answer.map_err(|e| reason(&self.store, &e))?.map_err(refusal)
    }

    pub fn learn(&mut self, pass: u32, answers: &[Vec<u8>]) -> Result<(), Reason> {
        let Version::V1 { guest, .. } = &self.guest else { return Ok(()) };
        let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
        let heard = guest.underpaint_filter_filter().call_learn(&mut self.store, pass, &answers);
        heard.map_err(|e| reason(&self.store, &e))?.map_err(refusal)
    }
}

fn v1(store: &mut Store<State>, pre: &GuestPre<State>, keeps: bool) -> wasmtime::Result<Version> {
    let instance = pre.instance_pre().instantiate(&mut *store)?;
    let guest = Guest::new(&mut *store, &instance)?;
    let process = if keeps {
        let interface = instance.get_export_index(&mut *store, None, FILTER);
        let function = instance.get_export_index(&mut *store, interface.as_ref(), "process");
        function.and_then(|index| instance.get_func(&mut *store, index))
    } else {
        None
    };
    Ok(Version::V1 { guest, process })
}

fn refusal(error: Error) -> Reason {
    match error {
        Error::BadParameter(bad) => {
            Reason::BadParameter { name: plain(&bad.name, 64), message: plain(&bad.message, 300) }
        }
        Error::Failed(message) => Reason::Failed(plain(&message, 300)),
    }
}
