// All gradients of a layer in one pass over X and dY, for small graphs on Hopper's tensor cores.
//
//     G = dY W^T for either matrix,   dX = D G0 + Aoff^T G1,
//     dD_i = <G0_i, X_i>,   dA_ij = <G1_i, X_j>,   dW = [D X | Aoff X]^T dY,   db = sum of dY
//
// A block has COLUMNS of the IN channels: of W, X, dX and so of G and dW. Blocks stay and take tile
// after tile of whole graphs; sums over the batch are kept in registers and shared memory, and written
// once for every block. A second kernel adds them up, in a fixed order.
//
// In one tile:
//     1. G of a warpgroup's rows, dY from registers. G1 goes to shared memory.
//     2. Entry by entry, X_j and G1_j are read once each: dA, Aoff X and dX.
//     3. [D X | Aoff X], transposed, goes where G1 was, as the right operand of dW = dY^T [...].
//
// Options, beside those of sm90.cuh (WIDTH = MATRICES * COLUMNS):
//   IN, OUT      channels of X and of dY
//   COLUMNS      of the IN columns, how many one block has
//   GRAPHS       of a tile; NODES * GRAPHS <= 128
//   STAGES       tiles in shared memory

#include "sm90.cuh"

#define ROWS (NODES * GRAPHS)
#define HALF_ROWS ((ROWS + 1) / 2)
#define DEPTH ((HALF_ROWS + 15) / 16 * 16)  // rows of a half in the sum over rows; the rest is 0
#define DEPTH_WORDS (2 * DEPTH / PER_WORD)
#define UP_WORDS (OUT / PER_WORD)           // of a row of dY
#define UP_PITCH (UP_WORDS + 16)            // neighbouring rows lie in different halves of the banks
#define UP_GROUPS (UP_WORDS / 16)
#define X_WORDS (COLUMNS / PER_WORD)
#define GROUPS (X_WORDS / 16)
#define SUMS (GROUPS * RUN)                 // channels of a row that a thread has
#define COPIES (THREE ? 2 : 1)
#define WEIGHT_WORDS (UP_WORDS * WIDTH)
#define MIXED_WORDS ((DEPTH_WORDS + 31) / 32 * 32 * WIDTH)
#define G_WORDS (ROWS * X_WORDS)
#define MIXED_OR_G (COPIES * MIXED_WORDS > G_WORDS ? COPIES * MIXED_WORDS : G_WORDS)
#define UP_TILE (ROWS * UP_PITCH)
#define X_TILE (ROWS * X_WORDS)

#include "backward.cuh"

__device__ __forceinline__ void consumers_wait() {
    asm volatile("bar.sync 1, %0;" ::"n"(CONSUMERS) : "memory");
}

// -------------------------------------------------------------------------------- preparation

// The right operand of G: columns are those of both matrices, k is the channel of dY. A thread reads
// 4 consecutive words of dY, 16q + 4t to 16q + 4t + 3, and gives two to one product and two to the
// next, so word 16q + 4t + u has piece 4 (q & 1) + u of block q / 2, place t.
__device__ void load_weights(u32* weights, const Weight* __restrict__ weight, int first_column) {
    constexpr int items = WIDTH * UP_WORDS / 4;
#pragma unroll 4
    for (int item = threadIdx.x; item < items; item += CONSUMERS) {
        int t = item & 3, rest = item >> 2;
        int column = rest % WIDTH, q = rest / WIDTH;
        int matrix = column / COLUMNS, channel = column % COLUMNS;
        int number = matrix * COLUMNS + number_of(channel);
        const Weight* from = weight + ((i64)matrix * IN + first_column + channel) * OUT +
                             (16 * q + 4 * t) * PER_WORD;
        float k[4 * PER_WORD];
        read_weights(k, from);
        u32* to = weights + (q / 2) * (32 * WIDTH) + number * 32 + t;
#pragma unroll
        for (int u = 0; u < 4; u++) {
            int piece = ((4 * (q & 1) + u) ^ (number & 7)) * 4;
#if HALF
            to[piece] = pack(k[2 * u], k[2 * u + 1]);
#else
            to[piece] = to_tf32(k[u]);
            if (THREE) to[WEIGHT_WORDS + piece] = remainder_of(k[u]);
#endif
        }
    }
}

// ---------------------------------------------------------------------------------------- tiles

// One entry of one row: dA, and what it adds to Aoff X and dX.
__device__ __forceinline__ float take(const u32* x, const u32* g, int odd, Entry entry,
                                      const float (&upstream)[SUMS], float (&mixed)[SUMS],
                                      float (&down)[SUMS]) {
    float dot = 0;
#pragma unroll
    for (int q = 0; q < GROUPS; q++) {
        float there[RUN], back[RUN];
        widen(there, *reinterpret_cast<const uint4*>(x + entry.offset + 16 * (q ^ odd)));
        widen(back, *reinterpret_cast<const uint4*>(g + entry.offset + 16 * (q ^ odd)));
#pragma unroll
        for (int v = 0; v < RUN; v++) {
            dot += upstream[RUN * q + v] * there[v];
            mixed[RUN * q + v] += entry.value * there[v];
            down[RUN * q + v] += entry.mirrored * back[v];
        }
    }
    return dot;
}

// Rows k and k + 8 of one matrix, transposed, to the right operand of dW: k is below 8 in a block of
// 16. Numbers of columns end in 2t and 2t + 1, so that the quads of a warp write to different banks.
__device__ __forceinline__ void put_mixed(u32* mixed, int matrix, int k, int odd, int t,
                                          const float (&first)[SUMS],
                                          const float (&second)[SUMS]) {
    int word = HALF ? k / 16 * 8 + k % 8 : k;  // with halves, k and k + 8 are one word
    u32* to = mixed + word / 32 * (32 * WIDTH) + (matrix * COLUMNS + 2 * t) * 32 + word % 4;
    int piece = word % 32 / 4;
#pragma unroll
    for (int q = 0; q < GROUPS; q++) {
#pragma unroll
        for (int v = 0; v < RUN; v++) {
            u32* here = to + (RUN / 2 * (q ^ odd) + v / 2) * (8 * 32) + v % 2 * 32;
            int s = RUN * q + v, swizzle = 2 * t + v % 2;
            int place = (piece ^ swizzle) * 4;
#if HALF
            here[place] = pack(first[s], second[s]);
#else
            int next = (piece + 2 ^ swizzle) * 4;
            here[place] = to_tf32(first[s]);
            here[next] = to_tf32(second[s]);
            if (THREE) {
                here[MIXED_WORDS + place] = remainder_of(first[s]);
                here[MIXED_WORDS + next] = remainder_of(second[s]);
            }
#endif
        }
    }
}

// A step of dW: OUT channels 2g and 2g + 1 of a warp's 16, and the k of threads t and t + 4.
struct Left {
    u32 a[4];
    float channel[2];  // the sums for the gradient of the bias
};

__device__ __forceinline__ Left left_operand(const u32* up, int step, int t, int rows_here,
                                             u32 (&rest)[4]) {
    Left left = {};
#pragma unroll
    for (int part = 0; part < 2; part++) {
        float channels[2][2];  // of one row, or of rows k and k + 8
#pragma unroll
        for (int r = 0; r < PER_WORD; r++) {
            int half = 8 * PER_WORD * step / DEPTH;
            int inside = 8 * PER_WORD * step % DEPTH + 4 * part + 8 * r + t;
            int row = half * HALF_ROWS + inside;
            bool valid = inside < HALF_ROWS && row < rows_here;
#if HALF
            u32 word = valid ? up[row * UP_PITCH] : 0;
            channels[r][0] = low(word), channels[r][1] = high(word);
#else
            float2 two = *reinterpret_cast<const float2*>(up + row * UP_PITCH);
            channels[r][0] = valid ? two.x : 0, channels[r][1] = valid ? two.y : 0;
#endif
            left.channel[0] += channels[r][0], left.channel[1] += channels[r][1];
        }
#pragma unroll
        for (int c = 0; c < 2; c++) {
#if HALF
            left.a[2 * part + c] = pack(channels[0][c], channels[1][c]);
#else
            left.a[2 * part + c] = to_tf32(channels[0][c]);
            if (THREE) rest[2 * part + c] = remainder_of(channels[0][c]);
#endif
        }
    }
    return left;
}

// Where the operand of a step of 8 words begins.
__device__ __forceinline__ u64 step_of(u64 described, int step) {
    return described + step / 4 * (32 * WIDTH * 4 / 16) + step % 4 * 2;
}

// ---------------------------------------------------------------------------------------- kernel

extern "C" __global__ void __launch_bounds__(CONSUMERS + PRODUCERS, 1)
semgconv_whole_backward(
    const Element* __restrict__ x, i64 x_graph, i64 x_node, const Element* __restrict__ up,
    i64 up_graph, i64 up_node, Element* __restrict__ down, i64 down_graph, i64 down_node, i64 batch,
    const float* __restrict__ given, const Weight* __restrict__ weight,
    const i64* __restrict__ indptr, const i64* __restrict__ rows_of_entries,
    const i64* __restrict__ columns, const i64* __restrict__ loops,
    const i64* __restrict__ mirror, i64 entries_in_all,
    float* __restrict__ value_parts,   // [gridDim.x, gridDim.y, entries]
    float* __restrict__ weight_parts,  // [gridDim.x, MATRICES, IN, OUT]
    float* __restrict__ bias_parts     // [gridDim.x, OUT]
) {
    extern __shared__ __align__(1024) u32 memory[];
    const int count = (int)entries_in_all;
    u32* weights = memory;
    u32* mixed = weights + COPIES * WEIGHT_WORDS;
    u32* ups = mixed + MIXED_OR_G;
    u32* xs = ups + STAGES * UP_TILE;
    u64* full_up = reinterpret_cast<u64*>(xs + STAGES * X_TILE);
    u64 *empty_up = full_up + STAGES, *full_x = full_up + 2 * STAGES, *empty_x = full_up + 3 * STAGES;
    Entry* entries = reinterpret_cast<Entry*>(full_up + 4 * STAGES);
    float* values = reinterpret_cast<float*>(entries + count);
    float* value_sums = values + count;
    float* diagonal = value_sums + GRAPHS * count;
    int* starts = reinterpret_cast<int*>(diagonal + NODES);

    const int first_column = blockIdx.y * COLUMNS;
    const i64 num_tiles = (batch + GRAPHS - 1) / GRAPHS;
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            barrier_init(full_up + s, 1);
            barrier_init(full_x + s, 1);
            barrier_init(empty_up + s, CONSUMERS / 32);
            barrier_init(empty_x + s, CONSUMERS / 32);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();

    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bool produces = threadIdx.x >= CONSUMERS;
    auto rows_of = [&](i64 tile) {
        i64 left = batch - tile * GRAPHS;
        return (int)(left < GRAPHS ? left : GRAPHS) * NODES;
    };
    auto fetch_x = [&](i64 tile, int stage) {
        fetch(xs + stage * X_TILE, X_WORDS, x + tile * GRAPHS * x_graph + first_column, x_graph,
              x_node, rows_of(tile), X_WORDS, full_x + stage);
    };
    auto fetch_up = [&](i64 tile, int stage) {
        fetch(ups + stage * UP_TILE, UP_PITCH, up + tile * GRAPHS * up_graph, up_graph, up_node,
              rows_of(tile), UP_WORDS, full_up + stage);
    };
    if (produces) {
        i64 tile = blockIdx.x;
        for (int s = 0; s < STAGES && tile < num_tiles; s++, tile += gridDim.x) {
            fetch_up(tile, s);
            fetch_x(tile, s);
        }
        load_values(values, given, indptr, count);
        load_rows(starts, diagonal, values, indptr, loops);
        load_entries(entries, values, rows_of_entries, columns, loops, mirror, count);
    } else {
        load_weights(weights, weight, first_column);
        for (int e = threadIdx.x; e < GRAPHS * count; e += CONSUMERS) value_sums[e] = 0;
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    }
    __syncthreads();

    if (produces) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        i64 tile = blockIdx.x + (i64)STAGES * gridDim.x;
        for (int turn_of = 0; tile < num_tiles; turn_of++, tile += gridDim.x) {
            int stage = turn_of % STAGES, parity = turn_of / STAGES & 1;
            // Memory works while there is no room yet.
            prefetch(x + tile * GRAPHS * x_graph + first_column, x_graph, x_node, rows_of(tile),
                     X_WORDS);
            prefetch(up + tile * GRAPHS * up_graph, up_graph, up_node, rows_of(tile), UP_WORDS);
            barrier_wait(empty_x + stage, parity);
            fetch_x(tile, stage);
            barrier_wait(empty_up + stage, parity);
            fetch_up(tile, stage);
        }
    } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    const int group = warp / 4, quarter = warp % 4;  // a warpgroup has half of the rows
    const int quad = lane / 4, t = lane % 4, odd = quad & 1;
    int row_of[2], begin[2], end[2], home[2], base[2];
    float own_value[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int inside = 16 * quarter + quad + 8 * r, row = group * HALF_ROWS + inside;
        bool valid = inside < HALF_ROWS && row < ROWS;
        row_of[r] = valid ? row : -1;
        int node = valid ? row % NODES : 0;
        home[r] = node * X_WORDS;
        base[r] = (valid ? row - node : 0) * X_WORDS + 4 * t;
        begin[r] = valid ? starts[node] : 0;
        end[r] = valid ? starts[node + 1] : 0;
        own_value[r] = valid ? diagonal[node] : 0.0f;
    }
    // Of the whole warp, whose threads add up together.
    const int longest =
        __reduce_max_sync(0xffffffff, max(end[0] - begin[0], end[1] - begin[1]));
    [[maybe_unused]] int loop[2];
#pragma unroll
    for (int r = 0; r < 2; r++) loop[r] = row_of[r] < 0 ? 0 : (int)loops[row_of[r] % NODES];
    const u64 weights_at = describe(shared_address(weights));
    const u64 mixed_at = describe(shared_address(mixed));
    [[maybe_unused]] constexpr u64 next_weights = WEIGHT_WORDS * 4 / 16;
    [[maybe_unused]] constexpr u64 next_mixed = MIXED_WORDS * 4 / 16;
    const bool has_columns = 64 * group < OUT;  // of the warpgroup, in dW
    const int out_channel = 64 * group + 16 * quarter + 2 * quad;

    float for_weight[WIDTH / 2] = {}, for_bias[2] = {};
    i64 tile = blockIdx.x;
    for (int turn_of = 0; tile < num_tiles; turn_of++, tile += gridDim.x) {
        const int stage = turn_of % STAGES, parity = turn_of / STAGES & 1;
        const int rows_here = rows_of(tile);
        const u32* up_tile = ups + stage * UP_TILE;
        const u32* x_tile = xs + stage * X_TILE;

        // 1. G
        float g[WIDTH / 2];
        barrier_wait(full_up + stage, parity);
#pragma unroll
        for (int q = 0; q < UP_GROUPS; q++) {
            u32 words[2][4];
            [[maybe_unused]] u32 rest[2][4];
#pragma unroll
            for (int r = 0; r < 2; r++) {
                uint4 four = *reinterpret_cast<const uint4*>(
                    up_tile + max(row_of[r], 0) * UP_PITCH + 16 * q + 4 * t);
                u32 raw[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
                for (int u = 0; u < 4; u++) {
#if HALF
                    words[r][u] = raw[u];
#else
                    words[r][u] = to_tf32(__uint_as_float(raw[u]));
                    if (THREE) rest[r][u] = remainder_of(__uint_as_float(raw[u]));
#endif
                }
            }
            multiply_begin();
#pragma unroll
            for (int s = 0; s < 2; s++) {
                const u64 at = step_of(weights_at, 2 * q + s);
                multiply(g, words[0][2 * s], words[1][2 * s], words[0][2 * s + 1],
                         words[1][2 * s + 1], at, q + s > 0);
#if THREE
                multiply(g, words[0][2 * s], words[1][2 * s], words[0][2 * s + 1],
                         words[1][2 * s + 1], at + next_weights, 1);
                multiply(g, rest[0][2 * s], rest[1][2 * s], rest[0][2 * s + 1], rest[1][2 * s + 1],
                         at, 1);
#endif
            }
        }
        multiply_commit();
        multiply_wait(g);
        // Quads of odd number have the groups of 16 words in pairs exchanged, so that the two that
        // read shared memory at once read different banks.
        float upstream[2][SUMS], below[2][SUMS], own[2][SUMS];
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int q = 0; q < GROUPS; q++) {
#pragma unroll
                for (int v = 0; v < RUN; v++) {
                    const int at = 4 * (RUN / 2 * q + v / 2) + 2 * r + v % 2;
                    const int other = 4 * (RUN / 2 * (q ^ 1) + v / 2) + 2 * r + v % 2;
                    const int second = (MATRICES - 1) * COLUMNS / 2;
                    upstream[r][RUN * q + v] = odd ? g[second + other] : g[second + at];
                    own[r][RUN * q + v] = MATRICES == 1 ? 0 : odd ? g[other] : g[at];
                    below[r][RUN * q + v] = own_value[r] * own[r][RUN * q + v];
                }
            }
        }
        consumers_wait();  // nothing multiplies with the previous tile's mixed rows any more
#pragma unroll
        for (int r = 0; r < 2; r++) {
            if (row_of[r] < 0) continue;
#pragma unroll
            for (int q = 0; q < GROUPS; q++)
                *reinterpret_cast<uint4*>(mixed + row_of[r] * X_WORDS + 4 * t + 16 * (q ^ odd)) =
                    narrow(upstream[r] + RUN * q);
        }
        barrier_wait(full_x + stage, parity);
        consumers_wait();

        // 2. The entries
        float neighbours[2][SUMS] = {};
        float* sums[2];
        bool counts[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            sums[r] = value_sums + max(row_of[r], 0) / NODES * count;
            counts[r] = row_of[r] >= 0 && row_of[r] < rows_here;
        }
#if MATRICES == 2
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float dot = 0;
#pragma unroll
            for (int q = 0; q < GROUPS; q++) {
                float here[RUN];
                widen(here, *reinterpret_cast<const uint4*>(x_tile + base[r] + home[r] +
                                                            16 * (q ^ odd)));
#pragma unroll
                for (int v = 0; v < RUN; v++) dot += own[r][RUN * q + v] * here[v];
            }
            dot = sum_of_quad(dot);
            if (t == 0 && counts[r]) sums[r][loop[r]] += dot;
        }
#endif
#pragma unroll 1
        for (int e = 0; e < longest; e++) {
            Entry one = entry_of(entries, begin[0] + e, end[0], home[0]);
            Entry other = entry_of(entries, begin[1] + e, end[1], home[1]);
            float dots[2] = {
                take(x_tile + base[0], mixed + base[0], odd, one, upstream[0], neighbours[0],
                     below[0]),
                take(x_tile + base[1], mixed + base[1], odd, other, upstream[1], neighbours[1],
                     below[1]),
            };
            dots[0] = sum_of_quad(dots[0]), dots[1] = sum_of_quad(dots[1]);
            if (t == 0 && counts[0] && one.place >= 0) sums[0][one.place] += dots[0];
            if (t == 0 && counts[1] && other.place >= 0) sums[1][other.place] += dots[1];
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            if (!counts[r] || down == nullptr) continue;
            const i64 graph = tile * GRAPHS + row_of[r] / NODES;
            Element* to = down + graph * down_graph + row_of[r] % NODES * down_node + first_column +
                          RUN * t;
#pragma unroll
            for (int q = 0; q < GROUPS; q++)
                *reinterpret_cast<uint4*>(to + 4 * RUN * (q ^ odd)) = narrow(below[r] + RUN * q);
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int q = 0; q < GROUPS; q++) {
                float here[RUN];
                widen(here, *reinterpret_cast<const uint4*>(x_tile + base[r] + home[r] +
                                                            16 * (q ^ odd)));
#pragma unroll
                for (int v = 0; v < RUN; v++) {
                    const int s = RUN * q + v;
                    own[r][s] = counts[r] ? own_value[r] * here[v] : 0;
                    neighbours[r][s] = counts[r] ? neighbours[r][s] : 0;
                }
            }
        }
        __syncwarp();
        if (lane == 0) barrier_arrive(empty_x + stage);
        consumers_wait();  // nobody reads G1 any more

        // 3. The weights
        if (16 * quarter < DEPTH) {
            const int k = group * DEPTH + 16 * quarter + quad;
            if (MATRICES == 2) put_mixed(mixed, 0, k, odd, t, own[0], own[1]);
            put_mixed(mixed, MATRICES - 1, k, odd, t, neighbours[0], neighbours[1]);
        }
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        consumers_wait();
        if (has_columns) {
#pragma unroll
            for (int step = 0; step < DEPTH_WORDS / 8; step++) {
                [[maybe_unused]] u32 rest[4];
                Left left = left_operand(up_tile + out_channel / PER_WORD, step, t, rows_here, rest);
                const u64 at = step_of(mixed_at, step);
                multiply_begin();
                multiply(for_weight, left.a[0], left.a[1], left.a[2], left.a[3], at, 1);
#if THREE
                multiply(for_weight, left.a[0], left.a[1], left.a[2], left.a[3], at + next_mixed, 1);
                multiply(for_weight, rest[0], rest[1], rest[2], rest[3], at, 1);
#endif
                for_bias[0] += left.channel[0], for_bias[1] += left.channel[1];
            }
            multiply_commit();
        }
        __syncwarp();
        if (lane == 0) barrier_arrive(empty_up + stage);
        multiply_wait(for_weight);
    }

    if (has_columns) {
        float* to = weight_parts + (i64)blockIdx.x * MATRICES * IN * OUT + out_channel;
#pragma unroll
        for (int p = 0; p < WIDTH / 8; p++) {
            const int matrix = p / (COLUMNS / 8), inside = p % (COLUMNS / 8);
#pragma unroll
            for (int v = 0; v < 2; v++) {
                const int channel =
                    4 * RUN * (inside / (RUN / 2)) + RUN * t + 2 * (inside % (RUN / 2)) + v;
                float2 two = make_float2(for_weight[4 * p + v], for_weight[4 * p + 2 + v]);
                *reinterpret_cast<float2*>(to + (matrix * IN + first_column + channel) * OUT) = two;
            }
        }
        for_bias[0] = sum_of_quad(for_bias[0]), for_bias[1] = sum_of_quad(for_bias[1]);
        if (blockIdx.y == 0 && t == 0) {
            bias_parts[blockIdx.x * OUT + out_channel] = for_bias[0];
            bias_parts[blockIdx.x * OUT + out_channel + 1] = for_bias[1];
        }
    }
    consumers_wait();
    for (int e = threadIdx.x; e < count; e += CONSUMERS) {
        float sum = 0;
        for (int graph = 0; graph < GRAPHS; graph++) sum += value_sums[graph * count + e];
        value_parts[((i64)blockIdx.x * gridDim.y + blockIdx.y) * count + e] = sum;
    }
    }
}

#include "adding_up.cuh"
