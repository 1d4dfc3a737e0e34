//! One output written by many threads, and the scratch memory they keep.
use std::cell::RefCell;
use std::marker::PhantomData;

/// The writing side of an output of which each task fills its own, scattered part.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: it only offers accesses of which each caller promises that no two threads touch the same values.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(output: &'a mut [f32]) -> Shared<'a> {
        Shared { start: output.as_mut_ptr(), len: output.len(), lifetime: PhantomData }
    }

    /// The values from `at` on; bounds are checked.
    ///
    /// # Safety
    /// While the slice lives, nothing else uses these values.
    #[inline(always)]
    pub(crate) unsafe fn part(self, at: usize, len: usize) -> &'a mut [f32] {
        assert!(at <= self.len && len <= self.len - at, "a task left its output");
        // SAFETY: in bounds by the assertion, exclusive by contract; the lifetime is the output's.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

/// Lends this thread's scratch buffer: `len` values of unspecified content. Not to be nested.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local!(static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            *scratch = vec![0.0; len];
        }
        f(&mut scratch[..len])
    })
}
