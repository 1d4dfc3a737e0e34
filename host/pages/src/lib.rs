//! Memory for whole pictures, in large pages where the system has them.
//!
//! Linux hands out memory in pages of 4 KiB when they are first touched, and each of them costs more to be handed out
//! than to be filled: of a light filter's time over a large picture, half; of what a fill costs besides its model, a third.
//! Decision: pictures are asked for in pages of 2 MiB, the one thing the system offers without setting anything up. It is a
//! wish; where it is not granted, nothing else is different. A program that makes [`LargePages`] its allocator wishes it for
//! everything large; a library says [`zeros`].

use std::alloc::{GlobalAlloc, Layout, System};

/// Below this many bytes it is not worth a call: two pages must fit wherever the room begins.
#[cfg(any(target_os = "linux", test))]
const LARGE: usize = 4 << 20;

/// `len` zeros.
pub fn zeros<T: Clone + Default>(len: usize) -> Vec<T> {
    // Fresh from the system, so that none of it was touched yet.
    let mut values = vec![T::default(); len];
    prefer_large(values.as_mut_ptr().cast(), size_of_val(&values[..]));
    values
}

/// The system's allocator, which is asked for large pages where much is wanted at a time.
pub struct LargePages;

// SAFETY: every call is passed on to `System` as it came, and what that answers is answered; the wish in between changes
// neither what memory holds nor who may use it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to `alloc`'s contract, which is the same.
        prefer_large(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        prefer_large(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        prefer_large(unsafe { System.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Asks for large pages for what lies wholly in pages of its own among the `len` bytes at `start`, which are allocated or null.
#[cfg(target_os = "linux")]
fn prefer_large(start: *mut u8, len: usize) -> *mut u8 {
    const PAGE: usize = 4096;
    if len >= LARGE && !start.is_null() {
        let (first, end) = (start.addr().next_multiple_of(PAGE), (start.addr() + len) / PAGE * PAGE);
        // SAFETY: the pages from `first` to `end` lie within memory that is allocated; the advice changes neither what they
        // hold nor who may use them. Without the feature in the kernel it fails, and that is all.
        #[allow(unsafe_code)]
        unsafe {
            libc::madvise(start.with_addr(first).cast(), end - first, libc::MADV_HUGEPAGE);
        }
    }
    start
}

#[cfg(not(target_os = "linux"))]
fn prefer_large(start: *mut u8, _len: usize) -> *mut u8 {
    start
}

#[cfg(test)]
mod tests {
    use super::{LARGE, LargePages, zeros};

    /// Everything the tests allocate comes from it.
    #[global_allocator]
    static MEMORY: LargePages = LargePages;

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

    /// Growing and shrinking across the size from which large pages are asked for; the filters hide how many come.
    #[test]
    fn what_is_allocated_keeps_what_it_holds() {
        #[repr(align(4096))]
        #[derive(Clone, Copy, PartialEq, Debug)]
        struct Page([u64; 512]);

        let mut values: Vec<u32> = (0..3 * LARGE as u32 / 4).map(|i| i ^ 0x5a5a).filter(|_| true).collect();
        let pages: Vec<Page> = (0..3 * LARGE as u64 / 4096).map(|i| Page([i; 512])).filter(|_| true).collect();
        values.truncate(LARGE / 8);
        values.shrink_to_fit();
        assert!(values.iter().zip(0..).all(|(&v, i): (_, u32)| v == i ^ 0x5a5a));
        assert!(pages.iter().zip(0..).all(|(&page, i): (_, u64)| page == Page([i; 512])));
    }
}
