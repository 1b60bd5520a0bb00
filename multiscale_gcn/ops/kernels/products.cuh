// Products of float32 on tensor cores by tf32: of one product, or of three for all its digits.

#include "tensor_cores.cuh"

__device__ constexpr int up_to(int n, int unit) { return (n + unit - 1) / unit * unit; }
#include "tf32.cuh"

// Numbers as tensor cores take them, and with EXACT what rounding takes away.
template <int COUNT, bool EXACT> struct Factors {
    u32 nearest[COUNT], rest[EXACT ? COUNT : 1];

    __device__ __forceinline__ void put(int place, float x) {
        nearest[place] = to_tf32(x);
        if (EXACT) rest[place] = remainder_of(x);
    }

    // What is rounded already, unless EXACT asks for the rest.
    __device__ __forceinline__ void put_rounded(int place, float x) {
        if (EXACT) put(place, x);
        else nearest[place] = __float_as_uint(x);
    }
};

// 8 products more for 16 rows and 32 columns, of which a thread has four of every 8: see `multiply`. Of
// the columns with number n it has products t and t + 4, one behind the other.
template <bool EXACT>
__device__ __forceinline__ void multiply_step(float (&c)[4][4], const Factors<4, EXACT>& a,
                                              const Factors<8, EXACT>& b) {
#pragma unroll
    for (int n = 0; n < 4; n++) {
        const u32 right[2] = {b.nearest[2 * n], b.nearest[2 * n + 1]};
        multiply(c[n], a.nearest, right);
        if constexpr (EXACT) {
            const u32 small[2] = {b.rest[2 * n], b.rest[2 * n + 1]};
            multiply(c[n], a.nearest, small);
            multiply(c[n], a.rest, right);
        }
    }
}

// Four columns side by side, of product t and of product t + 4: one of each of the 8 columns with
// numbers 0 to 3, so that a thread reads 16 bytes at once. Column j of number n is column 4 j + n.
template <bool EXACT>
__device__ __forceinline__ Factors<8, EXACT> four_columns(const float* near, const float* far) {
    const float4 one = *reinterpret_cast<const float4*>(near);
    const float4 other = *reinterpret_cast<const float4*>(far);
    Factors<8, EXACT> b;
    b.put(0, one.x), b.put(2, one.y), b.put(4, one.z), b.put(6, one.w);
    b.put(1, other.x), b.put(3, other.y), b.put(5, other.z), b.put(7, other.w);
    return b;
}

// Two columns side by side of either half of 32: column j of numbers 0 and 1 is column 2 j of the first
// half and the one behind it, so that a thread has four columns of the result side by side.
template <bool EXACT>
__device__ __forceinline__ Factors<8, EXACT> pairs_of_columns(const float* near, const float* far) {
    Factors<8, EXACT> b;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const float2 one = *reinterpret_cast<const float2*>(near + 16 * half);
        const float2 other = *reinterpret_cast<const float2*>(far + 16 * half);
        b.put(4 * half, one.x), b.put(4 * half + 2, one.y);
        b.put(4 * half + 1, other.x), b.put(4 * half + 3, other.y);
    }
    return b;
}
