// Group normalisation in two passes, layer normalisation in one, and pictures turned over for the convolution.
//
// Sums are taken of the distances from the group's first value, so nothing cancels: E[x^2] - E[x]^2 of x itself would. The second
// pass of group normalisation reads [batch][channels][pixels] and writes [batch][pixels][channels], which is how the
// convolution and the transformer want what is normalised. Turning over alone is the same without the norm.
#include "types.cuh"

// Sum and sum of squares of the part blockIdx.x of group blockIdx.y, `len` values long.
template <typename T> __device__ void group_sums(const T* x, float2* sums, size_t len) {
    const T* group = x + (size_t)blockIdx.y * len;
    size_t part = (len + gridDim.x - 1) / gridDim.x;
    part = (part + Pack<T>::N - 1) / Pack<T>::N * Pack<T>::N;
    size_t from = blockIdx.x * part, to = min(len, from + part);
    float shift = wide(group[0]), sum = 0.0f, squares = 0.0f;
    auto take = [&](T v) {
        float d = wide(v) - shift;
        sum += d;
        squares += d * d;
    };
    if (len % Pack<T>::N == 0) {
        for (size_t i = from + threadIdx.x * Pack<T>::N; i < to; i += blockDim.x * Pack<T>::N) {
            Pack<T> pack = *(const Pack<T>*)(group + i);
            for (int k = 0; k < Pack<T>::N; k++) take(pack.v[k]);
        }
    } else {
        for (size_t i = from + threadIdx.x; i < to; i += blockDim.x) take(group[i]);
    }
    __shared__ float2 warps[8];
    sum = warp_sum(sum);
    squares = warp_sum(squares);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = make_float2(sum, squares);
    __syncthreads();
    if (threadIdx.x == 0) {
        float2 all = warps[0];
        for (int i = 1; i < blockDim.x / 32; i++) all = make_float2(all.x + warps[i].x, all.y + warps[i].y);
        sums[(size_t)blockIdx.y * gridDim.x + blockIdx.x] = all;
    }
}

// Turns a tile of 32 channels and 64 pixels over. With `sums` it is normalised first: `parts` of them to each of the `groups`. Channels
// from `channels` to `padded` are written as 0.
template <typename T>
__device__ void turn(const T* x, const float2* sums, const T* gamma, const T* beta, T* y, unsigned channels, unsigned padded,
                     unsigned plane, unsigned groups, unsigned parts, float eps, int with_silu) {
    __shared__ float tile[32][65];
    __shared__ float scale[32], shift[32];
    unsigned first = blockIdx.y * 32, pixel = blockIdx.x * 64, batch = blockIdx.z;
    if (sums && threadIdx.x < 32 && first + threadIdx.x < channels) {
        unsigned channel = first + threadIdx.x, each = channels / groups;
        size_t group = (size_t)batch * groups + channel / each;
        float2 all = make_float2(0.0f, 0.0f);
        for (unsigned i = 0; i < parts; i++) {
            float2 part = sums[group * parts + i];
            all = make_float2(all.x + part.x, all.y + part.y);
        }
        float count = (float)each * (float)plane, away = all.x / count;
        float mean = wide(x[group * each * plane]) + away;
        float factor = rsqrtf(fmaxf(all.y / count - away * away, 0.0f) + eps) * wide(gamma[channel]);
        scale[threadIdx.x] = factor;
        shift[threadIdx.x] = wide(beta[channel]) - mean * factor;
    }
    __syncthreads();
    // 64 neighbouring pixels of a channel at a time, then 32 channels of a pixel.
    for (unsigned c = threadIdx.x / 64; c < 32; c += 4) {
        unsigned p = threadIdx.x % 64;
        float v = 0.0f;
        if (first + c < channels && pixel + p < plane) {
            v = wide(x[((size_t)batch * channels + first + c) * plane + pixel + p]);
            if (sums) v = v * scale[c] + shift[c];
            if (with_silu) v = silu(v);
        }
        tile[c][p] = v;
    }
    __syncthreads();
    for (unsigned p = threadIdx.x / 32; p < 64; p += 8) {
        unsigned c = threadIdx.x % 32;
        if (first + c < padded && pixel + p < plane) y[((size_t)batch * plane + pixel + p) * padded + first + c] = narrow<T>(tile[c][p]);
    }
}

// One warp normalises one row of `width` values.
template <typename T> __device__ void layer_norm(const T* x, const T* gamma, const T* beta, T* y, unsigned rows, unsigned width, float eps) {
    unsigned row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    x += (size_t)row * width;
    y += (size_t)row * width;
    constexpr int N = Pack<T>::N;
    float sum = 0.0f, squares = 0.0f;
    for (unsigned i = lane * N; i < width; i += 32 * N) {
        Pack<T> pack = *(const Pack<T>*)(x + i);
        for (int k = 0; k < N; k++) sum += wide(pack.v[k]);
    }
    float mean = warp_sum(sum) / width;
    for (unsigned i = lane * N; i < width; i += 32 * N) {
        Pack<T> pack = *(const Pack<T>*)(x + i);
        for (int k = 0; k < N; k++) squares += (wide(pack.v[k]) - mean) * (wide(pack.v[k]) - mean);
    }
    float factor = rsqrtf(warp_sum(squares) / width + eps);
    for (unsigned i = lane * N; i < width; i += 32 * N) {
        Pack<T> pack = *(const Pack<T>*)(x + i), g = *(const Pack<T>*)(gamma + i), b = *(const Pack<T>*)(beta + i);
        for (int k = 0; k < N; k++) pack.v[k] = narrow<T>((wide(pack.v[k]) - mean) * factor * wide(g.v[k]) + wide(b.v[k]));
        *(Pack<T>*)(y + i) = pack;
    }
}

#define KERNELS(T, NAME)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) group_sums_##NAME(const T* x, float2* sums, size_t len) {                \
        group_sums<T>(x, sums, len);                                                                                           \
    }                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256)                                                                          \
        turn_##NAME(const T* x, const float2* sums, const T* gamma, const T* beta, T* y, unsigned channels, unsigned padded,   \
                    unsigned plane, unsigned groups, unsigned parts, float eps, int with_silu) {                               \
        turn<T>(x, sums, gamma, beta, y, channels, padded, plane, groups, parts, eps, with_silu);                              \
    }                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256)                                                                          \
        layer_norm_##NAME(const T* x, const T* gamma, const T* beta, T* y, unsigned rows, unsigned width, float eps) {         \
        layer_norm<T>(x, gamma, beta, y, rows, width, eps);                                                                    \
    }
FOR_EACH_TYPE(KERNELS)
