// Learned maps of nodes between scales, all of them at once:
//
//     Y_t = X_t + sum over s of (A_ts X_s + b_ts),   dX_s = dY_s + sum over t of A_ts' dY_t,
//     dA_ts = dY_t X_s',                             db_ts = sum of dY_t
//
// A node has a row of batch * channels numbers. A block takes slices of COLUMNS of them, of all nodes
// of all scales; the matrices stay in shared memory. Sums over columns are made in parts, one for
// each block, which a second kernel adds up in a fixed order. Most loops stay loops: small calls wait for
// the code itself.
//
// Options:
//   N0, N1, N2, N3  nodes of the scales, 0 for those that are not there
//   MAPS            bit 4 t + s: whether there is a map from scale s to scale t
//   COLUMNS         of a slice, 32 or 64
//   STAGES          slices that are there or on their way, at least 2
//   SUM_COLUMNS     of a slice of what is summed up over columns, 32 or 64
//   SUM_STAGES      of these
//   TASKS           tiles of dA for a warp, at most
//   ROWS            rows of dY for a warp, at most
//   THREE           1: a product of float32 is made of three of tf32

#include "adding_parts.cuh"
#include "products.cuh"

typedef long long i64;

#define SCALES 4
#define THREADS 512
#define WARPS (THREADS / 32)
#define GROUPS (COLUMNS / 32) // of columns, 32 each
#define PITCH (COLUMNS + 8)   // of rows whose columns are the columns of a product

// ----------------------------------------------------------------------------------------- sizes

__device__ constexpr int nodes_of(int k) { return k == 0 ? N0 : k == 1 ? N1 : k == 2 ? N2 : N3; }
__device__ constexpr int tiles_of(int k) { return (nodes_of(k) + 15) / 16; }
__device__ constexpr bool has_map(int t, int s) { return MAPS >> (4 * t + s) & 1; }

// Of rows that begin at a multiple of `unit` for each scale.
__device__ constexpr int first_row(int k, int unit) {
    return (k > 0 ? up_to(N0, unit) : 0) + (k > 1 ? up_to(N1, unit) : 0) +
           (k > 2 ? up_to(N2, unit) : 0) + (k > 3 ? up_to(N3, unit) : 0);
}

// A matrix from s to t in shared memory: row by row, or column by column for its transpose. Either
// way the threads of a warp read different banks.
template <bool BACK> struct Matrix {
    __device__ static constexpr bool is_there(int t, int s) {
        return BACK ? has_map(s, t) : has_map(t, s);
    }
    __device__ static constexpr int lines(int t, int s) {
        return BACK ? up_to(nodes_of(s), 8) : 16 * tiles_of(t);
    }
    __device__ static constexpr int pitch(int t, int s) {
        return BACK ? 16 * tiles_of(t) + 8 : up_to(nodes_of(s), 8) + 4;
    }
};

struct Pointers {
    const float* of[SCALES];
};

// ------------------------------------------------------------------------------------- all scales

struct Shared {
    const float *x[SCALES], *matrix[SCALES * SCALES], *bias[SCALES * SCALES];
    float* y[SCALES];
    int places[SCALES * SCALES];  // where matrices begin
};

// Where rows are read along, four in turn have their pieces of 16 bytes in another order each, so that
// the threads of a warp read different banks.
__device__ __forceinline__ int swap_of(int row) { return row % 4 * 2; }

// Rows of a slice of all scales, on their way; with pieces in another order if SWAPPED.
template <int WIDTH, int UNIT, int PITCH_OF_ROWS, bool SWAPPED>
__device__ __forceinline__ void fetch(float* tile, const float* const* x, i64 slice, i64 columns) {
    constexpr int fours = WIDTH / 4;
#pragma unroll
    for (int k = 0; k < SCALES; k++) {
        if (nodes_of(k) == 0 || x[k] == nullptr) continue;
        float* to = tile + first_row(k, UNIT) * PITCH_OF_ROWS;
#pragma unroll 1
        for (int at = threadIdx.x; at < nodes_of(k) * fours; at += THREADS) {
            const int row = at / fours, four = at % fours, swap = SWAPPED ? swap_of(row) : 0;
            const i64 place = slice * WIDTH + four * 4;
            const bool is_there = place < columns;
            copy_ahead<16>(to + row * PITCH_OF_ROWS + (four ^ swap) * 4,
                           x[k] + (is_there ? row * columns + place : 0), is_there);
        }
    }
}

// Matrices, rounded, and zeros around them. Unrolled, so that no number waits for another.
template <bool BACK>
__device__ __forceinline__ void load_matrices(float* matrices, Shared& given) {
    using M = Matrix<BACK>;
    int place = 0;
#pragma unroll
    for (int t = 0; t < SCALES; t++) {
#pragma unroll
        for (int s = 0; s < SCALES; s++) {
            if (!M::is_there(t, s)) continue;
            const int lines = M::lines(t, s), pitch = M::pitch(t, s);
            const int numbers = nodes_of(BACK ? s : t), length = nodes_of(BACK ? t : s);
            const float* from = given.matrix[BACK ? 4 * s + t : 4 * t + s];
            const int rounds = (lines * pitch + THREADS - 1) / THREADS;
#pragma unroll
            for (int round = 0; round < rounds; round++) {
                const int at = round * THREADS + threadIdx.x;
                const int line = at / pitch, inside = at % pitch;
                const bool is_there = line < numbers && inside < length;
                const float number = is_there ? from[line * length + inside] : 0;
                if (at < lines * pitch)
                    matrices[place + at] = THREE ? number : __uint_as_float(to_tf32(number));
            }
            if (threadIdx.x == 0) given.places[4 * t + s] = place;
            place += lines * pitch;
        }
    }
}

// A tile of 16 rows and 32 columns of the result for scale t. A thread reads two columns side by side
// of every half of them, as columns of two products: it has four side by side in the end.
template <bool BACK>
__device__ __forceinline__ void fuse_tile(const Shared& given, const float* tile,
                                          const float* matrices, const float* biases, int t,
                                          int number, int group, i64 slice, i64 columns) {
    using M = Matrix<BACK>;
    constexpr int scales_at_once = BACK ? 1 : SCALES, steps_at_once = BACK ? 3 : THREE ? 2 : 4;
    if (given.y[t] == nullptr) return;
    const int lane = threadIdx.x % 32, g = lane / 4, u = lane % 4, row = 16 * number + g;
    const bool has_rows[2] = {row < nodes_of(t), row + 8 < nodes_of(t)};
    const float* bias = biases + first_row(t, 16) + row;
    const float* own = tile + (first_row(t, 8) + row) * PITCH + 32 * group + 4 * u;
    float c[4][4];
#pragma unroll
    for (int r = 0; r < 2; r++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float4 four = {0, 0, 0, 0};
            if (has_rows[r] && given.x[t] != nullptr)
                four = *reinterpret_cast<const float4*>(own + 8 * r * PITCH + 16 * half);
            c[2 * half][2 * r] = bias[8 * r] + four.x, c[2 * half + 1][2 * r] = bias[8 * r] + four.y;
            c[2 * half][2 * r + 1] = bias[8 * r] + four.z;
            c[2 * half + 1][2 * r + 1] = bias[8 * r] + four.w;
        }
    }
#pragma unroll scales_at_once
    for (int s = 0; s < SCALES; s++) {
        if (!M::is_there(t, s)) continue;
        const int pitch = M::pitch(t, s);
        const int next_row = BACK ? 1 : pitch, next_k = BACK ? pitch : 1;
        const float* a = matrices + given.places[4 * t + s] + row * next_row + u * next_k;
        const float* b = tile + (first_row(s, 8) + u) * PITCH + 32 * group + 2 * g;
#pragma unroll steps_at_once
        for (int k = 0; k < up_to(nodes_of(s), 8); k += 8) {
            Factors<4, THREE> left;
            left.put_rounded(0, a[k * next_k]), left.put_rounded(1, a[k * next_k + 8 * next_row]);
            left.put_rounded(2, a[(k + 4) * next_k]);
            left.put_rounded(3, a[(k + 4) * next_k + 8 * next_row]);
            multiply_step<THREE>(c, left,
                                 pairs_of_columns<THREE>(b + k * PITCH, b + (k + 4) * PITCH));
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const i64 column = slice * COLUMNS + 32 * group + 16 * half + 4 * u;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            if (!has_rows[r] || column >= columns) continue;
            *reinterpret_cast<float4*>(given.y[t] + (row + 8 * r) * columns + column) = {
                c[2 * half][2 * r], c[2 * half + 1][2 * r], c[2 * half][2 * r + 1],
                c[2 * half + 1][2 * r + 1]};
        }
    }
}

template <bool BACK>
__device__ __forceinline__ void fuse_slices(Shared& given, float* memory, i64 columns) {
    constexpr int rows = first_row(SCALES, 8), tile_words = rows * PITCH;
    const int warp = threadIdx.x / 32;
    const i64 slices = (columns + COLUMNS - 1) / COLUMNS;
    float* biases = memory;
    float* tiles = biases + first_row(SCALES, 16);
    float* matrices = tiles + STAGES * tile_words;
    __syncthreads();
    // What no copy fills is read too, and meets zeros of the matrices.
#pragma unroll 1
    for (int k = 0; k < SCALES; k++) {
        const int filled = nodes_of(k) * PITCH, all = up_to(nodes_of(k), 8) * PITCH;
        for (int stage = 0; stage < STAGES; stage++)
            for (int at = filled + threadIdx.x; at < all; at += THREADS)
                tiles[stage * tile_words + first_row(k, 8) * PITCH + at] = 0;
    }
#pragma unroll 1
    for (int t = 0; t < SCALES; t++) {
        float* here = biases + first_row(t, 16);
        for (int row = threadIdx.x; row < 16 * tiles_of(t); row += THREADS) {
            float sum = 0;
            for (int s = 0; s < SCALES; s++) {
                const float* bias = given.bias[4 * t + s];
                if (!BACK && bias != nullptr && row < nodes_of(t)) sum += bias[row];
            }
            here[row] = sum;
        }
    }

    i64 fetched = blockIdx.x;
    int stage = 0;
    for (i64 slice = blockIdx.x - (STAGES - 1) * (i64)gridDim.x; slice < slices; slice += gridDim.x) {
        if (slice >= 0) {
            wait_for_copies<STAGES - 2>();
            __syncthreads();  // all have left the stage that is filled next
        }
        if (fetched < slices)
            fetch<COLUMNS, 8, PITCH, false>(tiles + stage * tile_words, given.x, fetched, columns);
        copies_end();
        fetched += gridDim.x;
        stage = stage + 1 < STAGES ? stage + 1 : 0;
        if (slice < 0) {
            if (slice + gridDim.x >= 0) load_matrices<BACK>(matrices, given);  // slices come meanwhile
            continue;
        }
        const float* tile = tiles + stage * tile_words;
        constexpr int in_all = (tiles_of(0) + tiles_of(1) + tiles_of(2) + tiles_of(3)) * GROUPS;
        // There and back: whoever had one of the first scale, which reads the most, has none twice.
#pragma unroll 1
        for (int round = 0; round * WARPS < in_all; round++) {
            const int task = round * WARPS + (round % 2 ? WARPS - 1 - warp : warp);
            if (task >= in_all) continue;
            const int group = task % GROUPS;
            int number = task / GROUPS, t = 0;
            while (number >= tiles_of(t)) number -= tiles_of(t++);
            auto fuse_one = [&](int scale) {
                fuse_tile<BACK>(given, tile, matrices, biases, scale, number, group, slice, columns);
            };
            // Forward, code of its own for every scale, whose numbers the compiler knows then, is faster;
            // back it would be too much of it.
            if (BACK) fuse_one(t);
            else if (t == 0) fuse_one(0);
            else if (t == 1) fuse_one(1);
            else if (t == 2) fuse_one(2);
            else fuse_one(3);
        }
    }
}

#define FOUR(kind, name) kind name##0, kind name##1, kind name##2, kind name##3
#define LIST(name) name##0, name##1, name##2, name##3

// x and y: rows of every scale; a matrix and a bias for every map, that from s to t at 4 t + s. A null
// pointer is nothing: no features, no map, or none wanted.
#define ARGUMENTS                                                                            \
    FOUR(const float*, x), FOUR(float*, y), FOUR(const float*, a0), FOUR(const float*, a1),  \
        FOUR(const float*, a2), FOUR(const float*, a3), FOUR(const float*, b0),              \
        FOUR(const float*, b1), FOUR(const float*, b2), FOUR(const float*, b3), i64 columns

#define FUSE(back)                                                                        \
    extern __shared__ __align__(16) float memory[];                                       \
    __shared__ Shared given;                                                              \
    if (threadIdx.x == 0)                                                                 \
        given = Shared{{LIST(x)},                                                         \
                       {LIST(a0), LIST(a1), LIST(a2), LIST(a3)},                          \
                       {LIST(b0), LIST(b1), LIST(b2), LIST(b3)},                          \
                       {LIST(y)},                                                         \
                       {}};                                                               \
    fuse_slices<back>(given, memory, columns);

extern "C" __global__ void __launch_bounds__(THREADS, 1) fuse(ARGUMENTS) { FUSE(false) }

// x and y are gradients, of the results and of the features.
extern "C" __global__ void __launch_bounds__(THREADS, 1) fuse_back(ARGUMENTS) { FUSE(true) }

// --------------------------------------------------------------------------- gradients of the maps

// Where the results of a map are among all: matrices, then biases, each at a multiple of 4.
__device__ constexpr int matrix_place(int pair) {
    int place = 0;
    for (int p = 0; p < pair; p++)
        if (MAPS >> p & 1) place += up_to(nodes_of(p / 4) * nodes_of(p % 4), 4);
    return place;
}
__device__ constexpr int bias_place(int pair) {
    int place = matrix_place(16);
    for (int p = 0; p < pair; p++)
        if (MAPS >> p & 1) place += up_to(nodes_of(p / 4), 4);
    return place;
}

// A tile of dA, of 32 rows and 32 columns: the one of this number among all. What is beyond dA is
// computed from whatever lies there, and thrown away.
struct Tile {
    bool is_there = false;
    int left = 0, right = 0;  // rows of a slice where its rows of dY and of X begin
    int row = 0, column = 0, rows = 0, columns = 0, place = 0;

    __device__ __forceinline__ explicit Tile(int number) {
#pragma unroll
        for (int pair = 0; pair < 16; pair++) {
            if (!(MAPS >> pair & 1)) continue;
            const int across = (nodes_of(pair % 4) + 31) / 32;
            const int tiles = (nodes_of(pair / 4) + 31) / 32 * across;
            if (number >= 0 && number < tiles) {
                is_there = true;
                row = 32 * (number / across), column = 32 * (number % across);
                left = first_row(pair / 4, 16) + row;
                right = first_row(SCALES, 16) + first_row(pair % 4, 8) + column;
                rows = nodes_of(pair / 4), columns = nodes_of(pair % 4);
                place = matrix_place(pair);
            }
            number -= tiles;
        }
    }
};

// parts: [blocks, bias_place(16)]. Behind the last stage is room for what is read beyond it.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
fuse_parts(FOUR(const float*, up), FOUR(const float*, x), float* parts, i64 columns) {
    extern __shared__ __align__(16) float memory[];
    __shared__ const float *ups[SCALES], *xs[SCALES];
    constexpr int pitch = SUM_COLUMNS, tall = 8 * pitch;
    constexpr int up_rows = first_row(SCALES, 16), x_rows = first_row(SCALES, 8);
    constexpr int tile_words = (up_rows + x_rows) * pitch;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, u = lane % 4;
    const i64 slices = (columns + SUM_COLUMNS - 1) / SUM_COLUMNS;
    if (threadIdx.x == 0) {
        const Pointers given[2] = {{LIST(up)}, {LIST(x)}};
        for (int k = 0; k < SCALES; k++) ups[k] = given[0].of[k], xs[k] = given[1].of[k];
    }
    __syncthreads();
    float sums[TASKS][2][4][4] = {}, biases[ROWS] = {};
    int a_of[TASKS], b_of[TASKS];  // where the rows of its tiles are
    bool is_there[TASKS];
#pragma unroll
    for (int task = 0; task < TASKS; task++) {
        const Tile at(warp + task * WARPS);
        a_of[task] = (at.left + g) * pitch, b_of[task] = (at.right + g) * pitch;
        is_there[task] = at.is_there;
    }
    i64 fetched = blockIdx.x;
    int stage = 0;
    for (i64 slice = blockIdx.x - (SUM_STAGES - 1) * (i64)gridDim.x; slice < slices;
         slice += gridDim.x) {
        if (slice >= 0) {
            wait_for_copies<SUM_STAGES - 2>();
            __syncthreads();  // all have left the stage that is filled next
        }
        if (fetched < slices) {
            float* tile = memory + stage * tile_words;
            fetch<SUM_COLUMNS, 16, pitch, true>(tile, ups, fetched, columns);
            fetch<SUM_COLUMNS, 8, pitch, true>(tile + up_rows * pitch, xs, fetched, columns);
        }
        copies_end();
        fetched += gridDim.x;
        stage = stage + 1 < SUM_STAGES ? stage + 1 : 0;
        if (slice < 0) continue;
        const float* tile = memory + stage * tile_words;
#pragma unroll
        for (int task = 0; task < TASKS; task++) {
            if (!is_there[task]) continue;
#pragma unroll 2
            for (int k = 0; k < SUM_COLUMNS; k += 8) {  // a thread has two columns side by side
                const int inside = (((k + 2 * u) / 4 ^ swap_of(g)) * 4) + 2 * u % 4;
                const float *a = tile + a_of[task] + inside, *b = tile + b_of[task] + inside;
                Factors<8, THREE> right;
#pragma unroll
                for (int n = 0; n < 4; n++) {
                    const float2 two = *reinterpret_cast<const float2*>(b + n * tall);
                    right.put(2 * n, two.x), right.put(2 * n + 1, two.y);
                }
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    const float2 near = *reinterpret_cast<const float2*>(a + 2 * i * tall);
                    const float2 far = *reinterpret_cast<const float2*>(a + (2 * i + 1) * tall);
                    Factors<4, THREE> left;
                    left.put(0, near.x), left.put(1, far.x), left.put(2, near.y), left.put(3, far.y);
                    multiply_step<THREE>(sums[task][i], left, right);
                }
            }
        }
#pragma unroll
        for (int k = 0; k < ROWS; k++) {
            const int row = warp + k * WARPS;
            if (row >= up_rows) continue;
#pragma unroll
            for (int c = 0; c < SUM_COLUMNS; c += 32) biases[k] += tile[row * pitch + c + lane];
        }
    }

    float* part = parts + blockIdx.x * (i64)bias_place(16);
#pragma unroll
    for (int task = 0; task < TASKS; task++) {
        const Tile at(warp + task * WARPS);
        if (!at.is_there) continue;
        float* to = part + at.place;
#pragma unroll
        for (int i = 0; i < 2; i++) {
#pragma unroll
            for (int n = 0; n < 4; n++) {
#pragma unroll
                for (int v = 0; v < 4; v++) {
                    const int row = at.row + 16 * i + g + 8 * (v / 2);
                    const int column = at.column + 8 * n + 2 * u + v % 2;
                    if (row < at.rows && column < at.columns)
                        to[row * at.columns + column] = sums[task][i][n][v];
                }
            }
        }
    }
    __shared__ float of_rows[ROWS * WARPS];
#pragma unroll
    for (int k = 0; k < ROWS; k++) {
        float sum = biases[k];
        for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
        if (lane == 0) of_rows[warp + k * WARPS] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int pair = 0; pair < 16; pair++) {
        if (!(MAPS >> pair & 1)) continue;
        // Zeros are between the results.
        const int rows = nodes_of(pair / 4), size = rows * nodes_of(pair % 4);
        if (threadIdx.x < up_to(size, 4) - size) part[matrix_place(pair) + size + threadIdx.x] = 0;
        if (threadIdx.x < up_to(rows, 4))
            part[bias_place(pair) + threadIdx.x] =
                threadIdx.x < rows ? of_rows[first_row(pair / 4, 16) + threadIdx.x] : 0;
    }
}
