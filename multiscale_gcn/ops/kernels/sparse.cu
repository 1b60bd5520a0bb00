// Products with a sparse matrix, for graphs of any size.
//
// Features are rows of BATCH x CHANNELS numbers. A team of LANES threads has one row of the matrix
// and a slice of LANES * VECTOR of its numbers. It reads up to LANES entries at once, one a lane,
// hands them around, and has UNROLL rows of features on their way from memory at a time. A row of
// more than LONG entries waits until the block has done the others, and is shared by its teams;
// their sums are added in a fixed order. Nothing is added atomically: results repeat bit for bit.
//
// Options:
//   ELEMENT   0 float32, 1 bfloat16, 2 float16, 3 float64: the features
//   VECTOR    features that a thread loads at once; divides the channels
//   LANES     8, 16 or 32

typedef long long i64;

#ifndef ELEMENT
#define ELEMENT 0
#endif
#ifndef VECTOR
#define VECTOR 1
#endif
#ifndef LANES
#define LANES 8
#endif
#ifndef UNROLL
#define UNROLL 4
#endif
#ifndef THREADS
#define THREADS 256
#endif
#ifndef BLOCKS
#define BLOCKS 3
#endif
#define TEAMS (THREADS / LANES)
#define SLICE (LANES * VECTOR)
#define LONG 512
#define MOST_ROWS 8  // of a team

#if ELEMENT == 3
typedef double Wide;
typedef double Element;
#else
typedef float Wide;
#if ELEMENT == 0
typedef float Element;
#else
typedef unsigned short Element;
#endif
#endif

struct __align__(VECTOR * sizeof(Element)) Pack {
    Element e[VECTOR];
};

__device__ __forceinline__ Wide widen(Element x) {
#if ELEMENT == 1
    return __uint_as_float((unsigned)x << 16);
#elif ELEMENT == 2
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
#else
    return x;
#endif
}

__device__ __forceinline__ Element narrow(Wide x) {
#if ELEMENT == 1
    unsigned short y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
#elif ELEMENT == 2
    unsigned short y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
#else
    return x;
#endif
}

__device__ __forceinline__ Wide lowest() { return -__int_as_float(0x7f800000); }

// ----------------------------------------------------------------------------------------- teams

__device__ __forceinline__ int team_lane() { return threadIdx.x % LANES; }

__device__ __forceinline__ unsigned team_mask() {
    return LANES == 32 ? 0xffffffffu : ((1u << (LANES % 32)) - 1) << (threadIdx.x % 32 / LANES * LANES);
}

template <typename T>
__device__ __forceinline__ T from_lane(T x, int lane) {
    return __shfl_sync(team_mask(), x, lane, LANES);
}

__device__ __forceinline__ Wide team_max(Wide x) {
    for (int s = LANES / 2; s > 0; s /= 2) x = fmax(x, __shfl_xor_sync(team_mask(), x, s, LANES));
    return x;
}

__device__ __forceinline__ Wide team_sum(Wide x) {
    for (int s = LANES / 2; s > 0; s /= 2) x += __shfl_xor_sync(team_mask(), x, s, LANES);
    return x;
}

// Over the block, in a fixed order; all threads must call it.
__device__ Wide block_max(Wide x) {
    __shared__ Wide parts[TEAMS];
    x = team_max(x);
    __syncthreads();
    if (team_lane() == 0) parts[threadIdx.x / LANES] = x;
    __syncthreads();
    for (int t = 0; t < TEAMS; t++) x = fmax(x, parts[t]);
    return x;
}

__device__ Wide block_sum(Wide x) {
    __shared__ Wide parts[TEAMS];
    x = team_sum(x);
    __syncthreads();
    if (team_lane() == 0) parts[threadIdx.x / LANES] = x;
    __syncthreads();
    x = 0;
    for (int t = 0; t < TEAMS; t++) x += parts[t];
    return x;
}

// The rows that wait for the whole block.
struct Waiting {
    int count;
    int rows[TEAMS * MOST_ROWS];
};

__device__ __forceinline__ void wait(Waiting& waiting, int row) {
    if (team_lane() == 0) waiting.rows[atomicAdd(&waiting.count, 1)] = row;
}

// -------------------------------------------------------------------------------------- products

__device__ __forceinline__ Wide value_of(const Wide* values, const i64* places, i64 entry) {
    return values[places ? places[entry] : entry];
}

// Add up to LANES entries, one in each lane: column and value (0 beyond the last).
__device__ __forceinline__ void add(
    Wide* sums, const Element* x, bool active, int x_row, int column, Wide value, int count
) {
    for (int first = 0; first < count; first += UNROLL) {
        Pack packs[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            const int j = from_lane(column, first + u);
            if (active && first + u < count) {
                packs[u] = *(const Pack*)(x + (i64)j * x_row);
            } else {
                for (int k = 0; k < VECTOR; k++) packs[u].e[k] = 0;
            }
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            const Wide v = from_lane(value, first + u);
            for (int k = 0; k < VECTOR; k++) sums[k] += v * widen(packs[u].e[k]);
        }
    }
}

// y_i = sum over j of v_ij x_j. `places` are those of the values; null: in the order of the entries.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) product(
    Element* y, const Element* x, const Wide* values, const i64* indptr, const i64* columns,
    const i64* places, i64 num_rows, i64 rows_of_team, i64 batch, i64 channels, i64 x_batch,
    i64 x_row, i64 y_batch, i64 y_row
) {
    __shared__ Waiting waiting;
    __shared__ Wide parts[TEAMS][SLICE];
    if (threadIdx.x == 0) waiting.count = 0;
    __syncthreads();

    const int lane = team_lane(), team = threadIdx.x / LANES;
    const int width = (int)(batch * channels), c = (int)channels;
    const i64 first_row = ((i64)blockIdx.x * TEAMS + team) * rows_of_team;
    const int rows = (int)max(0ll, min(rows_of_team, num_rows - first_row));
    i64 end = rows > 0 ? indptr[first_row] : 0;
    for (int r = 0; r < rows; r++) {
        const i64 row = first_row + r, begin = end;
        end = indptr[row + 1];
        if (end - begin > LONG) {
            wait(waiting, (int)row);
            continue;
        }
        for (int start = blockIdx.y * SLICE; start < width; start += gridDim.y * SLICE) {
            const int m = start + lane * VECTOR, b = m / c;
            Wide sums[VECTOR] = {};
            for (i64 e = begin; e < end; e += LANES) {
                const int count = (int)min(end - e, (i64)LANES);
                const int j = lane < count ? (int)columns[e + lane] : 0;
                const Wide v = lane < count ? value_of(values, places, e + lane) : 0;
                add(sums, x + b * x_batch + (m - b * c), m < width, (int)x_row, j, v, count);
            }
            if (m < width) {
                Pack pack;
                for (int k = 0; k < VECTOR; k++) pack.e[k] = narrow(sums[k]);
                *(Pack*)(y + b * y_batch + row * y_row + (m - b * c)) = pack;
            }
        }
    }

    __syncthreads();
    const int hubs = waiting.count;
    for (int h = 0; h < hubs; h++) {
        const i64 row = waiting.rows[h], stop = indptr[row + 1];
        for (int start = blockIdx.y * SLICE; start < width; start += gridDim.y * SLICE) {
            const int m = start + lane * VECTOR, b = m / c;
            Wide sums[VECTOR] = {};
            for (i64 e = indptr[row] + team * LANES; e < stop; e += THREADS) {
                const int count = (int)min(stop - e, (i64)LANES);
                const int j = lane < count ? (int)columns[e + lane] : 0;
                const Wide v = lane < count ? value_of(values, places, e + lane) : 0;
                add(sums, x + b * x_batch + (m - b * c), m < width, (int)x_row, j, v, count);
            }
            for (int k = 0; k < VECTOR; k++) parts[team][lane * VECTOR + k] = sums[k];
            __syncthreads();
            for (int t = threadIdx.x; t < SLICE && start + t < width; t += THREADS) {
                Wide sum = 0;
                for (int k = 0; k < TEAMS; k++) sum += parts[k][t];
                const int bt = (start + t) / c;
                y[bt * y_batch + row * y_row + (start + t - bt * c)] = narrow(sum);
            }
            __syncthreads();
        }
    }
}

// The gradient of the values: products of a row of `left` with a row of `right` for every entry.
// With several blocks along y each has its slices of the features, and its own sums.
extern "C" __global__ void __launch_bounds__(THREADS, 2) dots(
    Wide* sums, const Element* left, const Element* right, const i64* rows, const i64* columns,
    i64 num_entries, i64 entries_of_team, i64 batch, i64 channels, i64 left_batch, i64 left_row,
    i64 right_batch, i64 right_row
) {
    const int lane = team_lane(), team = threadIdx.x / LANES;
    const int width = (int)(batch * channels), c = (int)channels;
    const i64 begin = ((i64)blockIdx.x * TEAMS + team) * entries_of_team;
    const i64 end = min(begin + entries_of_team, num_entries);
    const bool one_slice = width <= (int)gridDim.y * SLICE;
    sums += blockIdx.y * num_entries;

    int current = -1;
    Wide held[VECTOR];
    for (i64 base = begin; base < end; base += LANES) {
        const int count = (int)min(end - base, (i64)LANES);
        const int row = lane < count ? (int)rows[base + lane] : 0;
        const int column = lane < count ? (int)columns[base + lane] : 0;
        for (int first = 0; first < count; first += 8) {
            Wide d[8];
            for (int u = 0; u < 8; u++) d[u] = 0;
            for (int m = blockIdx.y * SLICE + lane * VECTOR; m - lane * VECTOR < width;
                 m += gridDim.y * SLICE) {
                const bool active = m < width;
                const int b = m / c;
                const Element* from_left = left + b * left_batch + (m - b * c);
                const Element* from_right = right + b * right_batch + (m - b * c);
                Pack packs[8];
#pragma unroll
                for (int u = 0; u < 8; u++) {
                    const int j = from_lane(column, first + u);
                    const Element* source = from_right + j * right_row;
                    if (active && first + u < count) {
                        packs[u] = *(const Pack*)source;
                    } else {
                        for (int k = 0; k < VECTOR; k++) packs[u].e[k] = 0;
                    }
                }
#pragma unroll
                for (int u = 0; u < 8; u++) {
                    const int i = from_lane(row, first + u);
                    if (first + u >= count || !active) continue;
                    if (i != current || !one_slice) {
                        const Pack pack = *(const Pack*)(from_left + i * left_row);
                        for (int k = 0; k < VECTOR; k++) held[k] = widen(pack.e[k]);
                        current = i;
                    }
                    for (int k = 0; k < VECTOR; k++) d[u] += held[k] * widen(packs[u].e[k]);
                }
            }
#pragma unroll
            for (int half = 4, s = LANES / 2; half > 0; half /= 2, s /= 2) {
                const bool upper = lane & s;
#pragma unroll
                for (int k = 0; k < half; k++) {
                    const Wide give = upper ? d[k] : d[k + half];
                    const Wide keep = upper ? d[k + half] : d[k];
                    d[k] = keep + __shfl_xor_sync(team_mask(), give, s, LANES);
                }
            }
            for (int s = LANES / 16; s > 0; s /= 2)
                d[0] += __shfl_xor_sync(team_mask(), d[0], s, LANES);
            const int at = first + lane / (LANES / 8);
            if (lane % (LANES / 8) == 0 && at < count) sums[base + at] = d[0];
        }
    }
}

// --------------------------------------------------------------------------------------- softmax

// Along y: one softmax for each of several rows of logits.
extern "C" __global__ void row_softmax(
    Wide* shares, const Wide* logits, const i64* indptr, i64 num_rows, i64 num_entries
) {
    __shared__ Waiting waiting;
    if (threadIdx.x == 0) waiting.count = 0;
    __syncthreads();
    shares += blockIdx.y * num_entries;
    logits += blockIdx.y * num_entries;
    const int lane = team_lane();
    const i64 row = (i64)blockIdx.x * TEAMS + threadIdx.x / LANES;
    if (row < num_rows) {
        const i64 begin = indptr[row], end = indptr[row + 1];
        if (end - begin > LONG) {
            wait(waiting, (int)row);
        } else {
            Wide top = lowest(), total = 0;
            for (i64 e = begin + lane; e < end; e += LANES) top = fmax(top, logits[e]);
            top = team_max(top);
            for (i64 e = begin + lane; e < end; e += LANES) total += exp(logits[e] - top);
            total = team_sum(total);
            for (i64 e = begin + lane; e < end; e += LANES) shares[e] = exp(logits[e] - top) / total;
        }
    }
    __syncthreads();
    const int hubs = waiting.count;
    for (int h = 0; h < hubs; h++) {
        const i64 begin = indptr[waiting.rows[h]], end = indptr[waiting.rows[h] + 1];
        Wide top = lowest(), total = 0;
        for (i64 e = begin + threadIdx.x; e < end; e += THREADS) top = fmax(top, logits[e]);
        top = block_max(top);
        for (i64 e = begin + threadIdx.x; e < end; e += THREADS) total += exp(logits[e] - top);
        total = block_sum(total);
        for (i64 e = begin + threadIdx.x; e < end; e += THREADS)
            shares[e] = exp(logits[e] - top) / total;
    }
}

extern "C" __global__ void row_softmax_backward(
    Wide* gradient, const Wide* upstream, const Wide* shares, const i64* indptr, i64 num_rows,
    i64 num_entries
) {
    __shared__ Waiting waiting;
    if (threadIdx.x == 0) waiting.count = 0;
    __syncthreads();
    gradient += blockIdx.y * num_entries;
    upstream += blockIdx.y * num_entries;
    shares += blockIdx.y * num_entries;
    const int lane = team_lane();
    const i64 row = (i64)blockIdx.x * TEAMS + threadIdx.x / LANES;
    if (row < num_rows) {
        const i64 begin = indptr[row], end = indptr[row + 1];
        if (end - begin > LONG) {
            wait(waiting, (int)row);
        } else {
            Wide mean = 0;
            for (i64 e = begin + lane; e < end; e += LANES) mean += shares[e] * upstream[e];
            mean = team_sum(mean);
            for (i64 e = begin + lane; e < end; e += LANES)
                gradient[e] = shares[e] * (upstream[e] - mean);
        }
    }
    __syncthreads();
    const int hubs = waiting.count;
    for (int h = 0; h < hubs; h++) {
        const i64 begin = indptr[waiting.rows[h]], end = indptr[waiting.rows[h] + 1];
        Wide mean = 0;
        for (i64 e = begin + threadIdx.x; e < end; e += THREADS) mean += shares[e] * upstream[e];
        mean = block_sum(mean);
        for (i64 e = begin + threadIdx.x; e < end; e += THREADS)
            gradient[e] = shares[e] * (upstream[e] - mean);
    }
}
