// Products over rows, A' B for one or two pairs of matrices with the same rows, and sums of rows:
//
//     P_p[m][n] = sum over r of A_p[r][m] B_p[r][n],   s_p[m] = sum over r of A_p[r][m]
//
// These are the gradients of the weights and biases of linear maps, from features and from gradients of
// results. A block takes slices of rows; it writes its sums once, and a second kernel adds them up in
// a fixed order.
//
// Options:
//   M0, N0, M1, N1  columns of A and B of each pair; 0 for a pair that is not there
//   S0, S1          1: the sums of the rows of A are wanted
//   ROWS            of a slice, a multiple of 8
//   STAGES          slices that are there or on their way, at least 2
//   TASKS           tiles of 32 x 32 results for a warp, at most
//   THREE           1: a product of float32 is made of three of tf32

#include "adding_parts.cuh"
#include "products.cuh"

typedef long long i64;

#define THREADS 512
#define WARPS (THREADS / 32)
#define MOST 128 // columns of a matrix whose rows are summed up
#define TEAMS (THREADS / MOST)

__device__ constexpr int left_of(int p) { return p == 0 ? M0 : M1; }
__device__ constexpr int right_of(int p) { return p == 0 ? N0 : N1; }
__device__ constexpr bool is_summed(int p) { return p == 0 ? S0 : S1; }

// Of a matrix in shared memory, with room for whole tiles: the threads of a warp read different banks.
__device__ constexpr int pitch_of(int columns) {
    return columns == 0 ? 0 : up_to(columns, 32) + 8;
}

// Where the matrices of a slice begin: A0, B0, A1, B1, and their end.
__device__ constexpr int begin_of(int matrix) {
    return ROWS * ((matrix > 0 ? pitch_of(M0) : 0) + (matrix > 1 ? pitch_of(N0) : 0) +
                   (matrix > 2 ? pitch_of(M1) : 0) + (matrix > 3 ? pitch_of(N1) : 0));
}

// Where results are: products of both pairs, then sums, each at a multiple of 4.
__device__ constexpr int product_place(int p) { return p == 0 ? 0 : up_to(M0 * N0, 4); }
__device__ constexpr int sum_place(int p) {
    return up_to(M0 * N0, 4) + up_to(M1 * N1, 4) + (p > 0 && S0 ? up_to(M0, 4) : 0) +
           (p > 1 && S1 ? up_to(M1, 4) : 0);
}

// Zeros behind so many results from a place on, up to a multiple of 4.
__device__ __forceinline__ void write_padding(float* part, int place, int count) {
    const int at = count + threadIdx.x;
    if (at < up_to(count, 4)) part[place + at] = 0;
}

template <int COLUMNS>
__device__ __forceinline__ void fetch(float* to, const float* from, i64 first, i64 rows) {
    if (COLUMNS == 0) return;
    constexpr int once = COLUMNS % 4 == 0 ? 4 : COLUMNS % 2 == 0 ? 2 : 1;
    constexpr int pieces = COLUMNS == 0 ? 1 : COLUMNS / once;
    for (int at = threadIdx.x; at < ROWS * pieces; at += THREADS) {
        const int row = at / pieces, column = at % pieces * once;
        const bool is_there = first + row < rows;
        copy_ahead<4 * once>(to + row * pitch_of(COLUMNS) + column,
                             from + (is_there ? (first + row) * COLUMNS + column : 0), is_there);
    }
}

// A tile of 32 x 32 results: the one of this number among all. What is beyond a product is computed
// from whatever lies there, and thrown away.
struct Tile {
    int pair, row = 0, column = 0;

    __device__ __forceinline__ explicit Tile(int number = -1) : pair(-1) {
#pragma unroll
        for (int p = 0; p < 2; p++) {
            const int across = (right_of(p) + 31) / 32, all = (left_of(p) + 31) / 32 * across;
            if (pair < 0 && number >= 0 && number < all) {
                pair = p;
                row = 32 * (number / across), column = 32 * (number % across);
            }
            number -= all;
        }
    }
};

typedef float Sums[2][4][4];  // of a tile: two of 16 x 32

// The products of a slice for a tile of pair P, whose sizes the compiler knows. A thread takes four
// columns of either matrix: columns 4 g + 2 i and 4 g + 2 i + 1 of A are rows g and g + 8 of product i.
template <int P>
__device__ __forceinline__ void multiply_rows(Sums& products, const float* tile, const Tile& at,
                                              int g, int u) {
    constexpr int pitch = pitch_of(left_of(P)), other = pitch_of(right_of(P));
    const float* a = tile + begin_of(2 * P) + u * pitch + at.row + 4 * g;
    const float* b = tile + begin_of(2 * P + 1) + u * other + at.column + 4 * g;
#pragma unroll
    for (int k = 0; k < ROWS; k += 8) {
        const float4 near = *reinterpret_cast<const float4*>(a + k * pitch);
        const float4 far = *reinterpret_cast<const float4*>(a + (k + 4) * pitch);
        Factors<4, THREE> left[2];
        left[0].put(0, near.x), left[0].put(1, near.y), left[0].put(2, far.x), left[0].put(3, far.y);
        left[1].put(0, near.z), left[1].put(1, near.w), left[1].put(2, far.z), left[1].put(3, far.w);
        const auto right = four_columns<THREE>(b + k * other, b + (k + 4) * other);
        multiply_step<THREE>(products[0], left[0], right);
        multiply_step<THREE>(products[1], left[1], right);
    }
}

// A tile, of which a thread has four columns side by side.
template <int P>
__device__ __forceinline__ void write_tile(float* part, const Sums& products, const Tile& at, int g,
                                           int u) {
    constexpr int across = right_of(P);
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int v = 0; v < 4; v++) {
            const int row = at.row + 4 * g + 2 * i + v / 2, column = at.column + 8 * u + 4 * (v % 2);
            float* to = part + product_place(P) + row * across + column;
            if (row >= left_of(P)) continue;
            if (across % 4 == 0 && column < across)
                *reinterpret_cast<float4*>(to) = {products[i][0][v], products[i][1][v],
                                                  products[i][2][v], products[i][3][v]};
#pragma unroll
            for (int n = 0; n < 4; n++)
                if (across % 4 != 0 && column + n < across) to[n] = products[i][n][v];
        }
    }
}

// parts: [blocks, sum_place(2)].
extern "C" __global__ void __launch_bounds__(THREADS, 1)
row_parts(const float* a0, const float* b0, const float* a1, const float* b1, float* parts,
          i64 rows) {
    extern __shared__ __align__(16) float memory[];
    constexpr int tile_words = begin_of(4);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, u = lane % 4;
    const i64 slices = (rows + ROWS - 1) / ROWS;
    auto fetch_all = [&](int stage, i64 slice) {
        float* tile = memory + stage * tile_words;
        if (slice < slices) {
            fetch<M0>(tile + begin_of(0), a0, slice * ROWS, rows);
            fetch<N0>(tile + begin_of(1), b0, slice * ROWS, rows);
            fetch<M1>(tile + begin_of(2), a1, slice * ROWS, rows);
            fetch<N1>(tile + begin_of(3), b1, slice * ROWS, rows);
        }
        copies_end();
    };
    for (int k = 0; k < STAGES - 1; k++) fetch_all(k, blockIdx.x + k * (i64)gridDim.x);

    Sums products[TASKS] = {};
    float sums[2] = {};
    Tile at[TASKS];
#pragma unroll
    for (int task = 0; task < TASKS; task++) at[task] = Tile(warp + task * WARPS);
    int stage = 0;
    for (i64 slice = blockIdx.x; slice < slices; slice += gridDim.x) {
        wait_for_copies<STAGES - 2>();
        __syncthreads();  // all have left the stage that is filled next
        fetch_all(stage == 0 ? STAGES - 1 : stage - 1, slice + (STAGES - 1) * (i64)gridDim.x);
        const float* tile = memory + stage * tile_words;
#pragma unroll
        for (int task = 0; task < TASKS; task++) {
            if (at[task].pair == 0) multiply_rows<0>(products[task], tile, at[task], g, u);
            if (at[task].pair == 1) multiply_rows<1>(products[task], tile, at[task], g, u);
        }
#pragma unroll
        for (int p = 0; p < 2; p++) {
            const int column = threadIdx.x % MOST, team = threadIdx.x / MOST;
            if (!is_summed(p) || column >= left_of(p)) continue;
            const float* a = tile + begin_of(2 * p) + column;
            for (int row = team; row < ROWS; row += TEAMS) sums[p] += a[row * pitch_of(left_of(p))];
        }
        stage = stage + 1 < STAGES ? stage + 1 : 0;
    }

    float* part = parts + blockIdx.x * (i64)sum_place(2);
#pragma unroll
    for (int task = 0; task < TASKS; task++) {
        if (at[task].pair == 0) write_tile<0>(part, products[task], at[task], g, u);
        if (at[task].pair == 1) write_tile<1>(part, products[task], at[task], g, u);
    }
    for (int p = 0; p < 2; p++) {
        write_padding(part, product_place(p), left_of(p) * right_of(p));
        if (is_summed(p)) write_padding(part, sum_place(p), left_of(p));
    }
    __shared__ float board[2][TEAMS][MOST];
    for (int p = 0; p < 2; p++) board[p][threadIdx.x / MOST][threadIdx.x % MOST] = sums[p];
    __syncthreads();
#pragma unroll
    for (int p = 0; p < 2; p++) {
        if (!is_summed(p) || threadIdx.x >= left_of(p)) continue;
        float sum = 0;
        for (int team = 0; team < TEAMS; team++) sum += board[p][team][threadIdx.x];
        part[sum_place(p) + threadIdx.x] = sum;
    }
}
