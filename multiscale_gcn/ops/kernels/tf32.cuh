// Numbers of float32 as tensor cores take them.

typedef unsigned int u32;

// To the nearest; the tensor cores read the upper 19 bits.
__device__ __forceinline__ u32 to_tf32(float x) {
    u32 rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
    return rounded;
}

// What rounding takes away.
__device__ __forceinline__ u32 remainder_of(float x) {
    return to_tf32(x - __uint_as_float(to_tf32(x) & 0xffffe000));
}
