// Learned maps of nodes between scales, all of them at once:
//
//     Y_t = X_t + sum over s of (A_ts X_s + b_ts),   dX_s = dY_s + sum over t of A_ts' dY_t,
//     dA_ts = dY_t X_s',                             db_ts = sum of dY_t
//
// A node has a row of batch * channels numbers. A block takes slices of COLUMNS of them, of all nodes
// of all scales; the matrices stay in shared memory. Sums over columns are made in parts, one for
// each block, which a second kernel adds up in a fixed order.
//
// Options:
//   N0, N1, N2, N3  nodes of the scales, 0 for those that are not there
//   MAPS            bit 4 t + s: whether there is a map from scale s to scale t
//   TASKS           tiles of dA for a warp, at most
//   ROWS            rows of dY for a warp, at most
//   THREE           1: a product of float32 is made of three of tf32

#include "adding_parts.cuh"
#include "tensor_cores.cuh"

typedef long long i64;

#define SCALES 4
#define THREADS 512
#define WARPS (THREADS / 32)
#define COLUMNS 64
#define GROUPS 2              // of columns, 32 each
#define PITCH (COLUMNS + 8)   // of rows whose columns are the columns of a product
#define UP_PITCH (COLUMNS + 4) // of rows whose columns are summed up

// ----------------------------------------------------------------------------------------- sizes

__device__ constexpr int nodes_of(int k) { return k == 0 ? N0 : k == 1 ? N1 : k == 2 ? N2 : N3; }
__device__ constexpr int up_to(int n, int unit) { return (n + unit - 1) / unit * unit; }
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

// Rows of a slice of all scales, on their way.
__device__ __forceinline__ void fetch(float* tile, const float* const* x, int unit, int pitch,
                                      i64 slice, i64 columns) {
    constexpr int fours = COLUMNS / 4;
#pragma unroll
    for (int k = 0; k < SCALES; k++) {
        if (nodes_of(k) == 0 || x[k] == nullptr) continue;
        float* to = tile + first_row(k, unit) * pitch;
        for (int at = threadIdx.x; at < nodes_of(k) * fours; at += THREADS) {
            const int row = at / fours, column = at % fours * 4;
            const i64 place = slice * COLUMNS + column;
            const bool is_there = place < columns;
            copy_ahead<16>(to + row * pitch + column, x[k] + (is_there ? row * columns + place : 0),
                       is_there);
        }
    }
}

// Matrices, rounded, and zeros around them.
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

template <bool BACK>
__device__ __forceinline__ void fuse_slices(Shared& given, float* memory, i64 columns, int stages) {
    using M = Matrix<BACK>;
    constexpr int rows = first_row(SCALES, 8), tile_words = rows * PITCH;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, u = lane % 4;
    const i64 slices = (columns + COLUMNS - 1) / COLUMNS;
    float* biases = memory;
    float* tiles = biases + 16 * (tiles_of(0) + tiles_of(1) + tiles_of(2) + tiles_of(3));
    float* matrices = tiles + stages * tile_words;
    __syncthreads();
    // What no copy fills is read too, and meets zeros of the matrices.
    for (int at = threadIdx.x; at < stages * tile_words; at += THREADS) tiles[at] = 0;
    __syncthreads();
    for (int k = 0; k < stages; k++) {
        const i64 slice = blockIdx.x + k * (i64)gridDim.x;
        if (slice < slices) fetch(tiles + k * tile_words, given.x, 8, PITCH, slice, columns);
        copies_end();
    }
    load_matrices<BACK>(matrices, given);
#pragma unroll
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

    int stage = 0;
    for (i64 slice = blockIdx.x; slice < slices; slice += gridDim.x) {
        if (stages == 1) copies_end();
        wait_for_earlier_copies();
        __syncthreads();
        const float* tile = tiles + stage * tile_words;
        constexpr int in_all = (tiles_of(0) + tiles_of(1) + tiles_of(2) + tiles_of(3)) * GROUPS;
        for (int task = warp; task < in_all; task += WARPS) {
            const int group = task % GROUPS;
            int number = task / GROUPS, t = 0;
            while (number >= tiles_of(t)) number -= tiles_of(t++);
            if (given.y[t] == nullptr) continue;
            const int row = 16 * number + g;
            const bool has_rows[2] = {row < nodes_of(t), row + 8 < nodes_of(t)};
            const float* bias = biases + first_row(t, 16) + row;
            const float* own = tile + (first_row(t, 8) + row) * PITCH + 32 * group + 2 * u;
            float c[4][4];
#pragma unroll
            for (int n = 0; n < 4; n++) {
#pragma unroll
                for (int v = 0; v < 4; v++) {
                    const bool has_own = has_rows[v / 2] && given.x[t] != nullptr;
                    c[n][v] = bias[8 * (v / 2)] +
                              (has_own ? own[8 * (v / 2) * PITCH + 8 * n + v % 2] : 0.0f);
                }
            }
#pragma unroll
            for (int s = 0; s < SCALES; s++) {
                if (!M::is_there(t, s)) continue;
                const int pitch = M::pitch(t, s);
                const int next_row = BACK ? 1 : pitch, next_k = BACK ? pitch : 1;
                const float* a = matrices + given.places[4 * t + s] + row * next_row + u * next_k;
                const float* b = tile + (first_row(s, 8) + u) * PITCH + 32 * group + g;
#pragma unroll 3
                for (int k = 0; k < up_to(nodes_of(s), 8); k += 8) {
                    const float left[4] = {a[k * next_k], a[k * next_k + 8 * next_row],
                                           a[(k + 4) * next_k],
                                           a[(k + 4) * next_k + 8 * next_row]};
                    multiply_step<THREE, true>(c, left, b + k * PITCH, 4 * PITCH, 8, 4);
                }
            }
#pragma unroll
            for (int n = 0; n < 4; n++) {
                const i64 column = slice * COLUMNS + 32 * group + 8 * n + 2 * u;
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    if (!has_rows[r] || column >= columns) continue;
                    *reinterpret_cast<float2*>(given.y[t] + (row + 8 * r) * columns + column) =
                        make_float2(c[n][2 * r], c[n][2 * r + 1]);
                }
            }
        }
        __syncthreads();
        const i64 next = slice + stages * (i64)gridDim.x;
        if (next < slices) fetch(tiles + stage * tile_words, given.x, 8, PITCH, next, columns);
        copies_end();
        stage = stage + 1 < stages ? stage + 1 : 0;
    }
}

#define FOUR(kind, name) kind name##0, kind name##1, kind name##2, kind name##3
#define LIST(name) name##0, name##1, name##2, name##3

// x and y: rows of every scale; a matrix and a bias for every map, that from s to t at 4 t + s. A null
// pointer is nothing: no features, no map, or none wanted.
#define ARGUMENTS                                                                            \
    FOUR(const float*, x), FOUR(float*, y), FOUR(const float*, a0), FOUR(const float*, a1),  \
        FOUR(const float*, a2), FOUR(const float*, a3), FOUR(const float*, b0),              \
        FOUR(const float*, b1), FOUR(const float*, b2), FOUR(const float*, b3), i64 columns, \
        i64 stages

#define FUSE(back)                                                                        \
    extern __shared__ __align__(16) float memory[];                                       \
    __shared__ Shared given;                                                              \
    if (threadIdx.x == 0)                                                                 \
        given = Shared{{LIST(x)},                                                         \
                       {LIST(a0), LIST(a1), LIST(a2), LIST(a3)},                          \
                       {LIST(b0), LIST(b1), LIST(b2), LIST(b3)},                          \
                       {LIST(y)},                                                         \
                       {}};                                                               \
    fuse_slices<back>(given, memory, columns, (int)stages);

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

// A tile of dA, of 16 rows and 32 columns: the one of this number among all.
struct Tile {
    int t, s = 0, row = 0, column = 0, columns = 0;

    __device__ __forceinline__ explicit Tile(int number = -1) : t(-1) {
#pragma unroll
        for (int pair = 0; pair < 16; pair++) {
            if (!(MAPS >> pair & 1)) continue;
            const int across = (nodes_of(pair % 4) + 31) / 32;
            const int tiles = tiles_of(pair / 4) * across;
            if (t < 0 && number >= 0 && number < tiles) {
                t = pair / 4, s = pair % 4;
                row = 16 * (number / across), column = 32 * (number % across);
                columns = (min(32, nodes_of(pair % 4) - column) + 7) / 8;
            }
            number -= tiles;
        }
    }
};

// parts: [blocks, bias_place(16)].
extern "C" __global__ void __launch_bounds__(THREADS, 1)
fuse_parts(FOUR(const float*, up), FOUR(const float*, x), float* parts, i64 columns, i64 stages) {
    extern __shared__ __align__(16) float memory[];
    __shared__ const float *ups[SCALES], *xs[SCALES];
    constexpr int up_rows = first_row(SCALES, 16), x_rows = first_row(SCALES, 8);
    constexpr int tile_words = (up_rows + x_rows) * UP_PITCH;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, u = lane % 4;
    const i64 slices = (columns + COLUMNS - 1) / COLUMNS;
    if (threadIdx.x == 0) {
        const Pointers given[2] = {{LIST(up)}, {LIST(x)}};
        for (int k = 0; k < SCALES; k++) ups[k] = given[0].of[k], xs[k] = given[1].of[k];
    }
    __syncthreads();
    auto fetch_both = [&](int stage, i64 slice) {
        float* tile = memory + stage * tile_words;
        if (slice < slices) {
            fetch(tile, ups, 16, UP_PITCH, slice, columns);
            fetch(tile + up_rows * UP_PITCH, xs, 8, UP_PITCH, slice, columns);
        }
        copies_end();
    };
    for (int k = 0; k < stages; k++) fetch_both(k, blockIdx.x + k * (i64)gridDim.x);

    float sums[TASKS][4][4] = {}, biases[ROWS] = {};
    int a_of[TASKS], b_of[TASKS], columns_of[TASKS];  // where the rows of its tiles are
#pragma unroll
    for (int task = 0; task < TASKS; task++) {
        const Tile at(warp + task * WARPS);
        a_of[task] = (first_row(at.t, 16) + at.row + g) * UP_PITCH + u;
        b_of[task] = (first_row(at.s, 8) + at.column + g) * UP_PITCH + u;
        columns_of[task] = at.columns;
    }
    int stage = 0;
    for (i64 slice = blockIdx.x; slice < slices; slice += gridDim.x) {
        if (stages == 1) copies_end();
        wait_for_earlier_copies();
        __syncthreads();
        const float* up_tile = memory + stage * tile_words;
        const float* x_tile = up_tile + up_rows * UP_PITCH;
#pragma unroll
        for (int task = 0; task < TASKS; task++) {
            if (columns_of[task] == 0) continue;
            const float *a = up_tile + a_of[task], *b = x_tile + b_of[task];
#pragma unroll 4
            for (int k = 0; k < COLUMNS; k += 8) {
                const float left[4] = {a[k], a[k + 8 * UP_PITCH], a[k + 4],
                                       a[k + 4 + 8 * UP_PITCH]};
                multiply_step<THREE>(sums[task], left, b + k, 4, 8 * UP_PITCH, columns_of[task]);
            }
        }
#pragma unroll
        for (int k = 0; k < ROWS; k++) {
            const int row = warp + k * WARPS;
            if (row >= up_rows) continue;
            const float2 two =
                *reinterpret_cast<const float2*>(up_tile + row * UP_PITCH + 2 * lane);
            biases[k] += two.x + two.y;
        }
        __syncthreads();
        fetch_both(stage, slice + stages * (i64)gridDim.x);
        stage = stage + 1 < stages ? stage + 1 : 0;
    }

    float* part = parts + blockIdx.x * (i64)bias_place(16);
#pragma unroll
    for (int task = 0; task < TASKS; task++) {
        const Tile at(warp + task * WARPS);
        if (at.t < 0) continue;
        float* to = part + matrix_place(4 * at.t + at.s);
#pragma unroll
        for (int n = 0; n < 4; n++) {
#pragma unroll
            for (int v = 0; v < 4; v++) {
                const int row = at.row + g + 8 * (v / 2), column = at.column + 8 * n + 2 * u + v % 2;
                if (row < nodes_of(at.t) && column < nodes_of(at.s))
                    to[row * nodes_of(at.s) + column] = sums[task][n][v];
            }
        }
    }
#pragma unroll
    for (int k = 0; k < ROWS; k++) {
        float sum = biases[k];
        for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
        const int place = warp + k * WARPS;
        int t = 0;
        while (t < SCALES && place >= first_row(t + 1, 16)) t++;
        if (t == SCALES || lane != 0) continue;
        const int row = place - first_row(t, 16);
        for (int s = 0; s < SCALES; s++)
            if (row < nodes_of(t) && has_map(t, s)) part[bias_place(4 * t + s) + row] = sum;
    }
}
