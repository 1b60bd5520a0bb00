// Lays the parameters of a network out as walk.cu reads them: matrices in blocks for the tensor
// cores, normalisations as a scale and a shift, softmaxes of logits as matrices of nodes.
//
// A block of threads does one task. Options: that of fragments.cuh, THREADS (256), and POINTERS, how
// many parameters a launch can name.

#include "fragments.cuh"

struct Parameters {
    const void* at[POINTERS];
};

enum { CHANNEL_MATRIX, JOINED_MATRIX, CHANNEL_VECTORS, JOINED_VECTOR, NODE_MATRIX, GRAPH_MATRIX };

__device__ __forceinline__ const float* numbers(const Parameters& parameters, int place) {
    return place < 0 ? nullptr : (const float*)parameters.at[place];
}

// The map before non-local attention: value, and two rows of scores.
struct Joined {
    const float *value, *theta, *phi, *score;
    int inner;

    // Column n of row k, of matrices (inner, width) of which k counts the columns.
    __device__ float operator()(int k, int n, int width) const {
        if (n < inner) {
            return value[n * width + k];
        }
        const float* map = n == inner ? theta : phi;
        const float* factors = score + (n - inner) * inner;
        float sum = 0;
#pragma unroll 16
        for (int i = 0; i < inner; ++i) {
            sum += factors[i] * map[i * width + k];
        }
        return sum;
    }
};

__device__ __forceinline__ Joined joined(const Parameters& p, const int* task) {
    return {numbers(p, task[8]), numbers(p, task[9]), numbers(p, task[10]), numbers(p, task[11]),
            task[12]};
}

// task: kind, target, begin, end, K, N, columns with padding; then
// the source, and where it begins, and its strides: for a matrix of channels, of which a block of
// threads takes the columns from begin to end, eight;
__device__ float channel_weight(const Parameters& p, const int* task, int k, int n) {
    if (k >= task[4] || n >= task[5]) {
        return 0;
    }
    if (task[0] == JOINED_MATRIX) {
        return joined(p, task)(k, n, task[4]);
    }
    return numbers(p, task[8])[task[9] + k * task[10] + n * task[11]];
}

#define AT_ONCE 8

__device__ void arrange_channels(float* target, const Parameters& p, const int* task) {
    const int rows = (task[4] + 15) / 16 * 16, columns = task[6];
    const int column = threadIdx.x % 8, n = task[2] + column, step = THREADS / 8;
    float kept[AT_ONCE], scale = 1;
#if HALVES
    __shared__ float largest[THREADS], sums[THREADS], whole[8];
    float most = 0, sum = 0;
#endif
    for (int pass = 1 - HALVES; pass < 2; ++pass) {
        for (int first = threadIdx.x / 8; first < rows; first += AT_ONCE * step) {
            if (pass == 1 - HALVES || rows > AT_ONCE * step) {
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i) {
                    kept[i] = channel_weight(p, task, first + i * step, n);
                }
            }
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) {
                const int k = first + i * step;
#if HALVES
                if (pass == 0) {
                    most = fmaxf(most, fabsf(kept[i]));
                    sum += fabsf(kept[i]);
                } else if (k < rows) {
                    ((unsigned short*)target)[channel_number(k, n, columns)] =
                        as_half(kept[i] * scale);
                }
#else
                if (k < rows) {
                    target[channel_number(k, n, columns)] = kept[i];
                }
#endif
            }
        }
#if HALVES
        if (pass == 0) {
            largest[threadIdx.x] = most;
            sums[threadIdx.x] = sum;
            __syncthreads();
            sum = 0;
            for (int i = column; i < THREADS; i += 8) {
                most = fmaxf(most, largest[i]);
                sum += sums[i];
            }
            scale = scale_for(most);
            if (threadIdx.x < 8) {
                target[rows * columns / 2 + n] = 1 / scale;
                whole[column] = sum;
            }
            __syncthreads();
            if (threadIdx.x == 0) {
                for (int i = 1; i < 8; ++i) {
                    sum = fmaxf(sum, whole[i]);
                }
                target[rows * columns / 2 + columns + n / 8] = sum;
            }
        }
#endif
    }
}

// The largest of the numbers of all threads.
__device__ float largest_of_block(float x) {
    __shared__ float most;
    if (threadIdx.x == 0) {
        most = 0;
    }
    __syncthreads();
    keep_larger(&most, largest_of_warp(x));
    __syncthreads();
    x = most;
    __syncthreads();
    return x;
}

// Behind a scale and a shift of each channel: the largest of either.
__device__ void add_largest(float* target, int columns, float scale, float shift) {
    scale = largest_of_block(scale);
    shift = largest_of_block(shift);
    if (threadIdx.x == 0) {
        target[2 * columns] = scale;
        target[2 * columns + 1] = shift;
    }
}

// bias, mean, variance, weight and bias of the normalisation, epsilon: for vectors of channels;
__device__ void fold(float* target, const Parameters& p, const int* task) {
    const int count = task[5], columns = task[6];
    const float *bias = numbers(p, task[8]), *mean = numbers(p, task[9]);
    const float *variance = numbers(p, task[10]), *gain = numbers(p, task[11]);
    const float* offset = numbers(p, task[12]);
    const float epsilon = __int_as_float(task[13]);
    float largest_scale = 0, largest_shift = 0;
    for (int n = threadIdx.x; n < columns; n += THREADS) {
        float scale = 1, shift = 0;
        if (n < count) {
            shift = bias ? bias[n] : 0;
            if (mean) {
                scale = (gain ? gain[n] : 1) / sqrtf(variance[n] + epsilon);
                shift = (shift - mean[n]) * scale + (offset ? offset[n] : 0);
            }
        }
        target[n] = scale;
        target[columns + n] = shift;
        largest_scale = fmaxf(largest_scale, fabsf(scale));
        largest_shift = fmaxf(largest_shift, fabsf(shift));
    }
    add_largest(target, columns, largest_scale, largest_shift);
}

__device__ void fold_joined(float* target, const Parameters& p, const int* task) {
    const int count = task[5], columns = task[6];
    const Joined bias = joined(p, task);
    float largest_shift = 0;
    for (int n = threadIdx.x; n < columns; n += THREADS) {
        const float shift = n < count ? bias(0, n, 1) : 0;
        target[n] = 1;
        target[columns + n] = shift;
        largest_shift = fmaxf(largest_shift, fabsf(shift));
    }
    add_largest(target, columns, 1, largest_shift);
}

// Where the inverse scales of a matrix of nodes are, which sums of rows follow.
__device__ __forceinline__ float* behind_nodes(float* target, const int* task) {
    return target + (task[4] + 15) / 16 * 16 * task[6] / 2;
}

// source: for a dense matrix of nodes, of K rows and N columns, of which a block of threads takes 16
// rows;
__device__ void arrange_nodes(float* target, const Parameters& p, const int* task) {
    const int rows = task[4], count = task[5], columns = task[6], all = (rows + 15) / 16 * 16;
    const int lanes = THREADS / 16, lane = threadIdx.x % lanes;
    const int m = task[2] / columns + threadIdx.x / lanes;
    const float* source = numbers(p, task[8]) + (long long)m * count;
#if HALVES
    __shared__ float largest[THREADS], sums[THREADS];
    float most = 0, sum = 0;
    for (int k = lane; k < count; k += lanes) {
        const float x = m < rows ? fabsf(source[k]) : 0;
        most = fmaxf(most, x);
        sum += x;
    }
    largest[threadIdx.x] = most;
    sums[threadIdx.x] = sum;
    __syncthreads();
    sum = 0;
    for (int i = 0; i < lanes; ++i) {
        most = fmaxf(most, largest[threadIdx.x - lane + i]);
        sum += sums[threadIdx.x - lane + i];
    }
    sum = largest_of_block(sum);
    const float scale = scale_for(most);
    float* behind = behind_nodes(target, task);
    if (lane == 0) {
        behind[m] = 1 / scale;
    }
    if (threadIdx.x == 0) {
        behind[all + m / 16] = sum;
    }
#endif
    for (int k = lane; k < columns; k += lanes) {
        const float x = m < rows && k < count ? source[k] : 0;
#if HALVES
        ((unsigned short*)target)[node_number(m, k, columns)] = as_half(x * scale);
#else
        target[node_number(m, k, columns)] = x;
#endif
    }
}

// values, where rows begin, columns, whether rows are softmaxes, where the diagonal goes if it is
// kept apart, with its largest number behind: for a sparse matrix of nodes.
__device__ void arrange_graph(float* target, float* workspace, const Parameters& p,
                              const int* task) {
    const int rows = task[4], columns = task[6], apart = task[12];
    const int all = (rows + 15) / 16 * 16;
    const float* values = numbers(p, task[8]);
    const long long* begins = (const long long*)p.at[task[9]];
    const long long* neighbours = (const long long*)p.at[task[10]];
    for (int i = threadIdx.x; i < all * columns / (HALVES + 1); i += THREADS) {
        target[i] = 0;
    }
    __syncthreads();
    float largest_sum = 0, largest_own = 0;
    for (int m = threadIdx.x; m < all; m += THREADS) {
        const int begin = m < rows ? (int)begins[m] : 0, end = m < rows ? (int)begins[m + 1] : 0;
        float most = 0, total = 1;
        if (task[11]) {
            most = __int_as_float(0xff800000);
            for (int e = begin; e < end; ++e) {
                most = fmaxf(most, values[e]);
            }
            total = 0;
            for (int e = begin; e < end; ++e) {
                total += expf(values[e] - most);
            }
        }
        float scale = 1;
#if HALVES
        float largest = 0, sum = 0;
        for (int e = begin; e < end; ++e) {
            const float x = fabsf(task[11] ? expf(values[e] - most) / total : values[e]);
            if (apart >= 0 && neighbours[e] == m) {
                largest_own = fmaxf(largest_own, x);
            } else {
                largest = fmaxf(largest, x);
                sum += x;
            }
        }
        scale = scale_for(largest);
        largest_sum = fmaxf(largest_sum, sum);
        behind_nodes(target, task)[m] = 1 / scale;
#endif
        for (int e = begin; e < end; ++e) {
            const int k = (int)neighbours[e];
            const float x = task[11] ? expf(values[e] - most) / total : values[e];
            if (apart >= 0 && k == m) {
                workspace[apart + m] = x;
            } else {
#if HALVES
                ((unsigned short*)target)[node_number(m, k, columns)] = as_half(x * scale);
#else
                target[node_number(m, k, columns)] = x * scale;
#endif
            }
        }
    }
#if HALVES
    largest_sum = largest_of_block(largest_sum);
    largest_own = largest_of_block(largest_own);
    for (int i = threadIdx.x; i < all / 16; i += THREADS) {
        behind_nodes(target, task)[all + i] = i ? 0 : largest_sum;
    }
    if (threadIdx.x == 0 && apart >= 0) {
        workspace[apart + rows] = largest_own;
    }
#endif
}

extern "C" __global__ void __launch_bounds__(THREADS)
    arrange_weights(const int* tasks, float* workspace, const Parameters parameters) {
    const int* task = tasks + blockIdx.x * TASK;
    float* target = workspace + task[1];
    switch (task[0]) {
    case CHANNEL_MATRIX:
    case JOINED_MATRIX:
        arrange_channels(target, parameters, task);
        break;
    case CHANNEL_VECTORS:
        fold(target, parameters, task);
        break;
    case JOINED_VECTOR:
        fold_joined(target, parameters, task);
        break;
    case NODE_MATRIX:
        arrange_nodes(target, parameters, task);
        break;
    case GRAPH_MATRIX:
        arrange_graph(target, workspace, parameters, task);
        break;
    }
}
