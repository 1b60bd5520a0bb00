// What the kernels for whole layers on any tensor cores share. All THREADS of a block work at everything.
//
// Options, beside those of numbers.cuh and entries.cuh:
//   WIDTH              columns of the weights in shared memory

#include "numbers.cuh"
#include "tensor_cores.cuh"

#define LISTERS THREADS

__device__ __forceinline__ int lister() { return threadIdx.x; }

__device__ __forceinline__ void listers_wait() { __syncthreads(); }

#include "entries.cuh"

// Weights in shared memory: two words of k, which one product takes, lie side by side for every column. A
// thread has words 16q + 4t to 16q + 4t + 3 of k, and columns 32p + 4g to 32p + 4g + 3, in pieces of two
// columns. Threads of two quads read at once; pieces are exchanged by t, so that they find them in
// different banks. This is where the piece of an even word and an even column begins.
__device__ __forceinline__ int weight_place(int word, int column) {
    int t = word / 4 % 4;
    return word * WIDTH + ((2 * column) ^ (t % 2 * 4 + t / 2 * 16));
}

#if THREE
// The nearest number of tf32, and what is left. The tensor cores cut off what is behind the upper 19 bits;
// the factor makes up for it, on average.
__device__ __forceinline__ void halve(u32 word, u32& large, u32& small) {
    large = (word + 0x1000) & 0xffffe000;
    small = __float_as_uint((__uint_as_float(word) - __uint_as_float(large)) * (1 + 0x1p-12f));
}
#endif

// c += a b for 4 columns: b has words t and t + 4 of each.
__device__ __forceinline__ void multiply_columns(float (&c)[4][4], const u32 (&left)[4],
                                                 const u32 (&right)[4][2]) {
#if THREE
    u32 a[4], small_a[4], b[4][2], small_b[4][2];
#pragma unroll
    for (int v = 0; v < 4; v++) {
        halve(left[v], a[v], small_a[v]);
        halve(right[v][0], b[v][0], small_b[v][0]);
        halve(right[v][1], b[v][1], small_b[v][1]);
    }
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], small_a, b[v]);
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], a, small_b[v]);
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], a, b[v]);
#else
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], left, right[v]);
#endif
}

// The same with weights: the pieces of the thread's columns.
__device__ __forceinline__ void multiply_weights(float (&c)[4][4], const u32 (&left)[4],
                                                 const u32* piece, const u32* next_piece) {
    uint4 first = *reinterpret_cast<const uint4*>(piece);
    uint4 second = *reinterpret_cast<const uint4*>(next_piece);
    u32 right[4][2] = {
        {first.x, first.y}, {first.z, first.w}, {second.x, second.y}, {second.z, second.w}};
    multiply_columns(c, left, right);
}
