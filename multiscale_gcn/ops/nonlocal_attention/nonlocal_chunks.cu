// Non-local attention of graphs of many nodes. The sorted list is given, and cut into chunks:
// `totals` sums them up in groups, `scan` adds what comes before each group, and then every block
// walks along its chunk. See nonlocal.cuh, and besides its options:
//   LENGTH    entries of a chunk, a multiple of 2 STEP
//   GROUP     chunks that are summed up together

#include "nonlocal.cuh"

#define COLUMNS 8  // of a block that scans
#define SEGMENTS 128

// --------------------------------------------------------------------------------- the sorted list

// What to sort, with sources before targets where they are equal: [batch, 2 nodes]. Zeros are
// positive, and a target that is not a number comes first.
extern "C" __global__ void __launch_bounds__(THREADS)
make_keys(const Element* __restrict__ source, i64 source_graph, i64 source_node,
          const Element* __restrict__ target, i64 target_graph, i64 target_node,
          Real* __restrict__ keys, i64 batch, i64 nodes) {
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < batch * nodes;
         at += gridDim.x * (i64)blockDim.x) {
        const i64 b = at / nodes, i = at - b * nodes;
        const Real s = widen(source[b * source_graph + i * source_node]);
        const Real t = widen(target[b * target_graph + i * target_node]);
        Real* row = keys + b * 2 * nodes;
        row[i] = s + (Real)0;
        row[nodes + i] = t != t ? (Real)-__int_as_float(0x7f800000) : (Real)0 - t;
    }
}

// Of the sorted list, [batch, 2 nodes].
struct Sorted {
    const Real* keys;
    const i64* order;
    int nodes;
};

struct Place {
    bool is_source;
    int node;
    Real weight;
};

__device__ __forceinline__ Place place_at(const Sorted& sorted, i64 at) {
    const int place = (int)sorted.order[at];
    const Real key = sorted.keys[at];
    const bool is_source = place < sorted.nodes;
    return {is_source, is_source ? place : place - sorted.nodes, is_source ? key : -key};
}

// Which part of the list a block has, and which slice of the channels. Groups of chunks are counted
// through all graphs. What a chunk and its group start with are sums and moments of all channels,
// [groups, 1 + GROUP, 2, channels]: what comes before the group, and before each chunk within it.
struct Chunk {
    i64 b, begin, group;  // graph, first entry of its list, group
    int valid, first, channels;
};

__device__ __forceinline__ Chunk chunk_of(i64 block, int within, int length, i64 nodes,
                                          i64 num_channels, i64 slice) {
    const i64 groups = (2 * nodes + GROUP * LENGTH - 1) / (GROUP * LENGTH);
    Chunk chunk;
    chunk.group = block;
    chunk.b = block / groups;
    chunk.begin = ((block - chunk.b * groups) * GROUP + within) * LENGTH;
    chunk.valid = (int)max(min((i64)length, 2 * nodes - chunk.begin), 0ll);
    chunk.first = blockIdx.y * (int)slice;
    chunk.channels = (int)min(slice, num_channels - chunk.first);
    return chunk;
}

// ---------------------------------------------------------------------------- what comes before

// Of every group the sums of x and of weight x, over its targets or over its sources, and what
// comes within the group before each chunk: of targets from the front, of sources from the end.
extern "C" __global__ void __launch_bounds__(THREADS)
totals(const Element* __restrict__ x, i64 x_graph, i64 x_node, const Real* __restrict__ keys,
       const i64* __restrict__ order, Real* __restrict__ result, i64 of_sources, i64 nodes,
       i64 num_channels, i64 slice) {
    __shared__ int node[GROUP * LENGTH];  // -1 if it adds nothing
    __shared__ Real weight[GROUP * LENGTH];
    const Chunk group =
        chunk_of(blockIdx.x, 0, GROUP * LENGTH, nodes, num_channels, slice);
    for (int k = threadIdx.x; k < GROUP * LENGTH; k += blockDim.x) {
        const Place place = k < group.valid
            ? place_at({keys, order, (int)nodes}, group.b * 2 * nodes + group.begin + k)
            : Place{!of_sources, 0, 0};
        const bool adds = place.is_source == (of_sources != 0);
        const int at = of_sources ? GROUP * LENGTH - 1 - k : k;
        node[at] = adds ? place.node : -1;
        weight[at] = adds ? place.weight : 0;
    }
    __syncthreads();
    const int c = threadIdx.x * WIDTH;
    if (c >= group.channels) return;
    x += group.b * x_graph + group.first + c;
    result += group.group * (1 + GROUP) * 2 * num_channels + group.first + c;
    Start running;
    for (int chunk = 0; chunk <= GROUP; chunk++) {
        // What comes before this chunk; in the end the total of the group.
        const int row = chunk == GROUP ? 0 : of_sources ? GROUP - chunk : 1 + chunk;
#pragma unroll
        for (int w = 0; w < WIDTH; w++) {
            result[row * 2 * num_channels + w] = running.sum[w];
            result[(row * 2 + 1) * num_channels + w] = running.moment[w];
        }
        if (chunk == GROUP) break;
        for (int k = chunk * LENGTH; k < (chunk + 1) * LENGTH; k += 2 * STEP) {
            Pack pack[2 * STEP];
#pragma unroll
            for (int u = 0; u < 2 * STEP; u++) {
                pack[u] = {};
                const int j = node[k + u];
                if (j >= 0) pack[u] = *(const Pack*)(x + j * x_node);
            }
#pragma unroll
            for (int u = 0; u < 2 * STEP; u++) {
                const Real factor = weight[k + u];
#pragma unroll
                for (int w = 0; w < WIDTH; w++) {
                    running.sum[w] += widen(pack[u].of[w]);
                    running.moment[w] += factor * widen(pack[u].of[w]);
                }
            }
        }
    }
}

// In every column of the first of [rows] columns of [groups, rows, columns], of each graph, the sum
// of what comes before, or behind.
extern "C" __global__ void __launch_bounds__(COLUMNS * SEGMENTS)
scan(Real* __restrict__ x, i64 groups, i64 rows, i64 columns, i64 behind) {
    __shared__ Real sums[2][SEGMENTS][COLUMNS];
    const int column = threadIdx.x % COLUMNS, segment = threadIdx.x / COLUMNS;
    const i64 at = blockIdx.y * (i64)COLUMNS + column;
    const i64 length = (groups + SEGMENTS - 1) / SEGMENTS;
    const i64 first = min(segment * length, groups), last = min(first + length, groups);
    const bool active = at < columns;
    // From the last group to the first: the same with steps to the other side.
    x += (blockIdx.x * groups + (behind ? groups - 1 : 0)) * rows * columns + at;
    const i64 step = behind ? -rows * columns : rows * columns;
    Real sum = 0;
    for (i64 k = first; k < last; k += 2 * STEP) {
        Real held[2 * STEP];
#pragma unroll
        for (int u = 0; u < 2 * STEP; u++)
            held[u] = active && k + u < last ? x[(k + u) * step] : 0;
#pragma unroll
        for (int u = 0; u < 2 * STEP; u++) sum += held[u];
    }
    int now = 0;
    sums[now][segment][column] = sum;
    __syncthreads();
    for (int reach = 1; reach < SEGMENTS; reach *= 2) {
        Real total = sums[now][segment][column];
        if (segment >= reach) total += sums[now][segment - reach][column];
        now = 1 - now;
        sums[now][segment][column] = total;
        __syncthreads();
    }
    if (!active) return;
    sum = segment ? sums[now][segment - 1][column] : 0;
    for (i64 k = first; k < last; k += 2 * STEP) {
        Real held[2 * STEP];
#pragma unroll
        for (int u = 0; u < 2 * STEP; u++) held[u] = k + u < last ? x[(k + u) * step] : 0;
#pragma unroll
        for (int u = 0; u < 2 * STEP; u++) {
            if (k + u < last) x[(k + u) * step] = sum;
            sum += held[u];
        }
    }
}

// ---------------------------------------------------------------------------------------- walking

// The list of a chunk, and its tile in the order of the list.
template <bool BOTH_WAYS>
__device__ __forceinline__ void read_chunk(const Shared& s, const Chunk& chunk,
                                           const Sorted& sorted, const Element* value,
                                           i64 value_node, const Element* gradient,
                                           i64 gradient_node, int pitch) {
    const int nothing = LENGTH * pitch;
    for (int k = threadIdx.x; k < LENGTH; k += blockDim.x) {
        if (k < chunk.valid) {
            const Place place =
                place_at(sorted, chunk.b * 2 * sorted.nodes + chunk.begin + k);
            s.list[k] = entry_of<BOTH_WAYS>(place.is_source, place.node, place.weight, k * pitch,
                                            nothing);
        } else {
            s.list[k] = no_entry<BOTH_WAYS>(nothing);
        }
    }
    __syncthreads();
    const Share mine = share_of_rows(chunk.channels);
    for (int p = mine.piece; p < mine.pieces; p += blockDim.x) {
        const int c = p * (COPY / ELEMENT_BYTES);
        for (int k = mine.row; k < chunk.valid; k += mine.row_step) {
            const int code = s.list[k].code;
            if (code >= 0) fetch(s.tile + k * pitch + c, value + code * value_node + c);
            else if (BOTH_WAYS)
                fetch(s.tile + k * pitch + c, gradient + ~code * gradient_node + c);
        }
    }
}

__device__ __forceinline__ void start_from(Real* to, const Real* carry, i64 group, int within,
                                           bool moment, i64 channels, int c) {
    const Real* rows = carry + (group * (1 + GROUP) * 2 + moment) * channels + c;
#pragma unroll
    for (int w = 0; w < WIDTH; w++) to[w] = rows[w] + rows[(1 + within) * 2 * channels + w];
}

// `before` is what `totals` and `scan` made of the targets.
extern "C" __global__ void __launch_bounds__(THREADS)
attend_chunks(const Element* __restrict__ value, i64 value_graph, i64 value_node,
              const Real* __restrict__ keys, const i64* __restrict__ order,
              const Real* __restrict__ before, Element* __restrict__ y, i64 y_graph, i64 y_node,
              i64 nodes, i64 num_channels, i64 slice) {
    const int pitch = (int)slice, within = blockIdx.x % GROUP;
    const Shared s = share(LENGTH, 0, LENGTH, pitch);
    const Chunk chunk =
        chunk_of(blockIdx.x / GROUP, within, LENGTH, nodes, num_channels, slice);
    if (chunk.valid == 0) return;
    read_chunk<false>(s, chunk, {keys, order, (int)nodes},
                      value + chunk.b * value_graph + chunk.first, value_node, nullptr, 0, pitch);
    const int c = threadIdx.x * WIDTH;
    Start start;
    if (c < chunk.channels) {
        start_from(start.sum, before, chunk.group, within, false, num_channels, chunk.first + c);
        start_from(start.moment, before, chunk.group, within, true, num_channels, chunk.first + c);
    }
    wait_for_rows();
    if (c < chunk.channels)
        walk(s, LENGTH, c, start.sum, start.moment, y + chunk.b * y_graph + chunk.first + c,
             y_node, (Real)1 / nodes);
}

// `before` as above, `behind` is what `totals` and `scan` made of the sources.
extern "C" __global__ void __launch_bounds__(THREADS)
attend_chunks_gradient(const Element* __restrict__ value, i64 value_graph, i64 value_node,
                       const Element* __restrict__ gradient, i64 gradient_graph,
                       i64 gradient_node, const Real* __restrict__ keys,
                       const i64* __restrict__ order, const Real* __restrict__ before,
                       const Real* __restrict__ behind, Element* __restrict__ for_value,
                       Element* __restrict__ for_source, Element* __restrict__ for_target,
                       i64 result_graph, i64 result_node, i64 padding,
                       Real* __restrict__ parts, i64 batch, i64 nodes, i64 num_channels, i64 slice, i64 walkers) {
    const int pitch = (int)slice, within = blockIdx.x % GROUP;
    const Shared s = share(LENGTH, (int)walkers / 32, LENGTH, pitch);
    const Chunk chunk =
        chunk_of(blockIdx.x / GROUP, within, LENGTH, nodes, num_channels, slice);
    if (chunk.valid == 0) return;
    read_chunk<true>(s, chunk, {keys, order, (int)nodes},
                     value + chunk.b * value_graph + chunk.first, value_node,
                     gradient + chunk.b * gradient_graph + chunk.first, gradient_node, pitch);
    const int c = threadIdx.x % (int)walkers * WIDTH;
    const bool active = c < chunk.channels, back = threadIdx.x >= walkers;
    Start start;
    if (active) {
        start_from(start.sum, back ? behind : before, chunk.group, within, false, num_channels,
                   chunk.first + c);
        if (back)
            start_from(start.moment, behind, chunk.group, within, true, num_channels,
                       chunk.first + c);
    }
    wait_for_rows();
    walk_both_ways(s, LENGTH, chunk.valid, c, active, start,
                   for_value + chunk.b * result_graph + chunk.first, result_node,
                   numbers_of(for_source, for_target, result_graph, result_node, padding, parts,
                              batch, chunk.b, (int)nodes),
                   (int)walkers, (int)nodes);
}
