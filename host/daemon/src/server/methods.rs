//! What a connection that has said hello may ask for: one line per method, each body in its own function.
//!
//! Nothing here computes. Pixels are only described and checked; the device thread reads them when their job runs.

use super::Daemon;
use super::blobs::Blobs;
use super::device::Inventory;
use super::hub::Command;
use super::outbox::Outbox;
use super::proof::Expected;
use super::queue::ClientId;
use super::transport::Transport;
use super::{pairing, requests};
use crate::styles::{Style, Styles};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;
use underpaint_engine::DeviceKind;
use underpaint_wire::blob::{Named, Put, Write};
use underpaint_wire::generate::Run;
use underpaint_wire::hello::{Hello, OURS, Peer, Welcome};
use underpaint_wire::methods::{
    Attach, Cancel, JobInfo, JobName, LoadModel, Memory, MoveJob, Status, StyleName, Subscribe, Topic,
};
use underpaint_wire::pairing::Begun;
use underpaint_wire::rpc::Id;
use underpaint_wire::{Error, Kind, json};

type Params = Map<String, Value>;

/// What this daemon can do beyond the base protocol.
const CAPS: [&str; 9] = ["live", "keep", "blob_write", "upscale", "styles", "clip", "texts", "history", "preprocess"];

/// A connection that has said hello.
pub struct Session {
    /// Its place in the books.
    pub client: ClientId,
    transport: Transport,
    pub(super) daemon: Arc<Daemon>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) blobs: Blobs,
}

/// `null`-free empty result.
fn done() -> Result<Value, Error> {
    Ok(json!({}))
}

impl Session {
    /// Answers `hello`. `expected` is what a `challenge` before it, if any, made to be expected.
    pub fn open(
        daemon: &Arc<Daemon>,
        outbox: &Arc<Outbox>,
        params: &Params,
        transport: Transport,
        expected: Option<&Expected>,
    ) -> Result<(Session, Value), Error> {
        let hello: Hello = json::params(params)?;
        let protocol = OURS.common(hello.protocol)?;
        check_who(&hello, &daemon.token, transport, expected)?;
        let previews = hello.caps.iter().any(|cap| cap == "preview");
        let client = daemon.hub.join(&hello.client.name, previews, outbox.clone());
        let welcome = Welcome {
            protocol,
            server: Peer { name: "underpaint".into(), version: env!("CARGO_PKG_VERSION").into() },
            instance: daemon.instance.clone(),
            caps: CAPS.map(String::from).to_vec(),
            limits: daemon.limits,
        };
        let (daemon, outbox, blobs) = (daemon.clone(), outbox.clone(), Blobs::new(daemon.limits));
        Ok((Session { client, transport, daemon, outbox, blobs }, to_value(&welcome)))
    }

    /// The connection is lost or closed.
    pub fn leave(self) {
        self.daemon.hub.leave(self.client);
        self.daemon.pairing.leave(self.client, Instant::now());
    }

    /// Handles a request; its response goes to the outbox, now or when it is ready.
    pub async fn request(&mut self, id: &Id, method: &str, params: &Params, tail: &[u8]) {
        let outcome = match method {
            "ping" => done(),
            "hello" | "challenge" => Err(Error::new(Kind::InvalidRequest, "`hello` was already said.")),
            "status" => self.status(),
            "models/list" => return self.listed(id, |inventory| to_value(&inventory.models())),
            "loras/list" => return self.listed(id, |inventory| to_value(&inventory.loras())),
            "controls/list" => return self.listed(id, |inventory| inventory.control_list()),
            "models/load" => return self.models_load(id, params),
            "models/unload" => return self.daemon.hub.command(Command::Unload(self.reply(id))),
            "filters/list" => return self.filters_list(id),
            "styles/list" => Ok(self.daemon.styles.list()),
            "styles/put" => parse(params).and_then(|style: Style| self.styles_changed(|s| s.put(style))),
            "styles/remove" => parse(params).and_then(|p: StyleName| self.styles_changed(|s| s.remove(&p.name))),
            "history/list" | "history/get" | "history/remove" | "history/clear" => {
                return self.history(id, method, params);
            }
            "fill/context" => requests::fill_context(&self.daemon, params).await,
            "generate" => return self.settle(id, requests::generate(self, id, params, tail).await),
            "filter/apply" => return self.settle(id, requests::filter_apply(self, id, params, tail).await),
            "upscale" => return self.settle(id, requests::upscale(self, id, params, tail).await),
            "control/preprocess" => {
                return self.settle(id, requests::control_preprocess(self, id, params, tail).await);
            }
            "blob/get" => return self.settle(id, self.blob_get(id, params)),
            "job/list" => Ok(to_value(&self.daemon.hub.list(self.client))),
            "job/cancel" => parse(params).and_then(|p: JobName| {
                self.daemon.hub.cancel(&p.job);
                done()
            }),
            "job/forget" => parse(params).and_then(|p: JobName| {
                self.daemon.hub.forget(&p.job);
                done()
            }),
            "job/move" => parse(params)
                .and_then(|p: MoveJob| self.daemon.hub.shift(self.client, &p.job, p.position))
                .and_then(|()| done()),
            "job/attach" => return self.settle(id, self.attach(id, params)),
            "subscribe" => parse(params).and_then(|p: Subscribe| {
                self.daemon.hub.subscribe(self.client, p.topics.into_iter().collect());
                done()
            }),
            "pairing/begin" if self.transport == Transport::Local => self.pairing_begin(),
            "shutdown" if self.transport == Transport::Local => {
                self.outbox.respond(id, &done());
                return self.daemon.hub.close();
            }
            _ => Err(Error::new(Kind::UnknownMethod, format!("There is no method `{}`.", short(method)))),
        };
        self.outbox.respond(id, &outcome);
    }

    /// Handles a notification; unknown ones are dropped.
    pub fn notification(&mut self, method: &str, params: &Params, tail: &[u8]) {
        let outcome = match method {
            "blob/put" => parse(params).and_then(|p: Put| self.blobs.put(&p, tail)),
            "blob/write" => parse(params).and_then(|p: Write| self.blobs.write(&p, tail)),
            "blob/free" => parse(params).map(|p: Named| self.blobs.free(&p.blob)),
            "cancel" => parse(params).map(|p: Cancel| self.daemon.hub.cancel_request(self.client, &p.id)),
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            self.outbox.complain(&error);
        }
    }

    /// A request that was taken on is answered later; one that was not is answered now.
    fn settle(&self, id: &Id, taken: Result<(), Error>) {
        if let Err(error) = taken {
            self.outbox.respond(id, &Err(error));
        }
    }

    fn reply(&self, id: &Id) -> super::hub::Reply {
        let (outbox, id) = (self.outbox.clone(), id.clone());
        Box::new(move |outcome| outbox.respond(&id, &outcome.and_then(|()| done())))
    }

    fn status(&self) -> Result<Value, Error> {
        let hub = &self.daemon.hub;
        let queue = hub.list(self.client).into_iter().filter(|j| !j.state.is_final());
        let inventory = self.daemon.inventory.borrow();
        let device = inventory.as_ref().and_then(|i| i.device).unwrap_or(DeviceKind::Cpu);
        let of_card =
            device.memory().map(|(free, total)| Memory { used_bytes: total.saturating_sub(free), total_bytes: total });
        let status = Status {
            uptime_ms: self.daemon.started.elapsed().as_millis() as u64,
            device: device.name().to_owned(),
            memory: of_card.or_else(crate::platform::memory),
            model: inventory.as_ref().and_then(|i| i.loaded.clone()),
            queue: queue.map(|j| JobInfo { label: j.label.filter(|_| j.mine), ..j }).collect(),
            clients: hub.clients(),
            websocket: Some(self.daemon.websocket),
        };
        Ok(to_value(&status))
    }

    /// Answers with what `list` makes of the inventory.
    fn listed(&self, id: &Id, list: impl Fn(&Inventory) -> Value + Send + 'static) {
        let (daemon, outbox, id) = (self.daemon.clone(), self.outbox.clone(), id.clone());
        tokio::spawn(async move {
            let inventory = daemon.inventory().await;
            // New files are found for the next question; `models/changed` tells when it is worth asking.
            if inventory.as_ref().is_ok_and(|i| i.is_old()) {
                daemon.hub.command(Command::Look);
            }
            outbox.respond(&id, &inventory.map(|i| list(&i)));
        });
    }

    fn filters_list(&self, id: &Id) {
        // Describing a filter for the first time compiles it: not on the threads that serve connections.
        let (daemon, outbox, id) = (self.daemon.clone(), self.outbox.clone(), id.clone());
        tokio::spawn(async move {
            let list = match daemon.inventory().await {
                Ok(inventory) => tokio::task::spawn_blocking(move || inventory.filters()).await.map_err(|_| internal()),
                Err(error) => Err(error),
            };
            outbox.respond(&id, &list);
        });
    }

    /// A small file is written: not worth leaving this thread for.
    fn styles_changed(&self, change: impl FnOnce(&Styles) -> Result<(), Error>) -> Result<Value, Error> {
        change(&self.daemon.styles)?;
        self.daemon.hub.announce(Topic::Styles, "styles/changed");
        done()
    }

    fn pairing_begin(&self) -> Result<Value, Error> {
        if self.daemon.websocket.port.is_none() {
            return Err(Error::new(
                Kind::InvalidRequest,
                "There is nothing to pair: Underpaint's WebSocket is off or found no free port (`underpaint doctor` tells).",
            ));
        }
        let code = self.daemon.pairing.draw().map_err(|_| internal())?;
        self.daemon.pairing.begin(self.client, &self.outbox, &code, Instant::now())?;
        let daemon = self.daemon.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pairing::GOOD_FOR).await;
            daemon.pairing.expire(Instant::now());
        });
        Ok(to_value(&Begun { code, expires_ms: pairing::GOOD_FOR.as_millis() as u64 }))
    }

    fn models_load(&self, id: &Id, params: &Params) {
        match parse::<LoadModel>(params) {
            Ok(p) => self.daemon.hub.command(Command::Load(p.model, self.reply(id))),
            Err(error) => self.outbox.respond(id, &Err(error)),
        }
    }

    fn blob_get(&self, id: &Id, params: &Params) -> Result<(), Error> {
        let Named { blob } = parse(params)?;
        let bytes = self.blobs.get(&blob)?;
        let size = bytes.len();
        self.outbox.respond_after(id, &Ok(json!({ "size": size })), vec![(blob, bytes)]);
        Ok(())
    }

    fn attach(&self, id: &Id, params: &Params) -> Result<(), Error> {
        let Attach { job, progress, preview } = parse(params)?;
        let run = Run { progress, preview, ..Run::default() };
        requests::check_run(&run)?;
        self.daemon.hub.attach(self.client, id, &job, run)
    }
}

pub(super) fn parse<T: DeserializeOwned>(params: &Params) -> Result<T, Error> {
    json::params(params)
}

pub(super) fn to_value(value: &impl serde::Serialize) -> Value {
    // Our own types have string keys and finite numbers, so this does not fail.
    serde_json::to_value(value).unwrap_or_default()
}

pub(super) fn internal() -> Error {
    Error::new(Kind::Internal, "Underpaint made a mistake of its own; the log has more.")
}

/// On the local socket the system tells who is there. On the WebSocket the client proves that it knows the token; one that
/// says it is turned away, so that none is written that would say it to whoever listens.
fn check_who(hello: &Hello, token: &str, transport: Transport, expected: Option<&Expected>) -> Result<(), Error> {
    let sentence = match (transport, &hello.token, &hello.proof, expected) {
        (Transport::Local, None, ..) => return Ok(()),
        (Transport::Local, Some(given), ..) if equal_in_constant_time(given.as_bytes(), token.as_bytes()) => {
            return Ok(());
        }
        (Transport::Local, ..) => {
            "The token is wrong; read it again from the file that endpoint.json names, or leave it out."
        }
        (Transport::WebSocket, Some(_), ..) => {
            "A token is to be proven here, never sent; `underpaint adapter install photoshop` brings a plug-in that does."
        }
        (Transport::WebSocket, None, Some(proof), Some(expected)) if expected.is(proof) => return Ok(()),
        (Transport::WebSocket, None, Some(_), Some(_)) => {
            "The proof is wrong, so the token may be an old one; `underpaint pair` shows a code to get it with, and endpoint.json names its file."
        }
        (Transport::WebSocket, ..) => {
            "The proof of the token is missing; ask for a `challenge` first, and send it with `hello`."
        }
    };
    Err(Error::new(Kind::Unauthorized, sentence))
}

/// A peer's word, fit to be repeated in a sentence.
fn short(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// Takes as long for a wrong first byte as for a wrong last one.
pub(super) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    #[test]
    fn tokens_are_compared_whole() {
        for (a, b, equal) in
            [("ab", "ab", true), ("ab", "aa", false), ("bb", "ab", false), ("ab", "abc", false), ("", "", true)]
        {
            assert_eq!(super::equal_in_constant_time(a.as_bytes(), b.as_bytes()), equal);
        }
    }
}
