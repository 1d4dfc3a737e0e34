//! How a command fails: whose problem it is decides the exit code, one sentence says what to do.

use std::process::ExitCode;

/// A command's failure. Each text is one sentence without a trailing newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The arguments are wrong: exit code 2.
    Usage(String),
    /// The arguments are right, the work failed: exit code 1.
    Failed(String),
    /// The painter pressed Ctrl-C: exit code 130, nothing written.
    Interrupted,
    /// The work is done and its result, which is bad, was told in full: exit code 1.
    Told,
}

impl Failure {
    /// Work that failed with this error.
    pub(super) fn failed(error: &impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// clap's complaint on one line, with where to read more.
    pub(super) fn from_clap(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let first: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
        let sentence = first.join(" ").trim_start_matches("error: ").trim_end_matches('.').to_owned();
        Self::Usage(format!("{sentence} (`underpaint help` shows how)"))
    }

    /// Prints the failure (a line on stderr; with `json` also an object on stdout) and gives the exit code.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        let (code, kind, sentence) = match self {
            Self::Usage(s) => (2, "usage", s.as_str()),
            Self::Failed(s) => (1, "failed", s.as_str()),
            Self::Told => return ExitCode::from(1),
            Self::Interrupted => (130, "interrupted", "interrupted; nothing was written"),
        };
        let line = sentence.replace(['\n', '\r'], " ");
        let line = line.trim_end_matches('.');
        eprintln!("error: {line}");
        if json {
            outln!("{}", serde_json::json!({"error": {"kind": kind, "message": line}}));
        }
        ExitCode::from(code)
    }
}
