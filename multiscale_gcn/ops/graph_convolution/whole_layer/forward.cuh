// What the forward kernels for whole layers share: weights as they are read, entries of the mixing matrix,
// rows that are added up, and what is done to every column of the result.
//
// Options, beside those of numbers.cuh and entries.cuh:
//   IN, OUT            channels

#define ROW_WORDS (IN * SIZE / 4)        // 32-bit words of a row of X
#define GROUPS (ROW_WORDS / 16)          // of 16 words; a thread has 4 of each

// Four columns of the weights, of the one k or the two that make up a word.
__device__ __forceinline__ void read_weights(float (&values)[2][4], const Weight* from) {
#pragma unroll
    for (int k = 0; k < PER_WORD; k++) {
#if WEIGHT_ELEMENT == 0
        float4 four = *reinterpret_cast<const float4*>(from + k * OUT);
        values[k][0] = four.x, values[k][1] = four.y, values[k][2] = four.z, values[k][3] = four.w;
#else
        uint2 two = *reinterpret_cast<const uint2*>(from + k * OUT);
        values[k][0] = low(two.x), values[k][1] = high(two.x), values[k][2] = low(two.y),
        values[k][3] = high(two.y);
#endif
    }
}

// What is done to a column of the result: bias, and normalisation with known statistics.
struct Affine {
    float factor, addend;
};

__device__ __forceinline__ Affine affine_of(int column, const float* bias, const float* mean,
                                            const float* variance, const float* gain,
                                            const float* offset, double epsilon) {
    Affine f = {1, bias == nullptr ? 0 : bias[column]};
    if (mean != nullptr) {
        f.factor = 1 / sqrtf(variance[column] + (float)epsilon);
        if (gain != nullptr) f.factor *= gain[column];
        f.addend = (f.addend - mean[column]) * f.factor;
        if (offset != nullptr) f.addend += offset[column];
    }
    return f;
}

// ------------------------------------------------------------------------------------- entries

struct __align__(8) Entry {
    int offset;   // of the neighbour's row in its graph, in words
    float value;
};

// Past the end of a row: nothing of the row itself.
__device__ __forceinline__ Entry entry_of(const Entry* entries, int place, int end, int home) {
    Entry entry = {home, 0.0f};
    if (place < end) entry = entries[place];
    return entry;
}

// The entries of every row: without its diagonal for two matrices.
__device__ void load_entries(Entry* entries, const float* values, const i64* __restrict__ rows,
                             const i64* __restrict__ columns, const i64* __restrict__ loops,
                             int count) {
    for (int e = lister(); e < count; e += LISTERS) {
        int row = (int)rows[e];
        int place = listed_place(e, row, (int)loops[row]);
        if (place >= 0) entries[place] = {(int)columns[e] * ROW_WORDS, values[e]};
    }
}

// ---------------------------------------------------------------------------------------- mixing

// A thread's share of a row: 4 of every 16 words. Quads of even number read the words of an even
// group first and those of odd number the words of the odd one, so that no two fall into the same
// banks. `turn` puts them into order.
#define SUMS (GROUPS * 4 * PER_WORD)

__device__ __forceinline__ void add_four(float (&sums)[SUMS], int q, uint4 four, float value) {
    u32 words[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int u = 0; u < 4; u++) {
#if HALF
        sums[8 * q + 2 * u] += value * low(words[u]);
        sums[8 * q + 2 * u + 1] += value * high(words[u]);
#else
        sums[4 * q + u] += value * __uint_as_float(words[u]);
#endif
    }
}

__device__ __forceinline__ void add_rows(float (&sums)[2][SUMS], const u32* first,
                                         const u32* second, int odd, float one, float other) {
#pragma unroll
    for (int q = 0; q < GROUPS; q++) {
        uint4 here = *reinterpret_cast<const uint4*>(first + 16 * (q ^ odd));
        uint4 there = *reinterpret_cast<const uint4*>(second + 16 * (q ^ odd));
        add_four(sums[0], q, here, one);
        add_four(sums[1], q, there, other);
    }
}
