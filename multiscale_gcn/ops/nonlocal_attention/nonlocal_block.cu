// Non-local attention of graphs of few nodes: a block has a graph, or a slice of its channels, and
// sorts it. See nonlocal.cuh.

#include "nonlocal.cuh"

// --------------------------------------------------------------------------------------- sorting

#if ELEMENT == 3
typedef unsigned long long Key;
#else
typedef unsigned int Key;
#endif

// Rises with x; the largest for what is not a number, and 0 for nothing.
__device__ __forceinline__ Key key_of(Real x) {
#if ELEMENT == 3
    const Key word = (Key)__double_as_longlong(x), sign = (Key)1 << 63;
#else
    const Key word = __float_as_uint(x), sign = (Key)1 << 31;
#endif
    if (x != x) return ~(Key)0;
    return word & sign ? ~word : word | sign;
}

struct __align__(16) Keys {
    Key of[4];
};

// The list of a whole graph. The tile has the rows of the values, then those of the gradient.
template <bool BOTH_WAYS>
__device__ __forceinline__ void sort(const Shared& s, const Element* source, i64 source_node,
                                     const Element* target, i64 target_node, int nodes,
                                     int entries, int pitch) {
    const int nothing = (BOTH_WAYS ? 2 : 1) * nodes * pitch;
    const int padded = (nodes + 3) / 4 * 4;
    Key* keys = (Key*)s.rest;                    // targets, sources
    Real* given = (Real*)(keys + 2 * padded);    // the same
    Real* sorted = given + 2 * padded;           // falling targets, rising sources
    int* ranks = (int*)(sorted + 2 * padded);
    for (int k = threadIdx.x; k < 2 * padded; k += blockDim.x) {
        const int node = k < padded ? k : k - padded;
        keys[k] = 0;
        if (node < nodes) {
            const Element* at =
                k < padded ? target + node * target_node : source + node * source_node;
            const Real x = widen(*at);
            given[k] = x;
            keys[k] = key_of(x);
        }
    }
    for (int k = 2 * nodes + threadIdx.x; k < entries; k += blockDim.x)
        s.list[k] = no_entry<BOTH_WAYS>(nothing);
    __syncthreads();
    for (int k = threadIdx.x; k < 2 * padded; k += blockDim.x) {
        const int list = k < padded ? 0 : padded, node = k - list, quad = node / 4;
        if (node >= nodes) continue;
        const Key own = keys[k];
        const Keys* others = (const Keys*)(keys + list);
        int before[4] = {};  // apart, so that no sum waits for another
#pragma unroll 4
        for (int q = 0; q < padded / 4; q++) {
            const Keys four = others[q];
            const Key bar = q < quad ? own - 1 : own;
#pragma unroll
            for (int v = 0; v < 4; v++) before[v] += four.of[v] > bar;
        }
        const Keys near = others[quad];
#pragma unroll
        for (int v = 0; v < 4; v++) before[v] += near.of[v] == own && 4 * quad + v < node;
        const int rank = before[0] + before[1] + before[2] + before[3];
        ranks[k] = list ? nodes - 1 - rank : rank;
        sorted[list + ranks[k]] = given[k];
    }
    __syncthreads();
    for (int k = threadIdx.x; k < 2 * padded; k += blockDim.x) {
        const bool is_source = k >= padded;
        const int node = is_source ? k - padded : k;
        if (node >= nodes) continue;
        const Real own = given[k];
        const Real* others = sorted + (is_source ? 0 : padded);
        unsigned int low = 0, high = nodes;
        while (low < high) {
            const unsigned int middle = (low + high) / 2;
            const bool unseen = others[middle] + own <= 0;
            if (unseen != is_source) low = middle + 1;
            else high = middle;
        }
        s.list[ranks[k] + low] = entry_of<BOTH_WAYS>(
            is_source, node, own, (is_source ? nodes + node : node) * pitch, nothing);
    }
}

// --------------------------------------------------------------------------------------- kernels

extern "C" __global__ void __launch_bounds__(THREADS)
attend(const Element* __restrict__ source, i64 source_graph, i64 source_node,
       const Element* __restrict__ target, i64 target_graph, i64 target_node,
       const Element* __restrict__ value, i64 value_graph, i64 value_node, Element* __restrict__ y,
       i64 y_graph, i64 y_node, i64 num_nodes, i64 num_channels, i64 slice) {
    const int nodes = (int)num_nodes, entries = (2 * nodes + STEP - 1) / STEP * STEP;
    const i64 b = blockIdx.x, first = blockIdx.y * slice;
    const int pitch = (int)slice, channels = (int)min(slice, num_channels - first);
    const Shared s = share(entries, 0, nodes, pitch);
    fetch_rows(share_of_rows(channels), s.tile, pitch, value + b * value_graph + first, value_node,
               nodes);
    sort<false>(s, source + b * source_graph, source_node, target + b * target_graph, target_node,
                nodes, entries, pitch);
    wait_for_rows();
    const int c = threadIdx.x * WIDTH;
    Start start;
    if (c < channels)
        walk(s, entries, c, start.sum, start.moment, y + b * y_graph + first + c, y_node,
             (Real)1 / nodes);
}

// With one slice of the channels the gradients go to for_source and for_target, else to
// parts: [slices, 2, batch, nodes].
extern "C" __global__ void __launch_bounds__(THREADS)
attend_gradient(const Element* __restrict__ source, i64 source_graph, i64 source_node,
                const Element* __restrict__ target, i64 target_graph, i64 target_node,
                const Element* __restrict__ value, i64 value_graph, i64 value_node,
                const Element* __restrict__ gradient, i64 gradient_graph, i64 gradient_node,
                Element* __restrict__ for_value, Element* __restrict__ for_source,
                Element* __restrict__ for_target, i64 result_graph, i64 result_node,
                i64 padding, Real* __restrict__ parts, i64 num_nodes, i64 num_channels,
                i64 slice, i64 walkers) {
    const int nodes = (int)num_nodes, entries = (2 * nodes + STEP - 1) / STEP * STEP;
    const i64 b = blockIdx.x, first = blockIdx.y * slice;
    const int pitch = (int)slice, channels = (int)min(slice, num_channels - first);
    const Shared s = share(entries, (int)walkers / 32, 2 * nodes, pitch);
    const Share mine = share_of_rows(channels);
    fetch_rows(mine, s.tile, pitch, value + b * value_graph + first, value_node, nodes);
    fetch_rows(mine, s.tile + nodes * pitch, pitch, gradient + b * gradient_graph + first,
               gradient_node, nodes);
    sort<true>(s, source + b * source_graph, source_node, target + b * target_graph, target_node,
               nodes, entries, pitch);
    wait_for_rows();
    const int c = threadIdx.x % (int)walkers * WIDTH;
    Start start;
    walk_both_ways(s, entries, 2 * nodes, c, c < channels, start,
                   for_value + b * result_graph + first, result_node,
                   numbers_of(for_source, for_target, result_graph, result_node, padding, parts,
                              gridDim.x, b, nodes),
                   (int)walkers, nodes);
}
