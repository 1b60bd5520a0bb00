// P^T A P on one device. Sums of the weights are exact, so their order does not matter; the columns
// of every coarse row are sorted, so neither does the order in which nodes and rows are found. KEY
// is the type that holds a column and a place in a row.

const int ITEMS = 8;  // that a thread sorts in its registers
const int LONG_THREADS = 1024;  // of a block for one of the longest rows

const int CLASSES = 6;  // of rows that are not short: in each up to twice as long as before, and longer

// Places among the counters.
const int ARRIVED = 0, NUM_COARSE = 1, NEXT_TILE = 2, NEXT_LONG = 3, LONGEST = 4, LENGTHS = 5;

struct Problem {
    const offset* indptr;
    const int* indices;
    const double* weights;
    const double* node_weights;
    const int* mate;        // of a matching
    const int* first;       // members of cluster c: members[first[c]:first[c + 1]], or its leader
    const int* members;     // or null, for pairs
    const offset* starts;   // number of entries of all members before
    int* parent;
    offset* room;   // of a listed row in columns and values
    int* columns;
    double* values;
    int* lists;     // of the classes, n each
    int* of_blocks;
    u64* tiles;     // 0; a sum and whether it is of all tiles before, too
    unsigned* counters;  // 0
    i64* totals;    // 0; number of coarse entries, and room taken
    offset* coarse_indptr;
    int* coarse_indices;
    double* coarse_weights;
    double* coarse_node_weights;
    Node* coarse_nodes;
    double* coarse_loop;
    int n;
    int short_row;   // rows of up to so many entries are not listed
    int first_class; // nor longer than this in the first list
    int most_words;  // of 32 columns each, that a block notes at once
};

// Where the entries of all members of a cluster are.
struct Row {
    i64 first_of_two, second_of_two;  // positions, less the length before
    int split, room;
    int low, high;  // places of the members
};

__device__ Row row_of(const Problem& p, int c) {
    Row row;
    int u, v;
    if (!p.members) {
        u = p.first[c];
        v = p.mate[u];
        row.low = 0, row.high = u == v ? 1 : 2;
    } else {
        row.low = p.first[c], row.high = p.first[c + 1];
        u = p.members[row.low], v = p.members[row.high - 1];
    }
    i64 begin = p.indptr[u];
    row.first_of_two = begin;
    row.split = row.room = (int)(p.indptr[u + 1] - begin);
    row.second_of_two = 0;
    if (row.high - row.low == 2) {
        i64 other = p.indptr[v];
        row.second_of_two = other - row.split;
        row.room += (int)(p.indptr[v + 1] - other);
    } else if (row.high - row.low > 2) {
        row.room = (int)(p.starts[row.high] - p.starts[row.low]);
    }
    return row;
}

__device__ i64 entry_of(const Problem& p, const Row& row, int k) {
    if (k < row.split) return row.first_of_two + k;
    if (row.high - row.low == 2) return row.second_of_two + k;
    offset sought = p.starts[row.low] + k;
    int low = row.low, high = row.high - 1;  // the last member that starts no later
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (p.starts[middle] <= sought) low = middle;
        else high = middle - 1;
    }
    return (i64)p.indptr[p.members[low]] + (sought - p.starts[low]);
}

// Rows that are not short are listed, and given room. The whole warp takes part, with room 0 where
// there is no row.
__device__ void list_if_long(const Problem& p, int c, int room) {
    if (room <= p.short_row) room = 0;
    int lane = threadIdx.x % 32;
    if (!__any_sync(WARP, room > 0)) return;
    int which = min(32 - __clz((room - 1) / p.first_class), CLASSES - 1);
    for (int k = 0; k < CLASSES; k++) {
        unsigned listed = __ballot_sync(WARP, room > 0 && which == k);
        if (!listed) continue;
        int first = 0;
        if (lane == 0) first = (int)atomicAdd(p.counters + LENGTHS + k, (unsigned)__popc(listed));
        first = __shfl_sync(WARP, first, 0);
        if (listed >> lane & 1)
            p.lists[(i64)k * p.n + first + __popc(listed & ((1u << lane) - 1))] = c;
    }
    i64 up_to = room, first = 0;
    for (int distance = 1; distance < 32; distance *= 2) {
        i64 before = __shfl_up_sync(WARP, up_to, distance);
        if (lane >= distance) up_to += before;
    }
    if (lane == 31) first = (i64)atomicAdd((u64*)p.totals + 1, (u64)up_to);
    first = __shfl_sync(WARP, first, 31);
    if (room) p.room[c] = (offset)(first + up_to - room);
}

// Number the pairs of a matching by their first members. A cooperative launch.
extern "C" __global__ void __launch_bounds__(THREADS) number_pairs(Problem p) {
    int per_block = ((p.n + (int)gridDim.x - 1) / (int)gridDim.x + THREADS - 1) / THREADS * THREADS;
    i64 begin = (i64)blockIdx.x * per_block, end = min(begin + per_block, (i64)p.n);
    int leaders = 0, total;
    for (i64 u = begin + threadIdx.x; u < end; u += THREADS) leaders += p.mate[u] >= u;
    sum_before(leaders, &total);
    if (threadIdx.x == 0) p.of_blocks[blockIdx.x] = total;
    wait_for_grid(p.counters + ARRIVED);
    int before = 0;
    for (int block = threadIdx.x; block < (int)blockIdx.x; block += THREADS)
        before += __ldcg(p.of_blocks + block);
    sum_before(before, &before);
    for (i64 from = begin; from < end; from += THREADS) {
        i64 u = from + threadIdx.x;
        int mate = u < end ? p.mate[u] : -1;
        bool leads = mate >= u && u < end;
        int c = before + sum_before(leads, &total);
        before += total;
        int room = 0;
        if (leads) {
            ((int*)p.first)[c] = (int)u;
            p.parent[u] = p.parent[mate] = c;
            double weight = p.node_weights[u];
            room = (int)(p.indptr[u + 1] - p.indptr[u]);
            if (mate != u) {
                weight += p.node_weights[mate];
                room += (int)(p.indptr[mate + 1] - p.indptr[mate]);
            }
            p.coarse_node_weights[c] = weight;
        }
        list_if_long(p, c, room);
    }
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) p.counters[NUM_COARSE] = before;
}

// The same for clusters of any size, whose number and members are known.
extern "C" __global__ void classify(Problem p) {
    int num_coarse = (int)p.counters[NUM_COARSE];
    i64 c = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    list_if_long(p, (int)c, c < num_coarse ? row_of(p, (int)c).room : 0);
}

extern "C" __global__ void count_members(const offset* indptr, const int* parent,
                                         const double* node_weights, int n, int* sizes,
                                         double* coarse_weights, int* rank) {
    i64 u = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (u >= n) return;
    int c = parent[u];
    rank[u] = atomicAdd(sizes + c, 1);
    atomicAdd(coarse_weights + c, node_weights[u]);
}

extern "C" __global__ void place_members(const offset* indptr, const int* parent, const int* rank,
                                         const int* first, int n, int* members, offset* lengths) {
    i64 u = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (u >= n) return;
    int at = first[parent[u]] + rank[u];
    members[at] = (int)u;
    lengths[at] = indptr[u + 1] - indptr[u];
}

template <class Key>
__device__ void put_in_order(Key& a, Key& b) {
    Key small = min(a, b);
    b = max(a, b);
    a = small;
}

// Sort ITEMS keys for each of LANES threads that stand together, so that each has ITEMS in a row.
template <class Key, int LANES>
__device__ void sort(Key (&keys)[ITEMS], int lane, Key* exchange) {
#pragma unroll
    for (int size = 2; size <= ITEMS * LANES; size *= 2) {
        // First each with its mirror image, then with the one half, a quarter ... further on.
#pragma unroll
        for (int half = size / 2; half > 0; half /= 2) {
            bool mirrored = half == size / 2;
            if (half < ITEMS) {
#pragma unroll
                for (int i = 0; i < ITEMS; i++) {
                    int other = mirrored ? i ^ (size - 1) : i ^ half;
                    if (other > i) put_in_order(keys[i], keys[other]);
                }
            } else {
                int distance = mirrored ? size / ITEMS - 1 : half / ITEMS;
                bool low = (lane & (half / ITEMS)) == 0;
                Key others[ITEMS];
                if (half / ITEMS < 32) {
#pragma unroll
                    for (int i = 0; i < ITEMS; i++)
                        others[i] = __shfl_xor_sync(WARP, keys[mirrored ? ITEMS - 1 - i : i],
                                                    distance);
                } else {
                    __syncthreads();
#pragma unroll
                    for (int i = 0; i < ITEMS; i++) exchange[i * LANES + lane] = keys[i];
                    __syncthreads();
#pragma unroll
                    for (int i = 0; i < ITEMS; i++)
                        others[i] = exchange[(mirrored ? ITEMS - 1 - i : i) * LANES +
                                             (lane ^ distance)];
                }
#pragma unroll
                for (int i = 0; i < ITEMS; i++)
                    keys[i] = low ? min(keys[i], others[i]) : max(keys[i], others[i]);
            }
        }
    }
}

// What a thread has of a sorted row: columns, and at the first of equal ones their sum.
struct Part {
    int columns[ITEMS];
    double sums[ITEMS];
    unsigned leads;  // which items are the first of equal ones
    int rank;        // of the first of them within the row
    int length;      // of the row
};

__device__ constexpr int bits_of(int count) { return count == 1 ? 0 : 1 + bits_of(count / 2); }

// Sort and add up a row of at most ITEMS * LANES entries; all threads of the block take part, those
// without a row with room 0.
template <class Key, int LANES>
__device__ Part merged(const Problem& p, int c, const Row& row, int lane) {
    const int BITS = bits_of(ITEMS * LANES);
    const int WARPS = LANES <= 32 ? 1 : LANES / 32, WIDTH = LANES < 32 ? LANES : 32;
    const int ROWS = LANES <= 32 ? 1 : THREADS / LANES;  // that several warps share
    __shared__ Key of_rows[ROWS][LANES > 32 ? ITEMS * LANES : 1];
    __shared__ double sums_of_rows[ROWS][WARPS], degrees_of_rows[ROWS][WARPS];
    __shared__ int counts_of_rows[ROWS][WARPS], loops_of_rows[ROWS][WARPS], last_of_rows[ROWS][WARPS];
    int of_block = LANES <= 32 ? 0 : threadIdx.x / LANES;
    Key* exchange = of_rows[of_block];
    double *shared_sums = sums_of_rows[of_block], *shared_degrees = degrees_of_rows[of_block];
    int *shared_counts = counts_of_rows[of_block], *shared_loops = loops_of_rows[of_block];
    int* shared_last = last_of_rows[of_block];
    int in_warp = lane % WIDTH, warp = lane / WIDTH;
    Key keys[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        int k = i * LANES + lane;
        keys[i] = ~(Key)0;
        if (k < row.room) {
            int column = p.parent[p.indices[entry_of(p, row, k)]];
            keys[i] = (Key)column << BITS | (Key)k;
        }
    }
    sort<Key, LANES>(keys, lane, exchange);
    Part part;
    double weights[ITEMS], degree = 0;
    int last = (int)(keys[ITEMS - 1] >> BITS);
    int previous = __shfl_up_sync(WARP, last, 1, WIDTH);
    if (LANES > 32) {
        if (in_warp == 31) shared_last[warp] = last;
        __syncthreads();
        if (in_warp == 0 && warp > 0) previous = shared_last[warp - 1];
    }
    if (lane == 0) previous = -1;
    part.leads = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        int column = (int)(keys[i] >> BITS);
        bool real = lane * ITEMS + i < row.room;
        int k = (int)(keys[i] & (Key)((1 << BITS) - 1));
        part.columns[i] = column;
        weights[i] = real ? p.weights[entry_of(p, row, k)] : 0;
        if (real && column != previous) part.leads |= 1u << i;
        previous = column;
    }
    // Sums that go on in the next threads: what those have before their first leader.
    double ahead = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        degree += weights[i];
        if (!(part.leads & ((2u << i) - 1))) ahead += weights[i];
    }
    int ends = part.leads != 0;
#pragma unroll
    for (int distance = 1; distance < WIDTH; distance *= 2) {
        double further = __shfl_down_sync(WARP, ahead, distance, WIDTH);
        int ends_there = __shfl_down_sync(WARP, ends, distance, WIDTH);
        if (in_warp + distance < WIDTH && !ends) ahead += further, ends = ends_there;
    }
    double beyond = 0;  // this warp
    if (LANES > 32) {
        if (in_warp == 0) shared_sums[warp] = ahead, shared_counts[warp] = ends;
        __syncthreads();
        for (int w = warp + 1; w < WARPS; w++) {
            beyond += shared_sums[w];
            if (shared_counts[w]) break;
        }
        if (!ends) ahead += beyond;
        __syncthreads();
    }
    double run = __shfl_down_sync(WARP, ahead, 1, WIDTH);
    if (in_warp == WIDTH - 1) run = beyond;
    double loop = 0;
    int has_loop = 0;
#pragma unroll
    for (int i = ITEMS - 1; i >= 0; i--) {
        run += weights[i];
        part.sums[i] = run;
        if (part.leads >> i & 1) {
            if (part.columns[i] == c) loop = run, has_loop = 1;
            run = 0;
        }
    }
    int count = __popc(part.leads), up_to = count;
#pragma unroll
    for (int distance = 1; distance < WIDTH; distance *= 2) {
        int before = __shfl_up_sync(WARP, up_to, distance, WIDTH);
        if (in_warp >= distance) up_to += before;
    }
    part.rank = up_to - count;
    part.length = __shfl_sync(WARP, up_to, WIDTH - 1, WIDTH);
#pragma unroll
    for (int half = WIDTH / 2; half > 0; half /= 2) {
        degree += __shfl_xor_sync(WARP, degree, half);
        loop += __shfl_xor_sync(WARP, loop, half);
        has_loop |= __shfl_xor_sync(WARP, has_loop, half);
    }
    if (LANES > 32) {
        if (in_warp == 0) {
            shared_counts[warp] = part.length, shared_degrees[warp] = degree;
            shared_loops[warp] = has_loop, shared_sums[warp] = loop;
        }
        __syncthreads();
        part.length = 0, degree = 0, loop = 0, has_loop = 0;
        for (int w = 0; w < WARPS; w++) {
            if (w < warp) part.rank += shared_counts[w];
            part.length += shared_counts[w], degree += shared_degrees[w];
            has_loop |= shared_loops[w], loop += shared_sums[w];
        }
        __syncthreads();
    }
    if (lane == 0 && c >= 0) {
        p.coarse_nodes[c] = {degree, part.length - has_loop, has_loop};
        p.coarse_loop[c] = loop;
    }
    return part;
}

// The number of entries of all tiles before this one. A warp looks back at 32 tiles at a time, until
// one of them knows what is before it.
__device__ i64 look_back(u64* tiles, int tile, int own) {
    __shared__ i64 before;
    const u64 ALL = 1ull << 63, OWN = 1ull << 62, VALUE = OWN - 1;
    int lane = threadIdx.x;
    if (lane < 32) {
        if (lane == 0) *(volatile u64*)(tiles + tile) = (tile ? OWN : ALL) | (u64)own;
        i64 sum = 0;
        for (int from = tile - 1; from >= 0; from -= 32) {
            u64 found = ALL;
            if (from >= lane)
                while ((found = *(volatile u64*)(tiles + from - lane)) == 0) __nanosleep(20);
            unsigned know_all = __ballot_sync(WARP, (found & ALL) != 0);
            int last = know_all ? __ffs((int)know_all) - 1 : 31;
            i64 value = lane <= last ? (i64)(found & VALUE) : 0;
            for (int half = 16; half > 0; half /= 2) value += __shfl_xor_sync(WARP, value, half);
            sum += value;
            if (know_all) break;
        }
        if (lane == 0) {
            *(volatile u64*)(tiles + tile) = ALL | (u64)(sum + own);
            before = sum;
        }
    }
    __syncthreads();
    i64 result = before;
    __syncthreads();
    return result;
}

// All rows in their order: short ones are merged here; those listed, merged before, get their place.
template <class Key, int LANES>
__device__ void merge_tiles(const Problem& p) {
    const int ROWS = THREADS / LANES;
    __shared__ int staged_columns[THREADS * ITEMS];
    __shared__ double staged_sums[THREADS * ITEMS];
    __shared__ int tile, any_listed;
    int num_coarse = (int)p.counters[NUM_COARSE], num_tiles = (num_coarse + ROWS - 1) / ROWS;
    int lane = threadIdx.x % LANES;
    while (true) {
        __syncthreads();
        if (threadIdx.x == 0) {
            tile = (int)atomicAdd(p.counters + NEXT_TILE, 1u);
            any_listed = 0;
        }
        __syncthreads();
        int own_tile = tile;
        if (own_tile >= num_tiles) return;
        int c = own_tile * ROWS + (int)threadIdx.x / LANES;
        bool real = c < num_coarse, listed = false;
        Row row = {0, 0, 0, 0, 0, 0};
        if (real) row = row_of(p, c);
        if (row.room > p.short_row) {
            listed = true;
            any_listed = 1;
            row = {0, 0, 0, 0, 0, 0};
        }
        Part part = merged<Key, LANES>(p, real && !listed ? c : -1, row, lane);
        if (listed) {
            Node node = p.coarse_nodes[c];
            part.length = node.neighbours + node.has_loop;
        }
        int total, before = sum_before(lane == 0 && real ? part.length : 0, &total);
        before = __shfl_sync(WARP, before, 0, LANES < 32 ? LANES : 32);
        i64 begin = look_back(p.tiles, own_tile, total);
        if (real && lane == 0) {
            p.coarse_indptr[c + 1] = (offset)(begin + before + part.length);
            if (c == 0) p.coarse_indptr[0] = 0;
            int* longest = (int*)p.counters + LONGEST;
            if (part.length > *longest) atomicMax(longest, part.length);
            if (c == num_coarse - 1) p.totals[0] = begin + total;
        }
        int to = before + part.rank;
        bool stages = !any_listed;
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
            if (!(part.leads >> i & 1)) continue;
            if (stages) {
                staged_columns[to] = part.columns[i];
                staged_sums[to] = part.sums[i];
            } else {
                p.coarse_indices[begin + to] = part.columns[i];
                p.coarse_weights[begin + to] = part.sums[i];
            }
            to++;
        }
        if (stages) {
            __syncthreads();
            for (int i = threadIdx.x; i < total; i += THREADS) {
                p.coarse_indices[begin + i] = staged_columns[i];
                p.coarse_weights[begin + i] = staged_sums[i];
            }
        }
    }
}

// Rows of one list, by so many threads each.
template <class Key, int LANES>
__device__ void merge_list(const Problem& p, int which) {
    const int ROWS = THREADS / LANES;
    int count = (int)p.counters[LENGTHS + which], lane = threadIdx.x % LANES;
    const int* list = p.lists + (i64)which * p.n;
    for (int from = blockIdx.x * ROWS; from < count; from += gridDim.x * ROWS) {
        int i = from + (int)threadIdx.x / LANES, c = i < count ? list[i] : -1;
        Row row = {0, 0, 0, 0, 0, 0};
        if (c >= 0) row = row_of(p, c);
        Part part = merged<Key, LANES>(p, c, row, lane);
        i64 to = c >= 0 ? (i64)p.room[c] + part.rank : 0;
#pragma unroll
        for (int k = 0; k < ITEMS; k++) {
            if (!(part.leads >> k & 1)) continue;
            p.columns[to] = part.columns[k];
            p.values[to++] = part.sums[k];
        }
    }
}

#define MERGE_TILES(LANES)                                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS, 5) merge_tiles_##LANES(Problem p) { \
        merge_tiles<KEY, LANES>(p);                                                            \
    }
MERGE_TILES(1)
MERGE_TILES(2)
MERGE_TILES(4)

#define MERGE_LIST(CLASS, LANES)                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) merge_list_##CLASS(Problem p) {  \
        merge_list<KEY, LANES>(p, CLASS);                                                   \
    }
MERGE_LIST(0, 16)
MERGE_LIST(1, 32)
MERGE_LIST(2, 64)
MERGE_LIST(3, 128)
MERGE_LIST(4, 256)

// The longest rows, by a block each, which notes in shared memory which columns it met: their
// number up to a column is its place in the row. More columns than it can note take several turns.
extern "C" __global__ void __launch_bounds__(LONG_THREADS) merge_long_rows(Problem p) {
    extern __shared__ __align__(16) unsigned met[];
    __shared__ int of_warps[LONG_THREADS / 32], row_number, in_turn, has_loop;
    __shared__ double degree, loop;
    int* rank = (int*)met + p.most_words;  // of the first of four words
    int t = threadIdx.x, lane = t % 32, warp = t / 32;
    int num_coarse = (int)p.counters[NUM_COARSE], count = (int)p.counters[LENGTHS + CLASSES - 1];
    const int* list = p.lists + (CLASSES - 1ll) * p.n;
    while (true) {
        __syncthreads();
        if (t == 0) {
            row_number = (int)atomicAdd(p.counters + NEXT_LONG, 1u);
            degree = loop = has_loop = 0;
        }
        __syncthreads();
        if (row_number >= count) return;
        int c = list[row_number];
        Row row = row_of(p, c);
        i64 to = (i64)p.room[c], begin = to;
        double own_degree = 0, own_loop = 0;
        for (i64 from = 0; from < num_coarse; from += 32ll * p.most_words) {
            int words = (int)min((i64)p.most_words, (num_coarse - from + 127) / 128 * 4);
            int low = (int)from, high = (int)min(from + 32ll * words, (i64)num_coarse);
            for (int w = t; w < words; w += LONG_THREADS) met[w] = 0;
            __syncthreads();
            for (int place = row.low; place < row.high; place++) {
                int u = p.members ? p.members[place] : place ? p.mate[p.first[c]] : p.first[c];
                i64 at = p.indptr[u], end = p.indptr[u + 1];
#pragma unroll 4
                for (at += t; at < end; at += LONG_THREADS) {
                    int column = p.parent[p.indices[at]];
                    if (from == 0) {
                        double weight = p.weights[at];
                        own_degree += weight;
                        if (column == c) own_loop += weight;
                    }
                    if (column >= low && column < high)
                        atomicOr(met + (column - low) / 32, 1u << (column - low) % 32);
                }
            }
            __syncthreads();
            int per_thread = (words / 4 + LONG_THREADS - 1) / LONG_THREADS * 4, own = 0;
            int first_word = min(t * per_thread, words);
            int last_word = min(first_word + per_thread, words);
            for (int w = first_word; w < last_word; w++) own += __popc(met[w]);
            int up_to = own;
            for (int distance = 1; distance < 32; distance *= 2) {
                int before = __shfl_up_sync(WARP, up_to, distance);
                if (lane >= distance) up_to += before;
            }
            if (lane == 31) of_warps[warp] = up_to;
            __syncthreads();
            if (warp == 0) {
                int of_warp = of_warps[lane], all = of_warp;
                for (int distance = 1; distance < 32; distance *= 2) {
                    int before = __shfl_up_sync(WARP, all, distance);
                    if (lane >= distance) all += before;
                }
                of_warps[lane] = all - of_warp;
                if (lane == 31) in_turn = all;
            }
            __syncthreads();
            int place_in_row = of_warps[warp] + up_to - own;
            for (int w = first_word; w < last_word; w++) {
                if (w % 4 == 0) rank[w / 4] = place_in_row;
                place_in_row += __popc(met[w]);
            }
            for (int i = t; i < in_turn; i += LONG_THREADS) p.values[to + i] = 0;
            if (t == 0 && c >= low && c < high && met[(c - low) / 32] >> (c - low) % 32 & 1)
                has_loop = 1;
            __syncthreads();
            for (int place = row.low; place < row.high; place++) {
                int u = p.members ? p.members[place] : place ? p.mate[p.first[c]] : p.first[c];
                i64 at = p.indptr[u], end = p.indptr[u + 1];
#pragma unroll 4
                for (at += t; at < end; at += LONG_THREADS) {
                    int column = p.parent[p.indices[at]] - low;
                    if (column < 0 || column >= high - low) continue;
                    int word = column / 32 % 4;
                    uint4 four = ((uint4*)met)[column / 128];
                    unsigned own_word = word == 0 ? four.x : word == 1 ? four.y
                                                 : word == 2 ? four.z : four.w;
                    int below = __popc(own_word & ((1u << column % 32) - 1));
                    below += (word > 0 ? __popc(four.x) : 0) + (word > 1 ? __popc(four.y) : 0) +
                             (word > 2 ? __popc(four.z) : 0);
                    i64 place = to + rank[column / 128] + below;
                    p.columns[place] = low + column;
                    atomicAdd(p.values + place, p.weights[at]);
                }
            }
            to += in_turn;
            __syncthreads();
        }
        for (int half = 16; half > 0; half /= 2) {
            own_degree += __shfl_xor_sync(WARP, own_degree, half);
            own_loop += __shfl_xor_sync(WARP, own_loop, half);
        }
        if (lane == 0) {
            atomicAdd(&degree, own_degree);
            atomicAdd(&loop, own_loop);
        }
        __syncthreads();
        if (t == 0) {
            p.coarse_nodes[c] = {degree, (int)(to - begin) - has_loop, has_loop};
            p.coarse_loop[c] = loop;
        }
    }
}

// Take the listed rows from their room to their place.
extern "C" __global__ void __launch_bounds__(THREADS) place_rows(Problem p) {
    const int BATCH = 4;
    i64 thread = (i64)blockIdx.x * THREADS + threadIdx.x, threads = (i64)gridDim.x * THREADS;
    for (int which = 0; which < CLASSES; which++) {
        int count = (int)p.counters[LENGTHS + which];
        int lanes = min(16 << which, THREADS), lane = threadIdx.x % lanes;
        const int* list = p.lists + (i64)which * p.n;
        for (i64 i = thread / lanes; i < count; i += threads / lanes) {
            int c = list[i];
            i64 to = p.coarse_indptr[c], from = p.room[c];
            int length = (int)(p.coarse_indptr[c + 1] - to);
            for (int k = lane; k < length; k += BATCH * lanes) {
                int columns[BATCH];
                double values[BATCH];
#pragma unroll
                for (int j = 0; j < BATCH; j++) {
                    if (k + j * lanes >= length) continue;
                    columns[j] = p.columns[from + k + j * lanes];
                    values[j] = p.values[from + k + j * lanes];
                }
#pragma unroll
                for (int j = 0; j < BATCH; j++) {
                    if (k + j * lanes >= length) continue;
                    p.coarse_indices[to + k + j * lanes] = columns[j];
                    p.coarse_weights[to + k + j * lanes] = values[j];
                }
            }
        }
    }
}
