// Products of features at both ends of every entry: the gradient of the values.
//
// A team is a warp. Each of its groups of lanes has one entry, and each lane several packs of the
// features at both ends.
//
// Options, beside those of sparse.cuh:
//   PACKS     1, 2 or 4, of a lane, in a row of one graph

#include "sparse.cuh"

#ifndef PACKS
#define PACKS 1
#endif
#define GROUP 8  // lanes that have one entry
#define GROUPS (LANES / GROUP)
#define PART (GROUP * VECTOR * PACKS)
#define STEPS (4 / PACKS)  // of GROUPS entries, whose features are fetched at a time

// The features on both sides of a product; with OWN others where i = j.
struct Sides {
    Features left, right, left_own, right_own;
    int width, channels;

    // The first numbers of a node's own product: fetched before, and added after the others.
    struct Own {
        Pack left, right;
    };

    __device__ __forceinline__ Own fetch_own(int row) const {
        Own own;
        const int m = blockIdx.y * SLICE + team_lane() * VECTOR;
        if (!OWN || m >= width) return own;
        const Slice slice(m, channels);
        own.left = load_once(slice.of(left_own) + row * left_own.node);
        own.right = load_once(slice.of(right_own) + row * right_own.node);
        return own;
    }

    __device__ __forceinline__ Real own_product(int row, const Own& own) const {
        Real d = 0;
        int m = blockIdx.y * SLICE + team_lane() * VECTOR;
        if (m < width)
            for (int k = 0; k < VECTOR; k++) d += own.left[k] * own.right[k];
        for (m += gridDim.y * SLICE; m < width; m += gridDim.y * SLICE) {
            const Slice slice(m, channels);
            const Pack l = load_once(slice.of(left_own) + row * left_own.node);
            const Pack r = load_once(slice.of(right_own) + row * right_own.node);
            for (int k = 0; k < VECTOR; k++) d += l[k] * r[k];
        }
        return team_sum(d);
    }

    // The product of row `row` with the column in each lane, where that is not negative.
    __device__ __forceinline__ Real products(int row, int column, int count) const {
        const int lane = team_lane();
        Real d[GROUP] = {};
        for (int m = blockIdx.y * PART + lane % GROUP * VECTOR; m - lane % GROUP * VECTOR < width;
             m += gridDim.y * PART) {
            const Slice slice(m < width ? m : 0, channels);
            const Element* from = slice.of(right);
            const Element* from_left = slice.of(left) + row * left.node;
            Pack l[PACKS];
#pragma unroll
            for (int p = 0; p < PACKS; p++)
                if (m + p * GROUP * VECTOR < width) l[p] = load(from_left + p * GROUP * VECTOR);
#pragma unroll
            for (int first = 0; first < GROUP; first += STEPS) {
                if (first * GROUPS >= count) break;
                bool there[STEPS];
                Pack r[STEPS][PACKS];
#pragma unroll
                for (int step = 0; step < STEPS; step++) {
                    const int j = from_lane(column, (first + step) * GROUPS + lane / GROUP);
                    const Element* at = from + (i64)j * (int)right.node;
                    there[step] = j >= 0;
#pragma unroll
                    for (int p = 0; p < PACKS; p++)
                        if (there[step] && m + p * GROUP * VECTOR < width)
                            r[step][p] = load(at + p * GROUP * VECTOR);
                }
#pragma unroll
                for (int step = 0; step < STEPS; step++)
#pragma unroll
                    for (int p = 0; p < PACKS; p++)
                        if (there[step] && m + p * GROUP * VECTOR < width)
                            for (int k = 0; k < VECTOR; k++)
                                d[first + step] += l[p][k] * r[step][p][k];
            }
        }
        // Lanes give away one half of the sums, and take the others' of the half they keep.
#pragma unroll
        for (int half = GROUP / 2; half > 0; half /= 2) {
            const bool upper = lane & half;
#pragma unroll
            for (int k = 0; k < half; k++) {
                const Real give = upper ? d[k] : d[k + half];
                const Real keep = upper ? d[k + half] : d[k];
                d[k] = keep + __shfl_xor_sync(ALL, give, half, LANES);
            }
        }
        return from_lane(d[0], lane % GROUPS * GROUP + lane / GROUPS);
    }

    // The product of the entry in each lane.
    __device__ __forceinline__ Real of(int row, int count, int column, const Own& of_row) const {
        const int lane = team_lane();
        if (lane >= count) column = -1;
#if OWN
        const int own = lane_of_own(column == row);
        const Real d = products(row, lane == own ? -1 : column, count);
        const Real own_d = own < LANES ? own_product(row, of_row) : 0;
        return lane == own ? own_d : d;
#else
        return products(row, column, count);
#endif
    }
};

// For every entry the product of a row of `left` with a row of `right`: the gradient of the values,
// and with SOFTMAX that of the logits, and the shares that the softmax gives.
// With several blocks along y each has its slices of the features, and its own sums.
extern "C" __global__ void __launch_bounds__(THREADS, 640 / THREADS) entry_gradient(
    Real* gradient, Real* shares, const Element* left_at, i64 left_graph, i64 left_node,
    const Element* right_at, i64 right_graph, i64 right_node, const Element* left_own_at,
    i64 left_own_graph, i64 left_own_node, const Element* right_own_at, i64 right_own_graph,
    i64 right_own_node, const Real* logits, const i64* indptr, const i64* columns, i64 num_rows,
    i64 num_entries, i64 rows_of_tile, i64 batch, i64 channels
) {
    const int lane = team_lane(), team = threadIdx.x / LANES;
    const Matrix matrix = {indptr, columns, nullptr, SOFTMAX ? logits : nullptr, (int)num_rows};
    const Sides sides = {
        {(Element*)left_at, left_graph, left_node},
        {(Element*)right_at, right_graph, right_node},
        {(Element*)left_own_at, left_own_graph, left_own_node},
        {(Element*)right_own_at, right_own_graph, right_own_node},
        (int)(batch * channels),
        (int)channels,
    };
    gradient += blockIdx.y * num_entries;

    bool long_rows = false;
    Pipeline pipeline(matrix, (int)rows_of_tile);
    while (pipeline.now.row < matrix.num_rows) {
        const Bounds row = pipeline.now;
        const Pipeline::Ahead ahead = pipeline.look(matrix);
        if (row.length() > LONG) {
            long_rows = true;
        } else {
            const Sides::Own own = sides.fetch_own(row.row);
            const int entry = row.begin + lane;
            Real top = lowest(), total = 0, mean = 0;
#if SOFTMAX
            top = pipeline.first.value;
            for (int e = entry + LANES; e < row.end; e += LANES) top = fmax(top, logits[e]);
            top = team_max(top);
            total = entry < row.end ? exp(pipeline.first.value - top) : 0;
            for (int e = entry + LANES; e < row.end; e += LANES) total += exp(logits[e] - top);
            total = team_sum(total);
#endif
            const Real d = sides.of(row.row, min(row.length(), LANES), pipeline.first.column, own);
            if (!SOFTMAX && entry < row.end) gradient[entry] = d;
            Real share = 0;
            if (SOFTMAX && entry < row.end) share = exp(pipeline.first.value - top) / total;
            if (SOFTMAX) mean = share * d;
            for (int e = row.begin + LANES; e < row.end; e += LANES) {
                const int column = e + lane < row.end ? (int)columns[e + lane] : 0;
                const Real more = sides.of(row.row, min(row.end - e, LANES), column, own);
                if (e + lane < row.end) {
                    gradient[e + lane] = more;
                    if (SOFTMAX) mean += exp(logits[e + lane] - top) / total * more;
                }
            }
#if SOFTMAX
            mean = team_sum(mean);
            if (entry < row.end) {
                gradient[entry] = share * (d - mean);
                shares[entry] = share;
            }
            for (int e = entry + LANES; e < row.end; e += LANES) {
                const Real other = exp(logits[e] - top) / total;
                gradient[e] = other * (gradient[e] - mean);
                shares[e] = other;
            }
#endif
        }
        pipeline.step(ahead);
    }

    for_long_rows(matrix, (int)rows_of_tile, long_rows, [&](Bounds row) {
        const Sides::Own own = sides.fetch_own(row.row);
        Real top = lowest(), total = 0, mean = 0;
        const int entry = row.begin + threadIdx.x;
#if SOFTMAX
        for (int e = entry; e < row.end; e += THREADS) top = fmax(top, logits[e]);
        top = block_max(top);
        for (int e = entry; e < row.end; e += THREADS) total += exp(logits[e] - top);
        total = block_sum(total);
#endif
        for (int e = row.begin + team * LANES; e < row.end; e += THREADS) {
            const int column = e + lane < row.end ? (int)columns[e + lane] : 0;
            const Real d = sides.of(row.row, min(row.end - e, LANES), column, own);
            if (e + lane < row.end) {
                gradient[e + lane] = d;
                if (SOFTMAX) mean += exp(logits[e + lane] - top) / total * d;
            }
        }
#if SOFTMAX
        mean = block_sum(mean);
        for (int e = entry; e < row.end; e += THREADS) {
            const Real share = exp(logits[e] - top) / total;
            gradient[e] = share * (gradient[e] - mean);
            shares[e] = share;
        }
#endif
    });
}
