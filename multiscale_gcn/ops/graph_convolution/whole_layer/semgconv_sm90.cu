// The whole layer in one kernel, for small graphs on Hopper's tensor cores:
//
//     Y = f([D X | Aoff X] [W0; W1] + b),   f(y) = y, or ReLU(batch norm(y)), or either alone
//
// D and Aoff are the diagonal and the rest of one matrix for all graphs of the batch. X is read
// once and Y written once. Blocks stay: each keeps its columns of the weights in shared memory and
// takes tile after tile. A tile is a few whole graphs. One warpgroup copies tiles into shared memory;
// two warpgroups have half of a tile's rows each, mix them in registers, straight into the layout
// that the tensor cores take as their left operand, and multiply.
//
// Options, beside those of sm90.cuh:
//   IN, OUT            channels
//   WIDTH              of the OUT columns, how many one block makes
//   GRAPHS             of a tile; NODES * GRAPHS <= 128
//   STAGES             tiles in shared memory

#include "sm90.cuh"
#include "forward.cuh"

#define ROWS (NODES * GRAPHS)
#define HALF_ROWS (ROWS <= 64 ? ROWS : (ROWS + 1) / 2)
#define BLOCKS_OF_K (MATRICES * ROW_WORDS / 32)  // 128 bytes of a column's weights each
#define WEIGHT_WORDS (BLOCKS_OF_K * 32 * WIDTH)
#define TILE_WORDS (ROWS * ROW_WORDS)

// ------------------------------------------------------------------------------------ preparation

// The order of the words of a row in the sum over k. A thread reads 4 consecutive words, 16q + 4t
// to 16q + 4t + 3, and gives two to one product and two to the next, as words t and t + 4 of 8: so
// word 16q + 4t + u has piece 4 (q & 1) + u of block q / 2, place t.
__device__ __forceinline__ int weight_place(int word, int column) {
    int q = word / 16, t = word / 4 % 4, u = word % 4;
    int number = number_of(column);
    return (q / 2) * (32 * WIDTH) + number * 32 + (((4 * (q & 1) + u) ^ (number & 7)) * 4) + t;
}

// Two k of one column, or one: a word of the right operand.
__device__ __forceinline__ void put_weight(u32* weights, int word, int column, float a, float b) {
    int place = weight_place(word, column);
#if HALF
    weights[place] = pack(a, b);
#else
    weights[place] = to_tf32(a);
#if THREE
    weights[WEIGHT_WORDS + place] = remainder_of(a);
#endif
#endif
}

// weight: [MATRICES, IN, OUT].
__device__ void load_weights(u32* weights, const Weight* __restrict__ weight, int first_column) {
    constexpr int words = MATRICES * ROW_WORDS;
    // Columns are the fast axis: lanes take 4 runs of 4 columns and 8 words that fall into
    // different banks.
    constexpr int items = words * (WIDTH / 4);
#pragma unroll 8
    for (int item = threadIdx.x; item < items; item += CONSUMERS) {
        int four_of = item & 3, rest = item >> 2;
        int b = rest & 1, t = (rest >> 1) & 3;
        rest >>= 3;
        int column = 16 * (rest % (WIDTH / 16)) + 4 * four_of;
        int pair = rest / (WIDTH / 16);
        int word = 16 * (pair >> 1) + 4 * t + 2 * (pair & 1) + b;
        int matrix = word / ROW_WORDS;
        const Weight* from = weight +
                             ((i64)matrix * IN + (word - matrix * ROW_WORDS) * PER_WORD) * OUT +
                             first_column + column;
        float values[2][4];
        read_weights(values, from);
#pragma unroll
        for (int v = 0; v < 4; v++)
            put_weight(weights, word, column + v, values[0][v], values[PER_WORD - 1][v]);
    }
}

// ---------------------------------------------------------------------------------------- mixing

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
            if (THREE) rest[4 * q + u] = remainder_of(x);
#endif
        }
    }
}

// Multiply the rows g and g + 8 with the weights of one matrix.
__device__ __forceinline__ void multiply_rows(float (&c)[WIDTH / 2],
                                              const u32 (&first)[4 * GROUPS],
                                              const u32 (&second)[4 * GROUPS], u64 weights,
                                              int add) {
#pragma unroll
    for (int step = 0; step < 2 * GROUPS; step++) {
        int w = 4 * (step / 2) + 2 * (step % 2);
        u64 here = weights + (step / 4) * (32 * WIDTH * 4 / 16) + (step % 4) * 2;
        multiply(c, first[w], second[w], first[w + 1], second[w + 1], here, add || step > 0);
    }
}

// 32-bit results go past the first cache, which may hold the entries: halves do better through it.
__device__ __forceinline__ void put_four(Element* to, uint4 four) {
#if HALF
    *reinterpret_cast<uint4*>(to) = four;
#else
    asm volatile("st.global.L1::no_allocate.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(four.x),
                 "r"(four.y), "r"(four.z), "r"(four.w)
                 : "memory");
#endif
}

// ---------------------------------------------------------------------------------------- kernel

extern "C" __global__ void __launch_bounds__(CONSUMERS + PRODUCERS, 1)
semgconv_whole(const Element* __restrict__ x, i64 x_graph, i64 x_node,
               Element* __restrict__ y, i64 y_graph, i64 y_node, i64 batch,
               const float* __restrict__ given, const Weight* __restrict__ weight,
               const float* __restrict__ bias, const float* __restrict__ mean,
               const float* __restrict__ variance, const float* __restrict__ gain,
               const float* __restrict__ offset, double epsilon,
               const i64* __restrict__ indptr, const i64* __restrict__ rows_of_entries,
               const i64* __restrict__ columns, const i64* __restrict__ loops,
               Entry* scratch, i64 entries_in_all, i64 relu) {
    extern __shared__ __align__(1024) u32 memory[];
    u32* weights = memory;
    u32* tiles = weights + (THREE ? 2 : 1) * WEIGHT_WORDS;
    float* scale = reinterpret_cast<float*>(tiles + STAGES * TILE_WORDS);
    float* shift = scale + WIDTH;
    float* diagonal = shift + WIDTH;
    int* starts = reinterpret_cast<int*>(diagonal + NODES);
    u64* full = reinterpret_cast<u64*>(starts + NODES + 2);
    full = reinterpret_cast<u64*>((reinterpret_cast<u64>(full) + 7) / 8 * 8);
    u64* empty = full + STAGES;
    Entry* entries = reinterpret_cast<Entry*>(empty + STAGES);
    if (scratch != nullptr) entries = scratch + (blockIdx.y * gridDim.x + blockIdx.x) * 2 * entries_in_all;
    float* values = reinterpret_cast<float*>(entries + entries_in_all);

    int first_column = blockIdx.y * WIDTH;
    i64 num_tiles = (batch + GRAPHS - 1) / GRAPHS;
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            barrier_init(full + s, 1);
            barrier_init(empty + s, CONSUMERS / 32);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();

    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bool produces = threadIdx.x >= CONSUMERS;
    auto fetch_tile = [&](i64 tile, int stage) {
        i64 graph = tile * GRAPHS;
        int graphs = (int)(batch - graph < GRAPHS ? batch - graph : GRAPHS);
        fetch(tiles + stage * TILE_WORDS, ROW_WORDS, x + graph * x_graph, x_graph, x_node,
              graphs * NODES, ROW_WORDS, full + stage);
    };
    if (produces) {
        i64 tile = blockIdx.x;
        for (int s = 0; s < STAGES && tile < num_tiles; s++, tile += gridDim.x) fetch_tile(tile, s);
        load_values(values, given, indptr, (int)entries_in_all);
        load_rows(starts, diagonal, values, indptr, loops);
        load_entries(entries, values, rows_of_entries, columns, loops, (int)entries_in_all);
    } else {
        load_weights(weights, weight, first_column);
        for (int c = threadIdx.x; c < WIDTH; c += CONSUMERS) {
            Affine f = affine_of(first_column + c, bias, mean, variance, gain, offset, epsilon);
            scale[c] = f.factor, shift[c] = f.addend;
        }
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    }
    __syncthreads();

    if (produces) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        i64 tile = blockIdx.x + (i64)STAGES * gridDim.x;
        for (int turn_of = 0; tile < num_tiles; turn_of++, tile += gridDim.x) {
            int stage = turn_of % STAGES;
            barrier_wait(empty + stage, (turn_of / STAGES) & 1);
            fetch_tile(tile, stage);
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
    constexpr u64 next_matrix = (ROW_WORDS / 32) * (32 * WIDTH * 4 / 16);
    [[maybe_unused]] constexpr u64 next_part = WEIGHT_WORDS * 4 / 16;

    i64 tile = blockIdx.x;
    for (int turn_of = 0; tile < num_tiles; turn_of++, tile += gridDim.x) {
        int stage = turn_of % STAGES;
        barrier_wait(full + stage, (turn_of / STAGES) & 1);
        if (idle) {
            if (lane == 0) barrier_arrive(empty + stage);
            continue;
        }
        const u32* rows = tiles + stage * TILE_WORDS;
        float c[WIDTH / 2];
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
            i64 graph = tile * GRAPHS + row_of[r] / NODES;
            if (row_of[r] < 0 || graph >= batch) continue;
            Element* to = y + graph * y_graph + (row_of[r] % NODES) * y_node + first_column + RUN * t;
#pragma unroll
            for (int p = 0; p < WIDTH / (4 * RUN); p++) {
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
                put_four(to + 4 * RUN * p, four);
            }
        }
    }
    }
}
