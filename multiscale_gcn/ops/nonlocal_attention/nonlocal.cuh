// Non-local attention, y_i = (1 / N) sum_j ReLU(source_i + target_j) value_j, in one walk.
//
// Put the nodes into a list twice, once for their source and once for their target: rising sources
// and falling targets, merged so that target j stands before source i exactly if i sees j, that is
// source_i + target_j > 0. Walk along the list and keep the sum of value_j and of
// target_j value_j: at source i they give y_i. The gradient of the values is the same on the way
// back, with source and target changing places. Along one walk a thread has WIDTH channels.
// What is not a number counts as the largest: its target is seen by all.
//
// This file has the walk, of a block along its part of the list. Sums have a fixed order, so
// results repeat bit for bit.
//
// Options:
//   ELEMENT   see types.cuh
//   WIDTH     channels of a thread, up to 8 bytes; divides the channels
//   COPY      bytes that are copied to shared memory at once
//   STEP      entries whose rows are read at once, 8 or 16

#include "types.cuh"

#define THREADS 256  // at most

struct __align__(WIDTH * ELEMENT_BYTES) Pack {
    Element of[WIDTH];
};
#if WIDTH * ELEMENT_BYTES == 2
typedef unsigned short Bits;
#define PACK_TYPE "b16"
#define PACK_REGISTER "h"
#elif WIDTH * ELEMENT_BYTES == 4
typedef unsigned int Bits;
#define PACK_TYPE "b32"
#define PACK_REGISTER "r"
#else
typedef unsigned long long Bits;
#define PACK_TYPE "b64"
#define PACK_REGISTER "l"
#endif

struct __align__(COPY) Piece {
    Element of[COPY / ELEMENT_BYTES];
};

// ------------------------------------------------------------------------------- shared memory

extern __shared__ __align__(16) unsigned char memory[];

// A place in the list: of target j, or of source i.
struct __align__(16) Entry {
    Real adds;    // times its row, to the moment of the sum; 0 if it adds nothing
    Real weight;  // source_i or target_j
    int row;      // in the tile, in elements
    int code;     // j or ~i
};

// A tile of rows, of which the last is 0, and the list that says how to walk over them.
struct Shared {
    Entry* list;    // [entries]
    Real* dots;     // [warps of a walk, entries]
    Element* tile;  // [rows + 1, pitch]
    unsigned char* rest;
};

__device__ __forceinline__ Shared share(int entries, int warps, int rows, int pitch) {
    Shared s;
    s.list = (Entry*)memory;
    s.dots = (Real*)(s.list + entries);
    s.tile = (Element*)(s.dots + warps * entries);
    s.rest = (unsigned char*)s.tile + ((rows + 1) * pitch * sizeof(Element) + 15) / 16 * 16;
    for (int c = threadIdx.x; c < pitch; c += blockDim.x) s.tile[rows * pitch + c] = 0;
    return s;
}

// On the way back it is the sources that add. What adds nothing reads `nothing`, the row of zeros,
// unless the gradients need its row.
template <bool BOTH_WAYS>
__device__ __forceinline__ Entry entry_of(bool is_source, int node, Real weight, int row,
                                          int nothing) {
    Entry entry;
    entry.adds = is_source == BOTH_WAYS ? weight : 0;
    entry.weight = weight;
    entry.row = is_source && !BOTH_WAYS ? nothing : row;
    entry.code = is_source ? ~node : node;
    return entry;
}

// Beyond the end of the list: adds zeros, and gives no result.
template <bool BOTH_WAYS>
__device__ __forceinline__ Entry no_entry(int nothing) {
    return {0, 0, nothing, BOTH_WAYS ? ~0 : 0};
}

__device__ __forceinline__ void fetch(Element* to, const Element* from) {
#if COPY >= 4 && __CUDA_ARCH__ >= 800
    unsigned int address = (unsigned int)__cvta_generic_to_shared(to);
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(address), "l"(from), "n"(COPY)
                 : "memory");
#else
    *(Piece*)to = *(const Piece*)from;
#endif
}

__device__ __forceinline__ void wait_for_rows() {
#if COPY >= 4 && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
    __syncthreads();
}

// Which pieces of which rows a thread copies: neighbours copy neighbouring pieces.
struct Share {
    int piece, pieces, row, row_step;
};

__device__ __forceinline__ Share share_of_rows(int channels) {
    const int pieces = channels * ELEMENT_BYTES / COPY, side = min(pieces, (int)blockDim.x);
    const int row = threadIdx.x / side, row_step = blockDim.x / side;
    return {(int)threadIdx.x - row * side, pieces, row < row_step ? row : 1 << 30, row_step};
}

// One row after the other, as they lie.
__device__ __forceinline__ void fetch_rows(const Share& mine, Element* tile, int pitch,
                                           const Element* from, i64 row_step, int rows) {
    for (int p = mine.piece; p < mine.pieces; p += blockDim.x) {
        const int c = p * (COPY / ELEMENT_BYTES);
#pragma unroll 4
        for (int j = mine.row; j < rows; j += mine.row_step)
            fetch(tile + j * pitch + c, from + j * row_step + c);
    }
}

// -------------------------------------------------------------------------------------- walking

// The rows of STEP entries, from `k` on.
__device__ __forceinline__ void load_step(Real x[STEP][WIDTH], Entry entry[STEP], const Shared& s,
                                          int k, int c, bool active) {
#pragma unroll
    for (int u = 0; u < STEP; u++) entry[u] = s.list[k + u];
#pragma unroll
    for (int u = 0; u < STEP; u++) {
        Pack pack = {};
        if (active) pack = *(const Pack*)(s.tile + entry[u].row + c);
#pragma unroll
        for (int w = 0; w < WIDTH; w++) x[u][w] = widen(pack.of[w]);
    }
}

// Without a branch, which would cost more than the store.
__device__ __forceinline__ void store(bool wanted, Element* to, const Real* sum,
                                      const Real* moment, Real weight, Real scale) {
    Pack pack;
#pragma unroll
    for (int w = 0; w < WIDTH; w++) pack.of[w] = narrow((weight * sum[w] + moment[w]) * scale);
    const Bits bits = *(Bits*)&pack;
    asm volatile("{.reg .pred p; setp.ne.s32 p, %0, 0; @p st.global." PACK_TYPE " [%1], %2;}" ::"r"(
                     (int)wanted),
                 "l"(to), PACK_REGISTER(bits)
                 : "memory");
}

// y_i of all sources in the list.
__device__ __forceinline__ void walk(const Shared& s, int entries, int c, Real* sum, Real* moment,
                                     Element* y, i64 y_node, Real scale) {
    for (int k = 0; k < entries; k += STEP) {
        Real x[STEP][WIDTH];
        Entry entry[STEP];
        load_step(x, entry, s, k, c, true);
#pragma unroll
        for (int u = 0; u < STEP; u++) {
#pragma unroll
            for (int w = 0; w < WIDTH; w++) {
                sum[w] += x[u][w];
                moment[w] += entry[u].adds * x[u][w];
            }
            const int code = entry[u].code;
            store(code < 0, y + (unsigned int)~code * (unsigned long long)y_node, sum, moment,
                  entry[u].weight, scale);
        }
    }
}

// d[u] summed over the warp, in the first of 32 / STEP lanes for every u.
__device__ __forceinline__ Real sum_of_warp(Real d[STEP]) {
    const int lane = threadIdx.x % 32;
    int step = 16;
#pragma unroll
    for (int half = STEP / 2; half > 0; half /= 2, step /= 2) {
        const bool upper = lane & step;
#pragma unroll
        for (int u = 0; u < half; u++) {
            const Real give = upper ? d[u] : d[u + half], keep = upper ? d[u + half] : d[u];
            d[u] = keep + __shfl_xor_sync(0xffffffff, give, step);
        }
    }
#pragma unroll
    for (; step > 0; step /= 2) d[0] += __shfl_xor_sync(0xffffffff, d[0], step);
    return d[0];
}

__device__ __forceinline__ void keep_dots(const Shared& s, Real* dots, int k, Real d[STEP],
                                          bool of_sources) {
    const Real dot = sum_of_warp(d);
    const int lane = threadIdx.x % 32, at = k + lane / (32 / STEP);
    if (lane % (32 / STEP) == 0 && s.list[at].code < 0 == of_sources) dots[at] = dot;
}

// <gradient_i, sum of the values that i sees> for all sources.
__device__ __forceinline__ void walk_ahead(const Shared& s, int entries, int c, bool active,
                                           Real* sum, Real* dots) {
    for (int k = 0; k < entries; k += STEP) {
        Real x[STEP][WIDTH], d[STEP];
        Entry entry[STEP];
        load_step(x, entry, s, k, c, active);
#pragma unroll
        for (int u = 0; u < STEP; u++) {
            d[u] = 0;
#pragma unroll
            for (int w = 0; w < WIDTH; w++) {
                d[u] += x[u][w] * sum[w];
                sum[w] += entry[u].code < 0 ? 0 : x[u][w];
            }
        }
        keep_dots(s, dots, k, d, true);
    }
}

// The gradient of value_j, and <value_j, sum of the gradients of those who see j>, for all targets.
__device__ __forceinline__ void walk_back(const Shared& s, int entries, int c, bool active,
                                          Real* sum, Real* moment, Real* dots, Element* for_value,
                                          i64 row_step, Real scale) {
    for (int k = entries - STEP; k >= 0; k -= STEP) {
        Real x[STEP][WIDTH], d[STEP];
        Entry entry[STEP];
        load_step(x, entry, s, k, c, active);
#pragma unroll
        for (int u = STEP - 1; u >= 0; u--) {
            const int code = entry[u].code;
            d[u] = 0;
#pragma unroll
            for (int w = 0; w < WIDTH; w++) {
                const Real added = code < 0 ? x[u][w] : 0;
                d[u] += x[u][w] * sum[w];
                sum[w] += added;
                moment[w] += entry[u].adds * added;
            }
            store(active && code >= 0,
                  for_value + (unsigned int)code * (unsigned long long)row_step, sum, moment,
                  entry[u].weight, scale);
        }
        keep_dots(s, dots, k, d, false);
    }
}

// Where the gradients of the sources and the targets of a graph go, and how many zeros behind these. A block has a slice of the
// channels: with several slices they are added up later.
struct Numbers {
    Element *of_sources, *of_targets;
    i64 step, padding;
    Real *part_of_sources, *part_of_targets;
};

__device__ __forceinline__ Numbers numbers_of(Element* of_sources, Element* of_targets, i64 graph,
                                              i64 step, i64 padding, Real* parts, i64 batch, i64 b, int nodes) {
    Real* part = parts == nullptr ? nullptr : parts + (blockIdx.y * 2 * batch + b) * nodes;
    return {of_sources + b * graph, of_targets + b * graph, step, padding, part,
            part == nullptr ? nullptr : part + batch * nodes};
}

// What a walker starts with.
struct Start {
    Real sum[WIDTH] = {}, moment[WIDTH] = {};
};

// Each half of the block walks in one direction; then the gradients of sources and targets, of the
// first `valid` entries.
__device__ __forceinline__ void walk_both_ways(const Shared& s, int entries, int valid, int c,
                                               bool active, Start& start, Element* for_value,
                                               i64 row_step, const Numbers& numbers, int walkers,
                                               int nodes) {
    const int warp = threadIdx.x / 32, warps = walkers / 32;
    Real* dots = s.dots + warp % warps * entries;
    if (warp < warps)
        walk_ahead(s, entries, c, active, start.sum, dots);
    else if (warp < 2 * warps)
        walk_back(s, entries, c, active, start.sum, start.moment, dots, for_value + c, row_step,
                  (Real)1 / nodes);
    __syncthreads();
    for (int k = threadIdx.x; k < valid; k += blockDim.x) {
        const int code = s.list[k].code, node = code < 0 ? ~code : code;
        Real total = 0;
        for (int w = 0; w < warps; w++) total += s.dots[w * entries + k];
        total /= nodes;
        if (numbers.part_of_sources != nullptr)
            (code < 0 ? numbers.part_of_sources : numbers.part_of_targets)[node] = total;
        else {
            Element* to = (code < 0 ? numbers.of_sources : numbers.of_targets) + node * numbers.step;
            *to = narrow(total);
            if (code >= 0)
                for (i64 k = 1; k <= numbers.padding; k++) to[k] = 0;
        }
    }
}
