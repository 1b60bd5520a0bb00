// All gradients of a layer in one pass over X and dY, for small graphs on any tensor cores since compute
// capability 8.0:
//
//     G = dY W^T for either matrix,   dX = D G0 + Aoff^T G1,
//     dD_i = <G0_i, X_i>,   dA_ij = <G1_i, X_j>,   dW = [D X | Aoff X]^T dY,   db = sum of dY
//
// A block has COLUMNS of the IN channels: of W, X, dX and so of G and dW. Blocks stay and take tile
// after tile of whole graphs; sums over the batch are kept in registers and shared memory, and written
// once for every block. A second kernel adds them up, in a fixed order.
//
// In one tile:
//     1. A warp has G of 16 rows. G1 goes to shared memory.
//     2. Entry by entry, X_j and G1_j are read once each: dA, Aoff X and dX.
//     3. P = [D X | Aoff X] goes to shared memory, and every warp has a part of dW = P^T dY.
//
// Options, beside those of portable.cuh (WIDTH = MATRICES * COLUMNS):
//   IN, OUT      channels of X and of dY; OUT is 64 or 128
//   GRAPHS       of a tile; NODES * GRAPHS <= 128
//   STAGES       tiles in shared memory

#define WARPS 8
#define THREADS (32 * WARPS)
#define X_WORDS 32                          // of a row of X, 128 bytes
#define COLUMNS (X_WORDS * PER_WORD)

#include "portable.cuh"
#include "backward.cuh"

#define ROWS (NODES * GRAPHS)
#define PADDED ((ROWS + 15) / 16 * 16)      // rows of the sum over rows; those behind are 0
#define UP_WORDS (OUT / PER_WORD)           // of a row of dY
#define P_WORDS (MATRICES * X_WORDS)
#define UP_TILE (PADDED * UP_WORDS)
#define X_TILE (ROWS * X_WORDS)
#define SUMS (2 * RUN)                      // channels of a row that a thread has
#define STEP (8 * PER_WORD)                 // rows of one step of dW
#define PARTS_OF_P (WIDTH / 16)             // 16 channels each, and of dY, among the warps
#define PARTS_OF_UP (WARPS / PARTS_OF_P < OUT / 32 ? WARPS / PARTS_OF_P : OUT / 32)
#define UP_PART (OUT / PARTS_OF_UP)

// -------------------------------------------------------------------------------- preparation

// The right operand of G: columns are those of both matrices, k is the channel of dY.
__device__ void load_weights(u32* weights, const Weight* __restrict__ weight, int first_column) {
#pragma unroll 4
    for (int item = threadIdx.x; item < WIDTH * UP_WORDS / 4; item += THREADS) {
        int column = item % WIDTH, word = item / WIDTH * 4;
        float k[4 * PER_WORD];
        read_weights(k, weight +
                            ((i64)(column / COLUMNS) * IN + first_column + column % COLUMNS) * OUT +
                            word * PER_WORD);
        u32 words[4];
#pragma unroll
        for (int u = 0; u < 4; u++) {
#if HALF
            words[u] = pack(k[2 * u], k[2 * u + 1]);
#else
            words[u] = THREE ? __float_as_uint(k[u]) : to_tf32(k[u]);
#endif
        }
#pragma unroll
        for (int u = 0; u < 4; u += 2)
            *reinterpret_cast<uint2*>(weights + weight_place(word + u, column)) =
                make_uint2(words[u], words[u + 1]);
    }
}

// In rows of dY and P, words are exchanged by the number of the row: so 2 rows of 4 pieces of 16 bytes,
// and 4 rows of 2 pieces, lie in different banks.
__device__ __forceinline__ int exchange(int row) { return (row & 1) << 4 | (row & 2) << 2; }

// Rows that are not there are 0.
__device__ void fetch(u32* up_tile, u32* x_tile, const Element* up, i64 up_graph, i64 up_node,
                      const Element* x, i64 x_graph, i64 x_node, int rows) {
    for (int item = threadIdx.x; item < UP_TILE / 4; item += THREADS) {
        int row = item / (UP_WORDS / 4), piece = item % (UP_WORDS / 4);
        bool there = row < rows;
        const Element* from = up + row / NODES * up_graph + row % NODES * up_node + RUN * piece;
        copy_ahead<16>(up_tile + row * UP_WORDS + ((4 * piece) ^ exchange(row)), there ? from : up,
                       there);
    }
    for (int item = threadIdx.x; item < rows * (X_WORDS / 4); item += THREADS) {
        int row = item / (X_WORDS / 4), piece = item % (X_WORDS / 4);
        copy_ahead<16>(x_tile + 4 * item,
                       x + row / NODES * x_graph + row % NODES * x_node + RUN * piece, true);
    }
}

// ---------------------------------------------------------------------------------------- tiles

// A thread has two pieces of a row of X, of 16 bytes. Quads of odd number have them exchanged, so that
// the two that read shared memory at once read different banks.
__device__ __forceinline__ int piece_of(int t, int h) { return HALF ? 4 * h + t : 2 * t + h; }

__device__ __forceinline__ void read_channels(float (&channels)[2][RUN], const u32* row, int t,
                                              int odd) {
#pragma unroll
    for (int h = 0; h < 2; h++)
        widen(channels[h], *reinterpret_cast<const uint4*>(row + 4 * piece_of(t, h ^ odd)));
}

// One entry of one row: dA, and what it adds to Aoff X and dX.
__device__ __forceinline__ float take(const u32* x, const u32* g, int t, int odd, Entry entry,
                                      const float (&upstream)[2][RUN], float (&mixed)[2][RUN],
                                      float (&down)[2][RUN]) {
    float there[2][RUN], back[2][RUN], dot = 0;
    read_channels(there, x + entry.offset, t, odd);
    read_channels(back, g + entry.offset, t, odd);
#pragma unroll
    for (int h = 0; h < 2; h++) {
#pragma unroll
        for (int v = 0; v < RUN; v++) {
            dot += upstream[h][v] * there[h][v];
            mixed[h][v] += entry.value * there[h][v];
            down[h][v] += entry.mirrored * back[h][v];
        }
    }
    return dot;
}

// Of G, the channels of one row and matrix that the thread has.
__device__ __forceinline__ void take_channels(float (&channels)[2][RUN],
                                              const float (&g)[WIDTH / 32][4][4], int matrix, int r,
                                              int odd) {
    const int first = matrix * COLUMNS / 32;
#pragma unroll
    for (int h = 0; h < 2; h++) {
#pragma unroll
        for (int v = 0; v < RUN; v++) {
#if HALF
            float here = g[first + h][v % 4][2 * r + v / 4];
            float there = g[first + 1 - h][v % 4][2 * r + v / 4];
#else
            float here = g[first][v][2 * r + h], there = g[first][v][2 * r + 1 - h];
#endif
            channels[h][v] = odd ? there : here;
        }
    }
}

// To a row of P.
__device__ __forceinline__ void put_mixed(u32* row, int matrix, int t, int odd, int exchanged,
                                          const float (&channels)[2][RUN]) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
        u32 words[4];
#pragma unroll
        for (int u = 0; u < 4; u++) {
#if HALF
            words[u] = pack(channels[h][2 * u], channels[h][2 * u + 1]);
#else
            words[u] = THREE ? __float_as_uint(channels[h][u]) : to_tf32(channels[h][u]);
#endif
        }
        int word = matrix * X_WORDS + 4 * piece_of(t, h ^ odd);
        *reinterpret_cast<uint4*>(row + (word ^ exchanged)) =
            make_uint4(words[0], words[1], words[2], words[3]);
    }
}

__device__ __forceinline__ u32 rounded(u32 word) {
    return HALF || THREE ? word : to_tf32(__uint_as_float(word));
}

// The lower and the upper halves of two words.
__device__ __forceinline__ u32 lower(u32 a, u32 b) { return (a & 0xffff) | b << 16; }
__device__ __forceinline__ u32 upper(u32 a, u32 b) { return a >> 16 | (b & 0xffff0000u); }

// Of P, channels 2g and 2g + 1 of rows t and t + 4, and with halves of t + 8 and t + 12.
__device__ __forceinline__ void left_operand(u32 (&a)[4], const u32* p) {
#pragma unroll
    for (int part = 0; part < 2; part++) {
        const u32* row = p + 4 * part * P_WORDS;
#if HALF
        u32 one = *row, other = row[8 * P_WORDS];
        a[2 * part] = lower(one, other), a[2 * part + 1] = upper(one, other);
#else
        uint2 two = *reinterpret_cast<const uint2*>(row);
        a[2 * part] = two.x, a[2 * part + 1] = two.y;
#endif
    }
}

// Of dY, 4 columns of row t, and with halves of t + 8.
__device__ __forceinline__ uint4 columns_of(const u32* up) {
#if HALF
    uint2 one = *reinterpret_cast<const uint2*>(up);
    uint2 other = *reinterpret_cast<const uint2*>(up + 8 * UP_WORDS);
    return make_uint4(lower(one.x, other.x), upper(one.x, other.x), lower(one.y, other.y),
                      upper(one.y, other.y));
#else
    return *reinterpret_cast<const uint4*>(up);
#endif
}

__device__ __forceinline__ uint4 rounded(uint4 four) {
    return make_uint4(rounded(four.x), rounded(four.y), rounded(four.z), rounded(four.w));
}

// Those of several rows.
__device__ __forceinline__ void add_columns(float (&sums)[4], uint4 four) {
    u32 words[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int v = 0; v < 4; v++)
        sums[v] += HALF ? low(words[v]) + high(words[v]) : __uint_as_float(words[v]);
}

// ---------------------------------------------------------------------------------------- kernel

extern "C" __global__ void __launch_bounds__(THREADS)
semgconv_portable_backward(
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
    extern __shared__ __align__(128) u32 memory[];
    const int count = (int)entries_in_all;
    u32* weights = memory;
    u32* mixed = weights + UP_WORDS * WIDTH;
    u32* ups = mixed + PADDED * P_WORDS;
    u32* xs = ups + STAGES * UP_TILE;
    u32* gs = xs + STAGES * X_TILE;
    Entry* entries = reinterpret_cast<Entry*>(gs + X_TILE);
    float* values = reinterpret_cast<float*>(entries + count);
    float* value_sums = values + count;
    float* diagonal = value_sums + GRAPHS * count;
    int* starts = reinterpret_cast<int*>(diagonal + NODES);

    const int first_column = blockIdx.y * COLUMNS;
    const i64 num_tiles = (batch + GRAPHS - 1) / GRAPHS;
    auto rows_of = [&](i64 tile) {
        i64 left = batch - tile * GRAPHS;
        return (int)(left < GRAPHS ? left : GRAPHS) * NODES;
    };
    auto fetch_tile = [&](i64 tile, int stage) {
        if (tile < num_tiles)
            fetch(ups + stage * UP_TILE, xs + stage * X_TILE, up + tile * GRAPHS * up_graph,
                  up_graph, up_node, x + tile * GRAPHS * x_graph + first_column, x_graph, x_node,
                  rows_of(tile));
        copies_end();
    };
#pragma unroll
    for (int s = 0; s < STAGES; s++) fetch_tile(blockIdx.x + (i64)s * gridDim.x, s);
    load_weights(weights, weight, first_column);
    for (int e = threadIdx.x; e < GRAPHS * count; e += THREADS) value_sums[e] = 0;
    load_values(values, given, indptr, count);
    load_rows(starts, diagonal, values, indptr, loops);
    load_entries(entries, values, rows_of_entries, columns, loops, mirror, count);
    __syncthreads();

    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int quad = lane / 4, t = lane % 4, odd = quad & 1;
    const bool has_rows = 16 * warp < ROWS;
    int row_of[2], begin[2], end[2], home[2], base[2];
    [[maybe_unused]] int loop[2];
    float own_value[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int row = 16 * warp + quad + 8 * r;
        bool valid = row < ROWS;
        row_of[r] = valid ? row : -1;
        int node = valid ? row % NODES : 0;
        home[r] = node * X_WORDS;
        base[r] = (valid ? row - node : 0) * X_WORDS;
        begin[r] = valid ? starts[node] : 0;
        end[r] = valid ? starts[node + 1] : 0;
        own_value[r] = valid ? diagonal[node] : 0.0f;
        loop[r] = valid ? (int)loops[node] : 0;
    }
    // Of the whole warp, whose threads add up together.
    const int longest = __reduce_max_sync(0xffffffff, max(end[0] - begin[0], end[1] - begin[1]));
    const int part_of_p = warp % PARTS_OF_P, part_of_up = warp / PARTS_OF_P;
    const bool has_weights = part_of_up < PARTS_OF_UP;

    float for_weight[UP_PART / 32][4][4] = {}, for_bias[UP_PART / 32][4] = {};
    int stage = 0;
    for (i64 tile = blockIdx.x; tile < num_tiles; tile += gridDim.x) {
        const int rows_here = rows_of(tile);
        const u32* up_tile = ups + stage * UP_TILE;
        const u32* x_tile = xs + stage * X_TILE;
        wait_for_copies<STAGES - 1>();
        __syncthreads();

        // 1. G
        float upstream[2][2][RUN], below[2][2][RUN];
        float* sums[2];
        bool counts[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            sums[r] = value_sums + max(row_of[r], 0) / NODES * count;
            counts[r] = row_of[r] >= 0 && row_of[r] < rows_here;
        }
        if (has_rows) {
            float g[WIDTH / 32][4][4] = {};
            const u32* up_row = up_tile + (16 * warp + quad) * UP_WORDS;
            const u32* right = weights + weight_place(4 * t, 4 * quad);
            const int next_piece = weight_place(4 * t, 4 * quad + 2) - weight_place(4 * t, 4 * quad);
#pragma unroll 1
            for (int q = 0; q < UP_WORDS / 16; q++) {
                u32 left[2][4];  // of either product
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    uint4 four = rounded(*reinterpret_cast<const uint4*>(
                        up_row + 8 * r * UP_WORDS + ((16 * q + 4 * t) ^ exchange(quad))));
                    left[0][r] = four.x, left[0][r + 2] = four.y;
                    left[1][r] = four.z, left[1][r + 2] = four.w;
                }
#pragma unroll
                for (int s = 0; s < 2; s++) {
#pragma unroll
                    for (int p = 0; p < WIDTH / 32; p++) {
                        const u32* here = right + (16 * q + 2 * s) * WIDTH + 64 * p;
                        multiply_weights(g[p], left[s], here, here + next_piece);
                    }
                }
            }
#pragma unroll
            for (int r = 0; r < 2; r++) {
                take_channels(upstream[r], g, MATRICES - 1, r, odd);
                if (row_of[r] >= 0) {
#pragma unroll
                    for (int h = 0; h < 2; h++)
                        *reinterpret_cast<uint4*>(gs + row_of[r] * X_WORDS +
                                                  4 * piece_of(t, h ^ odd)) = narrow(upstream[r][h]);
                }
                float own[2][RUN] = {};
#if MATRICES == 2
                float here[2][RUN], dot = 0;
                take_channels(own, g, 0, r, odd);
                read_channels(here, x_tile + base[r] + home[r], t, odd);
#pragma unroll
                for (int h = 0; h < 2; h++) {
#pragma unroll
                    for (int v = 0; v < RUN; v++) dot += own[h][v] * here[h][v];
                }
                dot = sum_of_quad(dot);
                if (t == 0 && counts[r]) sums[r][loop[r]] += dot;
#endif
#pragma unroll
                for (int h = 0; h < 2; h++) {
#pragma unroll
                    for (int v = 0; v < RUN; v++)
                        below[r][h][v] = MATRICES == 2 ? own_value[r] * own[h][v] : 0;
                }
            }
        }
        __syncthreads();

        // 2. The entries
        if (has_rows) {
            float neighbours[2][2][RUN] = {};
#pragma unroll 1
            for (int e = 0; e < longest; e++) {
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    Entry entry = entry_of(entries, begin[r] + e, end[r], home[r]);
                    float dot = sum_of_quad(take(x_tile + base[r], gs + base[r], t, odd, entry,
                                                 upstream[r], neighbours[r], below[r]));
                    if (t == 0 && counts[r] && entry.place >= 0) sums[r][entry.place] += dot;
                }
            }
#pragma unroll
            for (int r = 0; r < 2; r++) {
                if (counts[r] && down != nullptr) {
                    const i64 graph = tile * GRAPHS + row_of[r] / NODES;
                    Element* to = down + graph * down_graph + row_of[r] % NODES * down_node +
                                  first_column;
#pragma unroll
                    for (int h = 0; h < 2; h++)
                        *reinterpret_cast<uint4*>(to + RUN * piece_of(t, h ^ odd)) =
                            narrow(below[r][h]);
                }
                float here[2][RUN];
                read_channels(here, x_tile + base[r] + home[r], t, odd);
#pragma unroll
                for (int h = 0; h < 2; h++) {
#pragma unroll
                    for (int v = 0; v < RUN; v++) {
                        here[h][v] = counts[r] ? own_value[r] * here[h][v] : 0;
                        neighbours[r][h][v] = counts[r] ? neighbours[r][h][v] : 0;
                    }
                }
                u32* row = mixed + (16 * warp + quad + 8 * r) * P_WORDS;
                if (MATRICES == 2) put_mixed(row, 0, t, odd, exchange(quad), here);
                put_mixed(row, MATRICES - 1, t, odd, exchange(quad), neighbours[r]);
            }
        }
        __syncthreads();

        // 3. The weights
        if (has_weights) {
            const u32* p_row =
                mixed + t * P_WORDS + ((16 * part_of_p + 2 * quad) / PER_WORD ^ exchange(t));
            const u32* y_row = up_tile + t * UP_WORDS;
#pragma unroll 2
            for (int row = 0; row < PADDED; row += STEP) {
                u32 left[4];
                left_operand(left, p_row + row * P_WORDS);
#pragma unroll
                for (int p = 0; p < UP_PART / 32; p++) {
                    const int column = part_of_up * UP_PART + 32 * p + 4 * quad;
                    const u32* here = y_row + row * UP_WORDS + (column / PER_WORD ^ exchange(t));
                    uint4 first = columns_of(here), second = columns_of(here + 4 * UP_WORDS);
                    uint4 b0 = rounded(first), b1 = rounded(second);
                    u32 right[4][2] = {{b0.x, b1.x}, {b0.y, b1.y}, {b0.z, b1.z}, {b0.w, b1.w}};
                    multiply_columns(for_weight[p], left, right);
                    if (part_of_p == 0) {
                        add_columns(for_bias[p], first);
                        add_columns(for_bias[p], second);
                    }
                }
            }
        }
        __syncthreads();  // everybody has read the tile
        fetch_tile(tile + (i64)STAGES * gridDim.x, stage);
        stage = stage + 1 == STAGES ? 0 : stage + 1;
    }

    if (has_weights) {
#pragma unroll
        for (int p = 0; p < UP_PART / 32; p++) {
            const int column = part_of_up * UP_PART + 32 * p;
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const int place = 16 * part_of_p + 2 * quad + r;
                float* to = weight_parts + (i64)blockIdx.x * MATRICES * IN * OUT +
                            ((i64)(place / COLUMNS) * IN + first_column + place % COLUMNS) * OUT +
                            column + 8 * t;
                auto& c = for_weight[p];
                *reinterpret_cast<float4*>(to) =
                    make_float4(c[0][2 * r], c[1][2 * r], c[2][2 * r], c[3][2 * r]);
                *reinterpret_cast<float4*>(to + 4) = make_float4(
                    c[0][2 * r + 1], c[1][2 * r + 1], c[2][2 * r + 1], c[3][2 * r + 1]);
            }
            if (part_of_p == 0) {
#pragma unroll
                for (int v = 0; v < 4; v++) for_bias[p][v] = sum_of_quad(for_bias[p][v]);
                if (blockIdx.y == 0 && t == 0) {
#pragma unroll
                    for (int v = 0; v < 4; v++)
                        bias_parts[blockIdx.x * OUT + column + 4 * quad + v] = for_bias[p][v];
                }
            }
        }
    }
    for (int e = threadIdx.x; e < count; e += THREADS) {
        float sum = 0;
        for (int graph = 0; graph < GRAPHS; graph++) sum += value_sums[graph * count + e];
        value_parts[((i64)blockIdx.x * gridDim.y + blockIdx.y) * count + e] = sum;
    }
}

#include "adding_up.cuh"
