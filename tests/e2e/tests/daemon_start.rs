//! Becoming the daemon: one of many, after a crash, in places that are not safe, and for one user only.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, endpoint, outcome, spawn, wait_for};
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Starts a daemon that must refuse; gives what it said.
fn refusal(home: &Path) -> String {
    let (status, said) = outcome(spawn(home));
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(endpoint(home).is_none(), "a daemon that refuses publishes nothing");
    said
}

fn run_dir(home: &Path) -> PathBuf {
    let run = home.join("run");
    fs::create_dir(&run).unwrap();
    fs::set_permissions(&run, Permissions::from_mode(0o700)).unwrap();
    run
}

#[test]
fn of_two_that_start_at_once_exactly_one_runs() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..100 {
        let mut racers = [spawn(home.path()), spawn(home.path())];
        let loser =
            wait_for("one of the two to give up", || racers.iter_mut().position(|r| r.try_wait().unwrap().is_some()));
        let [a, b] = racers;
        let (loser, mut winner) = if loser == 0 { (a, b) } else { (b, a) };
        let (status, said) = outcome(loser);
        assert_eq!(status.code(), Some(1), "round {round}: {said}");
        assert!(said.contains("already running"), "round {round}: {said}");
        let published = wait_for("the winner's endpoint", || endpoint(home.path()).filter(|e| e["pid"] == winner.id()));
        let mut client = Client::connect(Path::new(published["socket"].as_str().unwrap())).unwrap();
        client.call("hello", serde_json::json!({"protocol": {"min": 1, "max": 1}})).unwrap();
        assert!(winner.try_wait().unwrap().is_none(), "round {round}: the winner goes on");
        // Killed, so that the next round also finds what a crash leaves behind.
        winner.kill().unwrap();
        winner.wait().unwrap();
    }
}

#[test]
fn after_a_crash_the_next_one_starts() {
    let home = tempfile::tempdir().unwrap();
    let first = Daemon::start_in(home.path());
    let (socket, instance) = (first.socket(), first.endpoint()["instance"].clone());
    first.kill();
    assert!(socket.exists() && endpoint(home.path()).is_some(), "kill -9 leaves both behind");
    let second = Daemon::start_in(home.path());
    assert_ne!(second.endpoint()["instance"], instance);
    second.client().call("ping", serde_json::json!({})).unwrap();
}

#[test]
fn an_orderly_end_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    let (socket, run) = (daemon.socket(), home.path().join("run"));
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(
        (mode(&run), mode(&socket), mode(&run.join("endpoint.json")), mode(&run.join("token"))),
        (0o700, 0o600, 0o600, 0o600)
    );
    let token = fs::read_to_string(run.join("token")).unwrap();
    assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()));
    daemon.client().call("shutdown", serde_json::json!({})).unwrap();
    assert!(daemon.wait().success());
    assert!(!socket.exists() && endpoint(home.path()).is_none());
    let again = Daemon::start_in(home.path());
    assert_eq!(fs::read_to_string(run.join("token")).unwrap(), token, "the token outlives a restart");
    drop(again);
}

#[test]
fn a_termination_signal_is_an_orderly_end() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    let (socket, pid) = (daemon.socket(), daemon.endpoint()["pid"].to_string());
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(daemon.wait().success());
    assert!(!socket.exists() && endpoint(home.path()).is_none());
}

#[test]
fn what_lies_in_the_sockets_place_stays_intact() {
    let home = tempfile::tempdir().unwrap();
    let socket = run_dir(home.path()).join("daemon.sock");
    let precious = home.path().join("precious");
    fs::write(&precious, "a painting").unwrap();

    fs::write(&socket, "a painting").unwrap();
    assert!(refusal(home.path()).contains("a file"));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a painting");
    fs::remove_file(&socket).unwrap();

    for target in [precious.as_path(), Path::new("nowhere")] {
        symlink(target, &socket).unwrap();
        assert!(refusal(home.path()).contains("a symbolic link"));
        assert_eq!(fs::read_link(&socket).unwrap(), target);
        fs::remove_file(&socket).unwrap();
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "a painting");

    fs::create_dir(&socket).unwrap();
    assert!(refusal(home.path()).contains("a folder"));
    assert!(socket.is_dir());
}

#[test]
fn a_run_folder_that_others_may_enter_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let run = run_dir(home.path());
    for mode in [0o777, 0o750, 0o701] {
        fs::set_permissions(&run, Permissions::from_mode(mode)).unwrap();
        assert!(refusal(home.path()).contains("chmod 700"));
        assert_eq!(fs::metadata(&run).unwrap().mode() & 0o777, mode, "it is not changed either");
    }
    fs::remove_dir(&run).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), &run).unwrap();
    assert!(refusal(home.path()).contains("link"));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// The lock decides; but should someone delete its file, the socket still answers for the daemon behind it.
#[test]
fn without_the_lock_file_a_living_daemon_still_keeps_its_socket() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    fs::remove_file(home.path().join("run/daemon.lock")).unwrap();
    let (status, said) = outcome(spawn(home.path()));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("already running"), "{said}");
    daemon.client().call("ping", serde_json::json!({})).unwrap();
}

#[test]
fn on_exit_only_our_own_socket_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    let (socket, mut client) = (daemon.socket(), daemon.client());
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "someone else's").unwrap();
    client.call("shutdown", serde_json::json!({})).unwrap();
    assert!(daemon.wait().success());
    assert_eq!(fs::read_to_string(&socket).unwrap(), "someone else's");
}

#[test]
fn a_home_too_long_for_a_socket_is_served_from_the_temporary_folder() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("x".repeat(100)).join("y".repeat(100));
    fs::create_dir_all(&home).unwrap();
    let daemon = Daemon::start_in(&home);
    let socket = daemon.socket();
    assert!(socket.as_os_str().len() <= 103 && !socket.starts_with(&home), "{}", socket.display());
    let folder = fs::symlink_metadata(socket.parent().unwrap()).unwrap();
    assert_eq!(folder.mode() & 0o777, 0o700);
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    daemon.client().call("shutdown", serde_json::json!({})).unwrap();
    assert!(daemon.wait().success());
    assert!(!socket.exists());
    fs::remove_dir(socket.parent().unwrap()).unwrap();
}

/// Says hello to the socket `argv[1]` and exits 0 if it was answered, 3 if the connection was closed instead.
const HELLO_PY: &str = r#"
import socket, struct, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(sys.argv[1])
h = b'{"jsonrpc":"2.0","id":0,"method":"hello","params":{"protocol":{"min":1,"max":1}}}'
try:
    s.sendall(struct.pack("<II", 4 + len(h), len(h)) + h)
    sys.exit(0 if s.recv(8) else 3)
except (BrokenPipeError, ConnectionResetError):
    sys.exit(3)
"#;

fn say_hello(socket: &Path, uid: Option<u32>) -> Option<i32> {
    use std::os::unix::process::CommandExt;
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", HELLO_PY]).arg(socket).stderr(std::process::Stdio::null()).current_dir("/");
    if let Some(uid) = uid {
        python.uid(uid).gid(uid);
    }
    let mut child: Child = python.spawn().ok()?;
    child.wait().unwrap().code()
}

#[test]
fn another_user_is_refused() {
    let nobody = 65534;
    let temp = tempfile::tempdir().unwrap();
    if fs::metadata(temp.path()).unwrap().uid() != 0 {
        return e2e::skip("only root can try the socket as another user");
    }
    let daemon = Daemon::start_in(temp.path());
    let socket = daemon.socket();
    let Some(own) = say_hello(&socket, None) else {
        return e2e::skip("trying the socket as another user needs /usr/bin/python3");
    };
    assert_eq!(own, 0, "root itself is answered");
    fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(say_hello(&socket, Some(nobody)), Some(1), "the folder keeps others out");
    // Even where all permissions are open, the peer's uid is looked at.
    fs::set_permissions(socket.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    assert_eq!(say_hello(&socket, Some(nobody)), Some(3), "closed without a word");
    assert_eq!(say_hello(&socket, None), Some(0));
}
