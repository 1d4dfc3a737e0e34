//! Instruction sets: the same bodies compiled several times, one picked at run time.
//!
//! [`Isa`] is a proof: it can only be had for instructions this processor has, so the calls into
//! code compiled for them are sound. Element-wise code is ordinary Rust, written as a [`Pass`], which
//! the compiler vectorises for each set; only the matrix product's inner loop speaks in vectors.
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::sync::LazyLock;

/// An instruction set this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Baseline,
}

/// A body to compile for every instruction set; `run` must be `#[inline(always)]`.
pub(crate) trait Pass {
    type Out;
    fn run<S: Simd>(self) -> Self::Out;
}

impl Isa {
    /// All sets this processor has, best first.
    pub(crate) fn available() -> Vec<Isa> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                sets.push(Isa(Set::Avx512));
            }
            if avx2 {
                sets.push(Isa(Set::Avx2));
            }
        }
        sets.push(Isa(Set::Baseline));
        sets
    }

    /// The best set this processor has.
    pub(crate) fn best() -> Isa {
        static BEST: LazyLock<Isa> = LazyLock::new(|| Isa::available()[0]);
        *BEST
    }

    /// Lanes of one vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => Avx2::LANES,
            Set::Baseline => Baseline::LANES,
        }
    }

    /// Rows of one tile of the matrix product.
    pub(crate) fn rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => 8,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 4,
            Set::Baseline => BASELINE_ROWS,
        }
    }

    /// Columns of one full tile: three vectors.
    pub(crate) fn columns(self) -> usize {
        3 * self.lanes()
    }

    /// Runs `pass` compiled for this set.
    #[inline]
    pub(crate) fn run<P: Pass>(self, pass: P) -> P::Out {
        match self.0 {
            // SAFETY: an `Isa` of this kind exists only where the features were detected.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { run_avx512(pass) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { run_avx2(pass) },
            Set::Baseline => pass.run::<Baseline>(),
        }
    }

    /// `tile = a * b`, or `tile += a * b`: see [`gemm::tile`](crate::gemm::tile), which checks the bounds.
    ///
    /// # Safety
    /// For `vectors` in 1..=3 and `width = vectors * self.lanes()`: `a + i * step.0 + j * step.1` is readable for
    /// `i < self.rows()`, `j < depth`; `b` for `depth * width` values; `tile` is readable and writable for `self.rows() * width`.
    #[inline]
    #[allow(clippy::too_many_arguments)] // two operands, their shapes, and where to
    pub(crate) unsafe fn tile(
        self,
        depth: usize,
        a: *const f32,
        step: (usize, usize),
        b: *const f32,
        vectors: usize,
        tile: *mut f32,
        add: bool,
    ) {
        // SAFETY: features as in `run`; pointers by this function's contract.
        unsafe {
            match (self.0, vectors) {
                #[cfg(target_arch = "x86_64")]
                (Set::Avx512, 1) => tile_avx512::<1>(depth, a, step, b, tile, add),
                #[cfg(target_arch = "x86_64")]
                (Set::Avx512, 2) => tile_avx512::<2>(depth, a, step, b, tile, add),
                #[cfg(target_arch = "x86_64")]
                (Set::Avx512, _) => tile_avx512::<3>(depth, a, step, b, tile, add),
                #[cfg(target_arch = "x86_64")]
                (Set::Avx2, 1) => tile_avx2::<1>(depth, a, step, b, tile, add),
                #[cfg(target_arch = "x86_64")]
                (Set::Avx2, 2) => tile_avx2::<2>(depth, a, step, b, tile, add),
                #[cfg(target_arch = "x86_64")]
                (Set::Avx2, _) => tile_avx2::<3>(depth, a, step, b, tile, add),
                (Set::Baseline, 1) => tile_of::<Baseline, BASELINE_ROWS, 1>(depth, a, step, b, tile, add),
                (Set::Baseline, 2) => tile_of::<Baseline, BASELINE_ROWS, 2>(depth, a, step, b, tile, add),
                (Set::Baseline, _) => tile_of::<Baseline, BASELINE_ROWS, 3>(depth, a, step, b, tile, add),
            }
        }
    }
}

/// One instruction set's vector of `f32`.
///
/// The vector functions are `unsafe` because they may only be inlined into code compiled for the set.
pub(crate) trait Simd {
    type Vector: Copy;
    const LANES: usize;
    /// `a * b + c`, fused where the set has the instruction.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
    unsafe fn zero() -> Self::Vector;
    unsafe fn splat(x: f32) -> Self::Vector;
    unsafe fn load(at: *const f32) -> Self::Vector;
    unsafe fn store(at: *mut f32, v: Self::Vector);
    unsafe fn fma(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
}

/// The inner loop of everything: `R` x `V` vectors stay in registers for the whole sum.
///
/// # Safety
/// As [`Isa::tile`] with `rows = R` and `vectors = V`, inlined into code compiled for `S`.
#[inline(always)]
unsafe fn tile_of<S: Simd, const R: usize, const V: usize>(
    depth: usize,
    mut a: *const f32,
    step: (usize, usize),
    mut b: *const f32,
    tile: *mut f32,
    add: bool,
) {
    // SAFETY: every access is one the contract names.
    unsafe {
        let mut sums = [[S::zero(); V]; R];
        if add {
            for (i, row) in sums.iter_mut().enumerate() {
                for (j, sum) in row.iter_mut().enumerate() {
                    *sum = S::load(tile.add((i * V + j) * S::LANES));
                }
            }
        }
        for _ in 0..depth {
            let mut right = [S::zero(); V];
            for (j, v) in right.iter_mut().enumerate() {
                *v = S::load(b.add(j * S::LANES));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let left = S::splat(*a.add(i * step.0));
                for (sum, v) in row.iter_mut().zip(right) {
                    *sum = S::fma(left, v, *sum);
                }
            }
            // Wrapping: the last step may leave the operand behind.
            a = a.wrapping_add(step.1);
            b = b.wrapping_add(V * S::LANES);
        }
        for (i, row) in sums.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                S::store(tile.add((i * V + j) * S::LANES), sum);
            }
        }
    }
}

/// What every processor of the target has: SSE2 on x86-64, NEON on aarch64.
pub(crate) struct Baseline;

/// Tile rows that fit the baseline's registers (32 on aarch64, 16 on x86-64).
const BASELINE_ROWS: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };

impl Simd for Baseline {
    type Vector = [f32; 4];
    const LANES: usize = 4;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        // Without the instruction `f32::mul_add` is a slow library call.
        if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
    }
    #[inline(always)]
    unsafe fn zero() -> [f32; 4] {
        [0.0; 4]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 4] {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> [f32; 4] {
        // SAFETY: the caller vouches for four values; arrays of f32 have its alignment.
        unsafe { at.cast::<[f32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: [f32; 4]) {
        // SAFETY: as for `load`.
        unsafe { at.cast::<[f32; 4]>().write(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| Self::mul_add(a[i], b[i], c[i]))
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86_set {
    ($set:ident, $vector:ty, $lanes:literal, $rows:literal, $features:literal, $run:ident, $tile:ident, $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident) => {
        pub(crate) struct $set;

        // SAFETY of the bodies: they are inlined into `$run` and `$tile`, compiled for the features they
        // need; the pointers are the caller's promise.
        impl Simd for $set {
            type Vector = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn mul_add(a: f32, b: f32, c: f32) -> f32 {
                a.mul_add(b, c)
            }
            #[inline(always)]
            unsafe fn zero() -> $vector {
                // SAFETY: as said above this impl.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn splat(x: f32) -> $vector {
                // SAFETY: as said above this impl.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(at: *const f32) -> $vector {
                // SAFETY: as said above this impl.
                unsafe { $load(at) }
            }
            #[inline(always)]
            unsafe fn store(at: *mut f32, v: $vector) {
                // SAFETY: as said above this impl.
                unsafe { $store(at, v) }
            }
            #[inline(always)]
            unsafe fn fma(a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: as said above this impl.
                unsafe { $fma(a, b, c) }
            }
        }

        #[target_feature(enable = $features)]
        fn $run<P: Pass>(pass: P) -> P::Out {
            pass.run::<$set>()
        }

        /// # Safety
        /// As [`Isa::tile`].
        #[target_feature(enable = $features)]
        unsafe fn $tile<const V: usize>(
            depth: usize,
            a: *const f32,
            step: (usize, usize),
            b: *const f32,
            tile: *mut f32,
            add: bool,
        ) {
            // SAFETY: the same contract; this function is compiled for the set.
            unsafe { tile_of::<$set, $rows, V>(depth, a, step, b, tile, add) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86_set!(
    Avx512,
    __m512,
    16,
    8,
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
    run_avx512,
    tile_avx512,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps
);

#[cfg(target_arch = "x86_64")]
x86_set!(
    Avx2,
    __m256,
    8,
    4,
    "avx2,fma",
    run_avx2,
    tile_avx2,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps
);
