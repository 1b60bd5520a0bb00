// Softmax over the entries of every row, and its gradient.

#include "sparse.cuh"

#define HELD 4  // entries of a row that a lane keeps

struct Held {
    Real of[HELD];

    __device__ __forceinline__ Held(const Real* from, int first, int end, Real otherwise) {
#pragma unroll
        for (int k = 0; k < HELD; k++)
            of[k] = first + k * LANES < end ? from[first + k * LANES] : otherwise;
    }
};

// Along y: one softmax for each of several rows of logits.
extern "C" __global__ void __launch_bounds__(THREADS) row_softmax(
    Real* shares, const Real* logits, const i64* indptr, i64 num_rows, i64 num_entries
) {
    shares += blockIdx.y * num_entries;
    logits += blockIdx.y * num_entries;
    const Matrix matrix = {indptr, nullptr, nullptr, nullptr, (int)num_rows};
    const Bounds row = bounds(matrix, blockIdx.x * TEAMS + threadIdx.x / LANES);
    const bool is_long = row.length() > LONG;
    const int first = row.begin + team_lane(), end = is_long ? row.begin : row.end;
    const int rest = first + HELD * LANES;
    Held held(logits, first, end, lowest());
    Real top = lowest(), total = 0;
    for (int k = 0; k < HELD; k++) top = fmax(top, held.of[k]);
    for (int e = rest; e < end; e += LANES) top = fmax(top, logits[e]);
    top = team_max(top);
    for (int k = 0; k < HELD; k++)
        if (first + k * LANES < end) total += held.of[k] = exp(held.of[k] - top);
    for (int e = rest; e < end; e += LANES) total += exp(logits[e] - top);
    total = team_sum(total);
    for (int k = 0; k < HELD; k++)
        if (first + k * LANES < end) shares[first + k * LANES] = held.of[k] / total;
    for (int e = rest; e < end; e += LANES) shares[e] = exp(logits[e] - top) / total;
    for_long_rows(matrix, TEAMS, is_long, [&](Bounds row) {
        Real top = lowest(), total = 0;
        const int first = row.begin + threadIdx.x;
        for (int e = first; e < row.end; e += THREADS) top = fmax(top, logits[e]);
        top = block_max(top);
        for (int e = first; e < row.end; e += THREADS) total += exp(logits[e] - top);
        total = block_sum(total);
        for (int e = first; e < row.end; e += THREADS) shares[e] = exp(logits[e] - top) / total;
    });
}

extern "C" __global__ void __launch_bounds__(THREADS) row_softmax_backward(
    Real* gradient, const Real* upstream, const Real* shares, const i64* indptr, i64 num_rows,
    i64 num_entries
) {
    gradient += blockIdx.y * num_entries;
    upstream += blockIdx.y * num_entries;
    shares += blockIdx.y * num_entries;
    const Matrix matrix = {indptr, nullptr, nullptr, nullptr, (int)num_rows};
    const Bounds row = bounds(matrix, blockIdx.x * TEAMS + threadIdx.x / LANES);
    const bool is_long = row.length() > LONG;
    const int first = row.begin + team_lane(), end = is_long ? row.begin : row.end;
    const int rest = first + HELD * LANES;
    const Held share(shares, first, end, 0), above(upstream, first, end, 0);
    Real mean = 0;
    for (int k = 0; k < HELD; k++) mean += share.of[k] * above.of[k];
    for (int e = rest; e < end; e += LANES) mean += shares[e] * upstream[e];
    mean = team_sum(mean);
    for (int k = 0; k < HELD; k++)
        if (first + k * LANES < end)
            gradient[first + k * LANES] = share.of[k] * (above.of[k] - mean);
    for (int e = rest; e < end; e += LANES) gradient[e] = shares[e] * (upstream[e] - mean);
    for_long_rows(matrix, TEAMS, is_long, [&](Bounds row) {
        Real mean = 0;
        const int first = row.begin + threadIdx.x;
        for (int e = first; e < row.end; e += THREADS) mean += shares[e] * upstream[e];
        mean = block_sum(mean);
        for (int e = first; e < row.end; e += THREADS)
            gradient[e] = shares[e] * (upstream[e] - mean);
    });
}
