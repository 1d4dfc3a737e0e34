// Tiles for the matrix units of compute capability 8.0 and later, and the way to them.
//
// A tile's row is a run of 16-byte chunks; the units take 8 rows of one chunk at a time. So 16-bit values and, as TF32, 32-bit ones
// go the same way: a chunk holds 8 of the former and 4 of the latter, a step along the sum takes two chunks, and which thread
// holds what of a fragment is the same in 4-byte registers.
#pragma once
#include "types.cuh"

// Starts a copy of 16 bytes into shared memory; zeros instead if they are not `there`.
__device__ inline void copy_chunk(unsigned to, const void* from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING> __device__ inline void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory"); }

// Four 8-row fragments; each lane gives the address of one row of one of them.
__device__ inline void load_fragments(unsigned (&r)[4], unsigned from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}
__device__ inline void load_turned_fragments(unsigned (&r)[4], unsigned from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}

// d += a b for 16 rows and 8 columns over two chunks.
template <typename T> __device__ void multiply(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1);
#define MULTIPLY(T, KIND)                                                                                              \
    template <> __device__ inline void multiply<T>(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {  \
        asm volatile("mma.sync.aligned." KIND " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"       \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                  \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                  \
    }
MULTIPLY(__half, "m16n8k16.row.col.f32.f16.f16.f32")
MULTIPLY(__nv_bfloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MULTIPLY(float, "m16n8k8.row.col.f32.tf32.tf32.f32")

// What the units take of a 32-bit value, rounded instead of cut off.
template <typename T> __device__ inline void round_fragment(unsigned (&r)[4]) {
    if constexpr (sizeof(T) == 4) {
        for (int i = 0; i < 4; i++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r[i]) : "f"(__uint_as_float(r[i])));
    }
}
