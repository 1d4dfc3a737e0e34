//! The model that comes with Underpaint, so that whoever starts it can paint from words at once.
//!
//! Its files are part of the program. The engine reads models from disk, and a painter may want to look at this one as
//! at any other, so [`unpack`] writes it out once, into a folder named by what is in it: a newer program finds its own
//! model beside the older one's, and neither disturbs the other.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

/// Its id among the models.
pub const ID: &str = "starter";

/// SHA-256 over names and contents of [`FILES`], in hexadecimal.
pub const HASH: &str = embedded::HASH;

/// Paths below the model's folder, with `/`, and what is in them.
pub static FILES: &[(&str, &[u8])] = embedded::FILES;

/// Where [`unpack`] puts the model below `cache`.
pub fn folder(cache: &Path) -> PathBuf {
    cache.join(format!("{ID}-{}", &HASH[..16]))
}

/// Makes sure that the model lies in its folder below `cache`, and gives that folder. Nothing is written if all files
/// are there with their lengths; else the folder is replaced whole. Any number of processes may do this at once.
pub fn unpack(cache: &Path) -> io::Result<PathBuf> {
    let folder = folder(cache);
    if is_whole(&folder) {
        return Ok(folder);
    }
    fs::create_dir_all(cache)?;
    let fresh = beside(&folder)?;
    let placed = write(&fresh).and_then(|()| place(&fresh, &folder));
    if placed.is_err() {
        let _ = fs::remove_dir_all(&fresh);
    }
    placed.map(|()| folder)
}

/// Every file is there and as long as it should be: what a crash or a full disk cuts off is found out.
fn is_whole(folder: &Path) -> bool {
    let same = |(name, bytes): &(&str, &[u8])| {
        fs::metadata(folder.join(name)).is_ok_and(|m| m.is_file() && m.len() == bytes.len() as u64)
    };
    FILES.iter().all(same)
}

/// A new folder beside `folder`, of this process alone.
fn beside(folder: &Path) -> io::Result<PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    for attempt in 0..100 {
        let fresh = folder.with_file_name(format!(".{name}.{}-{attempt}.part", std::process::id()));
        match fs::create_dir(&fresh) {
            Ok(()) => return Ok(fresh),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "its folder is full of unfinished copies"))
}

fn write(folder: &Path) -> io::Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create(path)?.write_all(bytes)?;
    }
    Ok(())
}

/// Puts `fresh` in the place of `folder`. Whoever lost the race to another process takes what that one has put there.
fn place(fresh: &Path, folder: &Path) -> io::Result<()> {
    let Err(error) = fs::rename(fresh, folder) else { return Ok(()) };
    if !is_whole(folder) {
        // A damaged copy is in the way. It leaves by a rename too, so that nobody sees half of one.
        let old = fresh.with_extension("old");
        match fs::rename(folder, &old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let renamed = fs::rename(fresh, folder);
        let _ = fs::remove_dir_all(&old).or_else(|_| fs::remove_file(&old));
        if renamed.is_ok() || !is_whole(folder) {
            return renamed;
        }
    }
    fs::remove_dir_all(fresh)
}
