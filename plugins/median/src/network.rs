//! Medians of vectors, by comparing and exchanging.
//!
//! A network sorts all lanes at once, whatever is in them. The columns of a window are sorted first, once for all the
//! windows that a column belongs to; what follows knows that they are. The networks were found by leaving exchanges
//! out of one that sorts everything as long as the middle stays right, which for exchanges is proved by trying zeros
//! and ones (Knuth, "The Art of Computer Programming" 3, 5.3.4): the tests try all of them.

use underpaint_filter::simd::{Vector, f32x4, u8x16, u16x8};

/// Vectors that know which of two values is smaller.
pub trait Order: Vector {
    /// The smaller of each two.
    fn least(self, other: Self) -> Self;
    /// The larger of each two.
    fn most(self, other: Self) -> Self;
}

macro_rules! order {
    ($($vector:ident)*) => {
        $(impl Order for $vector {
            #[inline(always)]
            fn least(self, other: Self) -> Self {
                self.min(other)
            }
            #[inline(always)]
            fn most(self, other: Self) -> Self {
                self.max(other)
            }
        })*
    };
}

order!(u8x16 u16x8 f32x4);

/// Puts the smaller of two in the first place.
macro_rules! exchange {
    ($v:ident: $(($a:literal $b:literal))*) => {
        $(let (low, high) = ($v[$a].least($v[$b]), $v[$a].most($v[$b]));
        $v[$a] = low;
        $v[$b] = high;)*
    };
}

/// Three values in order.
#[inline(always)]
pub fn sort3<V: Order>(mut v: [V; 3]) -> [V; 3] {
    exchange!(v: (0 1) (1 2) (0 1));
    v
}

/// Five values in order.
#[inline(always)]
pub fn sort5<V: Order>(mut v: [V; 5]) -> [V; 5] {
    exchange!(v: (0 1) (3 4) (2 4) (2 3) (1 4) (0 3) (0 2) (1 3) (1 2));
    v
}

/// As `exchange`, where `[i]` first takes value i: late, so that few values wait at a time and all find room in the 16
/// registers that most processors have.
macro_rules! network {
    ($v:ident $value:ident:) => {};
    ($v:ident $value:ident: [$i:literal] $($rest:tt)*) => {
        $v[$i] = $value($i);
        network!($v $value: $($rest)*);
    };
    ($v:ident $value:ident: ($a:literal $b:literal) $($rest:tt)*) => {
        exchange!($v: ($a $b));
        network!($v $value: $($rest)*);
    };
}

/// The median of three sorted columns of three, `value(row * 3 + column)`: 12 comparisons.
#[inline(always)]
pub fn median9<V: Order>(value: impl Fn(usize) -> V) -> V {
    let mut v = [value(0); 9];
    network!(v value: [0] [1] [2] (0 1) (1 2) [3] [4] [5] (3 4) (4 5) (3 4) [6] [7] [8] (7 8) (6 7) (6 4) (6 2) (4 2));
    v[4]
}

/// The median of five sorted columns of five, `value(row * 5 + column)`: 88 comparisons, 13 values at a time.
#[inline(always)]
pub fn median25<V: Order>(value: impl Fn(usize) -> V) -> V {
    let mut v = [value(0); 25];
    network!(v value:
        [15] [16] (15 16) [13] [14] (13 14) [12] (12 14) (12 13) [18] [19] (18 19) (16 19) [17] (17 18) (15 18)
        (16 18) (15 17) (16 17) [3] [4] (3 4) [2] (2 4) (2 3) [8] [9] (8 9) [7] (7 9) (7 8) [10] [11] (10 11)
        (11 14) (10 13) (10 12) (11 13) (11 12) [5] [6] (5 6) (5 8) (6 9) (16 9) (16 13) (6 8) (6 7) (7 15) [0]
        [1] (0 1) (0 3) (1 4) (1 3) (3 11) (15 11) (4 12) [23] [24] (23 24) [22] (22 24) [20] [21] (20 21)
        (20 23) (21 23) (20 22) (21 22) (21 17) (20 8) (20 4) (8 12) (8 4) (11 8) (8 4) (8 21) (4 16) (11 8)
        (8 4)
    );
    v[4]
}

/// The median of any odd number of values, `N` of them, `HALF = N / 2 + 2`: the least and the most of one more than
/// half of them cannot be it, so they go and the next comes in their place. Overwrites what `values` gives.
#[inline(always)]
pub fn median<V: Order, const HALF: usize>(count: usize, value: impl Fn(usize) -> V) -> V {
    let mut kept: [V; HALF] = std::array::from_fn(&value);
    let mut len = HALF;
    for next in HALF..=count {
        for i in 1..len {
            let (low, high) = (kept[0].least(kept[i]), kept[0].most(kept[i]));
            (kept[0], kept[i]) = (low, high);
        }
        for i in 1..len - 1 {
            let (low, high) = (kept[i].least(kept[len - 1]), kept[i].most(kept[len - 1]));
            (kept[i], kept[len - 1]) = (low, high);
        }
        if next < count {
            kept[0] = value(next);
            len -= 1;
        } else {
            return kept[1];
        }
    }
    kept[0]
}

#[cfg(test)]
mod tests {
    use super::{median, median9, median25, sort3, sort5};
    use underpaint_filter::simd::u8x16;

    fn lane(v: u8x16) -> u8 {
        v.to_array()[0]
    }

    /// Sorted columns of zeros and ones are all there is to tell apart: by how many ones are in each.
    #[test]
    fn every_choice_of_zeros_and_ones() {
        let bit = |one: bool| u8x16::splat(one.into());
        for ones in 0..4usize.pow(3) {
            let column = |c: usize| ones / 4usize.pow(c as u32) % 4;
            let v = |i| bit(i / 3 >= 3 - column(i % 3));
            assert_eq!(lane(median9(v)) == 1, (0..3).map(column).sum::<usize>() >= 5);
        }
        for ones in 0..6usize.pow(5) {
            let column = |c: usize| ones / 6usize.pow(c as u32) % 6;
            let v = |i| bit(i / 5 >= 5 - column(i % 5));
            assert_eq!(lane(median25(v)) == 1, (0..5).map(column).sum::<usize>() >= 13, "{ones}");
        }
        for bits in 0..32u32 {
            let v: [u8; 5] = sort5(std::array::from_fn(|i| bit(bits >> i & 1 == 1))).map(lane);
            assert!(v.is_sorted(), "{v:?}");
            assert!(sort3(std::array::from_fn(|i| bit(bits >> i & 1 == 1))).map(lane).is_sorted());
        }
    }

    #[test]
    fn of_any_number() {
        for round in 0..200u32 {
            let values: [u8; 49] =
                std::array::from_fn(|i| ((i as u32 * 7919 + round * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8);
            let mut sorted = values;
            sorted.sort();
            assert_eq!(lane(median::<u8x16, 26>(49, |i| u8x16::splat(values[i]))), sorted[24]);
            sorted[..9].copy_from_slice(&values[..9]);
            sorted[..9].sort();
            assert_eq!(lane(median::<u8x16, 6>(9, |i| u8x16::splat(values[i]))), sorted[4]);
        }
    }
}
