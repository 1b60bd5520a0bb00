// What the blocks of a backward kernel have found, added up.
//
// Options, beside those of entries.cuh:
//   IN, OUT            channels of X and of dY

#define ADDERS 256

__device__ __forceinline__ float sum_of_warp(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
    return x;
}

// The gradients from the parts of all blocks. Blocks of 256 threads, by number: first those for the
// weights, one number a thread; then one for each row of the matrix, whose warps have an entry each;
// then one for the bias.
extern "C" __global__ void __launch_bounds__(ADDERS)
semgconv_whole_sums(const float* __restrict__ value_parts, const float* __restrict__ weight_parts,
                    const float* __restrict__ bias_parts, i64 blocks, i64 slices,
                    const float* __restrict__ given, const i64* __restrict__ indptr,
                    i64 entries_in_all, float* __restrict__ for_given,
                    float* __restrict__ for_weight, float* __restrict__ for_bias) {
    constexpr int weights = MATRICES * IN * OUT, weight_blocks = weights / ADDERS;
    const int count = (int)blocks, entries = (int)entries_in_all;
    if (blockIdx.x < weight_blocks) {
        const int at = blockIdx.x * ADDERS + threadIdx.x;
        float sum = 0;
#pragma unroll 16
        for (int block = 0; block < count; block++) sum += weight_parts[(i64)block * weights + at];
        for_weight[at] = sum;
    } else if (blockIdx.x < weight_blocks + NODES) {
        __shared__ float upstream[NODES];
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row = blockIdx.x - weight_blocks;
        const int begin = (int)indptr[row], length = (int)indptr[row + 1] - begin;
        for (int e = warp; e < length; e += ADDERS / 32) {
            float part = 0;
#pragma unroll 4
            for (int p = lane; p < count * (int)slices; p += 32)
                part += value_parts[(i64)p * entries + begin + e];
            part = sum_of_warp(part);
            if (lane == 0) upstream[e] = part;
        }
        __syncthreads();
        if (warp > 0) return;
#if SOFTMAX
        float highest = __int_as_float(0xff800000), sum = 0, dot = 0;
        for (int e = lane; e < length; e += 32) highest = fmaxf(highest, given[begin + e]);
#pragma unroll
        for (int step = 16; step > 0; step /= 2)
            highest = fmaxf(highest, __shfl_xor_sync(0xffffffff, highest, step));
        for (int e = lane; e < length; e += 32) {
            float power = expf(given[begin + e] - highest);
            sum += power, dot += power * upstream[e];
        }
        sum = sum_of_warp(sum), dot = sum_of_warp(dot) / sum;
        for (int e = lane; e < length; e += 32)
            for_given[begin + e] = expf(given[begin + e] - highest) / sum * (upstream[e] - dot);
#else
        for (int e = lane; e < length; e += 32) for_given[begin + e] = upstream[e];
#endif
    } else {
        for (int c = threadIdx.x; c < OUT; c += ADDERS) {
            float sum = 0;
#pragma unroll 16
            for (int block = 0; block < count; block++) sum += bias_parts[block * OUT + c];
            for_bias[c] = sum;
        }
    }
}
