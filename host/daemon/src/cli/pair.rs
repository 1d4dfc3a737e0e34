//! `underpaint pair`: a code that lets a program in which cannot read the token's file.

use super::serve::running;
use super::{Failure, Global};
use clap::Args;
use serde_json::json;
use underpaint_wire::pairing::Ending;

const EXAMPLES: &str = "\
Examples:
  underpaint pair          shows six digits and waits until they were typed
  underpaint pair --json   two lines of JSON: the code, then who was paired

Once paired, Photoshop finds Underpaint by itself; `underpaint serve --new-token` locks all of them out again.";

/// Let Photoshop talk to the running daemon: shows a code to type into its panel
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Pair {}

impl Pair {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let mut daemon = running(global)?;
        let begun = daemon.pair().map_err(|e| Failure::failed(&e))?;
        let (code, seconds) = (&begun.code, begun.expires_ms / 1000);
        let (front, back) = code.split_at_checked(3).unwrap_or((code, ""));
        global.say(
            &json!(begun),
            &format!(
                "{front} {back}\nType this code into the Underpaint panel in Photoshop within {seconds} seconds. Ctrl-C ends it."
            ),
        );
        let ended = daemon.paired().map_err(|e| Failure::failed(&e))?;
        match ended.ending {
            Ending::Paired => {
                let client = ended.client.unwrap_or_default();
                // A stranger's own word for itself, not to be trusted with a terminal.
                let name: String = client.name.chars().filter(|c| !c.is_control()).take(64).collect();
                global.say(
                    &json!({"paired": client}),
                    &format!("paired with {}", if name.is_empty() { "a program" } else { &name }),
                );
                Ok(())
            }
            Ending::Expired => {
                Err(Failure::Failed("nobody typed the code in time; `underpaint pair` shows a new one".into()))
            }
            Ending::Refused => Err(Failure::Failed(
                "too many wrong codes were tried, so this one is no longer good; `underpaint pair` shows a new one"
                    .into(),
            )),
        }
    }
}
