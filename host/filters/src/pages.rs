//! Memory for whole pictures, in large pages where the system has them.
//!
//! Linux hands out memory in pages of 4 KiB when they are first touched, and each of them costs more to be handed out
//! than to be filled: of a light filter's time over a large picture, half. Decision: pictures are asked for in pages of
//! 2 MiB, the one thing the system offers without setting anything up. It is a wish; where it is not granted, nothing
//! else is different.

/// Below this many bytes it is not worth a call: two pages must fit wherever the room begins.
#[cfg(any(target_os = "linux", test))]
const LARGE: usize = 4 << 20;

/// `len` zeros.
pub(crate) fn zeros<T: Clone + Default>(len: usize) -> Vec<T> {
    // Fresh from the system, so that none of it was touched yet.
    let mut values = vec![T::default(); len];
    prefer_large(&mut values);
    values
}

/// Asks for large pages for the values that lie wholly in pages of their own.
#[cfg(target_os = "linux")]
fn prefer_large<T>(values: &mut [T]) {
    if size_of_val(values) < LARGE {
        return;
    }
    const PAGE: usize = 4096;
    let range = values.as_mut_ptr_range();
    let (start, end) = (range.start.addr().next_multiple_of(PAGE), range.end.addr() / PAGE * PAGE);
    let start = range.start.with_addr(start);
    // SAFETY: the pages from `start` to `end` lie within `values`, which is borrowed as mutable; the advice changes
    // neither what they hold nor who may use them. Without the feature in the kernel it fails, and that is all.
    #[allow(unsafe_code)]
    unsafe {
        libc::madvise(start.cast(), end - start.addr(), libc::MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_large<T>(_values: &mut [T]) {}

#[cfg(test)]
mod tests {
    use super::{LARGE, zeros};

    #[test]
    fn zeros_of_any_number_can_be_used() {
        for len in [0, 1, 4095, LARGE / 2 - 1, LARGE / 2, LARGE / 2 + 1, 3 * LARGE + 17] {
            let mut values: Vec<u16> = zeros(len);
            assert!(values.len() == len && values.iter().all(|&v| v == 0));
            values.iter_mut().for_each(|v| *v = 0xabcd);
            values.push(1);
            assert!(values[..len].iter().all(|&v| v == 0xabcd));
        }
    }
}
