//! Files appear whole or not at all: written beside their target, then renamed into place.

use crate::platform;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces `path` by `bytes`; who may read it stays as it was, and a link stays one to the file that is replaced. On
/// failure (a full disk, a missing folder) what was at `path` is still there and nothing else is left behind.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(old) => put(path, bytes, &platform::private_file(), Some(old.permissions())),
        Err(_) => put(path, bytes, &OpenOptions::new(), None),
    }
}

/// [`replace`], but afterwards only the user can read it.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, &platform::private_file(), None)
}

fn put(path: &Path, bytes: &[u8], options: &OpenOptions, permissions: Option<Permissions>) -> io::Result<()> {
    let path = target(path);
    let (file, temporary) = create_beside(&path, options)?;
    let written = write_all(file, bytes).and_then(|()| {
        if let Some(permissions) = permissions {
            // A file system that knows no such thing takes the file all the same.
            let _ = fs::set_permissions(&temporary, permissions);
        }
        fs::rename(&temporary, &path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Where the bytes of `path` are: links are followed.
fn target(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes the folder `path`, private to the user, with the files that `fill` writes into it by [`private`]. Whatever happens,
/// the whole folder is there afterwards or none; a process that is killed leaves [`unfinished`] behind. Gives what
/// `fill` gives. Fails if there is something at `path`.
pub fn folder<T>(path: &Path, fill: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if is_there(path) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let part = emptied(path)?;
    let made = platform::private_dir(&part).map_err(io::Error::other).and_then(|()| fill(&part));
    let made = made.and_then(|made| fs::rename(&part, path).map(|()| made));
    if made.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    made
}

/// Removes a folder with what is in it: it is gone at once, however long its files take and whatever happens meanwhile.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    let part = emptied(path)?;
    fs::rename(path, &part).and_then(|()| fs::remove_dir_all(part))
}

/// Replaces what `folder` holds under `names`, files and whole folders, by what `fill` writes under these names into a new
/// folder; what it does not write is gone. Until it has written all, everything stays as it was.
pub fn replace_in(folder: &Path, names: &[&str], fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let part = emptied(&folder.join("underpaint"))?;
    let (new, old) = (part.join("new"), part.join("old"));
    let made = fs::create_dir_all(&new).and_then(|()| fs::create_dir(&old)).and_then(|()| fill(&new));
    let made = made
        .and_then(|()| names.iter().try_for_each(|name| swap(&folder.join(name), &new.join(name), &old.join(name))));
    let _ = fs::remove_dir_all(&part);
    made
}

/// Moves what is at `here` to `old` and what is at `new` to `here`, or nothing.
fn swap(here: &Path, new: &Path, old: &Path) -> io::Result<()> {
    if is_there(here) {
        fs::rename(here, old)?;
    }
    if is_there(new) {
        fs::rename(new, here).inspect_err(|_| {
            let _ = fs::rename(old, here);
        })?;
    }
    Ok(())
}

/// True if something is at `path`, be it a link that leads nowhere.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The place of what is not whole, nothing being there.
fn emptied(path: &Path) -> io::Result<PathBuf> {
    let part = unfinished(path);
    match fs::remove_dir_all(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(part),
    }
}

/// Where [`folder`] and [`remove_folder`] keep what is not whole.
pub fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Writes a new file that only the user can read.
pub fn private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_all(platform::private_file().write(true).create_new(true).open(path)?, bytes)
}

/// Finds out before long work whether [`replace`] could succeed, leaving nothing behind.
pub fn probe(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let (file, temporary) = create_beside(&target(path), &platform::private_file())?;
    drop(file);
    fs::remove_file(temporary)
}

fn write_all(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// A new file in the folder of `path`, named after it and this process; never an existing one.
fn create_beside(path: &Path, options: &OpenOptions) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    for attempt in 0..100 {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.part", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match options.clone().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "its folder is full of unfinished files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        probe(&path).unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(replace(&dir.path().join("no/such.png"), b"x").is_err());
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(replace(&dir.path().join("folder"), b"x").is_err());
        assert!(replace_private(&dir.path().join("folder"), b"x").is_err());
        assert!(probe(&dir.path().join("folder")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no unfinished file stays");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_so_does_who_may_read() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (link, path) = (dir.path().join("link"), dir.path().join("kept/file"));
        fs::create_dir(dir.path().join("kept")).unwrap();
        symlink("kept/file", &link).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for before in [0o600, 0o640, 0o444] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            probe(&link).unwrap();
            replace(&link, b"new").unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), mode()), (b"new".as_slice(), before));
            replace_private(&link, b"own").unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), mode()), (b"own".as_slice(), 0o600));
            assert!(link.is_symlink() && fs::read_dir(dir.path().join("kept")).unwrap().count() == 1);
        }
    }

    #[test]
    fn what_a_folder_holds_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let write = |folder: &Path, text: &str| {
            fs::create_dir_all(folder.join("a"))?;
            fs::write(folder.join("a/one"), text)?;
            fs::write(folder.join("b"), text)
        };
        write(dir.path(), "old").unwrap();
        fs::write(at("a/more"), "old").unwrap();
        fs::write(at("c"), "another's").unwrap();
        // As a process that was killed leaves it.
        fs::create_dir_all(at(".underpaint.part/new/a")).unwrap();
        let full = |new: &Path| write(new, "new").and(Err(io::Error::other("full")));
        assert!(replace_in(dir.path(), &["a", "b"], full).is_err());
        assert!(fs::read(at("a/one")).unwrap() == b"old" && at("a/more").exists(), "nothing has changed");
        replace_in(dir.path(), &["a", "b"], |new| write(new, "new")).unwrap();
        assert!(fs::read(at("a/one")).unwrap() == b"new" && !at("a/more").exists());
        assert_eq!(fs::read(at("b")).unwrap(), b"new");
        replace_in(dir.path(), &["a", "b"], |_| Ok(())).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only what is another's is left");
    }

    #[test]
    fn a_folder_appears_whole_and_goes_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("entry"), dir.path().join("other"));
        // As a process that was killed leaves it.
        fs::create_dir(unfinished(&path)).unwrap();
        fs::write(unfinished(&path).join("old"), "half").unwrap();
        folder(&path, |part| private(&part.join("a"), b"one")).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        assert!(folder(&path, |_| Ok(())).is_err(), "nothing is replaced");
        let full = |part: &Path| private(&part.join("a"), b"one").and(Err::<(), _>(io::Error::other("full")));
        assert!(folder(&other, full).is_err());
        remove_folder(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
