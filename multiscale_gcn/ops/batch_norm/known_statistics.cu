// Batch normalisation with known statistics, with what stands before and behind it.
//
//     y = f((x + before - mean) gain / sqrt(variance + epsilon) + offset) + more
//
// where f is ReLU or nothing. All but x and y may be missing.
//
// Options:
//   ELEMENT  see types.cuh
//   THREADS  of a block
//   LANES    threads side by side in a row
//   ROWS     of a block

#include "types.cuh"

#define TEAMS (THREADS / LANES)

// Rows of channels, side by side. A block has some channels of some rows.
extern "C" __global__ void __launch_bounds__(THREADS)
normalise_known(Element* y, const Element* x, const Element* more, const Real* before,
                const Real* mean, const Real* variance, const Real* gain, const Real* offset,
                double epsilon, i64 relu, i64 rows, i64 channels) {
    const i64 c = blockIdx.y * (i64)LANES + threadIdx.x % LANES;
    if (c >= channels) return;
    const Real scale = (gain == nullptr ? (Real)1 : gain[c]) / sqrt(variance[c] + (Real)epsilon);
    const Real shift = offset == nullptr ? (Real)0 : offset[c];
    const Real middle = mean[c] - (before == nullptr ? (Real)0 : before[c]);
    const i64 begin = blockIdx.x * (i64)ROWS, end = begin + ROWS < rows ? begin + ROWS : rows;
#pragma unroll 4
    for (i64 row = begin + threadIdx.x / LANES; row < end; row += TEAMS) {
        const i64 place = row * channels + c;
        Real result = fma(widen(x[place]) - middle, scale, shift);
        if (relu && result < 0) result = 0;
        if (more != nullptr) result += widen(more[place]);
        y[place] = narrow(result);
    }
}
