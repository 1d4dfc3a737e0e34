//! The only module that knows which system it runs on: private folders, the local socket's place, who is at the
//! other end, memory, whose turn it is.
//!
//! Decision: on Unix the socket is a file in a folder only the user can enter, mode 0600, and the peer's uid is
//! checked besides. On Windows it is a named pipe with a random name and an access list that names the user alone.
//! Linux' abstract sockets are never used: they have no permissions.

#[cfg(unix)]
pub use unix::{
    Identity, at_socket, default_socket, free_memory, identity, in_background, listen, make_private, memory,
    peer_is_this_user, private_dir, private_file, terminated,
};
#[cfg(windows)]
pub use windows::{
    Identity, at_socket, default_socket, free_memory, identity, in_background, listen, make_private, memory,
    peer_is_this_user, private_dir, private_file, terminated,
};

/// What is found where the socket is to be.
#[cfg_attr(windows, allow(dead_code, reason = "a pipe leaves nothing behind"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtSocket {
    /// Nothing.
    Nothing,
    /// A socket of this user's, in use or left behind by a daemon that was killed.
    OwnSocket,
    /// Something that must not be touched; the sentence's end says what.
    Foreign(String),
}

#[cfg(unix)]
mod unix {
    use super::AtSocket;
    use crate::home::Home;
    use interprocess::local_socket::tokio::{Listener, Stream};
    use interprocess::local_socket::traits::StreamCommon as _;
    use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
    use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
    use sha2::{Digest, Sha256};
    use std::fs::{DirBuilder, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::path::{Path, PathBuf};
    use tokio::signal::unix::{SignalKind, signal};
    use underpaint_wire::methods::Memory;

    /// Bytes of a path that fit `sockaddr_un` with its terminator.
    const LONGEST_SOCKET_PATH: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

    #[allow(unsafe_code)] // The standard library does not tell the user's id.
    fn euid() -> u32 {
        // SAFETY: geteuid takes nothing, touches no memory of ours and cannot fail.
        unsafe { libc::geteuid() }
    }

    /// Lets what this thread computes wait for what others do: about a tenth of the time where both want it.
    /// Elsewhere than on Linux a thread has no such wish of its own.
    #[allow(unsafe_code)] // The standard library knows no priorities.
    pub fn in_background() {
        #[cfg(target_os = "linux")]
        // SAFETY: setpriority takes numbers, and 0 is the calling thread. If it were refused, nothing would be lost.
        unsafe {
            libc::setpriority(libc::PRIO_PROCESS, 0, 10)
        };
    }

    /// Makes those of `path` and the folders it lies in that are missing; only this user can enter them. What is there
    /// stays as it is.
    pub fn make_private(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Makes `path` a folder only this user can enter. One that exists must already be so: nothing is loosened or
    /// tightened behind the user's back. Fails with a sentence.
    pub fn private_dir(path: &Path) -> Result<(), String> {
        let name = path.display();
        make_private(path).map_err(|e| format!("The folder {name} cannot be made: {e}."))?;
        let meta =
            std::fs::symlink_metadata(path).map_err(|e| format!("The folder {name} cannot be looked at: {e}."))?;
        if !meta.is_dir() {
            return Err(format!(
                "{name} must be a folder of your own, but it is a link or a file; move it away and start again."
            ));
        }
        if meta.uid() != euid() {
            return Err(format!(
                "The folder {name} belongs to another user (uid {}); remove it and start again.",
                meta.uid()
            ));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(format!(
                "The folder {name} is open to other users (mode {:04o}); `chmod 700` it and start again.",
                meta.mode() & 0o7777
            ));
        }
        Ok(())
    }

    /// Options that create a file only this user can read and write.
    pub fn private_file() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600);
        options
    }

    /// Where the socket is to be: in the run folder, or, if that path is too long for a socket, in a folder named by
    /// its hash inside the system's temporary folder. The folder is made and checked.
    pub fn default_socket(home: &Home) -> Result<PathBuf, String> {
        let path = home.run_dir().join("daemon.sock");
        if path.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return Ok(path);
        }
        let hash: String =
            Sha256::digest(home.run_dir().as_os_str().as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
        let dir = std::env::temp_dir().join(format!("underpaint-{}-{hash}", euid()));
        private_dir(&dir)?;
        let short = dir.join("daemon.sock");
        if short.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(format!(
                "{} is too long for a socket's path; set UNDERPAINT_HOME or TMPDIR to a shorter one.",
                short.display()
            ));
        }
        Ok(short)
    }

    /// What is at `path`, without following links and without touching it.
    pub fn at_socket(path: &Path) -> AtSocket {
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return AtSocket::Nothing,
            Err(e) => return AtSocket::Foreign(format!("something that cannot be looked at ({e})")),
        };
        let kind = meta.file_type();
        if kind.is_socket() && meta.uid() == euid() {
            return AtSocket::OwnSocket;
        }
        let what = match () {
            () if kind.is_socket() => "a socket of another user",
            () if kind.is_symlink() => "a symbolic link",
            () if kind.is_dir() => "a folder",
            () => "a file",
        };
        AtSocket::Foreign(what.to_owned())
    }

    /// Device and inode: is it still the file we made?
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Identity(u64, u64);

    /// Of the thing at `path` itself, links not followed.
    pub fn identity(path: &Path) -> io::Result<Identity> {
        std::fs::symlink_metadata(path).map(|m| Identity(m.dev(), m.ino()))
    }

    /// Binds the socket, mode 0600, never over something that exists. Must be called inside a tokio runtime.
    pub fn listen(path: &Path) -> io::Result<Listener> {
        // `try_overwrite` would take the socket from a living daemon, `reclaim_name` would unlink it blindly on exit.
        let options = || {
            Ok::<_, io::Error>(
                ListenerOptions::new()
                    .name(path.to_fs_name::<GenericFilePath>()?)
                    .try_overwrite(false)
                    .reclaim_name(false),
            )
        };
        match options()?.mode(0o600).create_tokio() {
            // Not every system can set the mode before the socket exists; there the 0700 folder alone guards it.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                let listener = options()?.create_tokio()?;
                std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
                Ok(listener)
            }
            done => done,
        }
    }

    /// True if the process at the other end runs as this user.
    pub fn peer_is_this_user(stream: &Stream) -> bool {
        stream.peer_creds().is_ok_and(|creds| creds.euid() == Some(euid()))
    }

    /// The daemon's resident memory and the machine's; `None` where the system does not tell it in a file.
    pub fn memory() -> Option<Memory> {
        let kib = |file: &str, key: &str| -> Option<u64> {
            let text = std::fs::read_to_string(file).ok()?;
            let line = text.lines().find_map(|l| l.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let used = kib("/proc/self/status", "VmRSS:")?;
        let total = kib("/proc/meminfo", "MemTotal:")?;
        Some(Memory { used_bytes: used * 1024, total_bytes: total * 1024 })
    }

    /// Bytes that can be taken without pushing others out: what the system has, and no more than its limit for this
    /// process leaves. `None` where the system does not tell it in a file.
    pub fn free_memory() -> Option<u64> {
        let read = |file: &str| std::fs::read_to_string(file).ok();
        let meminfo = read("/proc/meminfo")?;
        let line = meminfo.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        let free = line.split_whitespace().next()?.parse::<u64>().ok()? * 1024;
        let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
        let limit = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
        Some(limit.map_or(free, |(most, used)| free.min(most.saturating_sub(used))))
    }

    /// Completes when the system or the user asks the process to end, be it before it is first polled.
    pub fn terminated() -> io::Result<impl Future<Output = ()>> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_folder_open_to_others_or_behind_a_link_is_refused() {
            let temp = tempfile::tempdir().unwrap();
            let made = temp.path().join("a/b");
            private_dir(&made).unwrap();
            assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o7777, 0o700);
            private_dir(&made).unwrap();
            let link = temp.path().join("link");
            std::os::unix::fs::symlink(&made, &link).unwrap();
            assert!(private_dir(&link).unwrap_err().contains("link"));
            for mode in [0o777, 0o710, 0o701, 0o740] {
                std::fs::set_permissions(&made, Permissions::from_mode(mode)).unwrap();
                assert!(private_dir(&made).unwrap_err().contains("chmod 700"), "{mode:o}");
                assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o7777, mode, "nothing is changed");
            }
        }

        #[cfg(target_os = "linux")]
        #[test]
        #[allow(unsafe_code)] // As above.
        fn one_thread_steps_back_and_no_other() {
            // SAFETY: getpriority takes numbers; 0 is the calling thread.
            let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
            let before = nice();
            let stepped_back = std::thread::spawn(move || {
                in_background();
                nice()
            });
            assert!(stepped_back.join().unwrap() >= 10);
            assert_eq!(nice(), before);
        }

        #[test]
        fn long_homes_get_a_short_socket() {
            let temp = tempfile::tempdir().unwrap();
            let long = Home::at(&temp.path().join("x".repeat(120))).unwrap();
            let socket = default_socket(&long).unwrap();
            assert!(socket.as_os_str().len() <= LONGEST_SOCKET_PATH);
            assert_eq!(socket, default_socket(&long).unwrap());
            std::fs::remove_dir(socket.parent().unwrap()).unwrap();
            let short = Home::at(Path::new("/h")).unwrap();
            assert_eq!(default_socket(&short).unwrap(), Path::new("/h/run/daemon.sock"));
        }
    }
}

#[cfg(windows)]
mod windows {
    #![allow(unsafe_code)] // The user's SID can only be had from the Win32 API.

    use super::AtSocket;
    use crate::home::Home;
    use interprocess::local_socket::tokio::{Listener, Stream};
    use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
    use interprocess::os::windows::local_socket::ListenerOptionsExt as _;
    use interprocess::os::windows::security_descriptor::SecurityDescriptor;
    use std::fs::OpenOptions;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::ptr;
    use underpaint_wire::methods::Memory;
    use widestring::{U16CStr, U16CString};
    use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, LocalFree};
    use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
    use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
    use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
    use windows_sys::Win32::System::Threading::{
        GetCurrentProcess, GetCurrentThread, OpenProcessToken, SetThreadPriority, THREAD_PRIORITY_LOWEST,
    };

    /// Lets what this thread computes wait for what others do.
    pub fn in_background() {
        // SAFETY: the pseudo handle of this thread is always valid. If it were refused, nothing would be lost.
        unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_LOWEST) };
    }

    /// Makes the folder. Below `%LOCALAPPDATA%` it inherits an access list that names the user, the system and the
    /// administrators.
    pub fn make_private(path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    /// The same. Fails with a sentence.
    pub fn private_dir(path: &Path) -> Result<(), String> {
        make_private(path).map_err(|e| format!("The folder {} cannot be made: {e}.", path.display()))
    }

    /// Options that create a file; its access list is the folder's.
    pub fn private_file() -> OpenOptions {
        OpenOptions::new()
    }

    /// A pipe nobody can have guessed and squatted on.
    pub fn default_socket(_: &Home) -> Result<PathBuf, String> {
        let name = crate::server::random_hex::<8>().map_err(|e| format!("The system has no random numbers: {e}."))?;
        Ok(PathBuf::from(format!(r"\\.\pipe\underpaint-{name}")))
    }

    /// A pipe lives no longer than its daemon, so there is never one left behind.
    pub fn at_socket(_: &Path) -> AtSocket {
        AtSocket::Nothing
    }

    /// A pipe vanishes by itself; there is nothing to compare.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Identity;

    /// Nothing to look at.
    pub fn identity(_: &Path) -> io::Result<Identity> {
        Ok(Identity)
    }

    /// Makes the first instance of the pipe; fails if one of that name exists. Only this user and the system may open it.
    pub fn listen(path: &Path) -> io::Result<Listener> {
        let list = format!("D:P(A;;GA;;;{})(A;;GA;;;SY)", user_sid()?);
        let list = U16CString::from_str(list).map_err(io::Error::other)?;
        let descriptor = SecurityDescriptor::deserialize(&list)?;
        ListenerOptions::new()
            .name(path.to_fs_name::<GenericFilePath>()?)
            .try_overwrite(false)
            .security_descriptor(descriptor)
            .create_tokio()
    }

    /// The pipe's access list has already decided.
    pub fn peer_is_this_user(_: &Stream) -> bool {
        true
    }

    /// Bytes that can be taken without pushing others out.
    pub fn free_memory() -> Option<u64> {
        memory().map(|memory| memory.total_bytes - memory.used_bytes)
    }

    /// The machine's memory, in use and in all.
    pub fn memory() -> Option<Memory> {
        let mut status = MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
        // SAFETY: `status` is a valid MEMORYSTATUSEX whose length field is set, as the function demands.
        let ok = unsafe { GlobalMemoryStatusEx(&mut status) };
        (ok != 0)
            .then(|| Memory { used_bytes: status.ullTotalPhys - status.ullAvailPhys, total_bytes: status.ullTotalPhys })
    }

    /// Completes when the user asks the process to end, be it before it is first polled.
    pub fn terminated() -> io::Result<impl Future<Output = ()>> {
        let mut interrupt = tokio::signal::windows::ctrl_c()?;
        Ok(async move {
            interrupt.recv().await;
        })
    }

    /// The SID of the user this process runs as, e.g. `S-1-5-21-…`.
    fn user_sid() -> io::Result<String> {
        let mut token: HANDLE = ptr::null_mut();
        // SAFETY: the pseudo handle of this process is always valid, and `token` is a place for one handle.
        if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let sid = token_user_sid(token);
        // SAFETY: `token` was opened above and is closed once.
        unsafe { CloseHandle(token) };
        sid
    }

    fn token_user_sid(token: HANDLE) -> io::Result<String> {
        // A TOKEN_USER is followed by its SID, which has at most 68 bytes; u64 gives the alignment of its pointer.
        let mut buffer = [0u64; 32];
        let mut written = 0;
        // SAFETY: the buffer's size in bytes is passed, and the function writes no further.
        let ok = unsafe {
            GetTokenInformation(token, TokenUser, buffer.as_mut_ptr().cast(), size_of_val(&buffer) as u32, &mut written)
        };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: on success the buffer begins with a TOKEN_USER, and it is aligned for one.
        let user = unsafe { &*buffer.as_ptr().cast::<TOKEN_USER>() };
        let mut text = ptr::null_mut();
        // SAFETY: the SID points into `buffer`, which outlives the call; `text` is a place for one pointer.
        if unsafe { ConvertSidToStringSidW(user.User.Sid, &mut text) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: on success `text` is a NUL-terminated string.
        let sid = unsafe { U16CStr::from_ptr_str(text) }.to_string_lossy();
        // SAFETY: `text` was allocated by the function above with LocalAlloc and is freed once.
        unsafe { LocalFree(text.cast()) };
        Ok(sid)
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn the_user_has_a_sid() {
            assert!(super::user_sid().unwrap().starts_with("S-1-"));
        }
    }
}
