// How matrices lie in the workspace, and how they are multiplied: the arithmetic of both kernels.
//
// Options:
//   TF32  1: factors are rounded to TF32, and matrices of channels are kept in half precision with a
//         scale a column, since TF32 has no more digits, only a wider range. 0: products are those
//         of float32, made of three each.

#include "float16.cuh"
#include "instructions.cuh"
#include "tensor_cores.cuh"
#include "tf32.cuh"

__device__ __forceinline__ float factor(float x) {
#if TF32
    return __uint_as_float(to_tf32(x));
#else
    return x;
#endif
}

// The factors of a tile that is multiplied with several others: rounded, and what that left over.
template <int COUNT> struct Factors {
    u32 high[COUNT];
#if !TF32
    u32 low[COUNT];
#endif
    __device__ __forceinline__ void set(int i, float x) {
        high[i] = to_tf32(x);
#if !TF32
        low[i] = to_tf32(x - __uint_as_float(high[i]));
#endif
    }
    // Of features in shared memory. The tensor cores drop the last 13 bits, so that half of the last
    // one that they keep rounds, if no NaN has all bits set: see as_feature.
    __device__ __forceinline__ void set_feature(int i, float x) {
#if TF32
        high[i] = __float_as_uint(x) + 0x1000;
#else
        set(i, x);
#endif
    }
    // Of numbers that arrange_weights has rounded.
    __device__ __forceinline__ void set_rounded(int i, float x) {
#if TF32
        high[i] = __float_as_uint(x);
#else
        set(i, x);
#endif
    }
};

// The NaN that a device computes has all bits set but the sign.
__device__ __forceinline__ float as_feature(float x) {
    return __int_as_float(min(__float_as_int(x), 0x7fc00000));
}

__device__ __forceinline__ float as_given(float x) {
    return x == x ? x : __int_as_float(0x7fc00000);
}

__device__ __forceinline__ void add_product(float (&c)[4], const Factors<4>& a,
                                            const Factors<2>& b) {
#if !TF32
    multiply(c, a.low, b.high);
    multiply(c, a.high, b.low);
#endif
    multiply(c, a.high, b.high);
}

// A matrix of channels, K x N, is multiplied from the right. Its numbers lie in blocks of 16 rows
// and 8 PACKED columns, all blocks of 16 rows side by side. Lane l of a block has 16 bytes: for each
// tile of 8 columns four numbers in column l / 4, in rows l % 4, then 4, 8 and 12 further.
#define PACKED (TF32 ? 2 : 1)
__device__ __forceinline__ int channel_number(int k, int n, int columns) {
    const int block = k / 16 * (columns / (8 * PACKED)) + n / (8 * PACKED);
    const int lane = n % 8 * 4 + k % 4;
    return ((block * 32 + lane) * PACKED + n / 8 % PACKED) * 4 + k % 16 / 4;
}

// Of what a lane has of a block: number i of tile t.
__device__ __forceinline__ float channel_factor(const float4& has, int t, int i) {
#if TF32
    const unsigned int pair = __float_as_uint((&has.x)[t * 2 + i / 2]);
    return of_half((unsigned short)(i % 2 ? pair >> 16 : pair));
#else
    return (&has.x)[i];
#endif
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
