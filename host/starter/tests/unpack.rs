//! The way to the disk: whole, once, by any number at the same time, and healed when damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use underpaint_starter::{FILES, HASH, folder, unpack};

/// All files below `folder`, as `(path with /, modification time)`.
fn listing(root: &Path, below: &Path) -> Vec<(String, SystemTime)> {
    let mut all = Vec::new();
    for path in fs::read_dir(below).unwrap().map(|e| e.unwrap().path()) {
        match path.is_dir() {
            true => all.extend(listing(root, &path)),
            false => {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                all.push((name, path.metadata().unwrap().modified().unwrap()));
            }
        }
    }
    all.sort();
    all
}

fn check(cache: &Path) {
    let at = folder(cache);
    let names: Vec<_> = listing(&at, &at).into_iter().map(|(name, _)| name).collect();
    let mut expected: Vec<_> = FILES.iter().map(|(name, _)| name.to_string()).collect();
    expected.sort();
    assert_eq!(names, expected);
    assert!(FILES.iter().all(|(name, bytes)| fs::read(at.join(name)).unwrap() == *bytes));
    assert_eq!(fs::read_dir(cache).unwrap().count(), 1, "nothing unfinished is left");
}

#[test]
fn every_file_of_the_model_is_embedded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("model");
    let there: Vec<_> = listing(&root, &root).into_iter().map(|(name, _)| name).collect();
    assert_eq!(there.len(), FILES.len());
    for needed in ["model_index.json", "underpaint.json", "unet/config.json", "vae/config.json"] {
        assert!(there.iter().any(|name| name == needed), "{needed} is missing");
    }
    assert!(HASH.len() == 64 && FILES.iter().all(|(name, bytes)| there.iter().any(|n| n == name) && !bytes.is_empty()));
}

#[test]
fn it_is_written_once() {
    let cache = tempfile::tempdir().unwrap();
    let below = cache.path().join("not/there/yet");
    let at = unpack(&below).unwrap();
    check(&below);
    let before = listing(&at, &at);
    assert_eq!(unpack(&below).unwrap(), at);
    assert_eq!(listing(&at, &at), before, "nothing was written again");
}

/// What can be in the way, by what was done to a good copy.
#[test]
fn a_damaged_copy_is_replaced() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("a file cut short", |at| fs::write(at.join("unet/config.json"), "{").unwrap()),
        ("a file gone", |at| fs::remove_file(at.join("model_index.json")).unwrap()),
        ("a folder gone", |at| fs::remove_dir_all(at.join("vae")).unwrap()),
        ("a file that is a folder", |at| {
            fs::remove_file(at.join("underpaint.json")).unwrap();
            fs::create_dir(at.join("underpaint.json")).unwrap();
        }),
        ("an empty folder", |at| {
            fs::remove_dir_all(at).unwrap();
            fs::create_dir(at).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let cache = tempfile::tempdir().unwrap();
        damage(&unpack(cache.path()).unwrap());
        unpack(cache.path()).unwrap_or_else(|e| panic!("{what}: {e}"));
        check(cache.path());
    }
}

#[test]
fn many_at_once_all_get_it() {
    let cache = tempfile::tempdir().unwrap();
    for damaged in [false, true] {
        if damaged {
            fs::write(folder(cache.path()).join("vae/config.json"), "").unwrap();
        }
        std::thread::scope(|scope| {
            let each: Vec<_> = (0..4).map(|_| scope.spawn(|| unpack(cache.path()))).collect();
            each.into_iter().for_each(|one| drop(one.join().unwrap().unwrap()));
        });
        check(cache.path());
    }
}

#[test]
fn a_place_that_cannot_be_written_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert!(unpack(&file).is_err());
    let in_the_way: PathBuf = folder(cache.path());
    fs::write(&in_the_way, "a file where the folder goes").unwrap();
    // Even that is only an old copy of the wrong kind.
    assert_eq!(unpack(cache.path()).unwrap(), in_the_way);
}
