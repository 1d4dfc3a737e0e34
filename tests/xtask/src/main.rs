//! Chores of the repository, each one command that sets up what it needs.
//!
//! Decision: plain `std` and child processes, no dependencies, so that `cargo xtask` itself builds in a second on a
//! fresh machine. What a chore needs and can install (rustup's wasm target) it installs; what it cannot (Krita, a C
//! compiler) it names in one sentence with the command that would.

#[cfg(unix)]
mod cuda;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask demo [--out DIR]   build Underpaint, fill photographs, paint from words and a sketch, write the pictures
cargo xtask test [FILTER]      every test: Rust, Python client, sandbox, socket, and Krita and Wine where they are installed
cargo xtask check              formatting, the repository's own rules, clippy, and that the fuzz targets and everything for Windows compile
cargo xtask cuda [CARGO'S]...  build Underpaint for NVIDIA cards, with a toolkit from Python wheels where there is none; or do that
                               with cargo: test -p underpaint-kernels
cargo xtask filters [NAME]...  build the first-party filters to wasm and put them beside their source
cargo xtask zip                pack the editors' adapters, each into one file in out/
cargo xtask wine               build for Windows and try that under Wine
";

/// The target of the Windows builds: it needs no more than Debian's mingw-w64.
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// How many editors are played at a time (`.config/nextest.toml`) also where there are fewer cores: they mostly wait.
const EDITORS: usize = 3;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let result = match args.first().map(String::as_str) {
        Some("demo") => demo(rest),
        Some("test") => test(rest),
        Some("check") => check(),
        #[cfg(unix)]
        Some("cuda") => cuda::cuda(rest),
        #[cfg(not(unix))]
        Some("cuda") => Err("Underpaint for NVIDIA cards is built on Linux only so far".into()),
        Some("filters") => filters(rest),
        Some("zip") => zip(),
        Some("wine") => wine(),
        _ => {
            print!("{HELP}");
            return if args.is_empty() || args[0] == "--help" { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

type Result = std::result::Result<(), String>;

fn demo(args: &[String]) -> Result {
    preconditions()?;
    run(cargo().args(["build", "-p", "underpaint"]))?;
    let mut command = Command::new(built("underpaint"));
    command.arg("demo").args(args);
    if !args.iter().any(|a| a == "--out") {
        command.arg("--out").arg(root().join("out/demo"));
    }
    run(&mut command)
}

fn test(args: &[String]) -> Result {
    preconditions()?;
    wasm_target()?;
    let skipped = target().join("skipped.txt");
    let _ = std::fs::remove_file(&skipped);
    run(cargo().args(["build", "-p", "underpaint"]))?;
    python_tests(&skipped)?;
    // Minutes of building, and only for what is run here.
    let wanted = args.is_empty() || args.iter().any(|filter| filter.contains("wine") || filter.contains("windows"));
    if wanted && has("wine", "--version") && has("x86_64-w64-mingw32-gcc", "--version") {
        windows()?;
    }
    let mut tests = cargo();
    match has("cargo-nextest", "--version") {
        true => tests.args(["nextest", "run", "--workspace", "--no-fail-fast"]),
        false => tests.args(["test", "--workspace", "--no-fail-fast"]),
    };
    if env::var_os("NEXTEST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        tests.env("NEXTEST_TEST_THREADS", cores.max(EDITORS).to_string());
    }
    let outcome = run(tests.args(args).env("UNDERPAINT_SKIPPED", &skipped));
    if let Ok(lines) = std::fs::read_to_string(&skipped) {
        println!("\nNot run here:\n{lines}");
    }
    outcome
}

fn check() -> Result {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["test", "--quiet", "--package", "xtask"]))?;
    wasm_target()?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let fuzz = ["check", "--manifest-path", "host/fuzz/Cargo.toml", "--no-default-features", "--target-dir"];
    run(cargo().args(fuzz).arg(target()))?;
    run(Command::new("rustup").args(["target", "add", WINDOWS]))?;
    run(cargo().args(["check", "--workspace", "--target", WINDOWS]))
}

fn filters(only: &[String]) -> Result {
    wasm_target()?;
    for name in first_party()?.into_iter().filter(|name| only.is_empty() || only.contains(name)) {
        // Each filter's own folder says how it is built, in .cargo/config.toml.
        let folder = root().join("plugins").join(&name);
        run(cargo().args(["build", "--release", "--target", "wasm32-unknown-unknown"]).current_dir(&folder))?;
        let from = target().join("wasm32-unknown-unknown/release").join(format!("{}.wasm", name.replace('-', "_")));
        let to = folder.join(format!("{name}.wasm"));
        std::fs::copy(&from, &to).map_err(|e| format!("could not copy {} to {}: {e}", from.display(), to.display()))?;
        let describe = ["run", "--quiet", "-p", "underpaint-filters", "--example", "describe", "--"];
        let said = cargo().args(describe).arg(&to).output().map_err(|e| format!("cargo could not be run: {e}"))?;
        if !said.status.success() {
            return Err(format!("{name} does not describe itself: {}", String::from_utf8_lossy(&said.stderr)));
        }
        let json = folder.join(format!("{name}.json"));
        std::fs::write(&json, said.stdout).map_err(|e| format!("could not write {}: {e}", json.display()))?;
    }
    Ok(())
}

/// The folders of `plugins/`, by name.
fn first_party() -> std::result::Result<Vec<String>, String> {
    let plugins = root().join("plugins");
    let found = std::fs::read_dir(&plugins).map_err(|e| format!("could not read {}: {e}", plugins.display()))?;
    let folders = found.flatten().filter(|entry| entry.path().join("Cargo.toml").exists());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn zip() -> Result {
    run(cargo().args(["build", "-p", "underpaint"]))?;
    let out = root().join("out");
    for (editor, file) in [("krita", "krita.zip"), ("gimp", "gimp.zip"), ("photoshop", "photoshop.ccx")] {
        let file = out.join(format!("underpaint-{file}"));
        run(Command::new(built("underpaint")).args(["adapter", "pack", editor, "-o"]).arg(file))?;
    }
    Ok(())
}

/// Builds for Windows and tries that under Wine.
fn wine() -> Result {
    windows()?;
    run(python().arg("tests/wine/run.py"))
}

/// The Windows daemon and command line, hardly optimised: they are for Wine, where only starting takes time.
fn windows() -> Result {
    run(Command::new("rustup").args(["target", "add", WINDOWS]))?;
    let flags = ("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS", "-C opt-level=1 -C debuginfo=0");
    run(cargo().args(["build", "-p", "underpaint", "--target", WINDOWS]).env(flags.0, flags.1))
}

/// The stdlib client's own tests, against the real daemon built a moment ago.
fn python_tests(skipped: &Path) -> Result {
    if !has("python3", "--version") {
        let line = "skipped: the Python client's tests, because python3 is not installed (apt install python3)\n";
        return std::fs::write(skipped, line).map_err(|e| e.to_string());
    }
    let tests = ["-m", "unittest", "discover", "-s", "tests/python", "-v"];
    run(python().args(tests).env("UNDERPAINT_BIN", built("underpaint")))
}

/// What cannot be installed from here is named with the command that would.
fn preconditions() -> Result {
    if cfg!(unix) && !has("cc", "--version") {
        return Err("a C compiler is missing (wasmtime and the linker need one): apt install gcc libc6-dev".into());
    }
    Ok(())
}

fn wasm_target() -> Result {
    let add = Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]).status();
    match add {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the wasm target could not be installed: run `rustup target add wasm32-unknown-unknown`".into()),
    }
}

fn has(program: &str, flag: &str) -> bool {
    Command::new(program).arg(flag).output().is_ok_and(|o| o.status.success())
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.current_dir(root());
    command
}

/// Where cargo put a binary of the dev profile.
fn built(name: &str) -> PathBuf {
    target().join("debug").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/xtask lies in the repository").to_owned()
}

fn run(command: &mut Command) -> Result {
    let name = command.get_program().to_string_lossy().into_owned();
    let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let line = format!(
        "{} {}",
        Path::new(&name).file_name().map_or(name.clone().into(), |f| f.to_string_lossy()),
        args.join(" ")
    );
    eprintln!("+ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed ({status})")),
        Err(e) => Err(format!("`{name}` could not be started ({e}): is it installed?")),
    }
}
