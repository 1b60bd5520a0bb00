// The whole layer in one kernel, for small graphs on Hopper's tensor cores:
//
//     Y = f([D X | Aoff X] [W0; W1] + b),   f(y) = y, or ReLU(batch norm(y)), or either alone
//
// D and Aoff are the diagonal and the rest of one matrix for all graphs of the batch. X is read
// once and Y written once. Blocks stay: each keeps its columns of the weights in shared memory and
// takes tile after tile. A tile is a few whole graphs. One warp copies tiles into shared memory;
// two warpgroups have half of a tile's rows each, mix them in registers, straight into the layout
// that the tensor cores take as their left operand, and multiply.
//
// Options:
//   ELEMENT            0 float32 as tf32, 1 bfloat16, 2 float16, 3 float32 as three tf32 products
//   WEIGHT_ELEMENT     0 float32, or that of ELEMENT: the type of the weights in memory
//   IN, OUT            channels
//   COLUMNS            of the OUT columns, how many one block makes: 32, 64 or 128
//   NODES              of a graph
//   GRAPHS             of a tile; NODES * GRAPHS <= 128
//   STAGES             tiles in shared memory
//   MATRICES           2, or 1: a single matrix for a node and its neighbours
//   TRANSPOSED         1: with the transposed mixing matrix and the transposed weights
//   SOFTMAX            1: the values are logits; every row is normalised first

typedef unsigned int u32;
typedef unsigned long long u64;

#define HALF (ELEMENT == 1 || ELEMENT == 2)
#define THREE (ELEMENT == 3)
#define SIZE (HALF ? 2 : 4)
#define ROW_WORDS (IN * SIZE / 4)        // 32-bit words of a row of X
#define GROUPS (ROW_WORDS / 16)          // of 16 words; a thread has 4 of each
#define PER_WORD (4 / SIZE)
#define ROWS (NODES * GRAPHS)
#define HALF_ROWS (ROWS <= 64 ? ROWS : (ROWS + 1) / 2)
#define CONSUMERS 256
#define BLOCKS_OF_K (MATRICES * ROW_WORDS / 32)  // 128 bytes of a column's weights each
#define WEIGHT_WORDS (BLOCKS_OF_K * 32 * COLUMNS)
#define TILE_WORDS (ROWS * ROW_WORDS)
#define RUN (16 / SIZE)                  // consecutive columns that a thread stores at once

// ---------------------------------------------------------------------------------- small things

__device__ __forceinline__ u32 shared_address(const void* pointer) {
    return (u32)__cvta_generic_to_shared(pointer);
}

__device__ __forceinline__ float low(u32 word) {
#if ELEMENT == 2
    float x;
    asm("{.reg .b16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, a;}" : "=f"(x) : "r"(word));
    return x;
#else
    return __uint_as_float(word << 16);
#endif
}

__device__ __forceinline__ float high(u32 word) {
#if ELEMENT == 2
    float x;
    asm("{.reg .b16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, b;}" : "=f"(x) : "r"(word));
    return x;
#else
    return __uint_as_float(word & 0xffff0000u);
#endif
}

__device__ __forceinline__ u32 pack(float a, float b) {
    u32 word;
#if ELEMENT == 2
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
#endif
    return word;
}

__device__ __forceinline__ u32 to_tf32(float x) {
    u32 word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
    return word;
}

__device__ __forceinline__ void barrier_init(u64* barrier, u32 count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count));
}

__device__ __forceinline__ void barrier_arrive(u64* barrier) {
    asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

__device__ __forceinline__ void barrier_expect(u64* barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
                 "r"(bytes)
                 : "memory");
}

__device__ __forceinline__ void barrier_wait(u64* barrier, u32 parity) {
    asm volatile(
        "{.reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
        "@!done bra again;}\n" ::"r"(shared_address(barrier)),
        "r"(parity)
        : "memory");
}

__device__ __forceinline__ void copy_bytes(u32 to, const void* from, u32 bytes, u64* barrier) {
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(to), "l"(from), "r"(bytes), "r"(shared_address(barrier))
        : "memory");
}

// ------------------------------------------------------------------------------ the tensor cores

// Accumulators of 64 rows and COLUMNS columns: thread t of quad g of a warp holds, for every 8
// columns, columns 2t and 2t + 1 of rows g and g + 8.
#if ELEMENT == 1
#define MULTIPLY "k16.f32.bf16.bf16"
#define TAIL ", p, 1, 1, 0;}"
#elif ELEMENT == 2
#define MULTIPLY "k16.f32.f16.f16"
#define TAIL ", p, 1, 1, 0;}"
#else
#define MULTIPLY "k8.f32.tf32.tf32"
#define TAIL ", p, 1, 1;}"
#endif

#define R4(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define R16(i) R4(i), R4(i + 4), R4(i + 8), R4(i + 12)

__device__ __forceinline__ void multiply(float (&c)[COLUMNS / 2], u32 a0, u32 a1, u32 a2, u32 a3,
                                         u64 weights, int add) {
#if COLUMNS == 128
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128" MULTIPLY
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
        "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
        "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
        "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63},"
        "{%64,%65,%66,%67}, %68" TAIL
        : R16(0), R16(16), R16(32), R16(48)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(weights), "r"(add));
#elif COLUMNS == 64
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64" MULTIPLY
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
        "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31},"
        "{%32,%33,%34,%35}, %36" TAIL
        : R16(0), R16(16)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(weights), "r"(add));
#else
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %21, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n32" MULTIPLY
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15},"
        "{%16,%17,%18,%19}, %20" TAIL
        : R16(0)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(weights), "r"(add));
#endif
}

__device__ __forceinline__ void multiply_begin() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void multiply_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void multiply_wait(float (&c)[COLUMNS / 2]) {
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i++) asm volatile("" : "+f"(c[i])::"memory");
}

// How the tensor cores find the weights: columns of 128 bytes in groups of 8, 16-byte pieces
// exchanged by the number of the column (the 128-byte swizzle).
__device__ __forceinline__ u64 describe(u32 address) {
    return (u64)((address & 0x3ffff) >> 4) | (1ull << 16) | (64ull << 32) | (1ull << 62);
}

// ------------------------------------------------------------------------------------ preparation

// The order of the words of a row in the sum over k. A thread reads 4 consecutive words, 16q + 4t
// to 16q + 4t + 3, and gives two to one product and two to the next, as words t and t + 4 of 8: so
// word 16q + 4t + u has piece 4 (q & 1) + u of block q / 2, place t.
//
// The order of the columns: a thread holds columns 2t, 2t + 1 of every 8 and stores RUN consecutive
// ones, so column 4 RUN p + RUN t + v is number 8 (RUN / 2 p + v / 2) + 2t + v % 2.
__device__ __forceinline__ int weight_place(int word, int column) {
    int q = word / 16, t = word / 4 % 4, u = word % 4;
    int p = column / (4 * RUN), s = column / RUN % 4, v = column % RUN;
    int number = 8 * (RUN / 2 * p + v / 2) + 2 * s + v % 2;
    return (q / 2) * (32 * COLUMNS) + number * 32 + (((4 * (q & 1) + u) ^ (number & 7)) * 4) + t;
}

#if WEIGHT_ELEMENT == 0
typedef float Weight;
__device__ __forceinline__ float wide(Weight x) { return x; }
#else
typedef unsigned short Weight;
__device__ __forceinline__ float wide(Weight x) { return low(x); }
#endif

// Two k of one column, or one: a word of the right operand.
__device__ __forceinline__ void put_weight(u32* weights, int word, int column, float a, float b) {
    int place = weight_place(word, column);
#if HALF
    weights[place] = pack(a, b);
#else
    u32 rounded = to_tf32(a);
    weights[place] = rounded;
#if THREE
    weights[WEIGHT_WORDS + place] = to_tf32(a - __uint_as_float(rounded));
#endif
#endif
}

// weight: [MATRICES, C_in, C_out] of the layer. TRANSPOSED makes IN its C_out.
__device__ void load_weights(u32* weights, const Weight* __restrict__ weight, int first_column) {
    constexpr int words = MATRICES * ROW_WORDS;
#if TRANSPOSED
    // k is the fast axis in memory: lanes take 4 places t and 8 columns.
    constexpr int items = words / 4 * COLUMNS;
#pragma unroll 8
    for (int item = threadIdx.x; item < items; item += blockDim.x) {
        int t = item & 3, c = item >> 2;
        int column = c % COLUMNS, q = c / COLUMNS;
        int word = 16 * q + 4 * t;
        int matrix = word / ROW_WORDS;
        const Weight* from =
            weight + ((long long)matrix * OUT + first_column + column) * IN +
            (word - matrix * ROW_WORDS) * PER_WORD;
#if WEIGHT_ELEMENT == 0 && !HALF
        float4 four = *reinterpret_cast<const float4*>(from);
        put_weight(weights, word, column, four.x, 0);
        put_weight(weights, word + 1, column, four.y, 0);
        put_weight(weights, word + 2, column, four.z, 0);
        put_weight(weights, word + 3, column, four.w, 0);
#else
#pragma unroll
        for (int u = 0; u < 4; u++)
            put_weight(weights, word + u, column, wide(from[u * PER_WORD]),
                       wide(from[u * PER_WORD + PER_WORD - 1]));
#endif
    }
#else
    // Columns are the fast axis: lanes take 4 runs of 4 columns and 8 words that fall into
    // different banks.
    constexpr int items = words * (COLUMNS / 4);
#pragma unroll 8
    for (int item = threadIdx.x; item < items; item += blockDim.x) {
        int four_of = item & 3, rest = item >> 2;
        int b = rest & 1, t = (rest >> 1) & 3;
        rest >>= 3;
        int column = 16 * (rest % (COLUMNS / 16)) + 4 * four_of;
        int pair = rest / (COLUMNS / 16);
        int word = 16 * (pair >> 1) + 4 * t + 2 * (pair & 1) + b;
        int matrix = word / ROW_WORDS;
        const Weight* from = weight +
                             ((long long)matrix * IN + (word - matrix * ROW_WORDS) * PER_WORD) * OUT +
                             first_column + column;
        float values[2][4];
#pragma unroll
        for (int k = 0; k < PER_WORD; k++) {
#if WEIGHT_ELEMENT == 0
            float4 four = *reinterpret_cast<const float4*>(from + k * OUT);
            values[k][0] = four.x, values[k][1] = four.y, values[k][2] = four.z,
            values[k][3] = four.w;
#else
#pragma unroll
            for (int v = 0; v < 4; v++) values[k][v] = wide(from[k * OUT + v]);
#endif
        }
#pragma unroll
        for (int v = 0; v < 4; v++)
            put_weight(weights, word, column + v, values[0][v], values[PER_WORD - 1][v]);
    }
#endif
}

struct __align__(8) Entry {
    int offset;   // of the neighbour's row in its graph, in words
    float value;
};

// Past the end of a row: nothing of the row itself.
__device__ __forceinline__ Entry entry_of(const Entry* entries, int place, int end, int home) {
    Entry entry = {home, 0.0f};
    if (place < end) entry = entries[place];
    return entry;
}

// The entries of every row without its diagonal (with MATRICES 1: all), and the diagonal.
__device__ void load_entries(Entry* entries, float* values, float* diagonal, int* starts,
                             const float* __restrict__ given, const long long* __restrict__ indptr,
                             const long long* __restrict__ columns,
                             const long long* __restrict__ loops,
                             const long long* __restrict__ mirror) {
    for (int i = threadIdx.x; i < NODES; i += blockDim.x) {
        int begin = (int)indptr[i], end = (int)indptr[i + 1];
        float highest = __int_as_float(0xff800000), sum = 0;
#if SOFTMAX
        for (int e = begin; e < end; e++) highest = fmaxf(highest, given[e]);
        for (int e = begin; e < end; e++) sum += expf(given[e] - highest);
#endif
        for (int e = begin; e < end; e++) {
            values[e] = SOFTMAX ? expf(given[e] - highest) / sum : given[e];
        }
        starts[i] = MATRICES == 2 ? begin - i : begin;
        if (i == NODES - 1) starts[NODES] = MATRICES == 2 ? end - NODES : end;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < NODES; i += blockDim.x) {
        int begin = (int)indptr[i], end = (int)indptr[i + 1], loop = (int)loops[i];
        diagonal[i] = values[loop];
        int place = starts[i];
        for (int e = begin; e < end; e++) {
            if (MATRICES == 2 && e == loop) continue;
            entries[place].offset = (int)columns[e] * ROW_WORDS;
            entries[place].value = values[TRANSPOSED ? (int)mirror[e] : e];
            place++;
        }
    }
}

// ---------------------------------------------------------------------------------------- mixing

// A thread's share of a row: 4 of every 16 words. Quads of even number read the words of an even
// group first and those of odd number the words of the odd one, so that no two fall into the same
// banks. `turn` puts them into order.
#define SUMS (GROUPS * 4 * PER_WORD)

__device__ __forceinline__ void add_four(float (&sums)[SUMS], int q, uint4 four, float value) {
    u32 words[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int u = 0; u < 4; u++) {
#if HALF
        sums[8 * q + 2 * u] += value * low(words[u]);
        sums[8 * q + 2 * u + 1] += value * high(words[u]);
#else
        sums[4 * q + u] += value * __uint_as_float(words[u]);
#endif
    }
}

__device__ __forceinline__ void add_rows(float (&sums)[2][SUMS], const u32* first,
                                         const u32* second, int odd, float one, float other) {
#pragma unroll
    for (int q = 0; q < GROUPS; q++) {
        uint4 here = *reinterpret_cast<const uint4*>(first + 16 * (q ^ odd));
        uint4 there = *reinterpret_cast<const uint4*>(second + 16 * (q ^ odd));
        add_four(sums[0], q, here, one);
        add_four(sums[1], q, there, other);
    }
}

// The sums as words of the left operand, in order; `rest` is what rounding took away.
__device__ __forceinline__ void turn(const float (&sums)[SUMS], int odd, u32 (&words)[4 * GROUPS],
                                     u32* rest) {
#pragma unroll
    for (int q = 0; q < GROUPS; q++) {
#pragma unroll
        for (int u = 0; u < 4; u++) {
#if HALF
            u32 here = pack(sums[8 * q + 2 * u], sums[8 * q + 2 * u + 1]);
            u32 there = pack(sums[8 * (q ^ 1) + 2 * u], sums[8 * (q ^ 1) + 2 * u + 1]);
            words[4 * q + u] = odd ? there : here;
#else
            float x = odd ? sums[4 * (q ^ 1) + u] : sums[4 * q + u];
            words[4 * q + u] = to_tf32(x);
            if (THREE) rest[4 * q + u] = to_tf32(x - __uint_as_float(words[4 * q + u]));
#endif
        }
    }
}

// Multiply the rows g and g + 8 with the weights of one matrix.
__device__ __forceinline__ void multiply_rows(float (&c)[COLUMNS / 2],
                                              const u32 (&first)[4 * GROUPS],
                                              const u32 (&second)[4 * GROUPS], u64 weights,
                                              int add) {
#pragma unroll
    for (int step = 0; step < 2 * GROUPS; step++) {
        int w = 4 * (step / 2) + 2 * (step % 2);
        u64 here = weights + (step / 4) * (32 * COLUMNS * 4 / 16) + (step % 4) * 2;
        multiply(c, first[w], second[w], first[w + 1], second[w + 1], here, add || step > 0);
    }
}

// ---------------------------------------------------------------------------------------- kernel

#if HALF
typedef unsigned short Element;
#else
typedef float Element;
#endif

extern "C" __global__ void __launch_bounds__(CONSUMERS + 128, 1)
semgconv_whole(const Element* __restrict__ x, long long x_graph, long long x_node,
               Element* __restrict__ y, long long y_graph, long long y_node, long long batch,
               const float* __restrict__ given, const Weight* __restrict__ weight,
               const float* __restrict__ bias, const float* __restrict__ mean,
               const float* __restrict__ variance, const float* __restrict__ gain,
               const float* __restrict__ offset, double epsilon,
               const long long* __restrict__ indptr, const long long* __restrict__ columns,
               const long long* __restrict__ loops, const long long* __restrict__ mirror,
               Entry* scratch, long long entries_in_all, long long relu) {
    extern __shared__ __align__(1024) u32 memory[];
    u32* weights = memory;
    u32* tiles = weights + (THREE ? 2 : 1) * WEIGHT_WORDS;
    float* scale = reinterpret_cast<float*>(tiles + STAGES * TILE_WORDS);
    float* shift = scale + COLUMNS;
    float* diagonal = shift + COLUMNS;
    int* starts = reinterpret_cast<int*>(diagonal + NODES);
    u64* full = reinterpret_cast<u64*>(starts + NODES + 2 + (NODES & 0));
    full = reinterpret_cast<u64*>((reinterpret_cast<u64>(full) + 7) / 8 * 8);
    u64* empty = full + STAGES;
    Entry* entries = reinterpret_cast<Entry*>(empty + STAGES);
    if (scratch != nullptr) entries = scratch + (blockIdx.y * gridDim.x + blockIdx.x) * 2 * entries_in_all;
    float* values = reinterpret_cast<float*>(entries + entries_in_all);

    int first_column = blockIdx.y * COLUMNS;
    long long num_tiles = (batch + GRAPHS - 1) / GRAPHS;
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            barrier_init(full + s, 1);
            barrier_init(empty + s, CONSUMERS / 32);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();

    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    auto fetch = [&](long long tile, int stage) {
        long long graph = tile * GRAPHS;
        int graphs = (int)(batch - graph < GRAPHS ? batch - graph : GRAPHS);
        int rows = graphs * NODES;
        if (lane == 0) barrier_expect(full + stage, rows * ROW_WORDS * 4);
        __syncwarp();
        for (int row = lane; row < rows; row += 32) {
            const Element* from = x + (graph + row / NODES) * x_graph + (row % NODES) * x_node;
            copy_bytes(shared_address(tiles + stage * TILE_WORDS + row * ROW_WORDS), from,
                       ROW_WORDS * 4, full + stage);
        }
    };
    // The first tiles come while the weights are prepared.
    if (warp == CONSUMERS / 32) {
        long long tile = blockIdx.x;
        for (int s = 0; s < STAGES && tile < num_tiles; s++, tile += gridDim.x) fetch(tile, s);
    }
    load_entries(entries, values, diagonal, starts, given, indptr, columns, loops, mirror);
    load_weights(weights, weight, first_column);
    for (int c = threadIdx.x; c < COLUMNS; c += blockDim.x) {
        int column = first_column + c;
        float factor = 1, addend = bias == nullptr ? 0 : bias[column];
        if (mean != nullptr) {
            factor = 1 / sqrtf(variance[column] + (float)epsilon);
            if (gain != nullptr) factor *= gain[column];
            addend = (addend - mean[column]) * factor;
            if (offset != nullptr) addend += offset[column];
        }
        scale[c] = factor;
        shift[c] = addend;
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();

    if (warp >= CONSUMERS / 32) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        if (warp > CONSUMERS / 32) return;
        long long tile = blockIdx.x + (long long)STAGES * gridDim.x;
        for (int turn_of = 0; tile < num_tiles; turn_of++, tile += gridDim.x) {
            int stage = turn_of % STAGES;
            barrier_wait(empty + stage, (turn_of / STAGES) & 1);
            fetch(tile, stage);
        }
    } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    int group = warp / 4;  // a warpgroup has half of the rows
    int quad = lane / 4, t = lane % 4, odd = quad & 1;
    int in_half = (warp % 4) * 16 + quad;
    int row_of[2], begin[2], end[2], base[2], home[2];
    [[maybe_unused]] float own[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int inside = in_half + 8 * r;
        int row = group * HALF_ROWS + inside;
        bool valid = inside < HALF_ROWS && row < ROWS;
        row_of[r] = valid ? row : -1;
        int node = valid ? row % NODES : 0;
        base[r] = valid ? (row - node) * ROW_WORDS + 4 * t : 4 * t;
        home[r] = node * ROW_WORDS;
        begin[r] = valid ? starts[node] : 0;
        end[r] = valid ? starts[node + 1] : 0;
        own[r] = valid ? diagonal[node] : 0.0f;
    }
    int longest = max(end[0] - begin[0], end[1] - begin[1]);
    bool idle = group * HALF_ROWS >= ROWS || (ROWS <= 64 && group == 1);
    u64 described = describe(shared_address(weights));
    constexpr u64 next_matrix = (ROW_WORDS / 32) * (32 * COLUMNS * 4 / 16);
    [[maybe_unused]] constexpr u64 next_part = WEIGHT_WORDS * 4 / 16;

    long long tile = blockIdx.x;
    for (int turn_of = 0; tile < num_tiles; turn_of++, tile += gridDim.x) {
        int stage = turn_of % STAGES;
        barrier_wait(full + stage, (turn_of / STAGES) & 1);
        if (idle) {
            if (lane == 0) barrier_arrive(empty + stage);
            continue;
        }
        const u32* rows = tiles + stage * TILE_WORDS;
        float c[COLUMNS / 2];
        u32 a[2][4 * GROUPS], rest[2][THREE ? 4 * GROUPS : 1];
        float sums[2][SUMS] = {};
        // The next entries are on their way while those at hand are added.
        Entry one = entry_of(entries, begin[0], end[0], home[0]);
        Entry other = entry_of(entries, begin[1], end[1], home[1]);
#pragma unroll 1
        for (int e = 0; e < longest; e++) {
            Entry next_one = entry_of(entries, begin[0] + e + 1, end[0], home[0]);
            Entry next_other = entry_of(entries, begin[1] + e + 1, end[1], home[1]);
            add_rows(sums, rows + base[0] + one.offset, rows + base[1] + other.offset, odd,
                     one.value, other.value);
            one = next_one, other = next_other;
        }
#pragma unroll
        for (int r = 0; r < 2; r++) turn(sums[r], odd, a[r], rest[r]);
        u64 others = described + (MATRICES - 1) * next_matrix;
        multiply_begin();
        multiply_rows(c, a[0], a[1], others, 0);
#if THREE
        multiply_rows(c, a[0], a[1], others + next_part, 1);
        multiply_rows(c, rest[0], rest[1], others, 1);
#endif
        multiply_commit();
#if MATRICES == 2
        u32 own_a[2][4 * GROUPS], own_rest[2][THREE ? 4 * GROUPS : 1];
        float own_sums[2][SUMS] = {};
        add_rows(own_sums, rows + base[0] + home[0], rows + base[1] + home[1], odd, own[0], own[1]);
#pragma unroll
        for (int r = 0; r < 2; r++) turn(own_sums[r], odd, own_a[r], own_rest[r]);
        __syncwarp();
        if (lane == 0) barrier_arrive(empty + stage);
#if THREE
        multiply_wait(c);
#endif
        multiply_begin();
        multiply_rows(c, own_a[0], own_a[1], described, 1);
#if THREE
        multiply_rows(c, own_a[0], own_a[1], described + next_part, 1);
        multiply_rows(c, own_rest[0], own_rest[1], described, 1);
#endif
        multiply_commit();
#else
        __syncwarp();
        if (lane == 0) barrier_arrive(empty + stage);
#endif
        multiply_wait(c);

#pragma unroll
        for (int r = 0; r < 2; r++) {
            long long graph = tile * GRAPHS + row_of[r] / NODES;
            if (row_of[r] < 0 || graph >= batch) continue;
            Element* to = y + graph * y_graph + (row_of[r] % NODES) * y_node + first_column + RUN * t;
#pragma unroll
            for (int p = 0; p < COLUMNS / (4 * RUN); p++) {
                float out[RUN];
#pragma unroll
                for (int v = 0; v < RUN; v++) {
                    int column = 4 * RUN * p + RUN * t + v;
                    float x = c[4 * (RUN / 2 * p + v / 2) + 2 * r + v % 2];
                    x = x * scale[column] + shift[column];
                    out[v] = relu && x < 0 ? 0 : x;
                }
                uint4 four;
#if HALF
                four = make_uint4(pack(out[0], out[1]), pack(out[2], out[3]), pack(out[4], out[5]),
                                  pack(out[6], out[7]));
#else
                four = make_uint4(__float_as_uint(out[0]), __float_as_uint(out[1]),
                                  __float_as_uint(out[2]), __float_as_uint(out[3]));
#endif
                *reinterpret_cast<uint4*>(to + 4 * RUN * p) = four;
            }
        }
    }
    }
}
