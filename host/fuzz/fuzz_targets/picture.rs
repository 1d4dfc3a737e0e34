//! Any bytes are a picture within the limits or refused in one line.
#![no_main]

#[path = "../../daemon/src/picture/mod.rs"]
#[allow(dead_code, unused_imports)]
mod picture;
/// What a picture would be written with, which nothing here does.
mod save {
    use std::io::{Error, ErrorKind, Result};
    use std::path::Path;

    pub fn probe(_: &Path) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    pub fn replace(_: &Path, _: &[u8]) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }
}

use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    match picture::decode(Path::new("picture"), bytes) {
        Ok(picture) => {
            let extent = picture.image.extent();
            assert!((1..=picture::MAX_SIDE).contains(&extent.w) && (1..=picture::MAX_SIDE).contains(&extent.h));
            assert!(extent.area() <= picture::MAX_PIXELS);
            assert_eq!(picture.image.data().len() as u64, 4 * extent.area());
            assert!(picture.image.data().iter().all(|value| (0.0..=1.0).contains(value)));
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
});
