//! The folder of compiled filters: used, private, and never trusted when it was touched.

use std::fs;
use std::path::{Path, PathBuf};
use underpaint_filters::{Call, Filters};
use underpaint_raster::{Extent, Image, Unattended};

fn grainy(cache: &Path) -> Image {
    let mut image = Image::new(Extent::new(32, 32));
    image.data_mut().fill(0.5);
    let chain = [Call { name: "film-grain".into(), ..Call::default() }];
    Filters::new(Some(cache)).unwrap().apply(&image, &chain, 3, &Unattended).unwrap()
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn keeps_one_private_file_and_survives_every_damage_to_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache/filters");
    let first = grainy(&dir);
    let file = only_file(&dir);
    let whole = fs::read(&file).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in
        [Vec::new(), whole[..20].to_vec(), whole[..whole.len() / 2].to_vec(), flipped, b"not code".repeat(100)]
    {
        fs::write(&file, &damaged).unwrap();
        assert!(grainy(&dir) == first);
        assert!(fs::read(only_file(&dir)).unwrap() == whole, "a damaged file is replaced");
    }
}

#[test]
#[cfg(unix)]
fn refuses_a_folder_others_may_write() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Filters::new(Some(home.path())).err().unwrap().to_string();
    assert!(error.contains("chmod 700"), "{error}");
    let link = tempfile::tempdir().unwrap();
    let (real, path) = (link.path().join("real"), link.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    assert!(Filters::new(Some(&path)).is_err(), "a link in the folder's place");
}

/// A file that others may write, or a link, is compiled anew instead of loaded.
#[test]
#[cfg(unix)]
fn does_not_load_what_others_may_have_written() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    let first = grainy(&dir);
    let file = only_file(&dir);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(grainy(&dir) == first);
    assert_eq!(fs::metadata(only_file(&dir)).unwrap().permissions().mode() & 0o777, 0o600);
}
