//! `underpaint filter watch`: builds and shows the filter again whenever a file of its project is saved.
//!
//! Decision: files are looked at a few times a second instead of asking the system to tell: it is the same everywhere,
//! and a project has few files.

use super::project::Project;
use super::{build, run};
use crate::cli::progress::Terminal;
use crate::cli::{Failure, Global};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use underpaint_raster::Job;

const EXAMPLES: &str = "\
Examples:
  underpaint filter watch photo.png -o out.png
  underpaint filter watch photo.png -o out.png --dir my-filter --param strength=1 --json

Open out.png in a viewer that reloads. Ctrl-C ends it.";

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(150);

/// Folders in which tools, not people, write.
const BUILT: [&str; 5] = ["target", "node_modules", "build", "zig-out", "zig-cache"];

/// Build and run a filter again whenever one of its files is saved
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The picture
    image: PathBuf,
    /// Where the result goes, a .png
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// The project's folder
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    options: run::Options,
}

impl Watch {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        // Listens for Ctrl-C from here on.
        let owner = Terminal::new(true);
        let mut sources = Sources::new(&self.dir, &self.out);
        // What is wrong with the arguments is wrong for ever; what is wrong in a source is about to be mended.
        Project::open(&self.dir)?;
        while !owner.is_cancelled() {
            if sources.changed() {
                let start = Instant::now();
                match self.again(global) {
                    Ok(mut ran) => {
                        let ms = start.elapsed().as_millis() as u64;
                        ran.said["ms"] = ms.into();
                        global.say(&ran.said, &format!("{} ({ms} ms)", ran.sentence));
                    }
                    Err(Failure::Interrupted) => break,
                    Err(failure) => drop(failure.report(global.json)),
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn again(&self, global: &Global) -> Result<run::Ran, Failure> {
        build::build(global, &Project::open(&self.dir)?)?;
        run::run(global, &self.dir.to_string_lossy(), &self.image, &self.out, &self.options)
    }
}

/// The files somebody writes in a project.
struct Sources {
    dir: PathBuf,
    out: PathBuf,
    seen: Option<Vec<(PathBuf, Option<SystemTime>, u64)>>,
}

impl Sources {
    /// Those in `dir`, but not `out`, which is written by us.
    fn new(dir: &Path, out: &Path) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        Self { dir: absolute(dir), out: absolute(out), seen: None }
    }

    /// True the first time, and whenever a file came, went or was saved since the last question.
    fn changed(&mut self) -> bool {
        let mut now = Vec::new();
        self.collect(&self.dir, &mut now);
        now.sort();
        let changed = self.seen.as_ref() != Some(&now);
        self.seen = Some(now);
        changed
    }

    fn collect(&self, dir: &Path, found: &mut Vec<(PathBuf, Option<SystemTime>, u64)>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Ok(metadata) = entry.metadata() else { continue };
            // Hidden files are editors' and tools'; a lock and the wasm are written by building.
            let built = name.starts_with('.') || name == "Cargo.lock" || name.ends_with(".wasm") || name.ends_with('~');
            if metadata.is_dir() && !built && !BUILT.contains(&name.as_str()) {
                self.collect(&path, found);
            } else if metadata.is_file() && !built && path != self.out {
                found.push((path, metadata.modified().ok(), metadata.len()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sources;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    #[test]
    fn only_what_people_write_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("src")).unwrap();
        fs::create_dir_all(at("target/deep")).unwrap();
        fs::write(at("src/lib.rs"), "1").unwrap();
        let mut sources = Sources::new(dir.path(), &at("out.png"));
        assert!(sources.changed(), "the first look");
        assert!(!sources.changed());
        for name in ["target/deep/x.rs", "out.png", ".lib.rs.swp", "Cargo.lock", "mine.wasm", "lib.rs~"] {
            fs::write(at(name), "new").unwrap();
            assert!(!sources.changed(), "{name}");
        }
        // Saved with the same length, later.
        let file = File::options().write(true).open(at("src/lib.rs")).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert!(sources.changed());
        fs::write(at("src/more.rs"), "").unwrap();
        assert!(sources.changed(), "a file came");
        fs::remove_file(at("src/more.rs")).unwrap();
        assert!(sources.changed() && !sources.changed(), "a file went");
    }
}
