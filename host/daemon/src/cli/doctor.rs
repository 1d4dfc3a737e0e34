//! `underpaint doctor`: what is here, and what to do about what is not.

use super::adapter::{Editor, State};
use super::{Failure, Global, paint};
use crate::client::Client;
use crate::home::Home;
use crate::models::{EXEMPLAR, STARTER};
use crate::platform;
use crate::server::TAKEN;
use clap::Args;
use serde_json::json;
use underpaint_engine::DeviceKind;
use underpaint_wire::methods::{ModelInfo, ModelKind, ModelState, Status, WebSocket, WebSocketState};

/// Look at this machine: device, memory, models, filters, the daemon, adapters
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  underpaint doctor\n  underpaint doctor --json")]
pub struct Doctor {}

/// One line of the report.
struct Finding {
    what: &'static str,
    found: String,
    /// What the painter may do about it.
    advice: Option<String>,
}

/// Memory with which every family paints at its own size.
const COMFORTABLE_BYTES: u64 = 16_000_000_000;

impl Doctor {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let home = global.home()?;
        let [daemon, websocket] = daemon(&home);
        let mut findings = vec![
            plain("home", home.root().display().to_string()),
            device(),
            memory(),
            models(&home)?,
            filters(&home)?,
            daemon,
            websocket,
        ];
        findings.extend(Editor::ALL.map(editor));
        if global.json {
            let row = |f: &Finding| (f.what.to_owned(), json!({"found": f.found, "advice": f.advice}));
            global.print(&serde_json::Value::Object(findings.iter().map(row).collect()));
            return Ok(());
        }
        for Finding { what, found, advice } in findings {
            outln!("{what:<9} {found}");
            if let Some(advice) = advice {
                outln!("{:<9} -> {advice}", "");
            }
        }
        Ok(())
    }
}

fn plain(what: &'static str, found: String) -> Finding {
    Finding { what, found, advice: None }
}

fn device() -> Finding {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = format!("cpu with {threads} threads");
    match DeviceKind::fastest() {
        DeviceKind::Cpu => {
            let missing = [DeviceKind::Cuda, DeviceKind::Metal].map(|kind| (kind.name(), kind.open().err()));
            let why = missing.into_iter().filter_map(|(name, why)| Some(format!("{name}: {}", why?)));
            Finding { what: "device", found: cpu, advice: Some(why.collect::<Vec<_>>().join("; ")) }
        }
        found => plain("device", format!("{}, and {cpu}", found.name())),
    }
}

fn memory() -> Finding {
    let Some(memory) = platform::memory() else {
        return plain("memory", "this system does not tell".into());
    };
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let free = platform::free_memory().map_or_else(String::new, |free| format!(", {:.1} GB free", gb(free)));
    let advice = (memory.total_bytes < COMFORTABLE_BYTES).then(|| {
        "Stable Diffusion 1.5 at 512x512 wants about 3 GB (16-bit files), XL at 1024x1024 about 11; what does not fit is refused \
         before it begins; the starter and the embedded fill need far less"
            .into()
    });
    Finding { what: "memory", found: format!("{:.1} GB{free}", gb(memory.total_bytes)), advice }
}

fn models(home: &Home) -> Result<Finding, Failure> {
    let mut models = paint::catalogue(home)?.list(None);
    models.retain(|m| m.kind == ModelKind::Painter);
    let (unusable, usable): (Vec<_>, Vec<_>) = models.iter().partition(|m| m.state == ModelState::Unusable);
    let ids: Vec<_> = usable.iter().map(|m| m.id.as_str()).collect();
    let more = match unusable.len() {
        0 => String::new(),
        n => format!("; {n} cannot be used (`underpaint models list` says why)"),
    };
    let own = |m: &&ModelInfo| m.kind == ModelKind::Painter && ![EXEMPLAR, STARTER].contains(&m.id.as_str());
    let advice = (!usable.iter().any(own)).then(|| {
        format!(
            "these come along, the starter paints loose colour studies; for more, put a Stable Diffusion checkpoint \
             (.safetensors) or diffusers folder into {}, or run `underpaint models add-folder DIR`",
            home.models_dir().display()
        )
    });
    Ok(Finding { what: "models", found: format!("{}{more}", ids.join(", ")), advice })
}

fn filters(home: &Home) -> Result<Finding, Failure> {
    let filters = paint::filters(home)?;
    let names: Vec<String> = filters.list().into_iter().map(|f| format!("{} {}", f.name, f.version)).collect();
    Ok(plain("filters", names.join(", ")))
}

/// The daemon, and its WebSocket.
fn daemon(home: &Home) -> [Finding; 2] {
    let closed = || plain("websocket", "the daemon opens it".into());
    match Client::connect(home) {
        Ok(Some(mut client)) => {
            let status = client.call("status", &json!({})).ok();
            let status: Option<Status> = status.and_then(|status| serde_json::from_value(status).ok());
            let computes = status.as_ref().map(|status| &*status.device);
            [running(&client.welcome.server.version, computes), websocket(status.and_then(|status| status.websocket))]
        }
        Ok(None) => {
            let advice = Some("Krita and GIMP start it by themselves; `underpaint serve` starts it here".into());
            [Finding { what: "daemon", found: "not running".into(), advice }, closed()]
        }
        Err(error) => {
            let advice = Some("`underpaint stop`, then `underpaint serve`".into());
            [Finding { what: "daemon", found: format!("does not answer: {error}"), advice }, closed()]
        }
    }
}

/// The daemon that runs, and where it computes: whoever started it may have known of other libraries than this command does.
fn running(version: &str, computes: Option<&str>) -> Finding {
    let version = format!("version {version} is running");
    let Some(device) = computes else { return plain("daemon", version) };
    let here = DeviceKind::fastest().name();
    let other = (device != here).then(|| {
        format!("it does not compute on {here} as it would if it were started here: `underpaint stop`, then `underpaint serve`")
    });
    Finding { what: "daemon", found: format!("{version} and computes on {device}"), advice: other }
}

fn websocket(told: Option<WebSocket>) -> Finding {
    let (found, advice) = match told.map(|websocket| (websocket.state, websocket.port)) {
        Some((_, Some(port))) => (format!("port {port}; `underpaint pair` lets Photoshop in"), None),
        Some((WebSocketState::Taken, _)) => ("no port is free".into(), Some(TAKEN.into())),
        _ => ("switched off".into(), Some("Photoshop needs it: `\"websocket\": true` in config.json".into())),
    };
    Finding { what: "websocket", found, advice }
}

fn editor(editor: Editor) -> Finding {
    let name = editor.name();
    let install = Some(format!("`underpaint adapter install {name}`"));
    match editor.look() {
        Err(sentence) => plain(name, sentence),
        Ok((_, State::Current)) => plain(name, "the adapter is installed".into()),
        Ok((_, State::Other)) => {
            Finding { what: name, found: "the adapter is of another version".into(), advice: install }
        }
        Ok((true, State::Absent)) => {
            Finding { what: name, found: "the adapter is not installed".into(), advice: install }
        }
        Ok((false, State::Absent)) => plain(name, "not found here".into()),
    }
}
