//! The Windows daemon and command line under Wine: tests/wine/run.py tells the story, this passes on its verdict.

use std::process::Command;

/// `run.py`'s exit status when a tool is missing; its output says which.
const SKIPPED: i32 = 77;

#[test]
fn the_windows_build_serves_fills_and_filters() {
    let run = e2e::root().join("tests/wine/run.py");
    let Ok(output) = Command::new("python3").arg(run).arg("--native").arg(e2e::binary()).output() else {
        return e2e::skip("the Windows build is not tried, because python3 is not installed (apt install python3)");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(SKIPPED) => e2e::skip(said.trim().trim_start_matches("skipped: ")),
        _ => assert!(output.status.success(), "the Windows build failed; the lines above say where"),
    }
}
