// Element by element: a bias along the last dimension, one along the channels, GEGLU, ReLU with a slope below zero.
//
// One thread takes 16 bytes; the caller sees to it that rows are whole packs and start on 16 bytes.
#include "types.cuh"

// y[r][c] = x[r][c] + bias[c], `packs` in all, `row` packs to a row.
template <typename T> __device__ void add_row(const Pack<T>* x, const Pack<T>* bias, Pack<T>* y, size_t packs, unsigned row) {
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    Pack<T> a = x[i], b = bias[i % row];
    for (int k = 0; k < Pack<T>::N; k++) a.v[k] = narrow<T>(wide(a.v[k]) + wide(b.v[k]));
    y[i] = a;
}

// y[b][c][p] = x[b][c][p] + add[b or 0][c]: `plane` packs to a channel, `each` channels before `add` begins anew.
template <typename T> __device__ void add_plane(const Pack<T>* x, const T* add, Pack<T>* y, size_t packs, unsigned plane, unsigned each) {
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    Pack<T> a = x[i];
    float b = wide(add[i / plane % each]);
    for (int k = 0; k < Pack<T>::N; k++) a.v[k] = narrow<T>(wide(a.v[k]) + b);
    y[i] = a;
}

// y[r][c] = x[r][c] * gelu(x[r][row + c]), `packs` of y in all, `row` packs to a row of y; gelu by the error function.
template <typename T> __device__ void geglu(const Pack<T>* x, Pack<T>* y, size_t packs, unsigned row) {
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    const Pack<T>* from = x + i / row * 2 * row + i % row;
    Pack<T> a = from[0], b = from[row];
    for (int k = 0; k < Pack<T>::N; k++) {
        float gate = wide(b.v[k]);
        a.v[k] = narrow<T>(wide(a.v[k]) * (0.5f * gate * (1.0f + erff(gate * 0.70710678f))));
    }
    y[i] = a;
}

// y[b][c][p] = x[b][c][p] where that is positive, else times slopes[c], or times `slope` without those; `plane` packs to a channel.
template <typename T>
__device__ void leak(const Pack<T>* x, const T* slopes, Pack<T>* y, size_t packs, unsigned plane, unsigned channels, float slope) {
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    Pack<T> a = x[i];
    if (slopes) slope = wide(slopes[i / plane % channels]);
    for (int k = 0; k < Pack<T>::N; k++) {
        float v = wide(a.v[k]);
        // What is no number stays none.
        if (!(v > 0.0f)) a.v[k] = narrow<T>(v * slope);
    }
    y[i] = a;
}

#define KERNELS(T, NAME)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                        \
        add_row_##NAME(const Pack<T>* x, const Pack<T>* bias, Pack<T>* y, size_t packs, unsigned row) {                      \
        add_row<T>(x, bias, y, packs, row);                                                                                  \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(256)                                                                        \
        add_plane_##NAME(const Pack<T>* x, const T* add, Pack<T>* y, size_t packs, unsigned plane, unsigned each) {          \
        add_plane<T>(x, add, y, packs, plane, each);                                                                         \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(256) geglu_##NAME(const Pack<T>* x, Pack<T>* y, size_t packs, unsigned row) { \
        geglu<T>(x, y, packs, row);                                                                                          \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(256)                                                                        \
        leak_##NAME(const Pack<T>* x, const T* slopes, Pack<T>* y, size_t packs, unsigned plane, unsigned channels, float slope) { \
        leak<T>(x, slopes, y, packs, plane, channels, slope);                                                                \
    }
FOR_EACH_TYPE(KERNELS)
