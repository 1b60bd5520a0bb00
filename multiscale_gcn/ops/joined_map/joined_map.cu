// A map with two rows more, the products of a vector with a matrix, and the gradient.
//
//     joined = [value; left' A; right' B; 0],   and the same of the biases
//
// Biases are one more column. A matrix and its bias come as two pointers.
//
// Options:
//   ELEMENT  see types.cuh

#include "types.cuh"

#define THREADS 256
#define COLUMNS 8
#define GROUPS (THREADS / COLUMNS)

struct Map {
    const Element *weight, *bias;

    __device__ __forceinline__ Real at(i64 row, i64 column, i64 channels) const {
        return widen(column < channels ? weight[row * channels + column] : bias[row]);
    }
};

struct Result {
    Element *weight, *bias;

    __device__ __forceinline__ void put(i64 row, i64 column, i64 channels, Real x) const {
        (column < channels ? weight[row * channels + column] : bias[row]) = narrow(x);
    }
};

// score: [2, inner], left and right; rows: of the joined map. A block has some columns of all rows.
extern "C" __global__ void __launch_bounds__(THREADS)
join(Element* weight, Element* bias, const Element* score, const Element* value_weight,
     const Element* value_bias, const Element* left_weight, const Element* left_bias,
     const Element* right_weight, const Element* right_bias, i64 inner, i64 rows,
     i64 channels) {
    __shared__ Real board[2][GROUPS][COLUMNS];
    const Map value = {value_weight, value_bias}, left = {left_weight, left_bias},
              right = {right_weight, right_bias};
    const Result joined = {weight, bias};
    const int column = threadIdx.x % COLUMNS, group = threadIdx.x / COLUMNS;
    const i64 c = blockIdx.x * (i64)COLUMNS + column;
    Real sums[2] = {};
    if (c <= channels) {
#pragma unroll 4
        for (i64 k = group; k < inner; k += GROUPS) {
            sums[0] += widen(score[k]) * left.at(k, c, channels);
            sums[1] += widen(score[inner + k]) * right.at(k, c, channels);
        }
        for (i64 k = group; k < inner; k += GROUPS)
            joined.put(k, c, channels, value.at(k, c, channels));
        for (i64 k = inner + 2 + group; k < rows; k += GROUPS) joined.put(k, c, channels, 0);
    }
    for (int side = 0; side < 2; side++) board[side][group][column] = sums[side];
    __syncthreads();
    if (group < 2 && c <= channels) {
        Real sum = 0;
#pragma unroll
        for (int g = 0; g < GROUPS; g++) sum += board[group][g][column];
        joined.put(inner + group, c, channels, sum);
    }
}

// upstream: of the rows behind those of the value. A block has a row of one of the matrices.
extern "C" __global__ void __launch_bounds__(THREADS)
join_gradient(Element* for_score, Element* for_left, Element* for_left_bias, Element* for_right,
              Element* for_right_bias, const Element* upstream, const Element* upstream_bias,
              const Element* score, const Element* left_weight, const Element* left_bias,
              const Element* right_weight, const Element* right_bias, i64 inner, i64 channels) {
    __shared__ Real board[THREADS / 32];
    const int side = blockIdx.y;
    const i64 k = blockIdx.x;
    const Map map = side == 0 ? Map{left_weight, left_bias} : Map{right_weight, right_bias};
    const Map above = {upstream, upstream_bias};
    const Result result = side == 0 ? Result{for_left, for_left_bias}
                                    : Result{for_right, for_right_bias};
    const Real factor = widen(score[side * inner + k]);
    Real sum = 0;
    for (i64 c = threadIdx.x; c <= channels; c += THREADS) {
        const Real g = above.at(side, c, channels);
        result.put(k, c, channels, factor * g);
        sum += g * map.at(k, c, channels);
    }
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
    if (threadIdx.x % 32 == 0) board[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < THREADS / 32; w++) sum += board[w];
        for_score[side * inner + k] = narrow(sum);
    }
}
