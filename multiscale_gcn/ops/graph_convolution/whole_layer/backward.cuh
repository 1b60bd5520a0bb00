// What the backward kernels for whole layers share: entries of the mixing matrix, and numbers as they are
// in memory.
//
// Options, beside those of numbers.cuh and entries.cuh:
//   IN, OUT            channels of X and of dY
//   X_WORDS            32-bit words of a row of X in shared memory

struct __align__(16) Entry {
    int offset;      // of the neighbour's row in its graph, in words of X
    float value;
    float mirrored;  // the value of the transposed entry
    int place;       // among all entries
};

__device__ void load_entries(Entry* entries, const float* values, const i64* __restrict__ rows,
                             const i64* __restrict__ columns, const i64* __restrict__ loops,
                             const i64* __restrict__ mirror, int count) {
    for (int e = lister(); e < count; e += LISTERS) {
        int row = (int)rows[e];
        int place = listed_place(e, row, (int)loops[row]);
        if (place >= 0)
            entries[place] = {(int)columns[e] * X_WORDS, values[e], values[(int)mirror[e]], e};
    }
}

// The RUN channels in 4 words.
__device__ __forceinline__ void widen(float (&channels)[RUN], uint4 four) {
    u32 words[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int u = 0; u < 4; u++) {
#if HALF
        channels[2 * u] = low(words[u]);
        channels[2 * u + 1] = high(words[u]);
#else
        channels[u] = __uint_as_float(words[u]);
#endif
    }
}

__device__ __forceinline__ uint4 narrow(const float* channels) {
#if HALF
    return make_uint4(pack(channels[0], channels[1]), pack(channels[2], channels[3]),
                      pack(channels[4], channels[5]), pack(channels[6], channels[7]));
#else
    return make_uint4(__float_as_uint(channels[0]), __float_as_uint(channels[1]),
                      __float_as_uint(channels[2]), __float_as_uint(channels[3]));
#endif
}

// Past the end of a row: nothing of the row itself.
__device__ __forceinline__ Entry entry_of(const Entry* entries, int at, int end, int home) {
    Entry entry = {home, 0.0f, 0.0f, -1};
    if (at < end) entry = entries[at];
    return entry;
}

__device__ __forceinline__ float sum_of_quad(float x) {
    x += __shfl_xor_sync(0xffffffff, x, 1);
    return x + __shfl_xor_sync(0xffffffff, x, 2);
}

// The weights that make up 4 words, of one column and k side by side.
__device__ __forceinline__ void read_weights(float (&k)[4 * PER_WORD], const Weight* from) {
#pragma unroll
    for (int i = 0; i < 4 * PER_WORD; i += 4) {
#if WEIGHT_ELEMENT == 0
        float4 four = *reinterpret_cast<const float4*>(from + i);
        k[i] = four.x, k[i + 1] = four.y, k[i + 2] = four.z, k[i + 3] = four.w;
#else
        uint2 two = *reinterpret_cast<const uint2*>(from + i);
        k[i] = low(two.x), k[i + 1] = high(two.x), k[i + 2] = low(two.y), k[i + 3] = high(two.y);
#endif
    }
}
