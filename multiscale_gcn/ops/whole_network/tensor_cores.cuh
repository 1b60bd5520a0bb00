// What a warp does together: products of small tiles on the tensor cores, mma.sync.
//
// Of 16 x 8 x 8 in TF32, lane l holds, with r = l / 4 and q = l % 4,
//   of A (16 x 8):  a[0] at (r, q), a[1] at (r + 8, q), a[2] at (r, q + 4), a[3] at (r + 8, q + 4);
//   of B (8 x 8):   b[0] at (q, r), b[1] at (q + 4, r);
//   of the sum:     c[0], c[1] at (r, 2q) and (r, 2q + 1), c[2], c[3] at row r + 8.
// Of 16 x 8 x 16 in half precision it holds pairs of neighbours, the first in the lower bits,
//   of A (16 x 16): a[0] from (r, 2q), a[1] from (r + 8, 2q), a[2] from (r, 2q + 8), a[3] from
//                   (r + 8, 2q + 8), in a row;
//   of B (16 x 8):  b[0] from (2q, r), b[1] from (2q + 8, r), in a column; and the same of the sum.

__device__ __forceinline__ float as_tf32(float x) {
    unsigned int bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
}

__device__ __forceinline__ unsigned short as_half(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}

__device__ __forceinline__ float of_half(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

__device__ __forceinline__ unsigned int pack_halves(float low, float high) {
    unsigned int pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

__device__ __forceinline__ void multiply_halves(float* c, const unsigned int* a,
                                                const unsigned int* b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void multiply_tiles(float* c, const float* a, const float* b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// Four tiles of 8 rows of 16 bytes from shared memory, of which lane l names row l % 8 of tile l / 8:
// of each it gets bytes 4 q to 4 q + 3 of row r.
__device__ __forceinline__ void load_tiles(unsigned int* bits, const float* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(bits[0]), "=r"(bits[1]), "=r"(bits[2]), "=r"(bits[3])
                 : "r"((unsigned int)__cvta_generic_to_shared(row)));
}

// The same of the transposes of tiles of 8 x 8 halves.
__device__ __forceinline__ void load_transposed(unsigned int* bits, const float* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(bits[0]), "=r"(bits[1]), "=r"(bits[2]), "=r"(bits[3])
                 : "r"((unsigned int)__cvta_generic_to_shared(row)));
}

// NaN is larger than all numbers, which are not negative.
__device__ __forceinline__ float larger(float x, float y) {
    return __int_as_float(max(__float_as_int(x), __float_as_int(y)));
}

// The largest number of a warp, of numbers that are not negative; NaN is larger than all.
__device__ __forceinline__ float largest_of_warp(float x) {
    return __int_as_float(__reduce_max_sync(0xffffffff, __float_as_int(x)));
}

// A number in shared memory becomes as large, if it is smaller.
__device__ __forceinline__ void keep_larger(float* number, float x) {
    atomicMax((int*)number, __float_as_int(x));
}
