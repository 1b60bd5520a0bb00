// What kernels share that go over the rows of sparse matrices of any size, rows of any length.
//
// Features are rows of BATCH x CHANNELS numbers. A team of LANES threads has one row of the matrix
// and a slice of LANES * VECTOR of its numbers. The rows of a tile stand side by side and are taken
// by the teams of one block at about the same time: neighbours that they share are fetched once,
// and then found in the cache of the multiprocessor. While a team works on a row, the entries of
// the next ones are on their way.
//
// A row of more than LONG entries is left until the block has done the others, and is then shared
// by its teams; their sums are added in a fixed order. Nothing is added atomically: results repeat
// bit for bit. There are fewer than 2^30 rows and entries, and fewer than 2^31 bytes of features
// from a node to the next.
//
// Options:
//   ELEMENT   see types.cuh
//   VECTOR    features that a thread loads at once; divides the channels
//   LANES     8, 16 or 32
//   SOFTMAX   1: the values are the softmax of what is given, over every row
//   OWN       0: all entries are alike. 1: a node's own features are others than those that its
//             neighbours see. 2: and the two sums are not added, but stand side by side
//   PLACES    1: the place of the value of every entry is told

#include "types.cuh"

#ifndef VECTOR
#define VECTOR 1
#endif
#ifndef LANES
#define LANES 8
#endif
#ifndef SOFTMAX
#define SOFTMAX 0
#endif
#ifndef OWN
#define OWN 0
#endif
#ifndef PLACES
#define PLACES 0
#endif
#ifndef THREADS
#define THREADS 768
#endif
#define HALVES ((ELEMENT == 1 || ELEMENT == 2) && VECTOR > 1)
#define TEAMS (THREADS / LANES)
#define SLICE (LANES * VECTOR)
#define LONG 512

#if HALVES
__device__ __forceinline__ Real widen_upper(unsigned pair) {
#if ELEMENT == 1
    return __uint_as_float(pair & 0xffff0000);
#else
    return widen((Element)(pair >> 16));
#endif
}

__device__ __forceinline__ unsigned narrow_pair(Real lower, Real upper) {
    unsigned pair;
#if ELEMENT == 1
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(upper), "f"(lower));
#else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(upper), "f"(lower));
#endif
    return pair;
}
#endif

__device__ __forceinline__ Real lowest() { return -__int_as_float(0x7f800000); }

// ----------------------------------------------------------------------------------------- teams

__device__ __forceinline__ int team_lane() { return threadIdx.x % LANES; }

// The teams of a warp go the same way: whatever hands numbers around is called by the whole warp.
#define ALL 0xffffffffu

template <typename T>
__device__ __forceinline__ T from_lane(T x, int lane) {
    return __shfl_sync(ALL, x, lane, LANES);
}

__device__ __forceinline__ Real team_max(Real x) {
    for (int s = LANES / 2; s > 0; s /= 2) x = fmax(x, __shfl_xor_sync(ALL, x, s, LANES));
    return x;
}

__device__ __forceinline__ Real team_sum(Real x) {
    for (int s = LANES / 2; s > 0; s /= 2) x += __shfl_xor_sync(ALL, x, s, LANES);
    return x;
}

// The greatest number of the teams of a warp, each of which has one.
__device__ __forceinline__ int most_of_teams(int x) {
    for (int s = LANES; s < 32; s *= 2) x = max(x, __shfl_xor_sync(ALL, x, s));
    return x;
}

// Over the block, in a fixed order; all threads must call it.
__device__ Real block_max(Real x) {
    __shared__ Real parts[TEAMS];
    x = team_max(x);
    __syncthreads();
    if (team_lane() == 0) parts[threadIdx.x / LANES] = x;
    __syncthreads();
    for (int t = 0; t < TEAMS; t++) x = fmax(x, parts[t]);
    return x;
}

__device__ Real block_sum(Real x) {
    __shared__ Real parts[TEAMS];
    x = team_sum(x);
    __syncthreads();
    if (team_lane() == 0) parts[threadIdx.x / LANES] = x;
    __syncthreads();
    x = 0;
    for (int t = 0; t < TEAMS; t++) x += parts[t];
    return x;
}

// ------------------------------------------------------------------------------------- the rows

// The rows of a team: tile after tile, every TEAMS-th of a tile.
struct Rows {
    int at, end, tile, num_rows;

    __device__ Rows(int rows_of_tile, int count) : tile(rows_of_tile), num_rows(count) {
        at = blockIdx.x * tile + threadIdx.x / LANES;
        end = (blockIdx.x + 1) * tile;
    }

    // Beyond the last: num_rows.
    __device__ __forceinline__ int next() {
        if (at >= num_rows) return num_rows;
        const int row = at;
        at += TEAMS;
        if (at >= end) {
            at += (gridDim.x - 1) * tile;
            end += gridDim.x * tile;
        }
        return row;
    }
};

struct Matrix {
    const i64 *indptr, *columns, *places;
    const Real* values;
    int num_rows;
};

struct Bounds {
    int row, begin, end;

    __device__ __forceinline__ int length() const { return end - begin; }
};

__device__ __forceinline__ Bounds bounds(const Matrix& matrix, int row) {
    if (row >= matrix.num_rows) return {row, 0, 0};
    return {row, (int)matrix.indptr[row], (int)matrix.indptr[row + 1]};
}

// An entry in each lane. Its value is fetched later: the place may have to be read first.
struct Place {
    int column, value;
};

__device__ __forceinline__ Place place(const Matrix& matrix, int entry, int end) {
    if (entry >= end) return {0, -1};
    return {(int)matrix.columns[entry], PLACES ? (int)matrix.places[entry] : entry};
}

__device__ __forceinline__ Real value(const Matrix& matrix, Place place) {
    if (!matrix.values) return 0;
    return place.value >= 0 ? matrix.values[place.value] : SOFTMAX ? lowest() : 0;
}

struct Chunk {
    int column;
    Real value;
};

__device__ __forceinline__ Chunk chunk(const Matrix& matrix, int first, int end) {
    const Place at = place(matrix, first + team_lane(), end);
    return {at.column, value(matrix, at)};
}

// The rows of a team with the first of their entries, fetched ahead of their turn.
struct Pipeline {
    Rows rows;
    Bounds now, next;
    Chunk first;
#if PLACES
    Place place_next;
    Bounds later;
#endif

    __device__ Pipeline(const Matrix& matrix, int rows_of_tile)
        : rows(rows_of_tile, matrix.num_rows) {
        now = bounds(matrix, rows.next());
        next = bounds(matrix, rows.next());
        first = chunk(matrix, now.begin, now.end);
#if PLACES
        place_next = place(matrix, next.begin + team_lane(), next.end);
        later = bounds(matrix, rows.next());
#endif
    }

    struct Ahead {
        Bounds bounds;
        Chunk chunk;
#if PLACES
        Place place;
#endif
    };

    // To be called before the work on row `now`, which hides the time that memory takes.
    __device__ __forceinline__ Ahead look(const Matrix& matrix) {
        Ahead ahead;
        ahead.bounds = bounds(matrix, rows.next());
#if PLACES
        ahead.chunk = {place_next.column, value(matrix, place_next)};
        ahead.place = place(matrix, later.begin + team_lane(), later.end);
#else
        ahead.chunk = chunk(matrix, next.begin, next.end);
#endif
        return ahead;
    }

    __device__ __forceinline__ void step(const Ahead& ahead) {
        now = next;
        first = ahead.chunk;
#if PLACES
        next = later;
        later = ahead.bounds;
        place_next = ahead.place;
#else
        next = ahead.bounds;
#endif
    }
};

// Call `work` for every long row of the block's tiles; all threads together.
template <typename Work>
__device__ void for_long_rows(const Matrix& matrix, int rows_of_tile, bool any, Work work) {
    if (!__syncthreads_or(any)) return;
    for (int first = blockIdx.x * rows_of_tile; first < matrix.num_rows;
         first += gridDim.x * rows_of_tile) {
        const int last = min(first + rows_of_tile, matrix.num_rows);
        for (int start = first; start < last; start += THREADS) {
            const int mine = start + threadIdx.x;
            const bool long_row = mine < last && bounds(matrix, mine).length() > LONG;
            if (!__syncthreads_or(long_row)) continue;
            for (int row = start; row < min(start + THREADS, last); row++) {
                const Bounds at = bounds(matrix, row);
                if (at.length() > LONG) work(at);
            }
        }
    }
}

// ----------------------------------------------------------------------------------- features

struct Features {
    Element* at;
    i64 graph, node;  // strides
};

// Where number m of the BATCH x CHANNELS of a node is.
struct Slice {
    int graph, channel;

    __device__ __forceinline__ Slice(int m, int channels) {
        graph = m < channels ? 0 : m / channels;
        channel = m - graph * channels;
    }

    __device__ __forceinline__ Element* of(const Features& x) const {
        return x.at + graph * x.graph + channel;
    }
};

template <int BYTES> struct Word;
template <> struct Word<2> { typedef unsigned short type; };
template <> struct Word<4> { typedef unsigned int type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

// VECTOR numbers as they come from memory.
struct Pack {
    typedef Word<VECTOR * sizeof(Element)>::type Whole;
    union {
        Whole whole;
#if HALVES
        unsigned int pairs[VECTOR / 2];
#endif
        Element numbers[VECTOR];
    };

    __device__ __forceinline__ Real operator[](int k) const {
#if HALVES
        const unsigned int pair = pairs[k / 2];
        return k % 2 ? widen_upper(pair) : widen((Element)pair);
#else
        return widen(numbers[k]);
#endif
    }
};

__device__ __forceinline__ Pack load(const Element* at) {
    Pack pack;
    pack.whole = *(const Pack::Whole*)at;
    return pack;
}

// What is read or written once need not stay in a cache.
__device__ __forceinline__ Pack load_once(const Element* at) {
    Pack pack;
    pack.whole = __ldcs((const Pack::Whole*)at);
    return pack;
}

__device__ __forceinline__ void store_once(Element* at, const Real* numbers) {
    Pack pack;
#if HALVES
    for (int k = 0; k < VECTOR; k += 2) pack.pairs[k / 2] = narrow_pair(numbers[k], numbers[k + 1]);
#else
    for (int k = 0; k < VECTOR; k++) pack.numbers[k] = narrow(numbers[k]);
#endif
    __stcs((Pack::Whole*)at, pack.whole);
}

// The place of a node's own entry among the lanes, or LANES.
__device__ __forceinline__ int lane_of_own(bool own) {
    const unsigned of_warp = __ballot_sync(ALL, own) >> (threadIdx.x % 32 / LANES * LANES);
    const unsigned found = of_warp & (0xffffffffu >> (32 - LANES));
    return found ? __ffs(found) - 1 : LANES;
}
