//! Seamless against NumPy's shortest way (`tests/reference/filters_party.py`).

use seamless::Seamless;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_numpy_joins() {
    let read = |name: &str| Made::<f32>::read(format!("{HERE}/../../../tests/filters/{name}.pam"));
    let blend = |case: Case<Seamless>| {
        let case = case.with("method", "blend").with("overlap", 50.0).with("even", 0.0);
        case.with("shifted", true)
    };
    for (name, picture) in [("default", read("photo")), ("blend", read("other"))] {
        let case = Case::<Seamless>::new(picture.width, picture.height);
        let case = if name == "blend" { blend(case) } else { case };
        case.run(&picture.pixels, 512).unwrap().assert_golden(format!("{HERE}/{name}.pam"), 0.001);
    }
}
