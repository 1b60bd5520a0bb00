// The whole layer in one kernel, for small graphs on any tensor cores since compute capability 8.0:
//
//     Y = f([D X | Aoff X] [W0; W1] + b),   f(y) = y, or ReLU(batch norm(y)), or either alone
//
// D and Aoff are the diagonal and the rest of one matrix for all graphs of the batch. Blocks stay: each
// keeps its columns of the weights in shared memory and takes tile after tile. A tile is a few whole
// graphs. A warp mixes 16 rows in registers, straight into the layout that the tensor cores take as
// their left operand; then the next tile may come, while the rows are multiplied with 32 or 64 columns
// at a time.
//
// Options, beside those of forward.cuh:
//   WIDTH              of the OUT columns, how many one block makes: 32, 64 or 128
//   GRAPHS             of a tile; NODES * GRAPHS <= 128
//   STAGES             tiles in shared memory
//   SPLIT              warps that share the columns of the same 16 rows, and mix them each

#define ROWS (NODES * GRAPHS)
#define THREADS ((ROWS + 15) / 16 * SPLIT * 32)

#include "portable.cuh"
#include "forward.cuh"

#define WEIGHT_WORDS (MATRICES * ROW_WORDS * WIDTH)
#define TILE_WORDS (ROWS * ROW_WORDS)
#define AT_ONCE (WIDTH / SPLIT >= 64 && !THREE ? 64 : 32)  // columns that a warp multiplies

// ------------------------------------------------------------------------------------ preparation

// weight: [MATRICES, IN, OUT].
__device__ void load_weights(u32* weights, const Weight* __restrict__ weight) {
#pragma unroll 4
    for (int item = threadIdx.x; item < WEIGHT_WORDS / 8; item += THREADS) {
        int column = item % (WIDTH / 4) * 4, word = item / (WIDTH / 4) * 2;
        u32 words[4][2];
#pragma unroll
        for (int b = 0; b < 2; b++) {
            float values[2][4];
            read_weights(values, weight + (i64)(word + b) * PER_WORD * OUT + column);
#pragma unroll
            for (int v = 0; v < 4; v++) {
#if HALF
                words[v][b] = pack(values[0][v], values[1][v]);
#else
                words[v][b] = THREE ? __float_as_uint(values[0][v]) : to_tf32(values[0][v]);
#endif
            }
        }
#pragma unroll
        for (int v = 0; v < 4; v += 2)
            *reinterpret_cast<uint4*>(weights + weight_place(word, column + v)) =
                make_uint4(words[v][0], words[v][1], words[v + 1][0], words[v + 1][1]);
    }
}

__device__ void fetch(u32* tile, const Element* from, i64 graph_step, i64 node_step, int rows) {
    constexpr int pieces = ROW_WORDS / 4;
    for (int item = threadIdx.x; item < rows * pieces; item += THREADS) {
        int row = item / pieces, piece = item % pieces;
        copy_ahead<16>(tile + 4 * item,
                       from + row / NODES * graph_step + row % NODES * node_step + RUN * piece, true);
    }
}

// ------------------------------------------------------------------------------------ multiplying

// The sums as words of the left operand, in order.
__device__ __forceinline__ void put_in_order(const float (&sums)[SUMS], int odd,
                                             u32 (&words)[4 * GROUPS]) {
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
            words[4 * q + u] = THREE ? __float_as_uint(x) : to_tf32(x);
#endif
        }
    }
}

// The rows g and g + 8, and AT_ONCE columns, with the weights of one matrix.
__device__ __forceinline__ void multiply_rows(float (&c)[AT_ONCE / 32][4][4],
                                              const u32 (&first)[4 * GROUPS],
                                              const u32 (&second)[4 * GROUPS], const u32* weights,
                                              int next_piece) {
#pragma unroll
    for (int step = 0; step < 2 * GROUPS; step++) {
        int w = 4 * (step / 2) + 2 * (step % 2);
        const u32* here = weights + (16 * (step / 2) + 2 * (step % 2)) * WIDTH;
        u32 left[4] = {first[w], second[w], first[w + 1], second[w + 1]};
#pragma unroll
        for (int p = 0; p < AT_ONCE / 32; p++)
            multiply_weights(c[p], left, here + 64 * p, here + 64 * p + next_piece);
    }
}

// 8 columns of one row.
__device__ __forceinline__ void put_columns(Element* to, const float (&out)[8]) {
#if HALF
    *reinterpret_cast<uint4*>(to) = make_uint4(pack(out[0], out[1]), pack(out[2], out[3]),
                                               pack(out[4], out[5]), pack(out[6], out[7]));
#else
    *reinterpret_cast<float4*>(to) = make_float4(out[0], out[1], out[2], out[3]);
    *reinterpret_cast<float4*>(to + 4) = make_float4(out[4], out[5], out[6], out[7]);
#endif
}

// ---------------------------------------------------------------------------------------- kernel

extern "C" __global__ void __launch_bounds__(THREADS)
semgconv_portable(const Element* __restrict__ x, i64 x_graph, i64 x_node,
                  Element* __restrict__ y, i64 y_graph, i64 y_node, i64 batch,
                  const float* __restrict__ given, const Weight* __restrict__ weight,
                  const float* __restrict__ bias, const float* __restrict__ mean,
                  const float* __restrict__ variance, const float* __restrict__ gain,
                  const float* __restrict__ offset, double epsilon,
                  const i64* __restrict__ indptr, const i64* __restrict__ rows_of_entries,
                  const i64* __restrict__ columns, const i64* __restrict__ loops,
                  Entry* scratch, i64 entries_in_all, i64 relu) {
    extern __shared__ __align__(128) u32 memory[];
    u32* weights = memory;
    u32* tiles = weights + WEIGHT_WORDS;
    float* scale = reinterpret_cast<float*>(tiles + STAGES * TILE_WORDS);
    float* shift = scale + WIDTH;
    float* diagonal = shift + WIDTH;
    int* starts = reinterpret_cast<int*>(diagonal + NODES);
    Entry* entries = reinterpret_cast<Entry*>(shift + WIDTH + 2 * NODES + 2);
    if (scratch != nullptr)
        entries = scratch + (blockIdx.y * gridDim.x + blockIdx.x) * 2 * entries_in_all;
    float* values = reinterpret_cast<float*>(entries + entries_in_all);

    const int first_column = blockIdx.y * WIDTH;
    const i64 num_tiles = (batch + GRAPHS - 1) / GRAPHS;
    auto fetch_tile = [&](i64 tile, int stage) {
        i64 graph = tile * GRAPHS, left = batch - graph;
        if (left > 0)
            fetch(tiles + stage * TILE_WORDS, x + graph * x_graph, x_graph, x_node,
                  (int)(left < GRAPHS ? left : GRAPHS) * NODES);
        copies_end();
    };
#pragma unroll
    for (int s = 0; s < STAGES; s++) fetch_tile(blockIdx.x + (i64)s * gridDim.x, s);
    load_weights(weights, weight + first_column);
    for (int c = threadIdx.x; c < WIDTH; c += THREADS) {
        Affine f = affine_of(first_column + c, bias, mean, variance, gain, offset, epsilon);
        scale[c] = f.factor, shift[c] = f.addend;
    }
    load_values(values, given, indptr, (int)entries_in_all);
    load_rows(starts, diagonal, values, indptr, loops);
    load_entries(entries, values, rows_of_entries, columns, loops, (int)entries_in_all);
    __syncthreads();

    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int quad = lane / 4, t = lane % 4, odd = quad & 1;
    int row_of[2], begin[2], end[2], base[2], home[2];
    [[maybe_unused]] float own[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int row = warp / SPLIT * 16 + quad + 8 * r;
        bool valid = row < ROWS;
        row_of[r] = valid ? row : -1;
        int node = valid ? row % NODES : 0;
        base[r] = (valid ? row - node : 0) * ROW_WORDS + 4 * t;
        home[r] = node * ROW_WORDS;
        begin[r] = valid ? starts[node] : 0;
        end[r] = valid ? starts[node + 1] : 0;
        own[r] = valid ? diagonal[node] : 0.0f;
    }
    const int longest = max(end[0] - begin[0], end[1] - begin[1]);
    const u32* weights_here = weights + weight_place(4 * t, 4 * quad);
    const int next_piece = weight_place(4 * t, 4 * quad + 2) - weight_place(4 * t, 4 * quad);

    int stage = 0;
    for (i64 tile = blockIdx.x; tile < num_tiles; tile += gridDim.x) {
        wait_for_copies<STAGES - 1>();
        __syncthreads();
        const u32* rows = tiles + stage * TILE_WORDS;
        u32 left[MATRICES][2][4 * GROUPS];
        {
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
            for (int r = 0; r < 2; r++) put_in_order(sums[r], odd, left[MATRICES - 1][r]);
        }
#if MATRICES == 2
        float own_sums[2][SUMS] = {};
        add_rows(own_sums, rows + base[0] + home[0], rows + base[1] + home[1], odd, own[0], own[1]);
#pragma unroll
        for (int r = 0; r < 2; r++) put_in_order(own_sums[r], odd, left[0][r]);
#endif
        __syncthreads();  // everybody has read the tile
        fetch_tile(tile + (i64)STAGES * gridDim.x, stage);
        stage = stage + 1 == STAGES ? 0 : stage + 1;

#pragma unroll 1
        for (int first = warp % SPLIT * AT_ONCE; first < WIDTH; first += SPLIT * AT_ONCE) {
            float c[AT_ONCE / 32][4][4] = {};
#pragma unroll
            for (int m = 0; m < MATRICES; m++)
                multiply_rows(c, left[m][0], left[m][1],
                              weights_here + m * ROW_WORDS * WIDTH + 2 * first, next_piece);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                i64 graph = tile * GRAPHS + row_of[r] / NODES;
                if (row_of[r] < 0 || graph >= batch) continue;
                Element* to = y + graph * y_graph + row_of[r] % NODES * y_node + first_column;
#pragma unroll
                for (int p = 0; p < AT_ONCE / 32; p++) {
                    const int column = first + 32 * p + 8 * t;
                    float out[8];
#pragma unroll
                    for (int v = 0; v < 8; v++) {
                        float z = c[p][v % 4][2 * r + v / 4] * scale[column + v] + shift[column + v];
                        out[v] = relu && z < 0 ? 0 : z;
                    }
                    put_columns(to + column, out);
                }
            }
            __syncwarp();
        }
    }
}
