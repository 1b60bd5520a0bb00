// Locally dominant matching on one device, in one launch. Everything here is compared bit for bit
// with the specification, so the ratings are computed as written: compile with --fmad=false.

const int SINGLE = 0, EDGE = 1, TWO_HOP = 2, ISOLATED = 3;
const int NOBODY = -1, UNKNOWN = -2;  // candidates
const int EDGE_WEIGHT = 0;  // the rating that reads nothing of the nodes; RATE has the others
const int PROGRESS = 16;  // rounds marry many while they settle more than one in so many nodes
const int BATCH = 2;  // loads that are under way at once
const u64 NO_TIE = ~0ull;
const unsigned FLIP = 1u << 31;
#define INFINITE __longlong_as_double(0x7ff0000000000000ll)

struct Task {  // a part of a long row
    int row, part;
};

// The best is the highest rating, then the lowest tie: number of neighbours, then u XOR v, which
// no two edges of u share. Under a symmetry u XOR v is the smaller of that of the edge and that of
// its image; then the rest of the order decides.
struct Best {
    double rating;
    u64 tie;
#if SYMMETRIC
    i64 to;
#endif
};

struct Two {
    Best first, second;
};

struct Problem {
    const offset* indptr;
    const int* indices;
    const double* weights;
    const double* ratings;  // what the rating takes as the weight of each entry
    Node* nodes;
    double* loop;
    const double* node_weights;
    const int* group;            // or null
    const unsigned char* keeps;  // survivors, or null
    const int* base;             // first node of the member of the batch, or null
    const int* mirror;           // under a symmetry
    double limit;
    u64 mixed_seed;
    int* mate;
    i8* kind;
    int* candidate;
    int* second;  // what it is to be when the candidate is taken
    int* hub;     // best neighbour of all
    unsigned* link;
    int* live;  // twice n
    Task* tasks;
    Two* bests;  // of tasks
    int* done;    // of the parts of a row; 0
    unsigned* masks;
    int* of_blocks;
    unsigned* counters;  // 0
    int n;
    int code;
    int lanes;  // that share a short row
    int long_row;  // more entries than these
    int part;      // of a long row, a multiple of 32
    int small;     // so few nodes are done by one block
    int most_entries;  // one block gives up a round that looks at more
    int two_hop;  // one of the three below
    int pairs;  // whether any two that wait together may merge; else the list of them is left
    int pair_isolated;
};

const int NEVER = 0, ALWAYS = 1, IF_STALLED = 2;  // pairs at hubs

// Places among the counters. There are three lengths of lists and three flags, used in turn, and
// the numbers of tasks of the sums, of the first pointing, and of what follows.
const int ARRIVED = 0, LENGTHS = 1, CHANGED = 4, SUM_TASKS = 7, FIRST_TASKS = 8, NUM_TASKS = 9,
          SINGLES = 10, FINISHED = 11, NUM_HUBS = 12, NUM_WAITING = 13, NUM_MARRIED = 14;

// The rating of an edge of u; own is of u, degree of v. The table of formulas writes RATE.
__device__ double rate(const Problem& p, double weight, int u, int v, double own, double degree) {
    return RATE;
}

__device__ bool admissible(const Problem& p, int u, int v) {
    if (p.limit < INFINITE && p.node_weights[u] + p.node_weights[v] > p.limit) return false;
    if (p.group && p.group[u] != p.group[v]) return false;
#if SYMMETRIC
    if ((p.mirror[u] == u) != (p.mirror[v] == v)) return false;
#endif
    return !(p.keeps && p.keeps[u] && p.keeps[v]);
}

__device__ int first_id(const Problem& p, int u) { return p.base ? p.base[u] : 0; }

#if SYMMETRIC
struct TieKey {
    unsigned differs;
    u64 hash;
    int low, high;
};

__device__ u64 mix64(u64 value) {
    value += 0x9E3779B97F4A7C15ull;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ value >> 27) * 0x94D049BB133111EBull;
    return value ^ value >> 31;
}

__device__ TieKey tie_key(const Problem& p, int u, int v) {
    int first = first_id(p, u), low = min(u, v) - first, high = max(u, v) - first;
    return {(unsigned)(low ^ high), ~mix64(mix64(p.mixed_seed ^ (u64)low) ^ (u64)high), low, high};
}

__device__ bool comes_before(const TieKey& a, const TieKey& b) {
    if (a.differs != b.differs) return a.differs < b.differs;
    if (a.hash != b.hash) return a.hash < b.hash;
    return a.low != b.low ? a.low < b.low : a.high < b.high;
}

__device__ TieKey key_of_orbit(const Problem& p, int u, int v) {
    TieKey own = tie_key(p, u, v), image = tie_key(p, p.mirror[u], p.mirror[v]);
    return comes_before(image, own) ? image : own;
}
#endif

// Whether of two edges of u the first is better.
__device__ bool better(const Problem& p, int u, const Best& a, const Best& b) {
    if (a.rating != b.rating) return a.rating > b.rating;
    if (a.tie != b.tie) return a.tie < b.tie;
#if SYMMETRIC
    if (a.tie == NO_TIE || a.to == b.to) return false;
    TieKey first = key_of_orbit(p, u, (int)a.to), other = key_of_orbit(p, u, (int)b.to);
    if (comes_before(first, other)) return true;
    return !comes_before(other, first) && a.to < b.to;
#else
    return false;
#endif
}

__device__ Best none() {
#if SYMMETRIC
    return {-INFINITE, NO_TIE, NOBODY};
#else
    return {-INFINITE, NO_TIE};
#endif
}

__device__ int neighbour(const Problem& p, int u, const Best& best) {
    if (best.tie == NO_TIE) return NOBODY;
#if SYMMETRIC
    return (int)best.to;
#else
    int first = first_id(p, u);
    return ((u - first) ^ (int)(unsigned)best.tie) + first;
#endif
}

__device__ Best measured(const Problem& p, int u, int v, double rating, int neighbours) {
    int first = first_id(p, u);
    unsigned differs = (unsigned)((u - first) ^ (v - first));
#if SYMMETRIC
    int u_image = p.mirror[u] - first, v_image = p.mirror[v] - first;
    differs = min(differs, (unsigned)(u_image ^ v_image));
    return {rating, (u64)neighbours << 32 | differs, v};
#else
    return {rating, (u64)neighbours << 32 | differs};
#endif
}

// Which neighbours a search looks at.
enum Look { ALL, ADMISSIBLE, FREE };  // the free ones are the admissible ones among them

__device__ void insert(const Problem& p, int u, const Best& found, Two& two) {
    if (better(p, u, found, two.first)) {
        two.second = two.first;
        two.first = found;
    } else if (better(p, u, found, two.second)) two.second = found;
}

// The two best edges of u among those that this lane looks at, BATCH of them at a time.
template <Look LOOK>
__device__ Two scan(const Problem& p, int u, offset begin, offset end, int lane, int lanes) {
    Two two = {none(), none()};
    double own = 0;
    if (p.code != EDGE_WEIGHT && begin < end) {
        own = p.nodes[u].degree;
        if (READS_INVERSE) own = 1.0 / own;
    }
    for (offset at = begin + lane; at < end; at += BATCH * lanes) {
        int neighbours[BATCH];
        double ratings[BATCH];
        Node nodes[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            bool real = at + i * lanes < end;
            neighbours[i] = real ? p.indices[at + i * lanes] : u;
            ratings[i] = real ? p.ratings[at + i * lanes] : 0;
        }
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            int v = neighbours[i];
            if (LOOK == FREE && v != u && p.kind[v] != SINGLE) neighbours[i] = u;
            bool may_win = p.code != EDGE_WEIGHT || !(ratings[i] < two.second.rating);
            if (v != u && may_win) nodes[i] = p.nodes[v];
        }
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            int v = neighbours[i];
            if (v == u || (LOOK != ALL && !admissible(p, u, v))) continue;
            double rating = ratings[i];
            if (p.code != EDGE_WEIGHT) rating = rate(p, rating, u, v, own, nodes[i].degree);
            if (rating < two.second.rating) continue;
            insert(p, u, measured(p, u, v, rating, nodes[i].neighbours), two);
        }
    }
    return two;
}

__device__ Best from_lane(const Best& best, int step) {
    Best other;
    other.rating = __shfl_xor_sync(WARP, best.rating, step);
    other.tie = __shfl_xor_sync(WARP, best.tie, step);
#if SYMMETRIC
    other.to = __shfl_xor_sync(WARP, best.to, step);
#endif
    return other;
}

// The two best of each group of lanes, in all of them; every lane of the warp must take part.
__device__ void share(const Problem& p, int u, int lanes, Two& two) {
    for (int step = lanes / 2; step > 0; step /= 2) {
        Best other = from_lane(two.first, step), others = from_lane(two.second, step);
        if (better(p, u, other, two.first)) {
            Best loser = two.first;
            two.first = other;
            two.second = better(p, u, loser, others) ? loser : others;
        } else if (better(p, u, other, two.second)) two.second = other;
    }
}

__device__ bool is_stale(int candidate, const i8* kind) {
    return candidate == UNKNOWN || (candidate >= 0 && kind[candidate] != SINGLE);
}

// Take the second best instead of a best that is taken, unless that is not known or taken too. All
// lanes of a group ask, and each warp meets here.
__device__ bool falls_back(const Problem& p, int u, int lane) {
    int second = u < 0 ? UNKNOWN : p.second[u];
    bool falls = !is_stale(second, p.kind);
    __syncwarp();
    if (falls && lane == 0) {
        p.candidate[u] = second;
        p.second[u] = second == NOBODY ? NOBODY : UNKNOWN;
    }
    return falls;
}

template <Look LOOK>
__device__ void keep(const Problem& p, int u, const Two& two) {
    int best = neighbour(p, u, two.first);
    p.candidate[u] = best;
    p.second[u] = neighbour(p, u, two.second);
    if (LOOK == ADMISSIBLE) p.hub[u] = best;
}

__device__ int num_parts(const Problem& p, int u) {
    return (int)((p.indptr[u + 1] - p.indptr[u] + p.part - 1) / p.part);
}

__device__ void add_tasks(const Problem& p, int u, int counter) {
    int count = num_parts(p, u), to = (int)atomicAdd(p.counters + counter, (unsigned)count);
    for (int part = 0; part < count; part++) p.tasks[to + part] = {u, part};
}

__device__ i64 warp_in_grid() { return ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32; }
__device__ i64 warps_of_grid() { return (i64)gridDim.x * blockDim.x / 32; }

// Weighted degree, self loop and number of neighbours of every node; long rows become tasks.
__device__ void sum_rows(const Problem& p) {
    int lanes = p.lanes, lane = threadIdx.x % lanes, in_warp = threadIdx.x % 32;
    i64 per_warp = 32 / lanes, step = warps_of_grid() * per_warp;
    for (i64 from = warp_in_grid() * per_warp; from < p.n; from += step) {
        i64 u = from + in_warp / lanes;
        bool works = u < p.n;
        offset begin = works ? p.indptr[u] : 0, end = works ? p.indptr[u + 1] : 0;
        double total = 0, own = 0;
        int has_loop = 0;
        if (end - begin > p.long_row) {
            if (lane == 0) add_tasks(p, (int)u, SUM_TASKS);
        } else {
            for (offset at = begin + lane; at < end; at += lanes) {
                total += p.weights[at];
                if (p.indices[at] == u) own = p.weights[at], has_loop = 1;
            }
        }
        __syncwarp();
        for (int half = lanes / 2; half > 0; half /= 2) {
            total += __shfl_xor_sync(WARP, total, half);
            own += __shfl_xor_sync(WARP, own, half);
            has_loop += __shfl_xor_sync(WARP, has_loop, half);
        }
        if (works && lane == 0) {
            p.nodes[u] = {total, (int)(end - begin) - has_loop, has_loop};
            p.loop[u] = own;
        }
    }
}

__device__ void sum_parts(const Problem& p, int num_tasks) {
    int in_warp = threadIdx.x % 32;
    for (i64 t = warp_in_grid(); t < num_tasks; t += warps_of_grid()) {
        Task task = p.tasks[t];
        int u = task.row;
        offset begin = p.indptr[u] + (offset)task.part * p.part;
        offset end = min(begin + (offset)p.part, p.indptr[u + 1]);
        double total = 0, own = 0;
        bool has_loop = false;
#pragma unroll 4
        for (offset at = begin + in_warp; at < end; at += 32) {
            double weight = p.weights[at];
            total += weight;
            if (p.indices[at] == u) own = weight, has_loop = true;
        }
        if (has_loop) {
            p.loop[u] = own;
            p.nodes[u].has_loop = 1;
            atomicAdd(&p.nodes[u].neighbours, -1);
        }
        for (int half = 16; half > 0; half /= 2) total += __shfl_xor_sync(WARP, total, half);
        if (in_warp == 0) atomicAdd(&p.nodes[u].degree, total);  // exact, in any order
    }
}

// Candidates of the listed nodes, or of all, that have none or whose candidate is taken.
template <Look LOOK>
__device__ void point_rows(const Problem& p, const int* list, int count) {
    int lanes = p.lanes, lane = threadIdx.x % lanes, in_warp = threadIdx.x % 32;
    i64 per_warp = 32 / lanes, step = warps_of_grid() * per_warp;
    for (i64 from = warp_in_grid() * per_warp; from < count; from += step) {
        i64 i = from + in_warp / lanes;
        int u = i >= count ? NOBODY : list ? list[i] : (int)i;
        bool works = u >= 0;
        if (LOOK == FREE) {
            works = works && p.kind[u] == SINGLE && is_stale(p.candidate[u], p.kind);
            works = !falls_back(p, works ? u : NOBODY, lane) && works;
        }
        offset begin = works ? p.indptr[u] : 0, end = works ? p.indptr[u + 1] : 0;
        if (end - begin > p.long_row) {
            if (lane == 0) add_tasks(p, u, LOOK == ADMISSIBLE ? FIRST_TASKS : NUM_TASKS);
            works = false;
        }
        if (!__any_sync(WARP, works)) continue;
        Two two = {none(), none()};
        if (works) two = scan<LOOK>(p, u, begin, end, lane, lanes);
        __syncwarp();
        share(p, u, lanes, two);
        if (works && lane == 0) keep<LOOK>(p, u, two);
    }
}

// What another block wrote in this launch.
__device__ Best written(const Best* from) {
    Best best = none();
    best.rating = __ldcg(&from->rating);
    best.tie = __ldcg(&from->tie);
#if SYMMETRIC
    best.to = __ldcg(&from->to);
#endif
    return best;
}

template <Look LOOK>
__device__ void point_parts(const Problem& p, int num_tasks) {
    int in_warp = threadIdx.x % 32;
    for (i64 t = warp_in_grid(); t < num_tasks; t += warps_of_grid()) {
        Task task = p.tasks[t];
        int u = task.row, parts = num_parts(p, u);
        offset begin = p.indptr[u] + (offset)task.part * p.part;
        offset end = min(begin + (offset)p.part, p.indptr[u + 1]);
        Two two = scan<LOOK>(p, u, begin, end, in_warp, 32);
        __syncwarp();
        share(p, u, 32, two);
        if (parts > 1) {  // whoever is last looks at all parts
            i64 first = t - task.part;
            int before = 0;
            if (in_warp == 0) {
                p.bests[t] = two;
                __threadfence();
                before = atomicAdd(p.done + first, 1);
            }
            before = __shfl_sync(WARP, before, 0);
            if (before + 1 < parts) continue;
            __threadfence();
            two = {none(), none()};
            for (int part = in_warp; part < parts; part += 32) {
                const Two* from = p.bests + first + part;
                insert(p, u, written(&from->first), two);
                insert(p, u, written(&from->second), two);
            }
            __syncwarp();
            share(p, u, 32, two);
            if (in_warp == 0) p.done[first] = 0;
        }
        if (in_warp == 0) keep<LOOK>(p, u, two);
    }
}

template <Look LOOK>
__device__ void point(const Problem& p, const int* list, int count) {
    point_rows<LOOK>(p, list, count);
    wait_for_grid(p.counters + ARRIVED);
    int num_tasks = (int)__ldcg(p.counters + NUM_TASKS);
    if (num_tasks == 0) return;
    point_parts<LOOK>(p, num_tasks);
    wait_for_grid(p.counters + ARRIVED);
    if (blockIdx.x == 0 && threadIdx.x == 0) p.counters[NUM_TASKS] = 0;
}

// Append the nodes of those threads that want it to a list; the whole block must take part.
__device__ void append(bool wants, int u, int* list, unsigned* length) {
    __shared__ unsigned start;
    int total, before = sum_before(wants, &total);
    if (threadIdx.x == 0) start = total ? atomicAdd(length, (unsigned)total) : 0;
    __syncthreads();
    if (wants) list[start + before] = u;
}

// Marry the listed nodes, or all, that point at each other, and list those that go on looking.
__device__ void settle(const Problem& p, const int* list, int count, int* next,
                       unsigned* length) {
    int num_single = 0;
    for (i64 from = (i64)blockIdx.x * THREADS; from < count; from += (i64)gridDim.x * THREADS) {
        i64 i = from + threadIdx.x;
        int u = i >= count ? NOBODY : list ? list[i] : (int)i;
        bool looks = false;
        if (u >= 0 && (!list || p.kind[u] == SINGLE)) {
            int v = p.candidate[u];
            bool marries = v >= 0 && p.candidate[v] == u;
            looks = v >= 0 && !marries;
            num_single += v < 0;
            if (!list || marries) {
                p.mate[u] = marries ? v : u;
                p.kind[u] = marries ? EDGE : SINGLE;
            }
        }
        append(looks, u, next, length);
    }
    int total;
    sum_before(num_single, &total);
    if (threadIdx.x == 0 && total) atomicAdd(p.counters + SINGLES, (unsigned)total);
}

__device__ void marry_two(const Problem& p, int u, int v, int kind) {
    p.mate[u] = v;
    p.mate[v] = u;
    p.kind[u] = p.kind[v] = (i8)kind;
}

// Follow whole chains in which each node points at the next. Let u be free, v its best free
// neighbour, and u the second best of v. Then of all edges that are better than (u, v) and share a
// node with it only the best of v is left, so (u, v) is taken if and only if that one is not. So
// along such a chain every other edge is taken, counted from where two nodes point at each other.
__device__ void marry_chains(const Problem& p, const int* list, int count) {
    int lanes = p.lanes, lane = threadIdx.x % lanes, in_warp = threadIdx.x % 32;
    i64 per_warp = 32 / lanes, step = warps_of_grid() * per_warp;
    for (i64 from = warp_in_grid() * per_warp; from < count; from += step) {
        i64 i = from + in_warp / lanes;
        int u = i >= count ? NOBODY : list[i];
        Two two = {none(), none()};
        if (u >= 0) two = scan<FREE>(p, u, p.indptr[u], p.indptr[u + 1], lane, lanes);
        __syncwarp();
        share(p, u, lanes, two);
        if (u >= 0 && lane == 0) keep<FREE>(p, u, two);
    }
    wait_for_grid(p.counters + ARRIVED);
    i64 thread = (i64)blockIdx.x * THREADS + threadIdx.x, threads = (i64)gridDim.x * THREADS;
    for (i64 i = thread; i < count; i += threads) {
        int u = list[i], v = p.candidate[u];
        bool follows = v >= 0 && p.candidate[v] != u && p.second[v] == u;
        p.link[u] = follows ? (unsigned)v | FLIP : (unsigned)u;
    }
    wait_for_grid(p.counters + ARRIVED);
    for (int turn = 0;; turn++) {
        unsigned* changed = p.counters + CHANGED;
        for (i64 i = thread; i < count; i += threads) {
            int u = list[i];
            unsigned own = p.link[u];
            bool ends = false;
            for (int hop = 0; hop < 8 && !ends; hop++) {
                unsigned at = own & ~FLIP, further = __ldcg(p.link + at);
                ends = (further & ~FLIP) == at;
                if (!ends) own = further ^ (own & FLIP);
            }
            p.link[u] = own;
            if (!ends) changed[turn % 3] = 1;
        }
        if (blockIdx.x == 0 && threadIdx.x == 0) changed[(turn + 1) % 3] = 0;
        wait_for_grid(p.counters + ARRIVED);
        if (!__ldcg(changed + turn % 3)) break;
    }
    for (i64 i = thread; i < count; i += threads) {
        int u = list[i], root = (int)(p.link[u] & ~FLIP), best_of_root = p.candidate[root];
        bool known = best_of_root >= 0 && p.candidate[best_of_root] == root;
        if (known && !(p.link[u] & FLIP)) marry_two(p, u, p.candidate[u], EDGE);
    }
    wait_for_grid(p.counters + ARRIVED);
}

// All further rounds in one block. A round looks only at nodes that pointed at somebody who was
// taken in the one before, so that all rounds together take time in proportion to the entries they
// read. Gives up, and returns false, when a round is work for more than one block.
__device__ bool finish(const Problem& p, const int* list, int count, int* stale) {
    __shared__ int num_stale, num_taken;
    __shared__ u64 entries;
    int* taken = (int*)p.link;
    int lanes = max(p.lanes, 4), t = threadIdx.x, lane = t % lanes, tiles = THREADS / lanes;
    if (t == 0) num_stale = 0, entries = 0;
    __syncthreads();
    for (int i = t; i < count; i += THREADS) {
        int u = list[i];
        if (p.kind[u] == SINGLE && is_stale(p.candidate[u], p.kind)) {
            stale[atomicAdd(&num_stale, 1)] = u;
            atomicAdd(&entries, (u64)(p.indptr[u + 1] - p.indptr[u]));
        }
    }
    __syncthreads();
    while (true) {
        int n = num_stale;
        u64 work = entries;
        __syncthreads();
        if (n == 0) break;
        if (work > (u64)p.most_entries) return false;
        if (t == 0) num_taken = 0, entries = 0;
        for (int from = t / 32 * (32 / lanes); from < n; from += tiles) {
            int i = from + t % 32 / lanes;
            int u = i < n ? stale[i] : NOBODY;
            bool scans = !falls_back(p, u, lane) && u >= 0;
            if (!__any_sync(WARP, scans)) continue;
            Two two = {none(), none()};
            if (scans) two = scan<FREE>(p, u, p.indptr[u], p.indptr[u + 1], lane, lanes);
            __syncwarp();
            share(p, u, lanes, two);
            if (scans && lane == 0) keep<FREE>(p, u, two);
        }
        __syncthreads();
        for (int i = t; i < n; i += THREADS) {
            int u = stale[i], v = p.candidate[u];
            if (v < 0 || p.candidate[v] != u) continue;
            int a = min(u, v), b = max(u, v);
            if (atomicCAS(p.mate + a, a, b) != a) continue;  // the other one was faster
            p.mate[b] = a;
            p.kind[a] = p.kind[b] = EDGE;
            int at = atomicAdd(&num_taken, 2);
            taken[at] = a;
            taken[at + 1] = b;
            atomicAdd(&entries, (u64)(p.indptr[a + 1] - p.indptr[a] + p.indptr[b + 1] - p.indptr[b]));
        }
        __syncthreads();
        int m = num_taken;
        work = entries;
        __syncthreads();
        if (m == 0) break;
        if (work > (u64)p.most_entries) return false;
        if (t == 0) num_stale = 0, entries = 0;
        __syncthreads();
        for (int i = t / lanes; i < m; i += tiles) {
            int u = taken[i];
            for (offset at = p.indptr[u] + lane; at < p.indptr[u + 1]; at += lanes) {
                int x = p.indices[at];
                if (p.kind[x] == SINGLE && p.candidate[x] == u) {
                    stale[atomicAdd(&num_stale, 1)] = x;
                    atomicAdd(&entries, (u64)(p.indptr[x + 1] - p.indptr[x]));
                }
            }
        }
        __syncthreads();
    }
    for (int i = t; i < count; i += THREADS)
        if (p.kind[list[i]] == SINGLE) p.counters[SINGLES] = 1;
    return true;
}

__device__ void marry_in_rounds(const Problem& p) {
    const int* list = nullptr;
    int count = p.n;
    bool followed_chains = false;
    for (int round = 0;; round++) {
        if (round) point<FREE>(p, list, count);
        int *next = p.live + (i64)(round % 2) * p.n, *other = p.live + (i64)((round + 1) % 2) * p.n;
        settle(p, list, count, next, p.counters + LENGTHS + round % 3);
        if (blockIdx.x == 0 && threadIdx.x == 0) p.counters[LENGTHS + (round + 1) % 3] = 0;
        wait_for_grid(p.counters + ARRIVED);
        int before = count;
        list = next;
        count = (int)__ldcg(p.counters + LENGTHS + round % 3);
        if (count == 0) return;
        bool many = (i64)(before - count) * PROGRESS > before;
        if (!many && count > p.small && !followed_chains) {
            marry_chains(p, list, count);
            followed_chains = true;
        } else if (!many || count <= p.small) {
            if (blockIdx.x == 0) {
                bool finished = finish(p, list, count, other);
                if (threadIdx.x == 0) p.counters[FINISHED] = finished;
            }
            wait_for_grid(p.counters + ARRIVED);
            if (__ldcg(p.counters + FINISHED)) return;
            followed_chains = false;
        }
    }
}

// Marry those of up to 32 waiting nodes, one for each bit of the mask and in the order of the
// lanes, that come second; waiting is left over from before, or nobody. Returns who is left now.
__device__ int marry_in_a_row(const Problem& p, unsigned mask, int u, int waiting, int kind) {
    int lane = threadIdx.x % 32;
    unsigned before = mask & ((1u << lane) - 1);
    int previous = __shfl_sync(WARP, u, before ? 31 - __clz((int)before) : 0);
    if (!before) previous = waiting;
    int place = __popc(before) + (waiting >= 0);
    if ((mask >> lane & 1) && place % 2 == 1) marry_two(p, previous, u, kind);
    int last = __shfl_sync(WARP, u, mask ? 31 - __clz((int)mask) : 0);
    if (!mask) return waiting;
    return (__popc(mask) + (waiting >= 0)) % 2 ? last : NOBODY;
}

// Which of the next neighbours of a hub wait at it: a bit for each lane, BATCH times.
__device__ void find_waiting(const Problem& p, int hub, offset from, offset end,
                             int (&nodes)[BATCH], unsigned (&masks)[BATCH]) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < BATCH; i++) {
        offset at = from + i * 32 + lane;
        nodes[i] = at < end ? p.indices[at] : hub;
    }
#pragma unroll
    for (int i = 0; i < BATCH; i++) {
        bool waits = nodes[i] != hub && p.candidate[nodes[i]] == hub;
        masks[i] = __ballot_sync(WARP, waits);
    }
}

// Pair the nodes that wait at the same neighbour, in the order of its row.
__device__ void pair_two_hop(const Problem& p, const int* waiting, int count) {
    int* hubs = p.live + p.n;
    int lane = threadIdx.x % 32, words = p.part / 32;
    for (i64 i = (i64)blockIdx.x * THREADS + threadIdx.x; i < count; i += (i64)gridDim.x * THREADS) {
        int hub = p.candidate[waiting[i]];
        if (atomicAdd(p.second + hub, 1) == 0) hubs[atomicAdd(p.counters + NUM_HUBS, 1u)] = hub;
    }
    wait_for_grid(p.counters + ARRIVED);
    int num_hubs = (int)__ldcg(p.counters + NUM_HUBS);
    for (i64 i = warp_in_grid(); i < num_hubs; i += warps_of_grid()) {
        int hub = hubs[i];
        if (__ldcg(p.second + hub) < 2) continue;
        offset begin = p.indptr[hub], end = p.indptr[hub + 1];
        if (end - begin > p.part) {
            if (lane == 0) add_tasks(p, hub, NUM_TASKS);
            __syncwarp();
            continue;
        }
        int left = NOBODY;
        for (offset from = begin; from < end; from += 32 * BATCH) {
            int nodes[BATCH];
            unsigned masks[BATCH];
            find_waiting(p, hub, from, end, nodes, masks);
#pragma unroll
            for (int i = 0; i < BATCH; i++)
                left = marry_in_a_row(p, masks[i], nodes[i], left, TWO_HOP);
        }
    }
    wait_for_grid(p.counters + ARRIVED);
    int num_tasks = (int)__ldcg(p.counters + NUM_TASKS);
    if (num_tasks == 0) return;
    int* last_of_task = (int*)p.bests;
    for (i64 t = warp_in_grid(); t < num_tasks; t += warps_of_grid()) {
        int hub = p.tasks[t].row, last = NOBODY, total = 0;
        offset begin = p.indptr[hub] + (offset)p.tasks[t].part * p.part, end = p.indptr[hub + 1];
        end = min(end, begin + p.part);
        for (int word = 0; word < words; word += BATCH) {
            int nodes[BATCH];
            unsigned masks[BATCH];
            find_waiting(p, hub, begin + (offset)word * 32, end, nodes, masks);
#pragma unroll
            for (int i = 0; i < BATCH; i++) {
                unsigned mask = masks[i];
                if (lane == 0 && word + i < words) p.masks[t * words + word + i] = mask;
                int last_here = __shfl_sync(WARP, nodes[i], mask ? 31 - __clz((int)mask) : 0);
                if (mask) last = last_here;
                total += __popc(mask);
            }
        }
        if (lane == 0) p.done[t] = total, last_of_task[t] = last;
    }
    wait_for_grid(p.counters + ARRIVED);
    for (i64 t = warp_in_grid(); t < num_tasks; t += warps_of_grid()) {
        int hub = p.tasks[t].row, part = p.tasks[t].part, before = 0, latest = NOBODY;
        for (int other = lane; other < part; other += 32) {
            int waits = p.done[t - part + other];
            before += waits;
            if (waits) latest = other;
        }
        for (int half = 16; half > 0; half /= 2) {
            before += __shfl_xor_sync(WARP, before, half);
            latest = max(latest, __shfl_xor_sync(WARP, latest, half));
        }
        int left = before % 2 ? last_of_task[t - part + latest] : NOBODY;
        offset begin = p.indptr[hub] + (offset)part * p.part;
        for (int word = 0; word < words; word += BATCH) {
            int nodes[BATCH];
            unsigned masks[BATCH];
#pragma unroll
            for (int i = 0; i < BATCH; i++) {
                masks[i] = word + i < words ? p.masks[t * words + word + i] : 0;
                offset at = begin + (offset)(word + i) * 32 + lane;
                nodes[i] = masks[i] >> lane & 1 ? p.indices[at] : NOBODY;
            }
#pragma unroll
            for (int i = 0; i < BATCH; i++)
                left = marry_in_a_row(p, masks[i], nodes[i], left, TWO_HOP);
        }
    }
}

// What the nodes do that no edge is left for: wait at their best neighbour, or among themselves.
__device__ void pair_the_rest(const Problem& p) {
    int *waiting = p.live, *isolated = p.live + p.n;
    int per_block = (p.n + (int)gridDim.x - 1) / (int)gridDim.x;
    i64 begin = (i64)blockIdx.x * per_block, end = min(begin + per_block, (i64)p.n);
    int alone = 0, married = 0, total;
    for (i64 from = begin; from < end; from += THREADS) {
        i64 u = from + threadIdx.x;
        bool single = u < end && p.kind[u] == SINGLE, has_any = single && p.nodes[u].neighbours;
        if (u < end) p.candidate[u] = has_any && p.pairs ? p.hub[u] : NOBODY, p.second[u] = 0;
        append(has_any, (int)u, waiting, p.counters + NUM_WAITING);
        alone += single && !has_any;
        married += u < end && !single;
    }
    sum_before(alone, &total);
    if (threadIdx.x == 0) p.of_blocks[blockIdx.x] = total;
    if (p.two_hop == IF_STALLED) {
        sum_before(married, &total);
        if (threadIdx.x == 0 && total) atomicAdd(p.counters + NUM_MARRIED, (unsigned)total);
    }
    wait_for_grid(p.counters + ARRIVED);
    if (p.pair_isolated) {
        int before = 0, all = 0;
        for (int block = threadIdx.x; block < (int)gridDim.x; block += THREADS) {
            int count = __ldcg(p.of_blocks + block);
            if (block < (int)blockIdx.x) before += count;
            all += count;
        }
        sum_before(before, &before);
        sum_before(all, &all);
        if (all > 1) {
            for (i64 from = begin; from < end; from += THREADS) {
                i64 u = from + threadIdx.x;
                bool lonely = u < end && p.kind[u] == SINGLE && !p.nodes[u].neighbours;
                int place = before + sum_before(lonely, &total);
                if (lonely) isolated[place] = (int)u;
                before += total;
            }
            wait_for_grid(p.counters + ARRIVED);
            i64 thread = (i64)blockIdx.x * THREADS + threadIdx.x;
            for (i64 i = thread; 2 * i + 1 < all; i += (i64)gridDim.x * THREADS)
                marry_two(p, isolated[2 * i], isolated[2 * i + 1], ISOLATED);
            wait_for_grid(p.counters + ARRIVED);
        }
    }
    int count = (int)__ldcg(p.counters + NUM_WAITING);
    if (p.two_hop == NEVER || count < 2) return;
    if (p.pairs) {
        bool stalled = count > (int)__ldcg(p.counters + NUM_MARRIED);
        if (p.two_hop == ALWAYS || stalled) pair_two_hop(p, waiting, count);
    }
    else point<ALL>(p, waiting, count);
}

// What all nodes do first, as kernels of their own: more threads run at once.
extern "C" __global__ void __launch_bounds__(THREADS) sum_all(Problem p) { sum_rows(p); }
extern "C" __global__ void __launch_bounds__(THREADS) sum_long(Problem p) {
    sum_parts(p, (int)p.counters[SUM_TASKS]);
}
extern "C" __global__ void __launch_bounds__(THREADS) point_all(Problem p) {
    point_rows<ADMISSIBLE>(p, nullptr, p.n);
}
extern "C" __global__ void __launch_bounds__(THREADS) point_long(Problem p) {
    point_parts<ADMISSIBLE>(p, (int)p.counters[FIRST_TASKS]);
}

extern "C" __global__ void __launch_bounds__(THREADS, 4) marry(Problem p) {
    marry_in_rounds(p);
    if (__ldcg(p.counters + SINGLES) && (p.two_hop != NEVER || p.pair_isolated)) pair_the_rest(p);
}

__device__ void marry_with_images(const Problem& p, int u, int v, int kind) {
    marry_two(p, u, v, kind);
#if SYMMETRIC
    marry_two(p, p.mirror[u], p.mirror[v], kind);
#endif
}

// Nodes stand segment by segment, each of one hub and group, in which any two may merge: marry each
// two in a row.
extern "C" __global__ void pair_in_a_row(Problem p, const int* nodes, const int* segment, int count,
                                         int kind_of_pair) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i + 1 >= count || segment[i] != segment[i + 1]) return;
    i64 low = 0, high = i;  // where the segment begins
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (segment[middle] < segment[i]) low = middle + 1;
        else high = middle;
    }
    if ((i - low) % 2 == 0) marry_with_images(p, nodes[i], nodes[i + 1], kind_of_pair);
}

// The same where not any two may merge: then the lighter of the two waits for the next.
extern "C" __global__ void pair_waiting(Problem p, const int* nodes, const int* segment, int count,
                                        int kind_of_pair) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count || (i > 0 && segment[i - 1] == segment[i])) return;
    int waiting = NOBODY, own = segment[i];
    for (; i < count && segment[i] == own; i++) {
        int u = nodes[i];
        if (waiting == NOBODY) waiting = u;
        else if (admissible(p, waiting, u)) {
            marry_with_images(p, waiting, u, kind_of_pair);
            waiting = NOBODY;
        } else if (p.node_weights[u] < p.node_weights[waiting]) waiting = u;
    }
}

#if SYMMETRIC
// Marry the listed nodes with their images, of which each is in the list or none.
extern "C" __global__ void pair_images(Problem p, const int* nodes, int count, int kind_of_pair) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int u = nodes[i], v = p.mirror[u];
    if (u < v && p.kind[u] == SINGLE && admissible(p, u, v)) marry_two(p, u, v, kind_of_pair);
}
#endif
