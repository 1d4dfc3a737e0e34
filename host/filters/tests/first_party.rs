//! Every filter that Underpaint comes with, and filters of older versions of the contract.

use underpaint_filters::{Call, Descriptor, FIRST_PARTY, Filters, Origin, Settings};
use underpaint_raster::{Extent, Image, Unattended};

/// What lies beside each wasm is what the wasm says: `cargo xtask filters` makes both.
#[test]
fn describe_themselves_as_their_json_says() {
    for first in FIRST_PARTY {
        let mut filters = Filters::empty(None).unwrap();
        let said = filters.add(first.wasm, Origin::FirstParty).unwrap();
        let known: Descriptor = serde_json::from_str(first.descriptor).unwrap();
        assert_eq!(*said, known, "{}: run `cargo xtask filters {0}`", first.name);
        assert_eq!(known.name, first.name);
    }
}

/// Film grain as it was built against version 0.1.0: the same picture as today's, from a host that has moved on.
#[test]
fn a_filter_of_version_0_1_keeps_running() {
    let mut image = Image::new(Extent::new(300, 200));
    for (i, value) in image.data_mut().iter_mut().enumerate() {
        *value = if i % 4 == 3 { 1.0 } else { i as f32 / 240_000.0 };
    }
    let chain = [Call {
        name: "film-grain".into(),
        params: serde_json::json!({"strength": 0.6, "size": 2.5}).as_object().unwrap().clone(),
        ..Call::default()
    }];
    let settings = Settings { seed: 5, ..Settings::default() };
    let mut old = Filters::empty(None).unwrap();
    let wasm = include_bytes!("../../../tests/filters/film-grain-0.1.0.wasm");
    let described = old.add(wasm, Origin::File("film-grain-0.1.0.wasm".into())).unwrap();
    assert_eq!(described.params.len(), 4);
    let then = old.apply_with(&image, &chain, &settings, &Unattended).unwrap();
    let now = Filters::new(None).unwrap().apply_with(&image, &chain, &settings, &Unattended).unwrap();
    assert!(then == now, "film grain differs between versions of the contract");
    assert!(then != image);
}
