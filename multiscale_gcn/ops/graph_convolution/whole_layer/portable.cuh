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

// A thread multiplies words 16q + 4t to 16q + 4t + 3 of a row, and columns 32p + 4g to 32p + 4g + 3. The
// threads of two quads read at once; columns are exchanged by t, so that they find them in different
// banks.
__device__ __forceinline__ int weight_place(int word, int column) {
    return word * WIDTH + (column ^ (word / 4 % 4 * 8));
}

#if THREE
// The nearest number of tf32, and what is left.
__device__ __forceinline__ void halve(u32 word, u32& large, u32& small) {
    large = (word + 0x1000) & 0xffffe000;
    small = __float_as_uint(__uint_as_float(word) - __uint_as_float(large));
}
#endif

// One word of k for each of two threads' places, and 4 columns.
__device__ __forceinline__ void multiply_columns(float (&c)[4][4], u32 a0, u32 a1, u32 a2, u32 a3,
                                                 uint4 first, uint4 second) {
    u32 a[4] = {a0, a1, a2, a3};
    u32 b0[4] = {first.x, first.y, first.z, first.w};
    u32 b1[4] = {second.x, second.y, second.z, second.w};
#if THREE
    u32 small[4], small0[4], small1[4];
#pragma unroll
    for (int v = 0; v < 4; v++) {
        halve(a[v], a[v], small[v]);
        halve(b0[v], b0[v], small0[v]);
        halve(b1[v], b1[v], small1[v]);
    }
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], small[0], small[1], small[2], small[3], b0[v], b1[v]);
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], a[0], a[1], a[2], a[3], small0[v], small1[v]);
#endif
#pragma unroll
    for (int v = 0; v < 4; v++) multiply(c[v], a[0], a[1], a[2], a[3], b0[v], b1[v]);
}
