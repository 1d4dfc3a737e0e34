//! Any key is read or refused without a panic, and of any shapes a LoRA is made that asks for no more elements than it has, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use underpaint_engine::lora::Component;
use underpaint_engine::lora::parse::{Delta, Part, Table, Target, read};

fuzz_target!(|input: (Vec<(String, Vec<u16>)>, [u8; 4], bool)| {
    let (keys, [out, inner, height, width], convolution) = input;
    let mut layers: BTreeMap<Target, BTreeMap<Part, (usize, Vec<usize>)>> = BTreeMap::new();
    for (entry, (key, shape)) in keys.iter().enumerate() {
        if let Some((target, part)) = read(key) {
            let shape = shape.iter().map(|side| usize::from(*side)).collect();
            layers.entry(target).or_default().insert(part, (entry, shape));
        }
    }
    let names: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
    let mut table = Table::default();
    for component in [Component::Unet, Component::TextEncoder, Component::TextEncoder2] {
        table.insert(component, &names);
    }
    // A layer's sides are at least 1: the model was loaded.
    let [out, inner, height, width] = [out, inner, height, width].map(|side| usize::from(side).max(1));
    let layer = if convolution { vec![out, inner, height, width] } else { vec![out, inner] };
    for (target, parts) in &layers {
        table.get(target);
        let parts = parts.iter().map(|(part, (entry, shape))| (*part, (*entry, shape.as_slice()))).collect();
        if let Ok(delta) = Delta::new(&parts, &layer) {
            assert!(delta.rank.is_none_or(|rank| (1..=4096).contains(&rank)));
        }
    }
});
