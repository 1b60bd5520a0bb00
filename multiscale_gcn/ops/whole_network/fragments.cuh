// How matrices lie in the workspace, for both kernels.
//
// Options:
//   HALVES  1: matrices are kept in half precision, which has as many digits as TF32 and a smaller
//           range, with a scale for each column of channels and for each row of nodes. 0: in float32.
//
// What follows a matrix in half precision: the inverse scales, then sums of the absolute numbers of
// its columns (of channels) or rows (of nodes), the largest of eight columns or sixteen rows.

#include "tensor_cores.cuh"

// A matrix of channels, K x N, is multiplied from the right. Its numbers lie in blocks of 16 rows
// and 8 PACKED columns, all blocks of 16 rows side by side. Lane l of a block has 16 bytes, all in
// column l / 4 of a tile of 8 columns: in float32 the rows l % 4, then 4, 8 and 12 further; in half
// precision, of each of two tiles, the rows 2 (l % 4) and the next, and the same 8 further.
#define PACKED (HALVES ? 2 : 1)
__device__ __forceinline__ int channel_number(int k, int n, int columns) {
    const int block = k / 16 * (columns / (8 * PACKED)) + n / (8 * PACKED);
#if HALVES
    const int lane = n % 8 * 4 + k % 8 / 2, part = k % 16 / 8 * 2 + k % 2;
#else
    const int lane = n % 8 * 4 + k % 4, part = k % 16 / 4;
#endif
    return ((block * 32 + lane) * PACKED + n / 8 % PACKED) * 4 + part;
}

// A matrix of nodes, M x K, is multiplied from the left. Its numbers lie in blocks of 16 x 8 PACKED,
// all blocks of 16 rows one after another; lane l of a block has 16 bytes: the rows l / 4 and 8
// further, in columns 2 (l % 4) and the next, and in half precision the same 8 columns further.
__device__ __forceinline__ int node_number(int m, int k, int columns) {
    const int block = m / 16 * (columns / (8 * PACKED)) + k / (8 * PACKED);
    const int lane = m % 8 * 4 + k % 8 / 2;
#if HALVES
    return (block * 32 + lane) * 8 + (k % 16 / 8 * 2 + m % 16 / 8) * 2 + k % 2;
#else
    return block * 128 + lane * 4 + m % 16 / 8 + 2 * (k % 2);
#endif
}

// A power of two by which a number becomes less than 2^15, and not much less; 1 if it is none.
__device__ __forceinline__ float scale_for(float most) {
    const int exponent = (__float_as_int(most) >> 23) - 127;
    return __int_as_float((exponent > 127 ? 127 : 141 - min(max(exponent, -40), 64)) << 23);
}
