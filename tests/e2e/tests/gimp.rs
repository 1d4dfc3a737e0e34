//! The real GIMP 3 in a root of a newer Debian against the real daemon: tests/gimp/run.py tells the story, this passes on
//! its verdict.

use std::process::Command;

/// `run.py`'s exit status when a tool is missing or the root cannot be built; its output says which and why.
const SKIPPED: i32 = 77;

#[test]
fn gimp_fills_a_selection() {
    let output =
        Command::new("python3").arg(e2e::root().join("tests/gimp/run.py")).arg("--daemon").arg(e2e::binary()).output();
    let Ok(output) = output else {
        return e2e::skip("GIMP's scenarios, because python3 is not installed (apt install python3)");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(SKIPPED) => e2e::skip(said.trim().trim_start_matches("skipped: ")),
        _ => assert!(output.status.success(), "GIMP's scenarios failed; the table above says which"),
    }
}
