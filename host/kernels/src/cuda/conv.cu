// Convolution as one matrix product that never writes its left operand down: rows are pixels of the result, columns are channels
// of it, the sum runs over the taps of the kernel and the channels of the input, 16 bytes of channels at a time.
//
// The input is [batch][pixels][channels], the weights [out][taps][channels], channels a multiple of 16 bytes; the result is
// [batch][out][pixels]. Small pictures with long sums would leave most of the card idle, so the sum may be cut: each part goes to
// `parts`, and `add_parts` adds them in their order, which makes the same picture every time.
#include "tiles.cuh"

struct Shape {
    int batch, channels, height, width;
    int out, rows, columns;
    int kernel_width, taps, stride, padding;
    // Of 64 bytes each: all, and those of one part.
    int steps, each;
};

template <typename T, int BN>
__device__ void convolve(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* y, float* parts, Shape s) {
    constexpr int BM = 128, STAGES = 3, PER = Pack<T>::N, BK = 4 * PER;
    // Warps stand 2 by 4 over a tile 128 wide, 4 by 2 over one 64 wide.
    constexpr int ACROSS = BN / 32, WM = BM * ACROSS / 8, MT = WM / 16, NT = 4;
    __shared__ __align__(128) char memory[STAGES * (BM + BN) * 64];
    const unsigned shared = (unsigned)__cvta_generic_to_shared(memory);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN;
    const int pixels = s.rows * s.columns, total = s.batch * pixels, sum = s.taps * s.channels;
    // Chunks are shifted against each other so that 8 rows of one lie in different banks.
    auto at = [&](int stage, int row, int chunk) {
        return shared + (stage * (BM + BN) + row) * 64 + ((chunk ^ ((row >> 1) & 3)) << 4);
    };

    // Each thread brings the same chunk of two rows of the input and BN / 64 of the weights.
    const int chunk = threadIdx.x % 4, row = threadIdx.x / 4;
    long long picture[2];
    int top[2], left[2];
    for (int i = 0; i < 2; i++) {
        int m = m0 + row + 64 * i;
        int p = m % pixels;
        picture[i] = (long long)(m / pixels) * s.height * s.width;
        // Rows beyond the last are outside of the picture.
        top[i] = m < total ? p / s.columns * s.stride - s.padding : -(1 << 28);
        left[i] = p % s.columns * s.stride - s.padding;
    }
    const int first = blockIdx.z * s.each, last = min(s.steps, first + s.each);
    int k = first * BK + chunk * PER;
    int tap = k / s.channels, channel = k % s.channels;
    auto bring = [&](int stage) {
        int down = tap / s.kernel_width, across = tap % s.kernel_width;
        for (int i = 0; i < 2; i++) {
            int r = top[i] + down, c = left[i] + across;
            bool there = tap < s.taps && (unsigned)r < (unsigned)s.height && (unsigned)c < (unsigned)s.width;
            const T* from = there ? x + (picture[i] + (long long)r * s.width + c) * s.channels + channel : x;
            copy_chunk(at(stage, row + 64 * i, chunk), from, there);
        }
        for (int i = 0; i < BN / 64; i++) {
            int n = n0 + row + 64 * i;
            bool there = tap < s.taps && n < s.out;
            copy_chunk(at(stage, BM + row + 64 * i, chunk), there ? weight + (long long)n * sum + k : weight, there);
        }
        k += BK;
        channel += BK;
        while (channel >= s.channels) {
            channel -= s.channels;
            tap++;
        }
    };

    float acc[MT][NT][4] = {};
    const int wm = warp / ACROSS * WM, wn = warp % ACROSS * 32;
    for (int i = 0; i < STAGES - 1; i++) {
        if (first + i < last) bring(i);
        commit_copies();
    }
    for (int step = first; step < last; step++) {
        wait_copies<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < last) bring((step - first + STAGES - 1) % STAGES);
        commit_copies();
        const int stage = (step - first) % STAGES;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            unsigned a[MT][4], b[NT / 2][4];
#pragma unroll
            for (int i = 0; i < MT; i++) {
                load_fragments(a[i], at(stage, wm + i * 16 + lane % 16, 2 * half + lane / 16));
                round_fragment<T>(a[i]);
            }
#pragma unroll
            for (int j = 0; j < NT / 2; j++) {
                load_fragments(b[j], at(stage, BM + wn + j * 16 + lane % 8 + lane / 16 * 8, 2 * half + lane / 8 % 2));
                round_fragment<T>(b[j]);
            }
#pragma unroll
            for (int i = 0; i < MT; i++)
#pragma unroll
                for (int j = 0; j < NT; j++) multiply<T>(acc[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
    }
    wait_copies<0>();

    // A lane holds two neighbouring channels of two pixels that are 8 apart.
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int lower = 0; lower < 2; lower++) {
            int m = m0 + wm + i * 16 + lower * 8 + lane / 4;
            if (m >= total) continue;
            long long to = (long long)(m / pixels) * s.out * pixels + m % pixels;
#pragma unroll
            for (int j = 0; j < NT; j++)
#pragma unroll
                for (int odd = 0; odd < 2; odd++) {
                    int n = n0 + wn + j * 8 + lane % 4 * 2 + odd;
                    if (n >= s.out) continue;
                    float v = acc[i][j][lower * 2 + odd];
                    if (parts) parts[(long long)blockIdx.z * total * s.out + to + (long long)n * pixels] = v;
                    else y[to + (long long)n * pixels] = narrow<T>(v + (bias ? wide(bias[n]) : 0.0f));
                }
        }
}

// y = the sum of `count` parts of `total` values each, plus the bias of the channel.
template <typename T> __device__ void add_parts(const float* parts, const T* bias, T* y, size_t total, int count, int pixels, int out) {
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    float sum = 0.0f;
    for (int part = 0; part < count; part++) sum += parts[part * total + i];
    if (bias) sum += wide(bias[i / pixels % out]);
    y[i] = narrow<T>(sum);
}

#define KERNELS(T, NAME)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256)                                                                          \
        convolve_128_##NAME(const T* x, const T* weight, const T* bias, T* y, float* parts, Shape s) {                         \
        convolve<T, 128>(x, weight, bias, y, parts, s);                                                                        \
    }                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256)                                                                          \
        convolve_64_##NAME(const T* x, const T* weight, const T* bias, T* y, float* parts, Shape s) {                          \
        convolve<T, 64>(x, weight, bias, y, parts, s);                                                                         \
    }                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256)                                                                          \
        add_parts_##NAME(const float* parts, const T* bias, T* y, size_t total, int count, int pixels, int out) {              \
        add_parts<T>(parts, bias, y, total, count, pixels, out);                                                               \
    }
FOR_EACH_TYPE(KERNELS)
