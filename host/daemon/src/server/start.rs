//! Becoming *the* daemon of this user: one lock, one socket, one published endpoint, and leaving nothing behind.
//!
//! Decision: the lock decides who runs, never the socket. Whatever lies at the socket's place is looked at without
//! following links; only a socket of our own that nobody answers is removed, everything else stays as it is. On exit
//! the socket is unlinked only if it is still the very file we made.

use super::websocket;
use crate::home::{Endpoint, Home, TOKEN_FILE};
use crate::platform::{self, AtSocket};
use crate::save;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Stream as _;
use interprocess::local_socket::{GenericFilePath, ToFsName};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use underpaint_wire::hello;

/// Why the daemon did not start. Each displays as one sentence.
#[derive(Debug)]
pub enum StartError {
    /// Another daemon of this user runs; its pid if it said so.
    AlreadyRunning(Option<u32>),
    /// The place is not safe or not usable; the sentence says what to do.
    Place(String),
    /// The system refused something.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning(Some(pid)) => {
                write!(f, "Underpaint is already running (pid {pid}); `underpaint stop` ends it.")
            }
            Self::AlreadyRunning(None) => write!(f, "Underpaint is already running; `underpaint stop` ends it."),
            Self::Place(sentence) => f.write_str(sentence),
            Self::System(what, e) => write!(f, "{what} failed: {e}."),
        }
    }
}

impl std::error::Error for StartError {}

/// The right to be the daemon, and what has to be put back when it ends.
pub struct Claim {
    /// Accepts connections.
    pub listener: Listener,
    /// Accepts those of the WebSocket, if one was wanted and a port was free.
    pub websocket: Option<websocket::Listener>,
    /// What was published.
    pub endpoint: Endpoint,
    /// 64 hex digits a client may prove itself with.
    pub token: String,
    home: Home,
    socket: PathBuf,
    identity: platform::Identity,
    /// The system gives it up when the process ends, however it ends.
    _lock: File,
}

/// How long a socket that is already there may take to accept a connection.
const PROBE: Duration = Duration::from_secs(2);
/// How long the lock of a daemon that was killed may be held on: its clients hear of the end before the system has cleared up, and start
/// another one at once.
const ENDING: Duration = Duration::from_millis(200);
/// How often it is looked whether that is over.
const AGAIN: Duration = Duration::from_millis(20);

impl Claim {
    /// Takes the lock, the socket, with `websocket` a port, and the endpoint file, in this order. Must be called inside a tokio runtime.
    pub async fn take(home: &Home, new_token: bool, websocket: bool) -> Result<Claim, StartError> {
        platform::private_dir(&home.run_dir()).map_err(StartError::Place)?;
        let began = Instant::now();
        let lock = loop {
            match take_lock(&home.lock_file()) {
                Err(StartError::AlreadyRunning(_)) if began.elapsed() < ENDING => tokio::time::sleep(AGAIN).await,
                taken => break taken?,
            }
        };
        let socket = platform::default_socket(home).map_err(StartError::Place)?;
        clear(&socket).await?;
        let listener = platform::listen(&socket).map_err(|e| StartError::System("Opening the socket", e))?;
        let identity = platform::identity(&socket).map_err(|e| StartError::System("Looking at the new socket", e))?;
        let token = token(&home.token_file(), new_token).map_err(|e| StartError::System("Writing the token", e))?;
        let path = socket.to_str().ok_or_else(|| {
            StartError::Place(format!(
                "{} is not valid Unicode; set UNDERPAINT_HOME to a folder that is.",
                socket.display()
            ))
        })?;
        let instance = super::random_hex::<8>().map_err(|e| StartError::System("Drawing random numbers", e))?;
        let websocket = if websocket { websocket::Listener::bind().await } else { None };
        let endpoint = Endpoint {
            protocol: hello::OURS,
            pid: std::process::id(),
            instance,
            socket: path.to_owned(),
            ws_port: websocket.as_ref().map(websocket::Listener::port),
            token_file: TOKEN_FILE.to_owned(),
        };
        let claim = Claim { listener, websocket, endpoint, token, home: home.clone(), socket, identity, _lock: lock };
        let json = serde_json::to_vec(&claim.endpoint).unwrap_or_default();
        save::replace_private(&home.endpoint_file(), &json)
            .map_err(|e| StartError::System("Writing endpoint.json", e))?;
        Ok(claim)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.home.endpoint().ok().flatten().is_some_and(|e| e.instance == self.endpoint.instance) {
            let _ = std::fs::remove_file(self.home.endpoint_file());
        }
        if platform::identity(&self.socket).is_ok_and(|now| now == self.identity) {
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}

fn take_lock(path: &Path) -> Result<File, StartError> {
    let system = |e| StartError::System("Locking the run folder", e);
    let mut file =
        platform::private_file().read(true).write(true).create(true).truncate(false).open(path).map_err(system)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // The holder may not have written its pid yet, and on Windows it cannot be read; then we just don't know.
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(StartError::AlreadyRunning(text.trim().parse().ok()));
        }
        Err(TryLockError::Error(e)) => return Err(system(e)),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    written.map_err(system)?;
    Ok(file)
}

/// Makes sure the socket's place is free, or refuses.
async fn clear(socket: &Path) -> Result<(), StartError> {
    match platform::at_socket(socket) {
        AtSocket::Nothing => Ok(()),
        AtSocket::Foreign(what) => Err(StartError::Place(format!(
            "At {} there is {what}, not a socket of ours; it was left untouched. Move it away and start again.",
            socket.display()
        ))),
        AtSocket::OwnSocket => {
            let name =
                socket.to_fs_name::<GenericFilePath>().map_err(|e| StartError::System("Naming the socket", e))?;
            match tokio::time::timeout(PROBE, Stream::connect(name)).await {
                // Whoever accepts, or is too busy to, is alive: with the lock lost (its file was deleted), still a daemon.
                Ok(Ok(_)) | Err(_) => Err(StartError::AlreadyRunning(None)),
                Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(socket)
                    .map_err(|e| StartError::System("Removing the socket a killed daemon left", e)),
                Ok(Err(e)) => Err(StartError::System("Asking the socket who is there", e)),
            }
        }
    }
}

fn token(path: &Path, renew: bool) -> io::Result<String> {
    let is_token = |t: &str| t.len() == 64 && t.bytes().all(|b| b.is_ascii_hexdigit());
    if !renew
        && let Ok(text) = std::fs::read_to_string(path)
        && is_token(text.trim())
    {
        return Ok(text.trim().to_owned());
    }
    let token = super::random_hex::<32>()?;
    save::replace_private(path, token.as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_is_just_being_given_up_is_waited_for_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        platform::private_dir(&home.run_dir()).unwrap();
        let held = take_lock(&home.lock_file()).unwrap();
        let giving_up = async move {
            tokio::task::yield_now().await;
            drop(held);
        };
        let (claim, ()) = tokio::join!(Claim::take(&home, false, false), giving_up);
        let claim = claim.expect("it was given up at once");
        let second = Claim::take(&home, false, false).await;
        assert!(matches!(second, Err(StartError::AlreadyRunning(_))), "two daemons");
        drop(claim);
    }
}
