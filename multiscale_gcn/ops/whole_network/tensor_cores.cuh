// What a warp does together: products of small tiles on the tensor cores, mma.sync of 16 x 8 x 8.
//
// Lane l holds, with r = l / 4 and q = l % 4,
//   of A (16 x 8):  a[0] at (r, q), a[1] at (r + 8, q), a[2] at (r, q + 4), a[3] at (r + 8, q + 4);
//   of B (8 x 8):   b[0] at (q, r), b[1] at (q + 4, r);
//   of the sum:     c[0], c[1] at (r, 2q) and (r, 2q + 1), c[2], c[3] at row r + 8.

__device__ __forceinline__ float as_tf32(float x) {
    unsigned int bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
}

// The larger one; NaN is larger than all.
__device__ __forceinline__ float at_least(float x, float least) {
    float y;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x), "f"(least));
    return y;
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

__device__ __forceinline__ void multiply_tiles(float* c, const float* a, const float* b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// A tile of A from shared memory: lane l names the row l % 16, from column 0 if l < 16 and else
// from column 4, at a multiple of 16 bytes.
__device__ __forceinline__ void load_tile(float* a, const float* row) {
    unsigned int bits[4];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(bits[0]), "=r"(bits[1]), "=r"(bits[2]), "=r"(bits[3])
                 : "r"((unsigned int)__cvta_generic_to_shared(row)));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        a[i] = __uint_as_float(bits[i]);
    }
}

__device__ __forceinline__ void bring_near(const float* from) {
    asm volatile("prefetch.global.L1 [%0];" : : "l"(from));
}
