//! What is entered comes back as it was, in every depth; limits hold; nothing on the disk can do more harm than be put aside.

use super::*;
use serde_json::json;
use std::sync::Arc;
use underpaint_raster::{Extent, Rect};
use underpaint_wire::history::Entry;
use underpaint_wire::image::{self, Color, Px};

struct Studio {
    history: History,
    dir: tempfile::TempDir,
}

impl Studio {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(&Home::at(dir.path()).unwrap());
        Studio { history, dir }
    }

    fn keep(&self, keeping: serde_json::Value) {
        std::fs::write(self.dir.path().join("config.json"), json!({ "history": keeping }).to_string()).unwrap();
    }

    /// As the next daemon finds it.
    fn again(&self) -> History {
        let history = History::new(&Home::at(self.dir.path()).unwrap());
        history.tidy();
        history
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("history")
    }

    /// Names in the history's folder, sorted.
    fn names(&self) -> Vec<String> {
        let mut names = names(&self.folder());
        names.sort();
        names
    }

    fn enter(&self, prompt: &str) -> EntryId {
        self.history.enter(made(prompt, Px::Rgba8, (4, 3))).unwrap().unwrap()
    }
}

/// One patch of every value that the layout's first bytes can have.
fn made(prompt: &str, px: Px, (w, h): (u32, u32)) -> Made {
    let entry = Entry {
        entry: String::new(),
        made_ms: 5,
        client: "krita".into(),
        mode: "fill".into(),
        label: None,
        prompt: prompt.into(),
        negative_prompt: Some("fog".into()),
        model: "exemplar".into(),
        seed: u64::MAX,
        extent: Some(Extent::new(640, 480)),
    };
    let bytes = (0..w as usize * h as usize * px.bytes() as usize).map(|i| (i * 7 + i / 256) as u8).collect();
    let patch =
        MadePatch { rect: Rect::new(-3, 8, w, h), seed: u64::MAX, px, color: Color::Srgb, bytes: Arc::new(bytes) };
    Made { entry, patches: vec![patch], used: json!({"steps": 3}), receipt: json!({"request": {"prompt": prompt}}) }
}

fn prompts(history: &History) -> Vec<String> {
    history.list(64, None).0.into_iter().map(|(known, _)| known.entry.prompt).collect()
}

#[test]
fn what_is_entered_comes_back_bit_for_bit() {
    let studio = Studio::new();
    for px in [Px::Rgba8, Px::Bgra8, Px::Rgba16] {
        let made = made("a lake", px, (64, 16));
        let id = studio.history.enter(made.clone()).unwrap().unwrap();
        let fetched = studio.again().get(id).unwrap();
        let (patch, picture) = &fetched.patches[0];
        assert_eq!((patch.px, patch.place.rect, patch.place.seed), (px, made.patches[0].rect, u64::MAX));
        assert!(image::to_bytes(picture, px) == *made.patches[0].bytes, "{px:?}, also where alpha is 0");
        assert_eq!((&fetched.used, &fetched.receipt), (&made.used, &made.receipt));
        assert_eq!(fetched.entry, Entry { entry: id.to_string(), ..made.entry });
    }
}

#[test]
fn floats_come_back_finer_than_sixteen_bits_tell() {
    let studio = Studio::new();
    let values: Vec<f32> = (0..64).map(|i| i as f32 / 63.0).collect();
    let mut made = made("", Px::Rgbaf32, (4, 4));
    made.patches[0].bytes = Arc::new(values.iter().flat_map(|v| v.to_le_bytes()).collect());
    let id = studio.history.enter(made).unwrap().unwrap();
    let (patch, picture) = studio.history.get(id).unwrap().patches.remove(0);
    assert_eq!(patch.px, Px::Rgbaf32);
    assert!(picture.data().iter().zip(&values).all(|(a, b)| (a - b).abs() <= 0.5 / 65535.0 + f32::EPSILON));
}

#[test]
fn the_newest_come_first_in_pages_with_thumbnails() {
    let studio = Studio::new();
    let ids: Vec<EntryId> = (0..5).map(|i| studio.enter(&i.to_string())).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "also within one millisecond");
    let wide = studio.history.enter(made("wide", Px::Rgba16, (600, 300))).unwrap().unwrap();
    for history in [&studio.history, &studio.again()] {
        let (page, more) = history.list(2, Some(wide));
        assert_eq!((page.len(), more), (2, true));
        assert_eq!(page.iter().map(|(known, _)| known.entry.prompt.as_str()).collect::<Vec<_>>(), ["4", "3"]);
        assert_eq!(page[0].1, *made("", Px::Rgba8, (4, 3)).patches[0].bytes, "what is small is its own thumbnail");
        let (known, pixels) = history.list(1, None).0.remove(0);
        assert_eq!((known.thumbnail, pixels.len()), (Extent::new(192, 96), 192 * 96 * 4));
        let (rest, more) = history.list(64, Some(ids[3]));
        assert_eq!((rest.len(), more), (3, false));
    }
}

#[test]
fn only_so_much_is_kept_and_only_if_the_painter_wants() {
    let studio = Studio::new();
    studio.keep(json!({"max_entries": 2}));
    for prompt in ["a", "b", "c"] {
        studio.enter(prompt);
    }
    assert_eq!(prompts(&studio.history), ["c", "b"]);
    assert_eq!(studio.names().len(), 2);
    let each = studio.history.shelf().bytes / 2;
    studio.keep(json!({"max_bytes": each + each / 2}));
    assert_eq!(prompts(&studio.again()), ["c"], "what was allowed before goes at the next start");
    assert!(studio.history.enter(made("large", Px::Rgba16, (99, 99))).unwrap_err().contains("more than"));
    let mut long = made("long", Px::Rgba8, (1, 1));
    long.receipt = json!("x".repeat(8 << 20));
    studio.keep(json!({}));
    assert!(studio.history.enter(long).unwrap_err().contains("receipt"));
    assert_eq!(studio.names().len(), 1, "nothing is left behind");
    studio.keep(json!({"keep": false}));
    assert_eq!(studio.history.enter(made("secret", Px::Rgba8, (1, 1))), Ok(None));
    std::fs::write(studio.dir.path().join("config.json"), "{").unwrap();
    assert_eq!(studio.history.enter(made("secret", Px::Rgba8, (1, 1))), Ok(None), "what was said last holds");
    assert_eq!(prompts(&studio.again()), ["c"]);
}

#[test]
fn removed_is_removed() {
    let studio = Studio::new();
    let [a, b, c] = ["a", "b", "c"].map(|prompt| studio.enter(prompt));
    assert!(studio.history.remove(b).unwrap() && !studio.history.remove(b).unwrap());
    assert!(studio.history.get(b).is_err() && studio.history.get(a).is_ok());
    assert_eq!(studio.names(), [a.to_string(), c.to_string()]);
    assert_eq!(studio.history.clear().unwrap(), 2);
    assert_eq!((studio.names().len(), studio.history.shelf().bytes), (0, 0));
    let mut late = made("painted before, written after", Px::Rgba8, (1, 1));
    assert_eq!(studio.history.enter(late.clone()), Ok(None));
    assert_eq!(studio.names().len(), 0);
    late.entry.made_ms = now_ms() + 1;
    assert!(studio.history.enter(late).unwrap().is_some());
    assert_eq!(studio.history.clear().unwrap(), 1);
    assert!(prompts(&studio.again()).is_empty());
}

#[test]
#[cfg(unix)]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::MetadataExt;
    let studio = Studio::new();
    let entry = studio.folder().join(studio.enter("mine").to_string());
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!([mode(&studio.folder()), mode(&entry)], [0o700; 2]);
    let files = names(&entry);
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|file| mode(&entry.join(file)) == 0o600));
    // A folder that somebody opened to others gets nothing more.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(studio.folder(), open).unwrap();
    assert!(studio.history.enter(made("secret", Px::Rgba8, (1, 1))).unwrap_err().contains("chmod 700"));
}

#[test]
fn names_lead_nowhere_else() {
    for name in
        ["", ".", "..", "../../etc", "00000000000", "0000000000000", "00000000000A", "+0000000000a", "00000000000/"]
    {
        assert!(name.parse::<EntryId>().is_err(), "{name}");
    }
    assert_eq!("0123456789ab".parse::<EntryId>().unwrap().to_string(), "0123456789ab");
    let last = "ffffffffffff".parse().unwrap();
    assert_eq!(EntryId::after(Some(last), 1), None);
    assert_eq!(EntryId::after(None, 17).unwrap().to_string(), "000000000011");
}

/// Each row spoils a good entry in one way; it is put aside, its neighbour stays.
#[test]
fn what_is_damaged_is_put_aside_and_costs_no_other() {
    let text = |path: &Path, change: &dyn Fn(&mut serde_json::Value)| {
        let mut record = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        change(&mut record);
        fs::write(path, record.to_string()).unwrap();
    };
    type Spoil = Box<dyn Fn(&Path)>;
    let record = |change: fn(&mut serde_json::Value)| -> Spoil {
        Box::new(move |entry| text(&entry.join("entry.json"), &change))
    };
    let file = |name: &'static str, content: Option<Vec<u8>>| -> Spoil {
        Box::new(move |entry| match &content {
            Some(bytes) => fs::write(entry.join(name), bytes).unwrap(),
            None => fs::remove_file(entry.join(name)).unwrap(),
        })
    };
    let folder: Spoil = Box::new(|entry| {
        fs::remove_file(entry.join("entry.json")).unwrap();
        fs::create_dir(entry.join("entry.json")).unwrap();
    });
    let rows = [
        ("no record", file("entry.json", None)),
        ("empty record", file("entry.json", Some(Vec::new()))),
        ("no JSON", file("entry.json", Some(b"\xff\xfe{".to_vec()))),
        ("brackets", file("entry.json", Some(vec![b'['; 100_000]))),
        ("record is a folder", folder),
        ("no patch", file("patch-0.png", None)),
        ("no thumbnail", file("thumbnail.rgba8", None)),
        ("format", record(|r| r["format"] = json!(2))),
        ("another's name", record(|r| r["entry"] = json!("../../../etc"))),
        ("no patches", record(|r| r["patches"] = json!([]))),
        ("many patches", record(|r| r["patches"] = json!(vec![r["patches"][0].clone(); 99]))),
        ("missing patch", record(|r| r["patches"] = json!(vec![r["patches"][0].clone(); 2]))),
        ("no width", record(|r| r["patches"][0]["rect"]["w"] = json!(0))),
        ("endless", record(|r| r["patches"][0]["rect"]["h"] = json!(u32::MAX))),
        ("negative", record(|r| r["patches"][0]["rect"]["w"] = json!(-4))),
        ("grey", record(|r| r["patches"][0]["px"] = json!("g8"))),
        ("huge thumbnail", record(|r| r["thumbnail"] = json!([65535, 65535]))),
        ("long text", record(|r| r["prompt"] = json!("x".repeat(1 << 20)))),
        ("wrong type", record(|r| r["made_ms"] = json!("now"))),
    ];
    for (name, spoil) in rows {
        let studio = Studio::new();
        let bad = studio.enter("bad");
        studio.enter("good");
        spoil(&studio.folder().join(bad.to_string()));
        let next = studio.again();
        assert_eq!(prompts(&next), ["good"], "{name}");
        assert!(next.get(bad).is_err(), "{name}");
        assert!(studio.names().contains(&format!("{bad}.{ASIDE}")), "{name}: {:?}", studio.names());
        assert_eq!(next.clear().unwrap(), 1);
        assert!(studio.names().is_empty(), "{name}: all of it is cleared");
    }
}

/// What looks whole at the start may turn out to be damaged when it is wanted.
#[test]
fn damage_within_a_file_is_found_when_it_is_read() {
    let other = underpaint_raster::Image::new(Extent::new(9, 9));
    let other = crate::picture::encode(&other, crate::picture::Depth::Eight, true, None, &[]).unwrap();
    let spoiled = [
        ("cut short", "patch-0.png", None),
        ("noise", "patch-0.png", Some(vec![7; 99])),
        ("another size", "patch-0.png", Some(other)),
        ("thumbnail", "thumbnail.rgba8", Some(vec![0; 47])),
    ];
    for (name, file, spoil) in spoiled {
        let studio = Studio::new();
        let bad = studio.enter("bad");
        studio.enter("good");
        let path = studio.folder().join(bad.to_string()).join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, spoil.unwrap_or_else(|| bytes[..bytes.len() / 2].to_vec())).unwrap();
        let next = studio.again();
        let first = prompts(&next);
        assert!(next.get(bad).is_err(), "{name}");
        assert!(first == ["good", "bad"] || first == ["good"], "{name}");
        assert_eq!(prompts(&next), ["good"], "{name}");
        assert!(studio.names().contains(&format!("{bad}.{ASIDE}")), "{name}");
    }
}

#[test]
fn what_a_killed_daemon_left_is_tidied_and_what_is_not_ours_stays() {
    let studio = Studio::new();
    let id = studio.enter("whole");
    for name in [".0123456789ab.part", ".notes.part", "holiday"] {
        fs::create_dir(studio.folder().join(name)).unwrap();
        fs::write(studio.folder().join(name).join("patch-0.png"), "half").unwrap();
    }
    assert_eq!(prompts(&studio.again()), ["whole"]);
    assert_eq!(studio.names(), [".notes.part".to_owned(), id.to_string(), "holiday".into()]);
    #[cfg(unix)]
    {
        let link = studio.folder().join("0000000000aa");
        std::os::unix::fs::symlink(studio.folder().join(id.to_string()), &link).unwrap();
        assert_eq!(prompts(&studio.again()), ["whole"], "a link is no entry");
    }
}

#[test]
fn the_thread_enters_in_order_and_ends_when_all_is_entered() {
    let studio = Studio::new();
    let history = Arc::new(studio.again());
    let (tell, told) = std::sync::mpsc::channel();
    let writer = Writer::start(history.clone(), move || tell.send(()).unwrap()).unwrap();
    let enter = |prompt| writer.enter(made(prompt, Px::Rgba8, (4, 3)));
    enter("a");
    told.recv().expect("what nobody asks for is entered, too");
    assert_eq!(prompts(&history), ["a"]);
    enter("b");
    writer.settle(Duration::from_secs(60));
    assert_eq!(prompts(&history), ["b", "a"], "whoever asks waits for it");
    ["c", "d"].into_iter().for_each(enter);
    writer.finish(Duration::from_secs(60));
    assert_eq!(prompts(&history), ["d", "c", "b", "a"]);
    assert_eq!(told.iter().count(), 3);
    writer.enter(made("late", Px::Rgba8, (4, 3)));
    assert_eq!(prompts(&history), ["d", "c", "b", "a"]);
}
