// Mixing neighbours with a matrix for every channel, for any sizes and types.
//
// Options:
//   ELEMENT  see types.cuh
//   VECTOR   elements that a thread loads at once; divides the channels
//
// Values have the type of sums, and lie entry by entry: [nnz, C]. Offsets are in elements.

#include "types.cuh"

#define GRAPHS 4   // of the batch, that a thread works on at once
#define THREADS 256

struct __align__(VECTOR * sizeof(Element)) Vector {
    Element of[VECTOR];
};

// ------------------------------------------------------------------------------------- softmax

// given: [C, nnz]; values: [nnz, C].
extern "C" __global__ void softmax(const Real* __restrict__ given, Real* __restrict__ values,
                                   const i64* __restrict__ indptr, i64 nodes, i64 channels,
                                   i64 entries) {
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < nodes * channels;
         at += gridDim.x * (i64)blockDim.x) {
        i64 i = at / channels, c = at % channels;
        const Real* row = given + c * entries;
        i64 begin = indptr[i], end = indptr[i + 1];
        Real highest = row[begin], sum = 0;
        for (i64 e = begin; e < end; e++) highest = row[e] > highest ? row[e] : highest;
        for (i64 e = begin; e < end; e++) sum += exp(row[e] - highest);
        for (i64 e = begin; e < end; e++)
            values[e * channels + c] = exp(row[e] - highest) / sum;
    }
}

// The gradient of the logits, laid out as they are, from that of the values.
extern "C" __global__ void softmax_gradient(const Real* __restrict__ values,
                                            const Real* __restrict__ upstream,
                                            Real* __restrict__ gradient,
                                            const i64* __restrict__ indptr, i64 nodes,
                                            i64 channels, i64 entries) {
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < nodes * channels;
         at += gridDim.x * (i64)blockDim.x) {
        i64 i = at / channels, c = at % channels;
        i64 begin = indptr[i], end = indptr[i + 1];
        Real sum = 0;
        for (i64 e = begin; e < end; e++)
            sum += values[e * channels + c] * upstream[e * channels + c];
        for (i64 e = begin; e < end; e++)
            gradient[c * entries + e] =
                values[e * channels + c] * (upstream[e * channels + c] - sum);
    }
}

// -------------------------------------------------------------------------------------- mixing

struct Sums {
    Real of[GRAPHS][VECTOR];
};

__device__ __forceinline__ void add(Sums& sums, const Element* __restrict__ from, i64 graph_step,
                                    i64 b, i64 batch, const Real* __restrict__ value) {
    Real factor[VECTOR];
#pragma unroll
    for (int v = 0; v < VECTOR; v++) factor[v] = value[v];
#pragma unroll
    for (int g = 0; g < GRAPHS; g++) {
        if (b + g >= batch) break;
        Vector x = *reinterpret_cast<const Vector*>(from + (b + g) * graph_step);
#pragma unroll
        for (int v = 0; v < VECTOR; v++) sums.of[g][v] += factor[v] * widen(x.of[v]);
    }
}

__device__ __forceinline__ void store(const Sums& sums, Element* to, i64 graph_step, i64 b,
                                      i64 batch) {
#pragma unroll
    for (int g = 0; g < GRAPHS; g++) {
        if (b + g >= batch) break;
        Vector y;
#pragma unroll
        for (int v = 0; v < VECTOR; v++) y.of[v] = narrow(sums.of[g][v]);
        *reinterpret_cast<Vector*>(to + (b + g) * graph_step) = y;
    }
}

// y_i = f(values_ii own_i + sum over the others of values_ij others_j + bias). Without `own`, the
// others are all. `mirror` transposes the matrix. f(y) = y, or its batch
// normalisation with known statistics, and ReLU.
extern "C" __global__ void __launch_bounds__(THREADS)
mix(const Element* __restrict__ own, i64 own_graph, i64 own_node,
    const Element* __restrict__ others, i64 others_graph, i64 others_node,
    Element* __restrict__ y, i64 y_graph, i64 y_node, i64 batch, i64 nodes, i64 channels,
    const Real* __restrict__ values, const i64* __restrict__ indptr,
    const i64* __restrict__ columns, const i64* __restrict__ loops,
    const i64* __restrict__ mirror, const Real* __restrict__ bias,
    const Real* __restrict__ mean, const Real* __restrict__ variance,
    const Real* __restrict__ gain, const Real* __restrict__ offset, double epsilon, i64 relu) {
    i64 vectors = channels / VECTOR, groups = (batch + GRAPHS - 1) / GRAPHS;
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < nodes * groups * vectors;
         at += gridDim.x * (i64)blockDim.x) {
        i64 c = at % vectors * VECTOR, rest = at / vectors;
        i64 b = rest % groups * GRAPHS, i = rest / groups;
        i64 loop = loops[i];
        Sums sums = {};
        if (own != nullptr)
            add(sums, own + i * own_node + c, own_graph, b, batch,
                values + loop * channels + c);
        for (i64 e = indptr[i]; e < indptr[i + 1]; e++) {
            if (own != nullptr && e == loop) continue;
            i64 at_value = mirror == nullptr ? e : mirror[e];
            add(sums, others + columns[e] * others_node + c, others_graph, b, batch,
                values + at_value * channels + c);
        }
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            Real scale = 1, shift = bias == nullptr ? 0 : bias[c + v];
            if (mean != nullptr) {
                scale = 1 / sqrt(variance[c + v] + (Real)epsilon);
                if (gain != nullptr) scale *= gain[c + v];
                shift = (shift - mean[c + v]) * scale;
                if (offset != nullptr) shift += offset[c + v];
            }
#pragma unroll
            for (int g = 0; g < GRAPHS; g++) {
                Real x = sums.of[g][v] * scale + shift;
                sums.of[g][v] = relu && x < 0 ? 0 : x;
            }
        }
        store(sums, y + i * y_node + c, y_graph, b, batch);
    }
}

// [values_ii x_i, sum over the others of values_ij x_j], side by side in a row of y.
extern "C" __global__ void __launch_bounds__(THREADS)
mix_apart(const Element* __restrict__ x, i64 x_graph, i64 x_node, Element* __restrict__ y,
          i64 y_graph, i64 y_node, i64 batch, i64 nodes, i64 channels,
          const Real* __restrict__ values, const i64* __restrict__ indptr,
          const i64* __restrict__ columns, const i64* __restrict__ loops,
          const i64* __restrict__ mirror) {
    i64 vectors = channels / VECTOR, groups = (batch + GRAPHS - 1) / GRAPHS;
    for (i64 at = blockIdx.x * (i64)blockDim.x + threadIdx.x; at < nodes * groups * vectors;
         at += gridDim.x * (i64)blockDim.x) {
        i64 c = at % vectors * VECTOR, rest = at / vectors;
        i64 b = rest % groups * GRAPHS, i = rest / groups;
        i64 loop = loops[i];
        Sums own = {}, others = {};
        add(own, x + i * x_node + c, x_graph, b, batch, values + loop * channels + c);
        for (i64 e = indptr[i]; e < indptr[i + 1]; e++) {
            if (e == loop) continue;
            i64 at_value = mirror == nullptr ? e : mirror[e];
            add(others, x + columns[e] * x_node + c, x_graph, b, batch,
                values + at_value * channels + c);
        }
        store(own, y + i * y_node + c, y_graph, b, batch);
        store(others, y + i * y_node + channels + c, y_graph, b, batch);
    }
}

// -------------------------------------------------------------------- the gradient of the values

// partial[chunk, e, c] = sum over a chunk of the batch of left_i right_j, where right is `own` on
// the diagonal and `others` elsewhere. A block has one row of the matrix and one chunk.
extern "C" __global__ void __launch_bounds__(THREADS)
value_gradient(const Element* __restrict__ left, i64 left_graph, i64 left_node,
               const Element* __restrict__ own, i64 own_graph, i64 own_node,
               const Element* __restrict__ others, i64 others_graph, i64 others_node, i64 batch,
               i64 channels, i64 chunk, const i64* __restrict__ indptr,
               const i64* __restrict__ columns, const i64* __restrict__ loops,
               Real* __restrict__ partial, i64 entries) {
    i64 i = blockIdx.x, vectors = channels / VECTOR, loop = loops[i];
    i64 first = blockIdx.y * chunk, last = first + chunk < batch ? first + chunk : batch;
    for (i64 e = indptr[i]; e < indptr[i + 1]; e++) {
        bool on_loop = own != nullptr && e == loop;
        const Element* right = on_loop ? own + i * own_node : others + columns[e] * others_node;
        i64 right_graph = on_loop ? own_graph : others_graph;
        __shared__ Real sums[THREADS / 32][32 * VECTOR];
        int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        for (i64 start = 0; start < vectors; start += 32) {
            Real sum[VECTOR] = {};
            i64 c = (start + lane) * VECTOR;
            if (c < channels) {
                for (i64 b = first + warp; b < last; b += THREADS / 32) {
                    Vector l = *reinterpret_cast<const Vector*>(left + i * left_node +
                                                                b * left_graph + c);
                    Vector r = *reinterpret_cast<const Vector*>(right + b * right_graph + c);
#pragma unroll
                    for (int v = 0; v < VECTOR; v++) sum[v] += widen(l.of[v]) * widen(r.of[v]);
                }
            }
#pragma unroll
            for (int v = 0; v < VECTOR; v++) sums[warp][lane + 32 * v] = sum[v];
            __syncthreads();
            for (int at = threadIdx.x; at < 32 * VECTOR; at += THREADS) {
                Real x = 0;
                for (int w = 0; w < THREADS / 32; w++) x += sums[w][at];
                i64 c = (start + at % 32) * VECTOR + at / 32;
                if (c < channels) partial[(blockIdx.y * entries + e) * channels + c] = x;
            }
            __syncthreads();
        }
    }
}
