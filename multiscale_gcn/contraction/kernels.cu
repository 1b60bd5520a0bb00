// P^T A P on one device. Sums of the weights are exact, so their order does not matter; the columns
// of every coarse row are sorted, so neither does the order in which nodes and rows are found.

typedef long long i64;
typedef unsigned long long u64;

const unsigned WARP = 0xffffffffu;
const int LAST = 0x7fffffff;

struct Fine {
    const i64* indptr;
    const int* indices;
    const double* weights;
    const int* parent;
};

struct Coarse {
    const i64* first;  // of the members of each coarse node
    const int* members;
    const i64* begin;  // of the room of each coarse row
    int* columns;
    double* values;
    i64* lengths;
};

#define ROWS                                                                                \
    const i64 *indptr, const int *indices, const double *weights, const int *parent,        \
        const i64 *first, const int *members, const i64 *begin, int *columns, double *values, \
        i64 *lengths
#define FINE Fine{indptr, indices, weights, parent}
#define COARSE Coarse{first, members, begin, columns, values, lengths}

extern "C" __global__ void count_members(const i64* indptr, const int* parent,
                                         const double* node_weights, i64 n, u64* sizes,
                                         u64* entries, double* coarse_weights, i64* rank) {
    i64 u = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (u >= n) return;
    int c = parent[u];
    rank[u] = (i64)atomicAdd(sizes + c, 1ull);
    atomicAdd(entries + c, (u64)(indptr[u + 1] - indptr[u]));
    atomicAdd(coarse_weights + c, node_weights[u]);
}

extern "C" __global__ void place_members(const int* parent, const i64* rank, const i64* first,
                                         i64 n, int* members) {
    i64 u = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (u < n) members[first[parent[u]] + rank[u]] = (int)u;
}

// Coarse rows of at most as many entries as lanes, sorted in registers. Longer ones are listed:
// up to most[0] entries in the first list, up to most[1] in the second, the rest in the third.
extern "C" __global__ void add_short_rows(ROWS, i64 num_coarse, int lanes, int most_0, int most_1,
                                          int* lists, int* list_lengths) {
    Fine fine = FINE;
    Coarse coarse = COARSE;
    int in_warp = threadIdx.x % 32, lane = threadIdx.x % lanes;
    unsigned own_lanes = (lanes == 32 ? WARP : (1u << lanes) - 1) << (in_warp - lane);
    i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    i64 per_warp = 32 / lanes, step = (i64)gridDim.x * blockDim.x / lanes;
    for (i64 from = warp * per_warp; from < num_coarse; from += step) {
        i64 c = from + in_warp / lanes;
        bool works = c < num_coarse;
        i64 room = works ? coarse.begin[c + 1] - coarse.begin[c] : 0;
        if (room > lanes) {
            int which = room <= most_0 ? 0 : room <= most_1 ? 1 : 2;
            if (lane == 0)
                lists[which * num_coarse + atomicAdd(list_lengths + which, 1)] = (int)c;
            works = false;
        }
        int column = LAST;
        double value = 0;
        if (works && lane < room) {
            i64 member = coarse.first[c], offset = lane;
            int u = coarse.members[member];
            while (offset >= fine.indptr[u + 1] - fine.indptr[u]) {
                offset -= fine.indptr[u + 1] - fine.indptr[u];
                u = coarse.members[++member];
            }
            i64 at = fine.indptr[u] + offset;
            column = fine.parent[fine.indices[at]];
            value = fine.weights[at];
        }
        __syncwarp();
        for (int size = 2; size <= lanes; size *= 2) {
            for (int half = size / 2; half > 0; half /= 2) {
                int other = __shfl_xor_sync(WARP, column, half);
                double others = __shfl_xor_sync(WARP, value, half);
                bool wants_small = ((lane & size) == 0) == ((lane & half) == 0);
                bool swaps = wants_small ? other < column : other > column;
                if (swaps) column = other, value = others;
            }
        }
        for (int distance = 1; distance < lanes; distance *= 2) {
            int other = __shfl_down_sync(WARP, column, distance, lanes);
            double others = __shfl_down_sync(WARP, value, distance, lanes);
            if (lane + distance < lanes && other == column) value += others;
        }
        int before = __shfl_up_sync(WARP, column, 1, lanes);
        bool leads = column != LAST && (lane == 0 || before != column);
        unsigned leaders = __ballot_sync(WARP, leads) & own_lanes;
        if (leads) {
            i64 to = coarse.begin[c] + __popc(leaders & ((1u << in_warp) - 1));
            coarse.columns[to] = column;
            coarse.values[to] = value;
        }
        if (works && lane == 0) coarse.lengths[c] = __popc(leaders);
    }
}

// A block a row: sort (column, position) in shared memory, then add up what is equal.
extern "C" __global__ void add_middle_rows(ROWS, const int* list, const int* list_length,
                                           int most) {
    extern __shared__ u64 shared[];
    __shared__ int in_warps[33];
    Fine fine = FINE;
    Coarse coarse = COARSE;
    u64* keys = shared;
    double* added = (double*)(shared + most);
    int t = threadIdx.x, in_warp = t % 32, warp = t / 32, num_warps = blockDim.x / 32;
    for (int i = blockIdx.x; i < *list_length; i += gridDim.x) {
        int c = list[i];
        int room = (int)(coarse.begin[c + 1] - coarse.begin[c]), padded = 2;
        while (padded < room) padded *= 2;
        int offset = 0;
        for (i64 member = coarse.first[c]; member < coarse.first[c + 1]; member++) {
            int u = coarse.members[member];
            i64 begins = fine.indptr[u];
            int length = (int)(fine.indptr[u + 1] - begins);
            for (int k = t; k < length; k += blockDim.x) {
                u64 column = fine.parent[fine.indices[begins + k]];
                keys[offset + k] = column << 32 | (unsigned)(offset + k);
                added[offset + k] = fine.weights[begins + k];
            }
            offset += length;
        }
        for (int k = room + t; k < padded; k += blockDim.x) keys[k] = ~0ull;
        __syncthreads();
        for (int size = 2; size <= padded; size *= 2) {
            for (int half = size / 2; half > 0; half /= 2) {
                for (int k = t; k < padded / 2; k += blockDim.x) {
                    int low = 2 * k - (k & (half - 1)), high = low + half;
                    bool rises = (low & size) == 0;
                    u64 a = keys[low], b = keys[high];
                    if ((a > b) == rises) keys[low] = b, keys[high] = a;
                }
                __syncthreads();
            }
        }
        int written = 0;
        for (int from = 0; from < room; from += blockDim.x) {
            int k = from + t;
            bool leads = k < room && (k == 0 || keys[k - 1] >> 32 != keys[k] >> 32);
            unsigned leaders = __ballot_sync(WARP, leads);
            if (in_warp == 0) in_warps[warp] = __popc(leaders);
            __syncthreads();
            if (t == 0) {
                int total = 0;
                for (int w = 0; w < num_warps; w++) {
                    int own = in_warps[w];
                    in_warps[w] = total;
                    total += own;
                }
                in_warps[32] = total;
            }
            __syncthreads();
            if (leads) {
                i64 to = coarse.begin[c] + written + in_warps[warp] +
                         __popc(leaders & ((1u << in_warp) - 1));
                double total = 0;
                for (int j = k; j < room && keys[j] >> 32 == keys[k] >> 32; j++)
                    total += added[(unsigned)keys[j]];
                coarse.columns[to] = (int)(keys[k] >> 32);
                coarse.values[to] = total;
            }
            written += in_warps[32];
            __syncthreads();
        }
        if (t == 0) coarse.lengths[c] = written;
        __syncthreads();
    }
}

// A block a row: each block adds up in as many sums as there are columns, all zero before and after,
// and notes in shared memory which of them it used.
extern "C" __global__ void __launch_bounds__(1024)
    add_long_rows(ROWS, const int* list, int num_rows, int num_coarse, double* sums_of_blocks) {
    extern __shared__ unsigned used[];
    __shared__ int in_warps[32];
    __shared__ int in_block;
    double* sums = sums_of_blocks + (i64)blockIdx.x * num_coarse;
    int t = threadIdx.x, in_warp = t % 32, warp = t / 32;
    int num_words = (num_coarse + 31) / 32;
    for (int w = t; w < num_words; w += blockDim.x) used[w] = 0;
    __syncthreads();
    for (int row = blockIdx.x; row < num_rows; row += gridDim.x) {
        int c = list[row];
        for (i64 member = first[c]; member < first[c + 1]; member++) {
            int u = members[member];
            for (i64 at = indptr[u] + t; at < indptr[u + 1]; at += blockDim.x) {
                int column = parent[indices[at]];
                atomicOr(used + column / 32, 1u << column % 32);
                atomicAdd(sums + column, weights[at]);
            }
        }
        __syncthreads();
        i64 to = begin[c];
        for (int from = 0; from < num_words; from += blockDim.x) {
            int w = from + t;
            unsigned bits = w < num_words ? used[w] : 0;
            int own = __popc(bits), up_to_own = own;
            for (int distance = 1; distance < 32; distance *= 2) {
                int before = __shfl_up_sync(WARP, up_to_own, distance);
                if (in_warp >= distance) up_to_own += before;
            }
            if (in_warp == 31) in_warps[warp] = up_to_own;
            __syncthreads();
            if (warp == 0) {
                int of_warp = in_warp < blockDim.x / 32 ? in_warps[in_warp] : 0, up_to = of_warp;
                for (int distance = 1; distance < 32; distance *= 2) {
                    int before = __shfl_up_sync(WARP, up_to, distance);
                    if (in_warp >= distance) up_to += before;
                }
                in_warps[in_warp] = up_to - of_warp;
                if (in_warp == 31) in_block = up_to;
            }
            __syncthreads();
            i64 at = to + in_warps[warp] + up_to_own - own;
            for (; bits; bits &= bits - 1) {
                int column = 32 * w + __ffs(bits) - 1;
                columns[at] = column;
                values[at++] = __ldcg(sums + column);  // not from L1, which atomics pass by
                sums[column] = 0;
            }
            if (w < num_words) used[w] = 0;
            to += in_block;
            __syncthreads();
        }
        if (t == 0) lengths[c] = to - begin[c];
    }
}

// Entries of the listed rows as keys (place in the list, column), for a sort of all of them; zeros
// where their sums will be.
extern "C" __global__ void gather_long_rows(ROWS, const int* list, const i64* starts,
                                            u64* keys, double* entries) {
    Fine fine = FINE;
    i64 row = blockIdx.x, to = starts[row];
    int c = list[row];
    for (i64 member = first[c]; member < first[c + 1]; member++) {
        int u = members[member];
        i64 begins = fine.indptr[u], length = fine.indptr[u + 1] - begins;
        for (i64 k = threadIdx.x; k < length; k += blockDim.x) {
            u64 column = fine.parent[fine.indices[begins + k]];
            keys[to + k] = (u64)row << 32 | column;
            entries[to + k] = fine.weights[begins + k];
            values[begin[c] + (to - starts[row]) + k] = 0;
        }
        to += length;
    }
}

// The sorted entries, added to the zeros.
extern "C" __global__ void add_sorted_rows(ROWS, const int* list, const i64* starts,
                                         const u64* keys, const i64* order, const i64* rank,
                                         const double* entries, i64 count) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    i64 row = (i64)(keys[i] >> 32);
    int c = list[row];
    i64 within = rank[i] - rank[starts[row]];
    atomicAdd(values + begin[c] + within, entries[order[i]]);
    if (i == starts[row] || keys[i - 1] != keys[i])
        columns[begin[c] + within] = (int)(unsigned)keys[i];
    if (i + 1 == starts[row + 1]) lengths[c] = within + 1;
}

extern "C" __global__ void compact(const i64* begin, const int* columns, const double* values,
                                   const i64* indptr, i64 num_coarse, int lanes, int* indices,
                                   double* weights) {
    int lane = threadIdx.x % lanes;
    i64 step = (i64)gridDim.x * blockDim.x / lanes;
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / lanes; c < num_coarse;
         c += step) {
        i64 to = indptr[c], length = indptr[c + 1] - to;
        for (i64 k = lane; k < length; k += lanes) {
            indices[to + k] = columns[begin[c] + k];
            weights[to + k] = values[begin[c] + k];
        }
    }
}

// The coarse node of every node, numbered by the first member of each pair.
extern "C" __global__ void number_pairs(const int* mate, const i64* leaders, i64 n, int* parent) {
    i64 u = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (u < n) parent[u] = (int)(leaders[min(u, (i64)mate[u])] - 1);
}
