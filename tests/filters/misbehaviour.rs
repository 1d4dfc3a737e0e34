//! What hostile and broken filters do, and what comes of it: an error that names the filter and the reason, in time,
//! and a host in which the next filter runs as if nothing had been.

mod guests;

use guests::{
    Guest, LEN, LOCAL, LOG, PIXELS, PROCESS, RESULT, SURVEY, TEXT, TILE, TILES, WHOLE_PICTURE, return_pixels,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;
use underpaint_filters::{Call, FIRST_PARTY, Filters, Level, MAX_BYTES, Origin, Reason, Settings};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};
use wasm_encoder::{BlockType, MemArg, MemoryType, RefType, TableType, ValType};

const AT: MemArg = MemArg { offset: 0, align: 2, memory_index: 0 };

fn call(name: &str) -> Vec<Call> {
    vec![Call { name: name.into(), ..Call::default() }]
}

/// 24x16, alpha 0 on the left third.
fn picture() -> Image {
    let mut image = Image::new(Extent::new(24, 16));
    for y in 0..16 {
        for x in 8..24 {
            image.set_pixel(x, y, [x as f32 / 24.0, y as f32 / 16.0, 0.5, if x < 12 { 0.5 } else { 1.0 }]);
        }
    }
    image
}

/// A sandbox of its own; what is compiled is shared by the tests of this file, so that film grain is compiled once.
fn filters() -> Filters {
    static CACHE: OnceLock<TempDir> = OnceLock::new();
    let cache = CACHE.get_or_init(|| tempfile::tempdir().expect("a folder"));
    Filters::new(Some(&cache.path().join("filters"))).expect("the sandbox")
}

/// Runs the guest, and film grain after it in the same `Filters`: that must be as in a fresh one.
fn run(guest: &Guest) -> Result<Image, Reason> {
    let mut filters = filters();
    let image = picture();
    let fresh = filters.apply(&image, &call("film-grain"), 7, &Unattended).expect("film grain in a fresh sandbox");
    let origin = Origin::File(PathBuf::from("guest.wasm"));
    let added = filters.add(&guest.wasm(), origin).map(|descriptor| descriptor.name.clone());
    let result = added.and_then(|name| filters.apply(&image, &call(&name), 7, &Unattended));
    assert_eq!(image, picture(), "the caller's picture changed");
    let after = filters.apply(&image, &call("film-grain"), 7, &Unattended).expect("film grain after the guest");
    assert!(after == fresh, "film grain changed after the guest");
    result.map_err(|error| {
        assert!(error.filter == "guest" || error.filter == "guest.wasm", "the error names {:?}", error.filter);
        let sentence = error.to_string();
        assert!(!sentence.contains('\n') && sentence.len() < 500, "not a sentence: {sentence:?}");
        error.reason
    })
}

fn loop_forever(code: &mut wasm_encoder::InstructionSink<'_>) {
    code.loop_(BlockType::Empty).br(0).end().unreachable();
}

#[test]
fn an_honest_guest_returns_the_picture() {
    assert_eq!(run(&Guest::new("guest")), Ok(picture()));
    assert_eq!(run(&Guest { passes: vec![], ..Guest::new("guest") }), Ok(picture()), "unchanged");
    assert_eq!(run(&Guest { passes: vec![(WHOLE_PICTURE, 0)], ..Guest::new("guest") }), Ok(picture()), "whole picture");
}

#[test]
fn loops_forever() {
    assert_eq!(run(&Guest::process("guest", loop_forever)), Err(Reason::Timeout(200)));
}

#[test]
fn loops_forever_in_prepare() {
    assert_eq!(run(&Guest { prepare: Box::new(loop_forever), ..Guest::new("guest") }), Err(Reason::Timeout(200)));
}

#[test]
fn loops_forever_in_describe() {
    assert_eq!(run(&Guest { describe: Box::new(loop_forever), ..Guest::new("guest") }), Err(Reason::Timeout(1000)));
}

#[test]
fn allocates_without_end() {
    let guest = Guest::process("guest", |code| {
        code.loop_(BlockType::Empty).i32_const(16).memory_grow(0).i32_const(-1).i32_ne().br_if(0).end().unreachable();
    });
    let tile = 24 * 16 * 16;
    assert_eq!(run(&guest), Err(Reason::Memory((16 << 20) + 4 * tile)));
}

#[test]
fn traps() {
    let trap = |code: fn(&mut wasm_encoder::InstructionSink<'_>)| match run(&Guest::process("guest", code)) {
        Err(Reason::Trap(what)) => what,
        other => panic!("not a trap: {other:?}"),
    };
    assert!(trap(|code| _ = code.unreachable()).contains("unreachable"));
    assert!(trap(|code| _ = code.i32_const(1).i32_const(0).i32_div_u()).contains("divide by zero"));
    assert!(trap(|code| _ = code.i32_const(-4).i32_const(1).i32_store(AT).unreachable()).contains("out of bounds"));
}

#[test]
fn recurses_without_end() {
    let guest = Guest::process("guest", |code| {
        (0..TILE as u32).for_each(|i| _ = code.local_get(i));
        code.call(PROCESS);
    });
    assert_eq!(run(&guest), Err(Reason::Trap("call stack exhausted".into())));
}

#[test]
fn returns_a_wrong_number_of_values() {
    for change in [-4, 4, -1_000_000] {
        let guest = Guest::process("guest", move |code| {
            code.local_get(LEN).i32_const(change).i32_add().local_set(LEN);
            return_pixels(code);
        });
        assert!(matches!(run(&guest), Err(Reason::BadOutput(_))), "{change} values more");
    }
}

#[test]
fn returns_a_list_outside_of_its_memory() {
    let guest = Guest::process("guest", |code| {
        code.i32_const(16).local_set(PIXELS).i32_const(1_000_000_000).local_set(LEN);
        return_pixels(code);
    });
    assert!(matches!(run(&guest), Err(Reason::BadOutput(_))));
}

#[test]
fn returns_what_is_not_a_number() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let at_pixel_10 = MemArg { offset: 10 * 16, ..AT };
        let guest = Guest::process("guest", move |code| {
            code.local_get(PIXELS).f32_const(bad.into()).f32_store(at_pixel_10);
            return_pixels(code);
        });
        let Err(Reason::BadOutput(what)) = run(&guest) else { panic!("{bad} was taken") };
        assert!(what.contains("pixel (10, 0)"), "{what}");
    }
}

/// All ones: colour and alpha may change inside the picture's support, and nowhere else.
#[test]
fn paints_outside_of_the_patch() {
    let guest = Guest::process("guest", |code| {
        code.loop_(BlockType::Empty);
        code.local_get(PIXELS).local_get(LOCAL).i32_const(2).i32_shl().i32_add().f32_const(7.0.into()).f32_store(AT);
        code.local_get(LOCAL).i32_const(1).i32_add().local_tee(LOCAL).local_get(LEN).i32_ne().br_if(0).end();
        return_pixels(code);
    });
    let out = run(&guest).unwrap();
    for (new, old) in out.data().chunks(4).zip(picture().data().chunks(4)) {
        assert_eq!(new, if old[3] > 0.0 { [1.0; 4].as_slice() } else { old });
    }
}

/// What a plan may not say: each row is a change to an honest guest.
#[test]
fn plans_what_cannot_be_done() {
    let plan = |size: (u32, u32), passes: Vec<(u8, u32)>| match run(&Guest { size, passes, ..Guest::new("guest") }) {
        Err(Reason::BadOutput(what)) => what,
        other => panic!("{size:?}: {other:?}"),
    };
    assert!(plan((24, 16), vec![(TILES, 0); 17]).contains("17 passes"));
    assert!(plan((24, 16), vec![(TILES, 0), (SURVEY, 0)]).contains("survey"));
    assert!(plan((48, 32), vec![]).contains("no pass"));
    assert!(plan((48, 32), vec![(0, 0)]).contains("single pixels"));
    for size in [(0, 16), (24, 0), (70_000, 1), (60_000, 60_000)] {
        assert!(plan(size, vec![(TILES, 0)]).contains("a result of"), "{size:?}");
    }
    // More pixels than it returns: the honest guest sends back what it was given.
    assert!(plan((48, 32), vec![(TILES, 0)]).contains("values for a tile"));
}

#[test]
fn takes_no_sample_type_or_linear_bytes() {
    for (samples, encoding) in [(vec![], 0), (vec![0, 2], 1)] {
        let guest = Guest { samples, encoding, ..Guest::new("guest") };
        assert!(matches!(run(&guest), Err(Reason::Description(_))));
    }
    assert!(matches!(run(&Guest { samples: vec![7], ..Guest::new("guest") }), Err(Reason::BadOutput(_))));
}

#[test]
fn returns_another_sample_type() {
    let guest = Guest::process("guest", |code| {
        code.i32_const(0).local_set(PIXELS - 1);
        return_pixels(code);
    });
    assert!(matches!(run(&guest), Err(Reason::BadOutput(_))));
}

#[test]
fn answers_a_survey_with_too_much() {
    let guest = Guest {
        passes: vec![(SURVEY, 0), (TILES, 0)],
        survey: Box::new(|code| {
            for (offset, value) in [(0, 0), (4, 0), (8, 70_000)] {
                code.i32_const(RESULT as i32).i32_const(value).i32_store(MemArg { offset, ..AT });
            }
            code.i32_const(RESULT as i32);
        }),
        ..Guest::new("guest")
    };
    assert!(matches!(run(&guest), Err(Reason::BadOutput(what)) if what.contains("70000 bytes")));
}

#[test]
fn loops_forever_in_survey_and_learn() {
    let passes = || vec![(SURVEY, 0), (TILES, 0)];
    let survey = Guest { passes: passes(), survey: Box::new(loop_forever), ..Guest::new("guest") };
    assert_eq!(run(&survey), Err(Reason::Timeout(200)));
    let learn = Guest { passes: passes(), learn: Box::new(loop_forever), ..Guest::new("guest") };
    assert_eq!(run(&learn), Err(Reason::Timeout(200)));
}

#[test]
fn asks_for_an_absurd_halo() {
    assert!(matches!(
        run(&Guest { passes: vec![(TILES, 1_000_000)], ..Guest::new("guest") }),
        Err(Reason::BadOutput(_))
    ));
}

#[test]
fn floods_the_log() {
    let guest = Guest {
        message: "a line\nand \u{1b}[31manother",
        ..Guest::process("guest", |code| {
            let call = [1, TEXT as i32, 24];
            code.loop_(BlockType::Empty);
            call.into_iter().for_each(|value| _ = code.i32_const(value));
            code.call(LOG).br(0).end().unreachable();
        })
    };
    let mut filters = filters();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    filters.set_log(Arc::new(move |filter, level, line| {
        kept.lock().unwrap().push((filter.to_owned(), level, line.to_owned()))
    }));
    filters.add(&guest.wasm(), Origin::File("guest.wasm".into())).unwrap();
    let error = filters.apply(&picture(), &call("guest"), 0, &Unattended).unwrap_err();
    assert_eq!(error.reason, Reason::Timeout(200));
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 64);
    assert_eq!(lines[0], ("guest".into(), Level::Info, "a line and  [31manother".into()));
}

#[test]
fn gives_up_in_its_own_words() {
    let guest = Guest {
        message: "too\tsmall\n",
        ..Guest::process("guest", |code| {
            let word = |offset| MemArg { offset, ..AT };
            for (offset, value) in [(0, 1), (4, 1), (8, TEXT as i32), (12, 10)] {
                code.i32_const(RESULT as i32).i32_const(value).i32_store(word(offset));
            }
            code.i32_const(RESULT as i32);
        })
    };
    assert_eq!(run(&guest), Err(Reason::Failed("too small".into())));
}

#[test]
fn imports_what_does_not_exist() {
    for import in [
        ("wasi_snapshot_preview1", "fd_write"),
        ("env", "now"),
        ("underpaint:filter/host@2.0.0", "log"),
        ("wasi:filesystem/types@0.2.0", "log"),
    ] {
        let guest = Guest { import, ..Guest::new("guest") };
        assert_eq!(run(&guest), Err(Reason::Import(format!("{}/{}", import.0, import.1))));
    }
    let guest = Guest { import: ("underpaint:filter/host@1.0.0", "open-file"), ..Guest::new("guest") };
    assert!(matches!(run(&guest), Err(Reason::Contract(_))));
}

#[test]
fn exports_other_types_than_the_contract() {
    let guest = Guest {
        describe_returns: ValType::I64,
        describe: Box::new(|code| _ = code.i64_const(0)),
        ..Guest::new("guest")
    };
    assert!(matches!(run(&guest), Err(Reason::Contract(_))));
}

#[test]
fn describes_nonsense() {
    let (name, label) = (TEXT, 2);
    let float = |default: f32, min: f32, max: f32, step: f32| {
        let words = [
            name,
            label,
            name,
            label,
            name,
            0,
            name,
            0,
            0,
            default.to_bits(),
            min.to_bits(),
            max.to_bits(),
            step.to_bits(),
            name,
            0,
        ];
        words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>()
    };
    for extra in [
        float(2.0, 0.0, 1.0, 0.1),
        float(f32::NAN, 0.0, 1.0, 0.1),
        float(0.5, 0.0, f32::INFINITY, 0.1),
        float(0.5, 0.0, 1.0, 0.0),
    ] {
        let guest = Guest { params: (TEXT + 200, 1), extra, ..Guest::new("guest") };
        assert!(matches!(run(&guest), Err(Reason::Description(_))), "{:?}", run(&guest));
    }
    let twice = [float(0.5, 0.0, 1.0, 0.1), float(0.5, 0.0, 1.0, 0.1)].concat();
    assert!(matches!(
        run(&Guest { params: (TEXT + 200, 2), extra: twice, ..Guest::new("guest") }),
        Err(Reason::Description(_))
    ));
    assert!(matches!(run(&Guest { params: (TEXT + 200, 1 << 28), ..Guest::new("guest") }), Err(Reason::BadOutput(_))));
    assert!(matches!(run(&Guest { message: "", ..Guest::new("guest") }), Err(Reason::Description(_))));
}

#[test]
fn says_nonsense_in_its_manifest() {
    let wrong = |manifest: &[&str]| {
        let manifest = manifest.iter().map(|m| m.to_string()).collect();
        matches!(run(&Guest { manifest, ..Guest::new("guest") }), Err(Reason::Manifest(_)))
    };
    let with = |name: &str, api: &str, more: &str| format!(r#"{{"api":"{api}","name":"{name}","version":"1"{more}}}"#);
    assert!(wrong(&[]));
    assert!(wrong(&["not json"]));
    assert!(wrong(&[&with("guest", "1.0.0", ""), &with("guest", "1.0.0", "")]), "two manifests");
    assert!(wrong(&[&with("guest", "9.9.9", "")]));
    for name in ["", "Film", "../up", "a/b", "a\\u0000", "con fusing", &"x".repeat(65)] {
        assert!(wrong(&[&with(name, "1.0.0", "")]), "{name:?}");
    }
    for more in [
        r#","timeout_ms":0"#,
        r#","timeout_ms":600001"#,
        r#","memory_bytes":1"#,
        r#","memory_bytes":99999999999"#,
        r#","network":true"#,
    ] {
        assert!(wrong(&[&with("guest", "1.0.0", more)]), "{more}");
    }
}

#[test]
fn takes_a_name_that_is_there() {
    let mut filters = filters();
    let error = filters.add(&Guest::new("film-grain").wasm(), Origin::File("guest.wasm".into())).unwrap_err();
    assert!(matches!(error.reason, Reason::NameTaken(_)));
    assert!(filters.apply(&picture(), &call("film-grain"), 0, &Unattended).is_ok());
}

#[test]
fn is_no_wasm_at_all() {
    let mut filters = filters();
    let mut add = |wasm: &[u8]| filters.add(wasm, Origin::File("guest.wasm".into())).map(drop).unwrap_err().reason;
    let real = FIRST_PARTY[0].wasm;
    for cut in (0..real.len()).step_by(real.len() / 50) {
        let reason = add(&real[..cut]);
        assert!(
            matches!(reason, Reason::NotWasm(_) | Reason::Manifest(_) | Reason::Contract(_)),
            "cut at {cut}: {reason:?}"
        );
    }
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    for len in [1, 8, 100, 10_000] {
        let bytes: Vec<u8> = (0..len).map(|_| random()).collect();
        assert!(matches!(add(&bytes), Reason::NotWasm(_)));
        let headed = [b"\0asm\x01\0\0\0".as_slice(), &bytes].concat();
        assert!(matches!(add(&headed), Reason::NotWasm(_) | Reason::Contract(_)));
    }
    assert_eq!(add(&vec![0; MAX_BYTES + 1]), Reason::TooLarge(MAX_BYTES as u64 + 1));
}

/// Bytes of the real filter changed one at a time: whatever comes, it is an answer.
#[test]
fn is_film_grain_with_flipped_bytes() {
    let mut filters = filters();
    let real = FIRST_PARTY[0].wasm;
    for index in (0..40).map(|i| i * (real.len() / 40) + 13) {
        let mut wasm = real.to_vec();
        wasm[index] ^= 0x55;
        assert!(filters.add(&wasm, Origin::File("guest.wasm".into())).is_err(), "the name is taken at the latest");
    }
}

/// Cancelled while it loops: the answer does not wait for the filter's own time to run out.
#[test]
fn loops_forever_and_is_cancelled() {
    struct CancelledAtTheThirdLook(AtomicU32);
    impl Job for CancelledAtTheThirdLook {
        fn is_cancelled(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) >= 3
        }
        fn progress(&self, _: Stage, _: u32, _: u32) {}
    }
    let mut guest = Guest::process("guest", loop_forever);
    guest.manifest[0] = guest.manifest[0].replace("200", "600000");
    let mut filters = filters();
    filters.add(&guest.wasm(), Origin::File("guest.wasm".into())).unwrap();
    let error = filters.apply(&picture(), &call("guest"), 0, &CancelledAtTheThirdLook(AtomicU32::new(0))).unwrap_err();
    assert_eq!(error.reason, Reason::Cancelled);
}

/// What happens before the filter is asked anything: each instance starts under the same clock and limits.
#[test]
fn starts_slowly_or_not_at_all() {
    let start =
        |code: fn(&mut wasm_encoder::InstructionSink<'_>)| Guest { start: Some(Box::new(code)), ..Guest::new("guest") };
    assert_eq!(run(&start(loop_forever)), Err(Reason::Timeout(1000)));
    assert!(matches!(run(&start(|code| _ = code.unreachable())), Err(Reason::Trap(_))));
    assert!(run(&start(|code| _ = code.nop())).is_ok());
}

#[test]
fn declares_more_than_it_may_have() {
    let memory = |pages| MemoryType { minimum: pages, ..Guest::new("guest").memory };
    // 500 MB, and all that 32 bits can address; the manifest asks for 16 MiB.
    for pages in [8000, 65536] {
        let guest = Guest { memory: memory(pages), ..Guest::new("guest") };
        assert_eq!(run(&guest), Err(Reason::Memory(16 << 20)), "{pages} pages");
    }
    let table =
        TableType { element_type: RefType::FUNCREF, table64: false, minimum: 1 << 30, maximum: None, shared: false };
    let refused = run(&Guest { table: Some(table), ..Guest::new("guest") }).unwrap_err();
    assert!(matches!(refused, Reason::NotWasm(_) | Reason::BadOutput(_) | Reason::Memory(_)), "{refused:?}");
}

/// Every parameter a filter may have, with the longest names; and a text as long as may be asked for.
#[test]
fn has_giant_parameters() {
    let names: String = (0..64).map(|i| format!("{i:02}{}", "n".repeat(62))).collect();
    let float = [0.5f32, 0.0, 1.0, 0.1].map(f32::to_bits);
    let params = |count: u32, kind: &dyn Fn(u32) -> [u32; 7]| -> Vec<u8> {
        let at = TEXT + 200 + 64 * 60;
        let words =
            (0..count).flat_map(|i| [[at + i * 64, 64, TEXT, 5, TEXT, 5, TEXT, 5].as_slice(), &kind(i)].concat());
        let mut bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        bytes.resize(64 * 60, 0);
        bytes.extend(names.bytes());
        bytes
    };
    let numbers = params(64, &|_| [0, float[0], float[1], float[2], float[3], TEXT, 2]);
    assert_eq!(run(&Guest { params: (TEXT + 200, 64), extra: numbers.clone(), ..Guest::new("guest") }), Ok(picture()));
    let text = params(1, &|_| [5, TEXT, 0, 16 << 20, 1, 0, 0]);
    let guest = Guest { params: (TEXT + 200, 1), extra: text, ..Guest::new("guest") };
    let mut filters = filters();
    filters.add(&guest.wasm(), Origin::File("guest.wasm".into())).unwrap();
    let with = |bytes: usize| {
        let value = serde_json::Value::String("\u{fc}".repeat(bytes / 2));
        let params = serde_json::Map::from_iter([(names[..64].to_owned(), value)]);
        let call = [Call { name: "guest".into(), params, ..Call::default() }];
        filters.apply(&picture(), &call, 0, &Unattended).map_err(|e| e.reason)
    };
    assert_eq!(with(16 << 20), Ok(picture()));
    assert!(matches!(with((16 << 20) + 2), Err(Reason::BadParameter { .. })));
    let longer = params(1, &|_| [5, TEXT, 0, (16 << 20) + 1, 1, 0, 0]);
    let guest = Guest { params: (TEXT + 200, 1), extra: longer, ..Guest::new("guest") };
    assert!(matches!(run(&guest), Err(Reason::Description(_))));
}

/// One tile in the middle is painted over and over, within its pixels and behind them: no other pixel changes.
#[test]
fn writes_outside_its_tile() {
    let guest = Guest::process("guest", |code| {
        let (area_x, area_y) = (1, 2);
        code.local_get(area_x).i32_const(8).i32_eq().local_get(area_y).i32_const(8).i32_eq().i32_and();
        code.if_(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(PIXELS).local_get(LOCAL).i32_const(2).i32_shl().i32_add().f32_const(0.25.into()).f32_store(AT);
        // Ten times as far as the tile goes.
        code.local_get(LOCAL).i32_const(1).i32_add().local_tee(LOCAL);
        code.local_get(LEN).i32_const(10).i32_mul().i32_ne().br_if(0).end().end();
        return_pixels(code);
    });
    let mut filters = filters();
    filters.add(&guest.wasm(), Origin::File("guest.wasm".into())).unwrap();
    let settings = Settings { tile: 8, threads: 2, ..Settings::default() };
    let made = filters.apply_with(&picture(), &call("guest"), &settings, &Unattended).unwrap();
    for y in 0..16 {
        for x in 0..24 {
            let inside = (8..16).contains(&x) && (8..16).contains(&y);
            assert_eq!(made.pixel(x, y), if inside { [0.25; 4] } else { picture().pixel(x, y) }, "({x}, {y})");
        }
    }
}

/// `progress` and `cancelled` called without end cost the filter its own time and nobody else's.
#[test]
fn floods_the_host_with_calls() {
    let host = "underpaint:filter/host@1.0.0";
    let progress = Guest {
        import: (host, "progress"),
        import_type: (&[ValType::F32], &[]),
        ..Guest::process("guest", |code| {
            code.loop_(BlockType::Empty).f32_const(f32::NAN.into()).call(LOG).br(0).end().unreachable();
        })
    };
    let cancelled = Guest {
        import: (host, "cancelled"),
        import_type: (&[], &[ValType::I32]),
        ..Guest::process("guest", |code| {
            code.loop_(BlockType::Empty).call(LOG).i32_eqz().br_if(0).end();
            return_pixels(code);
        })
    };
    assert_eq!(run(&progress), Err(Reason::Timeout(200)));
    assert_eq!(run(&cancelled), Err(Reason::Timeout(200)));
}

/// What the contract does not need is off, and refused by its name before anything is compiled.
#[test]
fn uses_what_is_switched_off() {
    let memory = |change: fn(&mut MemoryType)| {
        let mut guest = Guest::new("guest");
        change(&mut guest.memory);
        guest
    };
    let process = |code: fn(&mut wasm_encoder::InstructionSink<'_>)| Guest::process("guest", code);
    let rows: [(&str, Guest); 7] = [
        ("threads", memory(|m| (m.shared, m.maximum) = (true, Some(2)))),
        ("memory64", memory(|m| m.memory64 = true)),
        ("custom page sizes", memory(|m| m.page_size_log2 = Some(0))),
        ("threads", process(|code| _ = code.atomic_fence().unreachable())),
        (
            "tail calls",
            process(|code| {
                (0..TILE as u32).for_each(|i| _ = code.local_get(i));
                code.return_call(PROCESS);
            }),
        ),
        (
            "relaxed SIMD",
            process(|code| {
                _ = code.v128_const(0).v128_const(0).v128_const(0).f32x4_relaxed_madd().drop().unreachable()
            }),
        ),
        ("gc", process(|code| _ = code.i32_const(0).ref_i31().drop().unreachable())),
    ];
    for (word, guest) in rows {
        let refused = run(&guest).unwrap_err();
        assert!(matches!(refused, Reason::NotWasm(_) | Reason::Contract(_)), "{word}: {refused:?}");
        assert!(refused.to_string().to_lowercase().contains(&word.to_lowercase()), "{word}: {refused}");
    }
}
