// Locally dominant matching on one device. Everything here is compared bit for bit with the
// specification, so the ratings are computed as written: compile with --fmad=false.

typedef long long i64;
typedef unsigned long long u64;
typedef signed char i8;

const int SINGLE = 0, EDGE = 1;
const int NOBODY = -1, UNKNOWN = -2;  // candidates
const int EDGE_WEIGHT = 0, NORMALIZED_CUT = 1;
#define INFINITE __longlong_as_double(0x7ff0000000000000ll)
const u64 NO_TIE = ~0ull;
const unsigned WARP = 0xffffffffu;

struct Edges {
    const i64* indptr;
    const int* indices;
    const double* weights;
    int code;
    const double* scale;  // inverse degrees for the normalised cut, else degrees
    const double* loop;
    const int* neighbours;
    const double* node_weights;
    double limit;
    const int* group;            // or null
    const unsigned char* keeps;  // survivors, or null
    const int* base;             // first node of the member of the batch, or null
};

#define EDGES                                                                                 \
    const i64 *indptr, const int *indices, const double *weights, int code,                   \
        const double *scale, const double *loop, const int *neighbours,                       \
        const double *node_weights, double limit, const int *group,                           \
        const unsigned char *keeps, const int *base
#define PACK_EDGES                                                                            \
    Edges{indptr, indices, weights, code, scale, loop, neighbours, node_weights, limit, group, \
          keeps, base}

// The best is the highest rating, then the lowest tie: number of neighbours, then u XOR v, which
// no two edges of u share.
struct Best {
    double rating;
    u64 tie;
};

__device__ bool comes_before(Best a, Best b) {
    return a.rating > b.rating || (a.rating == b.rating && a.tie < b.tie);
}

__device__ double rate(const Edges& e, double weight, int u, int v) {
    if (e.code == EDGE_WEIGHT) return weight;
    if (e.code == NORMALIZED_CUT) return weight * (e.scale[u] + e.scale[v]);
    return (2.0 * weight + (e.loop[u] + e.loop[v])) / (e.scale[u] + e.scale[v]);
}

__device__ bool admissible(const Edges& e, int u, int v) {
    if (e.limit < INFINITE && e.node_weights[u] + e.node_weights[v] > e.limit) return false;
    if (e.group && e.group[u] != e.group[v]) return false;
    return !(e.keeps && e.keeps[u] && e.keeps[v]);
}

__device__ int first_id(const Edges& e, int u) { return e.base ? e.base[u] : 0; }

__device__ Best scan(const Edges& e, const i8* kind, int u, bool only_admissible, int lane,
                     int lanes) {
    Best best = {-INFINITE, NO_TIE};
    int first = first_id(e, u);
    i64 end = e.indptr[u + 1];
    for (i64 at = e.indptr[u] + lane; at < end; at += lanes) {
        int v = e.indices[at];
        if (v == u) continue;
        if (only_admissible && (kind[v] != SINGLE || !admissible(e, u, v))) continue;
        double rating = rate(e, e.weights[at], u, v);
        if (rating < best.rating) continue;
        u64 tie = (u64)e.neighbours[v] << 32 | (unsigned)((u - first) ^ (v - first));
        Best found = {rating, tie};
        if (comes_before(found, best)) best = found;
    }
    return best;
}

// The best of each group of lanes, in all of them; every lane of the warp must take part.
__device__ Best best_of(Best best, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) {
        Best other = {__shfl_xor_sync(WARP, best.rating, step),
                      __shfl_xor_sync(WARP, best.tie, step)};
        if (comes_before(other, best)) best = other;
    }
    return best;
}

__device__ int neighbour(const Edges& e, int u, Best best) {
    if (best.tie == NO_TIE) return NOBODY;
    int first = first_id(e, u);
    return ((u - first) ^ (int)(unsigned)best.tie) + first;
}

__device__ bool is_stale(int candidate, const i8* kind) {
    return candidate == UNKNOWN || (candidate >= 0 && kind[candidate] != SINGLE);
}

// Weighted degree (or its inverse), self loop and number of neighbours of one row.
__device__ void store_sums(int u, i64 length, double total, double own, int has_loop,
                           int inverse, double* scale, double* loop, int* neighbours) {
    scale[u] = !inverse ? total : total > 0 ? 1.0 / total : 0.0;
    loop[u] = own;
    neighbours[u] = (int)(length - has_loop);
}

extern "C" __global__ void sum_rows(const i64* indptr, const int* indices, const double* weights,
                                    i64 n, int inverse, int lanes, i64 long_row, double* scale,
                                    double* loop, int* neighbours, int* rows, int* num_rows) {
    int lane = threadIdx.x % lanes, in_warp = threadIdx.x % 32;
    i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    i64 per_warp = 32 / lanes, step = (i64)gridDim.x * blockDim.x / lanes;
    for (i64 from = warp * per_warp; from < n; from += step) {
        i64 u = from + in_warp / lanes;
        bool works = u < n;
        i64 begin = works ? indptr[u] : 0, end = works ? indptr[u + 1] : 0;
        if (works && end - begin > long_row) {
            if (lane == 0) rows[atomicAdd(num_rows, 1)] = (int)u;
            works = false;
        }
        double total = 0, own = 0;
        int has_loop = 0;
        for (i64 at = begin + lane; works && at < end; at += lanes) {
            total += weights[at];
            if (indices[at] == u) own = weights[at], has_loop = 1;
        }
        for (int half = lanes / 2; half > 0; half /= 2) {
            total += __shfl_xor_sync(WARP, total, half);
            own += __shfl_xor_sync(WARP, own, half);
            has_loop += __shfl_xor_sync(WARP, has_loop, half);
        }
        if (works && lane == 0)
            store_sums((int)u, end - begin, total, own, has_loop, inverse, scale, loop,
                       neighbours);
    }
}

extern "C" __global__ void sum_long_rows(const i64* indptr, const int* indices,
                                         const double* weights, int inverse, const int* rows,
                                         const int* num_rows, double* scale, double* loop,
                                         int* neighbours) {
    __shared__ double totals[32], owns[32];
    __shared__ int loops[32];
    int in_warp = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int i = blockIdx.x; i < *num_rows; i += gridDim.x) {
        int u = rows[i];
        double total = 0, own = 0;
        int has_loop = 0;
        for (i64 at = indptr[u] + threadIdx.x; at < indptr[u + 1]; at += blockDim.x) {
            total += weights[at];
            if (indices[at] == u) own = weights[at], has_loop = 1;
        }
        for (int half = 16; half > 0; half /= 2) {
            total += __shfl_xor_sync(WARP, total, half);
            own += __shfl_xor_sync(WARP, own, half);
            has_loop += __shfl_xor_sync(WARP, has_loop, half);
        }
        if (in_warp == 0) totals[warp] = total, owns[warp] = own, loops[warp] = has_loop;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int w = 1; w < blockDim.x / 32; w++)
                total += totals[w], own += owns[w], has_loop += loops[w];
            store_sums(u, indptr[u + 1] - indptr[u], total, own, has_loop, inverse, scale, loop,
                       neighbours);
        }
        __syncthreads();
    }
}

// Candidates of the listed single nodes whose candidate is not known or taken; without a list, of
// the first *length nodes. Long rows are only noted, for point_long_rows.
extern "C" __global__ void point(EDGES, const i8* kind, const int* list, const int* length,
                                 int only_admissible, int lanes, i64 long_row, int* candidate,
                                 int* rows, int* num_rows) {
    Edges e = PACK_EDGES;
    i64 count = *length;
    int lane = threadIdx.x % lanes, in_warp = threadIdx.x % 32;
    i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    i64 per_warp = 32 / lanes, step = (i64)gridDim.x * blockDim.x / lanes;
    for (i64 from = warp * per_warp; from < count; from += step) {
        i64 i = from + in_warp / lanes;
        int u = i >= count ? NOBODY : list ? list[i] : (int)i;
        bool works = u >= 0 && kind[u] == SINGLE && is_stale(candidate[u], kind);
        if (works && indptr[u + 1] - indptr[u] > long_row) {
            if (lane == 0) rows[atomicAdd(num_rows, 1)] = u;
            works = false;
        }
        if (!__any_sync(WARP, works)) continue;
        Best best = {-INFINITE, NO_TIE};
        if (works) best = scan(e, kind, u, only_admissible, lane, lanes);
        __syncwarp();
        best = best_of(best, lanes);
        if (works && lane == 0) candidate[u] = neighbour(e, u, best);
    }
}

extern "C" __global__ void point_long_rows(EDGES, const i8* kind, int only_admissible,
                                           const int* rows, const int* num_rows,
                                           int* candidate) {
    __shared__ Best bests[32];
    Edges e = PACK_EDGES;
    for (int i = blockIdx.x; i < *num_rows; i += gridDim.x) {
        int u = rows[i];
        Best best = best_of(scan(e, kind, u, only_admissible, threadIdx.x, blockDim.x), 32);
        if (threadIdx.x % 32 == 0) bests[threadIdx.x / 32] = best;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int w = 1; w < blockDim.x / 32; w++)
                if (comes_before(bests[w], best)) best = bests[w];
            candidate[u] = neighbour(e, u, best);
        }
        __syncthreads();
    }
}

// Marry the listed nodes that point at each other, and list those that go on looking.
extern "C" __global__ void settle(const int* list, const int* length, const int* candidate,
                                  int* mate, i8* kind, int* next, int* next_length) {
    __shared__ int in_warps[32];
    __shared__ int start;
    i64 count = *length;
    int in_warp = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (i64 from = (i64)blockIdx.x * blockDim.x; from < count;
         from += (i64)gridDim.x * blockDim.x) {
        i64 i = from + threadIdx.x;
        int u = i >= count ? NOBODY : list ? list[i] : (int)i;
        bool looks = false;
        if (u >= 0 && kind[u] == SINGLE) {
            int v = candidate[u];
            looks = v >= 0;
            if (looks && candidate[v] == u) {
                mate[u] = v;
                kind[u] = EDGE;
                looks = false;
            }
        }
        unsigned lookers = __ballot_sync(WARP, looks);
        if (in_warp == 0) in_warps[warp] = __popc(lookers);
        __syncthreads();
        if (threadIdx.x == 0) {
            int total = 0;
            for (int w = 0; w < blockDim.x / 32; w++) {
                int own = in_warps[w];
                in_warps[w] = total;
                total += own;
            }
            start = total ? atomicAdd(next_length, total) : 0;
        }
        __syncthreads();
        if (looks)
            next[start + in_warps[warp] + __popc(lookers & ((1u << in_warp) - 1))] = u;
        __syncthreads();
    }
}

// All further rounds in one block. A round looks only at nodes that pointed at somebody who was
// taken in the one before, so that all rounds of a path together take linear time. Gives up, with
// *done = 0, when a round is work for more than one block; point and settle may go on then.
extern "C" __global__ void __launch_bounds__(1024)
    finish(EDGES, const int* list, const int* length, int lanes, i64 most_entries, int* candidate,
           int* mate, i8* kind, int* stale, int* taken, int* done) {
    __shared__ int num_stale, num_taken;
    __shared__ u64 entries;
    Edges e = PACK_EDGES;
    int t = threadIdx.x, lane = t % lanes, tiles = blockDim.x / lanes;
    int count = *length;
    if (t == 0) num_stale = 0, entries = 0;
    __syncthreads();
    for (int i = t; i < count; i += blockDim.x) {
        int u = list[i];
        if (kind[u] == SINGLE && is_stale(candidate[u], kind)) {
            stale[atomicAdd(&num_stale, 1)] = u;
            atomicAdd(&entries, (u64)(indptr[u + 1] - indptr[u]));
        }
    }
    __syncthreads();
    while (true) {
        int n = num_stale;
        u64 work = entries;
        __syncthreads();
        if (n == 0 || work > (u64)most_entries) {
            if (t == 0) *done = n == 0;
            return;
        }
        if (t == 0) num_taken = 0, entries = 0;
        for (int from = t / 32 * (32 / lanes); from < n; from += tiles) {
            int i = from + t % 32 / lanes;
            int u = i < n ? stale[i] : NOBODY;
            Best best = {-INFINITE, NO_TIE};
            if (u >= 0) best = scan(e, kind, u, true, lane, lanes);
            __syncwarp();
            best = best_of(best, lanes);
            if (u >= 0 && lane == 0) candidate[u] = neighbour(e, u, best);
        }
        __syncthreads();
        for (int i = t; i < n; i += blockDim.x) {
            int u = stale[i], v = candidate[u];
            if (v < 0 || candidate[v] != u) continue;
            int a = min(u, v), b = max(u, v);
            if (atomicCAS(mate + a, a, b) != a) continue;  // the other one was faster
            mate[b] = a;
            kind[a] = kind[b] = EDGE;
            int at = atomicAdd(&num_taken, 2);
            taken[at] = a;
            taken[at + 1] = b;
            atomicAdd(&entries, (u64)(indptr[a + 1] - indptr[a] + indptr[b + 1] - indptr[b]));
        }
        __syncthreads();
        int m = num_taken;
        work = entries;
        __syncthreads();
        if (m == 0 || work > (u64)most_entries) {
            if (t == 0) *done = m == 0;
            return;
        }
        if (t == 0) num_stale = 0, entries = 0;
        __syncthreads();
        for (int i = t / lanes; i < m; i += tiles) {
            int u = taken[i];
            for (i64 at = indptr[u] + lane; at < indptr[u + 1]; at += lanes) {
                int x = indices[at];
                if (kind[x] == SINGLE && candidate[x] == u) {
                    stale[atomicAdd(&num_stale, 1)] = x;
                    atomicAdd(&entries, (u64)(indptr[x + 1] - indptr[x]));
                }
            }
        }
        __syncthreads();
    }
}

__device__ void marry(int u, int v, int kind_of_pair, int* mate, i8* kind) {
    mate[u] = v;
    mate[v] = u;
    kind[u] = kind[v] = (i8)kind_of_pair;
}

// Nodes stand segment by segment, and within one any two may merge: marry each two in a row.
extern "C" __global__ void pair_in_a_row(const int* nodes, const int* segment, i64 count,
                                         int kind_of_pair, int* mate, i8* kind) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i + 1 >= count || segment[i] != segment[i + 1]) return;
    i64 low = 0, high = i;  // where the segment begins
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (segment[middle] < segment[i]) low = middle + 1;
        else high = middle;
    }
    if ((i - low) % 2 == 0) marry(nodes[i], nodes[i + 1], kind_of_pair, mate, kind);
}

// The same where not any two may merge: then the lighter of the two waits for the next.
extern "C" __global__ void pair_waiting(EDGES, const int* nodes, const int* segment, i64 count,
                                        int kind_of_pair, int* mate, i8* kind) {
    Edges e = PACK_EDGES;
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count || (i > 0 && segment[i - 1] == segment[i])) return;
    int waiting = NOBODY, own = segment[i];
    for (; i < count && segment[i] == own; i++) {
        int u = nodes[i];
        if (waiting == NOBODY) waiting = u;
        else if (admissible(e, waiting, u)) {
            marry(waiting, u, kind_of_pair, mate, kind);
            waiting = NOBODY;
        } else if (e.node_weights[u] < e.node_weights[waiting]) waiting = u;
    }
}
