//! The filter natively, for `underpaint filter bench`.

fn main() {
    underpaint_filter::testing::bench::<my_filter::Sepia>();
}
