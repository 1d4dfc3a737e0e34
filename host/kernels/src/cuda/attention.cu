// Attention without the matrix of all scores (Dao 2023, "FlashAttention-2"): a block takes 64 queries of one head and walks the
// keys, keeping the running maximum, sum and weighted values of each query in registers.
//
// d, the width of a head, is a multiple of 8 and is filled up with zeros to D. Rows of queries, keys and values may lie
// anywhere, each on 16 bytes; the result is [batch][queries][heads][d].
#include "tiles.cuh"

struct View {
    long long batch, head, row;
};

template <typename T> __device__ inline unsigned pair(float a, float b);
template <> __device__ inline unsigned pair<__half>(float a, float b) {
    __half2 both = __floats2half2_rn(a, b);
    return *(unsigned*)&both;
}
template <> __device__ inline unsigned pair<__nv_bfloat16>(float a, float b) {
    __nv_bfloat162 both = __floats2bfloat162_rn(a, b);
    return *(unsigned*)&both;
}

template <typename T, int D, int KEYS>
__device__ void attend(const T* q, const T* k, const T* v, T* y, View qs, View ks, View vs, int queries, int keys, int d, float scale, int causal) {
    constexpr int QUERIES = 64, PITCH = 2 * D + 16, CHUNKS = D / 8, TILE = KEYS * PITCH;
    // An odd number of chunks to a row: 8 rows of one chunk lie in different banks. Two keys' and values' tiles, or the queries.
    static_assert(CHUNKS % 2 == 0 && QUERIES * PITCH <= 4 * TILE && 4 * TILE <= 49152, "does not fit");
    __shared__ __align__(128) char memory[4 * TILE];
    const unsigned shared = (unsigned)__cvta_generic_to_shared(memory);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int head = blockIdx.y, batch = blockIdx.z, start = blockIdx.x * QUERIES;
    q += batch * qs.batch + head * qs.head;
    k += batch * ks.batch + head * ks.head;
    v += batch * vs.batch + head * vs.head;
    auto bring = [&](unsigned to, const T* from, long long pitch, int first, int rows, int count) {
        for (int i = threadIdx.x; i < rows * CHUNKS; i += 128) {
            int row = i / CHUNKS, chunk = i % CHUNKS;
            bool there = first + row < count && chunk * 8 < d;
            copy_chunk(to + row * PITCH + chunk * 16, there ? from + (first + row) * pitch + chunk * 8 : from, there);
        }
    };

    bring(shared, q, qs.row, start, QUERIES, queries);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
    unsigned query[D / 16][4];
#pragma unroll
    for (int i = 0; i < D / 16; i++) load_fragments(query[i], shared + (warp * 16 + lane % 16) * PITCH + (2 * i + lane / 16) * 16);
    __syncthreads();

    // A lane sees two rows, 8 apart; four lanes share them.
    float out[D / 8][4] = {}, maximum[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    const int row = start + warp * 16 + lane / 4;
    const float factor = scale * 1.44269504f;
    // Keys that come later than the last query are not seen by any.
    const int seen = causal ? min(keys, start + QUERIES) : keys;
    const int blocks = (seen + KEYS - 1) / KEYS;
    auto bring_keys = [&](int block) {
        unsigned to = shared + block % 2 * 2 * TILE;
        bring(to, k, ks.row, block * KEYS, KEYS, keys);
        bring(to + TILE, v, vs.row, block * KEYS, KEYS, keys);
    };
    if (blocks > 0) bring_keys(0);
    commit_copies();
    for (int block = 0; block < blocks; block++) {
        if (block + 1 < blocks) bring_keys(block + 1);
        commit_copies();
        wait_copies<1>();
        __syncthreads();
        const unsigned key = shared + block % 2 * 2 * TILE, value = key + TILE;

        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int i = 0; i < D / 16; i++)
#pragma unroll
            for (int j = 0; j < KEYS / 16; j++) {
                unsigned b[4];
                load_fragments(b, key + (j * 16 + lane % 8 + lane / 16 * 8) * PITCH + (2 * i + lane / 8 % 2) * 16);
                multiply<T>(scores[2 * j], query[i], b[0], b[1]);
                multiply<T>(scores[2 * j + 1], query[i], b[2], b[3]);
            }
        const int first = block * KEYS;
        if (first + KEYS > keys || (causal && first + KEYS > start)) {
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    int at = first + j * 8 + lane % 4 * 2 + e % 2;
                    if (at >= keys || (causal && at > row + e / 2 * 8)) scores[j][e] = -INFINITY;
                }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float most = maximum[r];
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) most = fmaxf(most, fmaxf(scores[j][2 * r], scores[j][2 * r + 1]));
            most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, 1));
            most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, 2));
            // The first block holds a key that every query sees, so the maximum is a number from then on.
            float before = exp2f((maximum[r] - most) * factor), added = 0.0f;
            maximum[r] = most;
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
                for (int e = 2 * r; e < 2 * r + 2; e++) {
                    scores[j][e] = exp2f((scores[j][e] - most) * factor);
                    added += scores[j][e];
                }
            sum[r] = sum[r] * before + added;
#pragma unroll
            for (int j = 0; j < D / 8; j++) {
                out[j][2 * r] *= before;
                out[j][2 * r + 1] *= before;
            }
        }
        // What a lane holds of two neighbouring tiles of scores is what it holds of a left operand.
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            unsigned a[4] = {pair<T>(scores[2 * i][0], scores[2 * i][1]), pair<T>(scores[2 * i][2], scores[2 * i][3]),
                             pair<T>(scores[2 * i + 1][0], scores[2 * i + 1][1]), pair<T>(scores[2 * i + 1][2], scores[2 * i + 1][3])};
#pragma unroll
            for (int j = 0; j < D / 16; j++) {
                unsigned b[4];
                load_turned_fragments(b, value + (i * 16 + lane % 8 + lane / 8 % 2 * 8) * PITCH + (2 * j + lane / 16) * 16);
                multiply<T>(out[2 * j], a, b[0], b[1]);
                multiply<T>(out[2 * j + 1], a, b[2], b[3]);
            }
        }
        __syncthreads();
    }
    wait_copies<0>();

#pragma unroll
    for (int r = 0; r < 2; r++) {
        float all = sum[r];
        all += __shfl_xor_sync(0xffffffff, all, 1);
        all += __shfl_xor_sync(0xffffffff, all, 2);
        int at = row + 8 * r;
        if (at >= queries) continue;
        T* to = y + (((long long)batch * queries + at) * gridDim.y + head) * d;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            int c = j * 8 + lane % 4 * 2;
            if (c < d) *(unsigned*)(to + c) = pair<T>(out[j][2 * r] / all, out[j][2 * r + 1] / all);
        }
    }
}

#define KERNEL(T, NAME, D, KEYS)                                                                                             \
    extern "C" __global__ void __launch_bounds__(128)                                                                        \
        attend_##D##_##NAME(const T* q, const T* k, const T* v, T* y, View qs, View ks, View vs, int queries, int keys, int d, \
                            float scale, int causal) {                                                                       \
        attend<T, D, KEYS>(q, k, v, y, qs, ks, vs, queries, keys, d, scale, causal);                                         \
    }
#define KERNELS(T, NAME) KERNEL(T, NAME, 48, 64) KERNEL(T, NAME, 64, 64) KERNEL(T, NAME, 80, 64) KERNEL(T, NAME, 128, 32) KERNEL(T, NAME, 160, 32)
KERNELS(__half, f16)
KERNELS(__nv_bfloat16, bf16)
