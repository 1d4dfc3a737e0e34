//! `underpaint serve`, `status` and `stop`: the daemon from a terminal.

use super::{Failure, Global};
use crate::client::{Client, ClientError};
use crate::server::{self, TAKEN};
use clap::Args;
use serde_json::json;
use underpaint_wire::methods::{Status as DaemonStatus, WebSocket, WebSocketState};

const SERVE_EXAMPLES: &str = "\
Examples:
  underpaint serve
  underpaint serve --json           one JSON line once it listens
  underpaint serve --no-websocket   for Krita and GIMP alone

Photoshop reaches the daemon by a WebSocket on this machine, port 17231 (or 17232, 17233 if that is taken).
`\"websocket\": false` in config.json switches it off for good.";

/// Run the daemon that the editors talk to, in the foreground, until Ctrl-C or `underpaint stop`
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct Serve {
    /// Replace the token that clients may prove themselves with
    #[arg(long)]
    new_token: bool,
    /// Open no port for Photoshop
    #[arg(long)]
    no_websocket: bool,
}

/// Ask the running daemon how it is: model, memory, queue
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  underpaint status\n  underpaint status --json")]
pub struct Status {}

/// End the running daemon; the job under way ends within a step
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  underpaint stop")]
pub struct Stop {}

impl Serve {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let options = server::Options { new_token: self.new_token, no_websocket: self.no_websocket };
        let served = server::serve(&home, options, |endpoint| {
            let mut said = json!({"pid": endpoint.pid, "instance": endpoint.instance, "socket": endpoint.socket});
            let mut places = endpoint.socket.clone();
            if let Some(port) = endpoint.ws_port {
                said["ws_port"] = json!(port);
                places += &format!(" and ws://127.0.0.1:{port}/ws");
            }
            global.say(&said, &format!("listening on {places} (pid {})", endpoint.pid));
        });
        served.map_err(|e| Failure::failed(&e))
    }
}

impl Status {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let mut client = running(global)?;
        let answer = client.call("status", &json!({})).map_err(|e| Failure::failed(&e))?;
        if global.json {
            global.print(&answer);
            return Ok(());
        }
        let status: DaemonStatus = serde_json::from_value(answer).map_err(|e| Failure::failed(&e))?;
        let model = status.model.unwrap_or_else(|| "no model in memory".into());
        let minutes = status.uptime_ms / 60_000;
        outln!("running for {minutes} min on {}, {model}, {} clients", status.device, status.clients);
        if let Some(memory) = status.memory {
            let gb = |bytes: u64| bytes as f64 / 1e9;
            outln!("memory {:.1} of {:.1} GB", gb(memory.used_bytes), gb(memory.total_bytes));
        }
        match status.websocket {
            Some(WebSocket { port: Some(port), .. }) => outln!("WebSocket on port {port}"),
            Some(WebSocket { state: WebSocketState::Taken, .. }) => outln!("no WebSocket: {TAKEN}"),
            _ => outln!("no WebSocket: it is switched off"),
        }
        for job in status.queue {
            let steps = job.step.zip(job.steps).map(|(s, n)| format!(" {s}/{n}")).unwrap_or_default();
            outln!("{} {}{steps}", job.job, json!(job.state).as_str().unwrap_or_default());
        }
        Ok(())
    }
}

impl Stop {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        running(global)?.shutdown().map_err(|e| Failure::failed(&e))?;
        global.say(&json!({"stopped": true}), "stopped");
        Ok(())
    }
}

/// The running daemon, or a sentence.
pub fn running(global: &Global) -> Result<Client, Failure> {
    let client: Result<Option<Client>, ClientError> = Client::connect(&global.home()?);
    let client = client.map_err(|e| Failure::failed(&e))?;
    client.ok_or_else(|| Failure::Failed("Underpaint is not running; `underpaint serve` starts it".into()))
}
