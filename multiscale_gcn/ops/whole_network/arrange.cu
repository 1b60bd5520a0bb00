// Lays the parameters of a network out as walk.cu reads them: matrices in blocks for the tensor
// cores, normalisations as a scale and a shift, softmaxes of logits as matrices of nodes.
//
// A block of threads does one task. Options: those of fragments.cuh, THREADS, and POINTERS, how
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

// Weights that a thread asks for at once.
#define AT_ONCE 8

__device__ void arrange_channels(float* target, const Parameters& p, const int* task) {
    const int rows = (task[4] + 15) / 16 * 16, columns = task[6];
    const int n = task[2] + threadIdx.x % 8, begin = threadIdx.x / 8, step = THREADS / 8;
    float kept[AT_ONCE];
#if TF32
    __shared__ float largest[THREADS];
    float most = 0;
    for (int first = begin; first < rows; first += AT_ONCE * step) {
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i) {
            kept[i] = channel_weight(p, task, first + i * step, n);
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i) {
            most = fmaxf(most, fabsf(kept[i]));
        }
    }
    largest[threadIdx.x] = most;
    __syncthreads();
    for (int i = threadIdx.x % 8; i < THREADS; i += 8) {
        most = fmaxf(most, largest[i]);
    }
    // A power of two by which the largest number becomes less than 2^15.
    const int exponent = min(max((__float_as_int(most) >> 23) - 127, -100), 100);
    const float scale = __int_as_float((14 - exponent + 127) << 23);
    if (threadIdx.x < 8) {
        target[rows * columns / 2 + n] = 1 / scale;
    }
    unsigned short* halves = (unsigned short*)target;
#endif
    for (int first = begin; first < rows; first += AT_ONCE * step) {
        if (!TF32 || rows > AT_ONCE * step) {
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) {
                kept[i] = channel_weight(p, task, first + i * step, n);
            }
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i) {
            const int k = first + i * step;
            if (k < rows) {
#if TF32
                halves[channel_number(k, n, columns)] = as_half(kept[i] * scale);
#else
                target[channel_number(k, n, columns)] = factor(kept[i]);
#endif
            }
        }
    }
}

// bias, mean, variance, weight and bias of the normalisation, epsilon: for vectors of channels;
__device__ void fold(float* target, const Parameters& p, const int* task) {
    const int count = task[5], columns = task[6];
    const float *bias = numbers(p, task[8]), *mean = numbers(p, task[9]);
    const float *variance = numbers(p, task[10]), *gain = numbers(p, task[11]);
    const float* offset = numbers(p, task[12]);
    const float epsilon = __int_as_float(task[13]);
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
    }
}

__device__ void fold_joined(float* target, const Parameters& p, const int* task) {
    const int count = task[5], columns = task[6];
    const Joined bias = joined(p, task);
    for (int n = threadIdx.x; n < columns; n += THREADS) {
        target[n] = 1;
        target[columns + n] = n < count ? bias(0, n, 1) : 0;
    }
}

// source: for a dense matrix of nodes, of K rows and N columns;
__device__ void arrange_nodes(float* target, const Parameters& p, const int* task) {
    const int rows = task[4], count = task[5], columns = task[6];
    const float* source = numbers(p, task[8]);
    for (int i = task[2] + threadIdx.x; i < task[3]; i += THREADS) {
        const int m = i / columns, k = i % columns;
        const float x = m < rows && k < count ? source[m * count + k] : 0;
        target[node_number(m, k, columns)] = factor(x);
    }
}

// values, where rows begin, columns, whether rows are softmaxes, where the diagonal goes if it is
// kept apart: for a sparse matrix of nodes.
__device__ void arrange_graph(float* target, float* workspace, const Parameters& p,
                              const int* task) {
    const int rows = task[4], columns = task[6];
    const float* values = numbers(p, task[8]);
    const long long* begins = (const long long*)p.at[task[9]];
    const long long* neighbours = (const long long*)p.at[task[10]];
    for (int i = threadIdx.x; i < task[3]; i += THREADS) {
        target[i] = 0;
    }
    __syncthreads();
    for (int m = threadIdx.x; m < rows; m += THREADS) {
        const int begin = (int)begins[m], end = (int)begins[m + 1];
        float most = 0, sum = 1;
        if (task[11]) {
            most = __int_as_float(0xff800000);
            for (int e = begin; e < end; ++e) {
                most = fmaxf(most, values[e]);
            }
            sum = 0;
            for (int e = begin; e < end; ++e) {
                sum += expf(values[e] - most);
            }
        }
        for (int e = begin; e < end; ++e) {
            const int k = (int)neighbours[e];
            const float x = task[11] ? expf(values[e] - most) / sum : values[e];
            if (task[12] >= 0 && k == m) {
                workspace[task[12] + m] = x;
            } else {
                target[node_number(m, k, columns)] = factor(x);
            }
        }
    }
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
