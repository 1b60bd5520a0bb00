// Sums of features over the neighbours of every node.

#include "sparse.cuh"

#define UNROLL 4  // neighbours whose features are on their way to a thread

// What a team has added up of a row. With SOFTMAX all is relative to exp(top).
struct Sums {
    Real top, total, own;
    Real others[VECTOR];

    __device__ __forceinline__ Sums() : top(lowest()), total(0), own(0), others() {}

    __device__ __forceinline__ void scale(Real factor) {
        total *= factor;
        own *= factor;
        for (int k = 0; k < VECTOR; k++) others[k] *= factor;
    }
};

// The entries of a team are handed around through shared memory.
struct __align__(16) Staged {
    Real weights[LANES];
    int columns[LANES];
};

template <typename T> struct __align__(16) Some {
    T of[UNROLL];
};

// x_node is in bytes.
__device__ __forceinline__ void gather(
    Sums& sums, const Staged& staged, int count, bool active, const Element* x, int x_node
) {
    const int most = most_of_teams(count);
    for (int first = 0; first < most; first += UNROLL) {
        const Some<int> columns = *(const Some<int>*)(staged.columns + first);
        Pack packs[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            if (active && first + u < count)
                packs[u] = load((const Element*)((const char*)x + (i64)columns.of[u] * x_node));
        const Some<Real> weights = *(const Some<Real>*)(staged.weights + first);
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            if (first + u < count) {
                for (int k = 0; k < VECTOR; k++) sums.others[k] += weights.of[u] * packs[u][k];
                sums.total += weights.of[u];
            }
        }
    }
}

// Add up to LANES entries, one in each lane.
__device__ __forceinline__ void add(
    Sums& sums, Staged& staged, int row, int count, Chunk chunk, bool active, const Element* x,
    int x_node
) {
    const int lane = team_lane(), column = chunk.column;
    Real value = chunk.value;
#if SOFTMAX
    const Real top = fmax(sums.top, team_max(value));
    const Real shift = top == lowest() ? 0 : top;
    if (sums.top < top && sums.top > lowest()) sums.scale(exp(sums.top - shift));
    sums.top = top;
    value = lane < count ? exp(value - shift) : 0;
#endif
    bool keep = lane < count;
    int slot = lane;
#if OWN
    const int own = lane_of_own(keep && column == row);
    const Real own_value = from_lane(value, own % LANES);
    if (own < LANES) {
        sums.own = own_value;
        keep = keep && lane != own;
        slot -= lane > own;
        count--;
    }
#endif
    __syncwarp(ALL);
    if (keep) {
        staged.columns[slot] = column;
        staged.weights[slot] = value;
    }
    __syncwarp(ALL);
    gather(sums, staged, count, active, x, x_node);
}

// Bias, batch normalisation with known statistics, and ReLU, as a scale and a shift by channel.
struct Finish {
    const Real *bias, *mean, *variance, *gain, *offset;
    Real epsilon;
    bool relu;

    __device__ __forceinline__ bool any() const { return bias || mean || relu; }

    // All threads. table: [2, channels].
    __device__ void tabulate(Real* table, int channels) const {
        for (int c = threadIdx.x; c < channels; c += THREADS) {
            Real scale = 1, shift = bias ? bias[c] : 0;
            if (mean) {
                scale = 1 / sqrt(variance[c] + epsilon);
                if (gain) scale *= gain[c];
                shift = (shift - mean[c]) * scale;
                if (offset) shift += offset[c];
            }
            table[c] = scale;
            table[channels + c] = shift;
        }
        __syncthreads();
    }

    __device__ __forceinline__ Real of(Real y, const Real* table, int c, int channels) const {
        y = y * table[c] + table[channels + c];
        return relu && y < 0 ? 0 : y;
    }
};

// y_i = f(sum over j of v_ij x_j), with OWN f(v_ii own_i + sum over the others of v_ij x_j), with
// OWN = 2 [v_ii own_i, sum over the others of v_ij x_j]. `places` are those of the values; null: in
// the order of the entries.
extern "C" __global__ void __launch_bounds__(THREADS, 768 / THREADS) aggregate(
    Element* y_at, i64 y_graph, i64 y_node, const Element* own_at, i64 own_graph, i64 own_node,
    const Element* x_at, i64 x_graph, i64 x_node, const Real* values, const i64* indptr,
    const i64* columns, const i64* places, i64 num_rows, i64 rows_of_tile, i64 batch,
    i64 num_channels, const Real* bias, const Real* mean, const Real* variance,
    const Real* gain, const Real* offset, double epsilon, i64 relu
) {
    extern __shared__ double dynamic[];
    __shared__ Staged staged[TEAMS];
    Real* table = (Real*)dynamic;
    const int channels = (int)num_channels, width = (int)(batch * channels);
    const int lane = team_lane(), team = threadIdx.x / LANES;
    const Matrix matrix = {indptr, columns, places, values, (int)num_rows};
    const Features y = {y_at, y_graph, y_node}, x = {(Element*)x_at, x_graph, x_node};
    const Features own = {(Element*)own_at, own_graph, own_node};
    const Finish finish = {bias, mean, variance, gain, offset, (Real)epsilon, relu != 0};
    if (finish.any()) finish.tabulate(table, channels);
    const int x_bytes = (int)(x.node * sizeof(Element));

    for (int start = blockIdx.y * SLICE; start < width; start += gridDim.y * SLICE) {
        const int m = start + lane * VECTOR;
        const bool active = m < width;
        const Slice slice(active ? m : 0, channels);
        const Element* from = slice.of(x);
        bool long_rows = false;
        Pipeline pipeline(matrix, (int)rows_of_tile);
        while (__any_sync(ALL, pipeline.now.row < matrix.num_rows)) {
            Bounds row = pipeline.now;
            const Pipeline::Ahead ahead = pipeline.look(matrix);
            if (row.length() > LONG) {
                long_rows = true;
                row = {matrix.num_rows, 0, 0};
            }
            const bool mine = active && row.row < matrix.num_rows;
            Pack at_node;
            if (OWN && mine) at_node = load_once(slice.of(own) + row.row * own.node);
            Sums sums;
            add(sums, staged[team], row.row, min(row.length(), LANES), pipeline.first, active, from,
                x_bytes);
            const int most = most_of_teams(row.length());
            for (int done = LANES; done < most; done += LANES)
                add(sums, staged[team], row.row, max(0, min(row.length() - done, LANES)),
                    chunk(matrix, row.begin + done, row.end), active, from, x_bytes);
            if (SOFTMAX) sums.scale(1 / (sums.total + sums.own));
            if (mine) {
                Element* const there = slice.of(y) + row.row * y.node;
                Real result[VECTOR];
                for (int k = 0; k < VECTOR; k++) result[k] = OWN ? sums.own * at_node[k] : 0;
                if (OWN == 2) {
                    store_once(there, result);
                    store_once(there + channels, sums.others);
                } else {
                    for (int k = 0; k < VECTOR; k++) result[k] += sums.others[k];
                    if (finish.any())
                        for (int k = 0; k < VECTOR; k++)
                            result[k] = finish.of(result[k], table, slice.channel + k, channels);
                    store_once(there, result);
                }
            }
            pipeline.step(ahead);
        }

        __shared__ Real parts[TEAMS][SLICE];
        __shared__ Real tops[TEAMS], totals[TEAMS], owns[TEAMS];
        for_long_rows(matrix, (int)rows_of_tile, long_rows, [&](Bounds row) {
            Sums sums;
            for (int first = row.begin; first < row.end; first += THREADS) {
                const int e = first + team * LANES;
                add(sums, staged[team], row.row, max(0, min(row.end - e, LANES)),
                    chunk(matrix, e, row.end), active, from, x_bytes);
            }
            for (int k = 0; k < VECTOR; k++) parts[team][lane * VECTOR + k] = sums.others[k];
            if (lane == 0) tops[team] = sums.top, totals[team] = sums.total, owns[team] = sums.own;
            __syncthreads();
            const int t = threadIdx.x;
            if (t < SLICE && start + t < width) {
                Real top = lowest(), total = 0, own_value = 0, sum = 0;
                for (int k = 0; k < TEAMS; k++) top = fmax(top, tops[k]);
                for (int k = 0; k < TEAMS; k++) {
                    const Real factor = SOFTMAX ? exp(tops[k] - top) : 1;
                    total += factor * (totals[k] + owns[k]);
                    own_value += factor * owns[k];
                    sum += factor * parts[k][t];
                }
                if (SOFTMAX) own_value /= total, sum /= total;
                const Slice number(start + t, channels);
                Element* const there = number.of(y) + row.row * y.node;
                Real result = 0;
                if (OWN) result = own_value * widen(number.of(own)[row.row * own.node]);
                if (OWN == 2) {
                    there[0] = narrow(result);
                    there[channels] = narrow(sum);
                } else {
                    result += sum;
                    if (finish.any()) result = finish.of(result, table, number.channel, channels);
                    there[0] = narrow(result);
                }
            }
            __syncthreads();
        });
    }
}
