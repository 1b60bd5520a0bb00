// Products over rows, A' B for one or two pairs of matrices with the same rows, and sums of rows:
//
//     P_p[m][n] = sum over r of A_p[r][m] B_p[r][n],   s_p[m] = sum over r of A_p[r][m]
//
// These are the gradients of the weights and biases of linear maps, from features and from gradients of
// results. A block takes slices of rows; it writes its sums once, and a second kernel adds them up in
// a fixed order. Loops stay loops: small calls wait for the code itself.
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
__device__ constexpr int up_to(int n, int unit) { return (n + unit - 1) / unit * unit; }

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
#pragma unroll 1
    for (int at = threadIdx.x; at < ROWS * pieces; at += THREADS) {
        const int row = at / pieces, column = at % pieces * once;
        const bool is_there = first + row < rows;
        copy_ahead<4 * once>(to + row * pitch_of(COLUMNS) + column,
                             from + (is_there ? (first + row) * COLUMNS + column : 0), is_there);
    }
}

// A tile of 32 x 32 results: the one of this number among all; where its columns of A and B begin in a
// slice, how long rows are there, and its place among the results. What is beyond a product is computed
// from whatever lies there, and thrown away.
struct Tile {
    bool is_there = false;
    int left = 0, left_pitch = 0, right = 0, right_pitch = 0;
    int row = 0, column = 0, rows = 0, columns = 0, place = 0;

    __device__ __forceinline__ explicit Tile(int number) {
#pragma unroll
        for (int p = 0; p < 2; p++) {
            const int across = (right_of(p) + 31) / 32, all = (left_of(p) + 31) / 32 * across;
            if (number >= 0 && number < all) {
                is_there = true;
                row = 32 * (number / across), column = 32 * (number % across);
                left = begin_of(2 * p) + row, left_pitch = pitch_of(left_of(p));
                right = begin_of(2 * p + 1) + column, right_pitch = pitch_of(right_of(p));
                rows = left_of(p), columns = right_of(p), place = product_place(p);
            }
            number -= all;
        }
    }
};

typedef float Sums[2][4][4];  // of a tile: two of 16 x 32

// The products of a slice for a tile. A thread takes four columns of either matrix: columns 4 g + 2 i and
// 4 g + 2 i + 1 of A are rows g and g + 8 of product i.
__device__ __forceinline__ void multiply_rows(Sums& products, const float* tile, const Tile& at,
                                              int g, int u) {
    const float* a = tile + at.left + u * at.left_pitch + 4 * g;
    const float* b = tile + at.right + u * at.right_pitch + 4 * g;
#pragma unroll 2
    for (int k = 0; k < ROWS; k += 8) {
        const float4 near = *reinterpret_cast<const float4*>(a);
        const float4 far = *reinterpret_cast<const float4*>(a + 4 * at.left_pitch);
        Factors<4, THREE> left[2];
        left[0].put(0, near.x), left[0].put(1, near.y), left[0].put(2, far.x), left[0].put(3, far.y);
        left[1].put(0, near.z), left[1].put(1, near.w), left[1].put(2, far.z), left[1].put(3, far.w);
        const auto right = four_columns<THREE>(b, b + 4 * at.right_pitch);
        multiply_step<THREE>(products[0], left[0], right);
        multiply_step<THREE>(products[1], left[1], right);
        a += 8 * at.left_pitch, b += 8 * at.right_pitch;
    }
}

// A tile, of which a thread has four columns side by side.
__device__ __forceinline__ void write_tile(float* part, const Sums& products, const Tile& at, int g,
                                           int u) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int v = 0; v < 4; v++) {
            const int row = at.row + 4 * g + 2 * i + v / 2, column = at.column + 8 * u + 4 * (v % 2);
            float* to = part + at.place + row * at.columns + column;
            if (row >= at.rows) continue;
            if (at.columns % 4 == 0) {
                if (column < at.columns)
                    *reinterpret_cast<float4*>(to) = {products[i][0][v], products[i][1][v],
                                                      products[i][2][v], products[i][3][v]};
                continue;
            }
#pragma unroll
            for (int n = 0; n < 4; n++)
                if (column + n < at.columns) to[n] = products[i][n][v];
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
    Sums products[TASKS] = {};
    float sums[2] = {};
    const int column = threadIdx.x % MOST, team = threadIdx.x / MOST;
    i64 fetched = blockIdx.x;
    int stage = 0;
    for (i64 slice = blockIdx.x - (STAGES - 1) * (i64)gridDim.x; slice < slices; slice += gridDim.x) {
        if (slice >= 0) {
            wait_for_copies<STAGES - 2>();
            __syncthreads();  // all have left the stage that is filled next
        }
        fetch_all(stage, fetched);
        fetched += gridDim.x;
        stage = stage + 1 < STAGES ? stage + 1 : 0;
        if (slice < 0) continue;
        const float* tile = memory + stage * tile_words;
#pragma unroll
        for (int task = 0; task < TASKS; task++) {
            const Tile at(warp + task * WARPS);
            if (at.is_there) multiply_rows(products[task], tile, at, g, u);
        }
#pragma unroll
        for (int p = 0; p < 2; p++) {
            if (!is_summed(p) || column >= left_of(p)) continue;
            const float* a = tile + begin_of(2 * p) + column;
#pragma unroll 4
            for (int row = team; row < ROWS; row += TEAMS) sums[p] += a[row * pitch_of(left_of(p))];
        }
    }

    float* part = parts + blockIdx.x * (i64)sum_place(2);
#pragma unroll
    for (int task = 0; task < TASKS; task++) {
        const Tile at(warp + task * WARPS);
        if (at.is_there) write_tile(part, products[task], at, g, u);
    }
    for (int p = 0; p < 2; p++) {
        write_padding(part, product_place(p), left_of(p) * right_of(p));
        if (is_summed(p)) write_padding(part, sum_place(p), left_of(p));
    }
    __shared__ float board[2][TEAMS][MOST];
    for (int p = 0; p < 2; p++) board[p][team][column] = sums[p];
    __syncthreads();
#pragma unroll
    for (int p = 0; p < 2; p++) {
        if (!is_summed(p) || threadIdx.x >= left_of(p)) continue;
        float sum = 0;
        for (int team = 0; team < TEAMS; team++) sum += board[p][team][threadIdx.x];
        part[sum_place(p) + threadIdx.x] = sum;
    }
}
