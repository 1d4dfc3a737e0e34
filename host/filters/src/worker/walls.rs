//! What a worker process gives up before it hears of the first filter, so that even code that broke out of the
//! sandbox has nothing to reach: no file, no socket, no other process, no memory beyond its limit.
//!
//! Linux: Landlock (no file system, no network), seccomp (no system call that opens, connects, executes or signals),
//! resource limits. Elsewhere on Unix: resource limits. Each kind of wall that a system lacks is left out.

/// Raises the walls around this thread and those it starts from now on. `data_bytes` bounds memory of its own; address
/// space is not bounded, since every instance reserves gigabytes it never touches.
pub(crate) fn raise(data_bytes: u64) {
    #[cfg(unix)]
    limits(data_bytes);
    #[cfg(target_os = "linux")]
    {
        let _ = files_and_network();
        let _ = system_calls();
    }
    #[cfg(not(unix))]
    let _ = data_bytes;
}

#[cfg(unix)]
fn limits(data_bytes: u64) {
    use rlimit::{Resource, setrlimit};
    for (resource, limit) in [(Resource::DATA, data_bytes), (Resource::CORE, 0), (Resource::FSIZE, 0)] {
        let _ = setrlimit(resource, limit, limit);
    }
}

/// No rule is added, so nothing is allowed.
#[cfg(target_os = "linux")]
fn files_and_network() -> Result<(), landlock::RulesetError> {
    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, Scope};
    let abi = ABI::V6;
    let rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.handle_access(AccessNet::from_all(abi))?;
    rules.scope(Scope::from_all(abi))?.create()?.restrict_self()?;
    Ok(())
}

/// Refuses (with EPERM) what only somebody who broke out would call; what is needed to compute stays open.
#[cfg(target_os = "linux")]
fn system_calls() -> Result<(), Box<dyn std::error::Error>> {
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Is, SeccompCondition as Condition, SeccompFilter,
        SeccompRule,
    };
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    // Its own threads it may signal, which is how a process aborts; its own limits it may ask for.
    let unless = |first: u64| SeccompRule::new(vec![Condition::new(0, Len::Dword, Is::Ne, first)?]);
    rules.insert(libc::SYS_tgkill, vec![unless(std::process::id().into())?]);
    rules.insert(libc::SYS_prlimit64, vec![unless(0)?]);
    let (otherwise, refuse) = (SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32));
    let filter = SeccompFilter::new(rules, otherwise, refuse, std::env::consts::ARCH.try_into()?)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

#[cfg(target_os = "linux")]
const REFUSED: &[i64] = &[
    // Files.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_statx,
    libc::SYS_newfstatat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Sockets and whatever else reaches another process.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_execve,
    libc::SYS_execveat,
    // The kernel's larger doors.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getdents,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    /// Behind the walls (of one thread, here) nothing can be opened, reached or started, and arithmetic still works.
    #[test]
    fn nothing_can_be_reached_from_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "secret").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            super::files_and_network().unwrap();
            super::system_calls().unwrap();
            let denied = |what: &str, error: std::io::Error| {
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
            };
            denied("read", File::open(&file).map(drop).unwrap_err());
            denied("write", File::create(&file).map(drop).unwrap_err());
            denied("look", fs::metadata(&file).map(drop).unwrap_err());
            denied("list", fs::read_dir("/").map(drop).unwrap_err());
            denied("remove", fs::remove_file(&file).unwrap_err());
            denied("listen", TcpListener::bind("127.0.0.1:0").map(drop).unwrap_err());
            denied("connect", TcpStream::connect(address).map(drop).unwrap_err());
            denied("socket", UnixStream::connect(&file).map(drop).unwrap_err());
            assert!(std::process::Command::new("/bin/true").spawn().is_err(), "a program was started");
            assert_eq!(std::thread::spawn(|| (1..=100).sum::<u32>()).join().unwrap(), 5050);
        })
        .join()
        .unwrap();
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"secret");
    }
}
