//! Styles: what a painter likes to paint with, under a name, the same in every editor.
//!
//! Decision: a style is a part of a `generate` request, kept as the client sent it. The daemon checks that each member
//! is one a style may hold and of its type; which models and filters there are is looked at when the style is used,
//! since a disk may be away for a while. All of them are one small file, replaced whole.

use crate::save;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use underpaint_wire::Error;
use underpaint_wire::generate::Generate;

/// Members of `generate` that a style may hold.
const MEMBERS: [&str; 16] = [
    "model",
    "prompt",
    "negative_prompt",
    "steps",
    "guidance_scale",
    "guidance_rescale",
    "image_guidance_scale",
    "denoise_strength",
    "sampler",
    "scheduler",
    "clip_skip",
    "loras",
    "filters",
    "feather_px",
    "grow_px",
    "passes",
];

/// Most styles, longest name in bytes, most bytes of one style's settings.
const MOST: usize = 256;
const NAME_BYTES: usize = 80;
const SETTINGS_BYTES: usize = 1 << 20;

/// One style.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Style {
    /// What the painter calls it.
    pub name: String,
    /// Members of a `generate` request.
    pub settings: Map<String, Value>,
}

/// The styles of a home. Many connections may use it at once.
pub struct Styles {
    path: PathBuf,
    /// Or why they cannot be read: then nothing is written either, and each use reads again.
    styles: Mutex<Result<Vec<Style>, String>>,
}

impl Styles {
    /// Reads the styles of a file; none if it does not exist. One that is no list of styles is put aside, so that nothing
    /// of it is lost when the next style is kept. What went wrong is told in the sentence that comes back.
    pub fn open(path: &Path) -> (Self, Option<String>) {
        let (styles, sentence) = match read(path) {
            Ok((styles, sentence)) => (Ok(styles), sentence),
            Err(sentence) => (Err(sentence.clone()), Some(sentence)),
        };
        (Self { path: path.to_owned(), styles: Mutex::new(styles) }, sentence)
    }

    /// All styles, by name.
    pub fn list(&self) -> Value {
        json!(self.lock().as_deref().unwrap_or_default())
    }

    /// Keeps a style, in place of the one with its name if there is one.
    pub fn put(&self, style: Style) -> Result<(), Error> {
        check(&style)?;
        self.change(|styles| {
            match styles.binary_search_by(|known| known.name.cmp(&style.name)) {
                Ok(index) => styles[index] = style,
                Err(_) if styles.len() >= MOST => {
                    return Err(Error::field("name", format!("There are {MOST} styles already; remove one first.")));
                }
                Err(index) => styles.insert(index, style),
            }
            Ok(())
        })
    }

    /// Forgets a style. One that is not there is no error.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.change(|styles| {
            styles.retain(|style| style.name != name);
            Ok(())
        })
    }

    /// Keeps what `change` makes of the styles, unless they stay the same.
    fn change(&self, change: impl FnOnce(&mut Vec<Style>) -> Result<(), Error>) -> Result<(), Error> {
        let failed =
            |e: String| Error::new(underpaint_wire::Kind::Internal, format!("The styles cannot be kept: {e}."));
        let mut styles = self.lock();
        let mut changed = styles.clone().map_err(failed)?;
        change(&mut changed)?;
        if styles.as_ref() != Ok(&changed) {
            // Prompts are in them.
            let bytes = serde_json::to_vec_pretty(&changed).map_err(|e| failed(e.to_string()))?;
            save::replace_private(&self.path, &bytes).map_err(|e| failed(e.to_string()))?;
            *styles = Ok(changed);
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Result<Vec<Style>, String>> {
        let mut styles = self.styles.lock().unwrap_or_else(PoisonError::into_inner);
        if styles.is_err() {
            *styles = read(&self.path).map(|(styles, _)| styles);
        }
        styles
    }
}

/// The styles of a file, and what was done about one that is no list of styles. Fails with a sentence if what is there could
/// be the painter's styles.
fn read(path: &Path) -> Result<(Vec<Style>, Option<String>), String> {
    let shown = path.display();
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), None)),
        read => read.map_err(|e| format!("{shown} cannot be read: {e}"))?,
    };
    serde_json::from_slice(&bytes).map(|styles| (styles, None)).or_else(|damage| {
        let aside = path.with_extension("json.damaged");
        fs::rename(path, &aside)
            .map_err(|e| format!("{shown} is no list of styles ({damage}), nor can it be moved: {e}"))?;
        Ok((Vec::new(), Some(format!("{shown} is no list of styles ({damage}); it is kept as {}", aside.display()))))
    })
}

fn check(style: &Style) -> Result<(), Error> {
    let Style { name, settings } = style;
    if name.trim().is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Error::field("name", format!("A style's name is 1 to {NAME_BYTES} bytes of one line.")));
    }
    if let Some(member) = settings.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
        let member: String = member.chars().take(64).collect();
        let message = format!("A style cannot hold `{member}`; it may hold {}.", MEMBERS.join(", "));
        return Err(Error::field("settings", message));
    }
    // What is read back is what a painter's request will say.
    let _: Generate = underpaint_wire::json::params(settings)?;
    if serde_json::to_vec(settings).map_or(0, |bytes| bytes.len()) > SETTINGS_BYTES {
        return Err(Error::field("settings", "A style holds at most 1 MiB."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Style, Styles};
    use serde_json::{Value, json};

    fn style(name: &str, settings: Value) -> Style {
        Style { name: name.into(), settings: settings.as_object().unwrap().clone() }
    }

    #[test]
    fn kept_replaced_sorted_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("styles.json");
        let (styles, sentence) = Styles::open(&path);
        assert_eq!((styles.list(), sentence), (json!([]), None));
        styles.put(style("oil", json!({"steps": 30}))).unwrap();
        styles.put(style("ink", json!({"filters": [{"name": "film-grain", "params": {"size": 2}}]}))).unwrap();
        styles.put(style("oil", json!({"steps": 20, "sampler": "euler"}))).unwrap();
        let (again, _) = Styles::open(&path);
        assert_eq!(again.list(), styles.list());
        assert_eq!(again.list()[0]["name"], "ink");
        assert_eq!(again.list()[1]["settings"], json!({"steps": 20, "sampler": "euler"}));
        again.remove("ink").unwrap();
        again.remove("never was").unwrap();
        assert_eq!(Styles::open(&path).0.list().as_array().unwrap().len(), 1);
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (styles, _) = Styles::open(&dir.path().join("styles.json"));
        for (name, settings, says) in [
            ("", json!({}), "name"),
            ("two\nlines", json!({}), "name"),
            (&*"x".repeat(81), json!({}), "name"),
            ("a", json!({"canvas": {}}), "canvas"),
            ("a", json!({"seed": 3}), "seed"),
            ("a", json!({"steps": "many"}), "steps"),
            ("a", json!({"filters": [{"params": {}}]}), "name"),
            ("a", json!({"negative_prompt": "x".repeat(2 << 20)}), "1 MiB"),
        ] {
            let error = styles.put(style(name, settings)).unwrap_err();
            assert!(format!("{error:?}").contains(says), "{error:?}");
        }
        assert_eq!(styles.list(), json!([]));
        let many: Vec<Style> = (0..256).map(|i| style(&format!("{i:03}"), json!({}))).collect();
        std::fs::write(dir.path().join("styles.json"), serde_json::to_vec(&many).unwrap()).unwrap();
        let (styles, _) = Styles::open(&dir.path().join("styles.json"));
        assert!(styles.put(style("one more", json!({}))).is_err());
        assert!(styles.put(style("007", json!({"steps": 3}))).is_ok());
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("styles.json");
        std::fs::write(&path, "[{").unwrap();
        let (styles, sentence) = Styles::open(&path);
        assert!(sentence.unwrap().contains("styles.json.damaged"));
        styles.put(style("new", json!({}))).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("styles.json.damaged")).unwrap(), "[{");
    }

    #[test]
    fn what_cannot_be_read_is_not_replaced_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let (path, kept) = (dir.path().join("styles.json"), json!([{"name": "oil", "settings": {}}]));
        let aside = dir.path().join("styles.json.damaged");
        // In the first case a folder is in the file's place, in the second the damaged file can go nowhere.
        for blocked in [&path, &aside] {
            std::fs::create_dir(blocked).unwrap();
            std::fs::write(blocked.join("anything"), "").unwrap();
            if blocked == &aside {
                std::fs::write(&path, "[{").unwrap();
            }
            let (styles, sentence) = Styles::open(&path);
            let sentence = sentence.unwrap();
            assert!(sentence.contains("styles.json") && !sentence.contains("kept as"), "{sentence}");
            let refused = [styles.put(style("new", json!({}))), styles.remove("oil")].map(Result::unwrap_err);
            assert!(refused.iter().all(|error| error.message.contains(&sentence)), "{refused:?}");
            assert_eq!(styles.list(), json!([]));
            assert!(blocked == &path || std::fs::read(&path).unwrap() == b"[{");
            std::fs::remove_dir_all(blocked).unwrap();
            std::fs::write(&path, kept.to_string()).unwrap();
            assert_eq!(styles.list(), kept);
            styles.put(style("ink", json!({}))).unwrap();
            assert_eq!(Styles::open(&path).0.list().as_array().unwrap().len(), 2);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("styles.json");
        std::fs::write(&path, "[]").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        Styles::open(&path).0.put(style("oil", json!({"prompt": "a secret"}))).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
