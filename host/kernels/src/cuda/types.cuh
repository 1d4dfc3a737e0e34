// What the kernels share: values of three types computed in float, 16 bytes at a time, and sums over a block.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

__device__ inline float wide(float v) { return v; }
__device__ inline float wide(__half v) { return __half2float(v); }
__device__ inline float wide(__nv_bfloat16 v) { return __bfloat162float(v); }

template <typename T> __device__ inline T narrow(float v);
template <> __device__ inline float narrow<float>(float v) { return v; }
template <> __device__ inline __half narrow<__half>(float v) { return __float2half_rn(v); }
template <> __device__ inline __nv_bfloat16 narrow<__nv_bfloat16>(float v) { return __float2bfloat16_rn(v); }

// 16 bytes of values.
template <typename T> struct alignas(16) Pack {
    static constexpr int N = 16 / sizeof(T);
    T v[N];
};

__device__ inline float silu(float v) { return v / (1.0f + __expf(-v)); }

// The sum over a warp, in every lane.
__device__ inline float warp_sum(float v) {
    for (int lane = 16; lane > 0; lane /= 2) v += __shfl_xor_sync(0xffffffff, v, lane);
    return v;
}

// One function for each type: NAME_f32, NAME_f16, NAME_bf16.
#define FOR_EACH_TYPE(KERNEL) KERNEL(float, f32) KERNEL(__half, f16) KERNEL(__nv_bfloat16, bf16)
