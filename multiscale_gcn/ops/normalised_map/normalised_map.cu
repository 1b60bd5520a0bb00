// A linear map of rows, batch normalisation with known statistics, and a sum, for products of tf32:
//
//     y = (x W' + before - mean) gain / sqrt(variance + epsilon) + offset + more
//
// What the map gives is never written. A block takes slices of rows; the weights stay in shared memory.
// Before, gain and offset may be missing.
//
// Options:
//   IN, OUT  columns of x and y, multiples of 4
//   ROWS     of a slice, a multiple of 16
//   STAGES   slices that are there or on their way, at least 2

#include "products.cuh"

typedef long long i64;

#define THREADS 512
#define WARPS (THREADS / 32)


#define ACROSS (up_to(OUT, 32) / 32)      // tiles of 16 x 32 results
// Of rows in shared memory: the threads of a warp read different banks.
#define X_PITCH (up_to(IN, 32) + 8)
#define PITCH (up_to(OUT, 32) + 8)
#define STAGE_WORDS (ROWS * (X_PITCH + PITCH))

template <int COLUMNS>
__device__ __forceinline__ void fetch(float* to, int pitch, const float* from, i64 first, i64 rows) {
    constexpr int fours = COLUMNS / 4;
#pragma unroll 1
    for (int at = threadIdx.x; at < ROWS * fours; at += THREADS) {
        const int row = at / fours, column = at % fours * 4;
        const bool is_there = first + row < rows;
        copy_ahead<16>(to + row * pitch + column,
                       from + (is_there ? (first + row) * COLUMNS + column : 0), is_there);
    }
}

// Rounded, and zeros around them: column by column of the result, a warp each.
__device__ __forceinline__ void load_weights(float* weights, const float* weight) {
#pragma unroll 1
    for (int column = threadIdx.x / 32; column < up_to(OUT, 32); column += WARPS) {
#pragma unroll 4
        for (int k = threadIdx.x % 32; k < X_PITCH; k += 32) {
            const bool is_there = column < OUT && k < IN;
            const float number = is_there ? weight[column * IN + k] : 0;
            weights[column * X_PITCH + k] = __uint_as_float(to_tf32(number));
        }
    }
}

// What is done to a column.
struct Affine {
    float middle, scale, shift;
};

extern "C" __global__ void __launch_bounds__(THREADS, 1)
map_and_normalise(float* y, const float* x, const float* weight, const float* before,
                  const float* mean, const float* variance, const float* gain,
                  const float* offset, const float* more, double epsilon, i64 rows) {
    extern __shared__ __align__(16) float memory[];
    __shared__ Affine affine[OUT];
    float* weights = memory;
    float* stages = weights + up_to(OUT, 32) * X_PITCH;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, u = lane % 4;
    const i64 slices = (rows + ROWS - 1) / ROWS;
    // What no copy fills is read too, and meets zeros of the weights.
    if (IN % 8)
        for (int row = threadIdx.x; row < STAGES * ROWS; row += THREADS)
            for (int k = IN; k < up_to(IN, 8); k++)
                stages[row / ROWS * STAGE_WORDS + row % ROWS * X_PITCH + k] = 0;
    for (int c = threadIdx.x; c < OUT; c += THREADS)
        affine[c] = {mean[c] - (before == nullptr ? 0.0f : before[c]),
                     (gain == nullptr ? 1.0f : gain[c]) / sqrtf(variance[c] + (float)epsilon),
                     offset == nullptr ? 0.0f : offset[c]};

    i64 fetched = blockIdx.x;
    int stage = 0;
    for (i64 slice = blockIdx.x - (STAGES - 1) * (i64)gridDim.x; slice < slices; slice += gridDim.x) {
        if (slice >= 0) {
            wait_for_copies<STAGES - 2>();
            __syncthreads();  // all have left the stage that is filled next
        }
        if (fetched < slices) {
            float* next = stages + stage * STAGE_WORDS;
            fetch<IN>(next, X_PITCH, x, fetched * ROWS, rows);
            fetch<OUT>(next + ROWS * X_PITCH, PITCH, more, fetched * ROWS, rows);
        }
        copies_end();
        fetched += gridDim.x;
        stage = stage + 1 < STAGES ? stage + 1 : 0;
        if (slice < 0) {
            if (slice + gridDim.x >= 0) load_weights(weights, weight);  // slices come meanwhile
            continue;
        }
        const float* here = stages + stage * STAGE_WORDS;
        for (int tile = warp; tile < ROWS / 16 * ACROSS; tile += WARPS) {
            const int row = tile / ACROSS * 16 + g, first = tile % ACROSS * 32;
            const float* a = here + row * X_PITCH + 2 * u;
            const float* b = weights + (first + g) * X_PITCH + 2 * u;
            float c[4][4] = {};
#pragma unroll 4
            for (int k = 0; k < up_to(IN, 8); k += 8) {  // a thread has two of 8, side by side
                const float2 near = *reinterpret_cast<const float2*>(a + k);
                const float2 far = *reinterpret_cast<const float2*>(a + 8 * X_PITCH + k);
                Factors<4, false> left;
                left.put(0, near.x), left.put(1, far.x), left.put(2, near.y), left.put(3, far.y);
                Factors<8, false> right;
#pragma unroll
                for (int n = 0; n < 4; n++) {
                    const float2 two = *reinterpret_cast<const float2*>(b + 8 * n * X_PITCH + k);
                    right.put_rounded(2 * n, two.x), right.put_rounded(2 * n + 1, two.y);
                }
                multiply_step<false>(c, left, right);
            }
#pragma unroll
            for (int n = 0; n < 4; n++) {
                const int column = first + 8 * n + 2 * u;
                if (column >= OUT) continue;
                const Affine one = affine[column], other = affine[column + 1];
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    const i64 place = slice * ROWS + row + 8 * r;
                    if (place >= rows) continue;
                    const float2 two = *reinterpret_cast<const float2*>(
                        here + ROWS * X_PITCH + (row + 8 * r) * PITCH + column);
                    *reinterpret_cast<float2*>(y + place * OUT + column) = make_float2(
                        fmaf(c[n][2 * r] - one.middle, one.scale, one.shift) + two.x,
                        fmaf(c[n][2 * r + 1] - other.middle, other.scale, other.shift) + two.y);
                }
            }
        }
    }
}
