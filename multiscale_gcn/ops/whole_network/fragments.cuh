// How matrices lie in the workspace, and how they are multiplied: the arithmetic of both kernels.
//
// Options:
//   TF32  1: factors are rounded to TF32; 0: products are those of float32, made of three each.

#include "tensor_cores.cuh"

__device__ __forceinline__ float factor(float x) {
#if TF32
    return as_tf32(x);
#else
    return x;
#endif
}

// The factors of a tile that is multiplied with several others: rounded, and what that left over.
template <int COUNT> struct Factors {
    float high[COUNT];
#if !TF32
    float low[COUNT];
#endif
    __device__ __forceinline__ void set(int i, float x) {
        high[i] = as_tf32(x);
#if !TF32
        low[i] = as_tf32(x - high[i]);
#endif
    }
    // Of numbers that arrange_weights has rounded.
    __device__ __forceinline__ void set_rounded(int i, float x) {
#if TF32
        high[i] = x;
#else
        set(i, x);
#endif
    }
};

__device__ __forceinline__ void add_product(float* c, const Factors<4>& a, const Factors<2>& b) {
#if !TF32
    multiply_tiles(c, a.low, b.high);
    multiply_tiles(c, a.high, b.low);
#endif
    multiply_tiles(c, a.high, b.high);
}

// A matrix of channels, K x N, is multiplied from the right. Its numbers lie in blocks of 16 x 8,
// all blocks of 16 rows side by side; lane l of a block has four numbers one after another, in
// column l / 4, and in rows l % 4, then 4, 8 and 12 further.
struct ChannelPlace {
    int k, n;
};
__device__ __forceinline__ ChannelPlace channel_place(int number, int columns) {
    const int within = number % 128, block = number / 128, tiles = columns / 8;
    const int lane = within / 4, part = within % 4;
    return {block / tiles * 16 + part * 4 + lane % 4, block % tiles * 8 + lane / 4};
}

// A matrix of nodes, M x K, is multiplied from the left. Its numbers lie in blocks of 16 x 8, all
// blocks of 16 rows one after another; lane l of a block has four numbers, in rows l / 4 and 8
// further, in columns 2 (l % 4) and the next. So the rows that it meets are neighbours, and the
// other factor is read from shared memory without conflicts.
__device__ __forceinline__ int node_number(int m, int k, int columns) {
    const int block = m / 16 * (columns / 8) + k / 8;
    const int lane = m % 8 * 4 + k % 8 / 2, part = m % 16 / 8 + 2 * (k % 2);
    return block * 128 + lane * 4 + part;
}
