//! The Photoshop adapter in a real Chromium, on a mock of Photoshop, against the real daemon: tests/photoshop/run.py tells
//! the story, this passes on its verdict.

use std::process::Command;

/// `run.py`'s exit status when a tool is missing; its output says which.
const SKIPPED: i32 = 77;

#[test]
fn photoshop_fills_a_selection() {
    let script = e2e::root().join("tests/photoshop/run.py");
    let Ok(output) = Command::new("python3").arg(script).arg("--daemon").arg(e2e::binary()).output() else {
        return e2e::skip("the Photoshop adapter's tests, because python3 is not installed (apt install python3)");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(SKIPPED) => e2e::skip(said.trim().trim_start_matches("skipped: ")),
        _ => assert!(output.status.success(), "the Photoshop adapter's tests failed; the list above says which"),
    }
}
