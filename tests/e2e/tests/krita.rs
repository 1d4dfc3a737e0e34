//! The real Krita under Xvfb against the real daemon: tests/krita/run.py tells the story, this passes on its verdict.

use std::process::Command;

/// `run.py`'s exit status when a tool is missing; its output says which.
const SKIPPED: i32 = 77;

#[test]
fn krita_fills_a_selection() {
    let output =
        Command::new("python3").arg(e2e::root().join("tests/krita/run.py")).arg("--daemon").arg(e2e::binary()).output();
    let Ok(output) = output else {
        return e2e::skip("Krita's scenarios, because python3 is not installed (apt install python3)");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(SKIPPED) => e2e::skip(said.trim().trim_start_matches("skipped: ")),
        _ => assert!(output.status.success(), "Krita's scenarios failed; the table above says which"),
    }
}
