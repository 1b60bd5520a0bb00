// Two numbers of 16 bits in one word: bfloat16, or float16 where ELEMENT is 2.

__device__ __forceinline__ float low(u32 word) {
#if ELEMENT == 2
    float x;
    asm("{.reg .b16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, a;}" : "=f"(x) : "r"(word));
    return x;
#else
    return __uint_as_float(word << 16);
#endif
}

__device__ __forceinline__ float high(u32 word) {
#if ELEMENT == 2
    float x;
    asm("{.reg .b16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, b;}" : "=f"(x) : "r"(word));
    return x;
#else
    return __uint_as_float(word & 0xffff0000u);
#endif
}

__device__ __forceinline__ u32 pack(float a, float b) {
    u32 word;
#if ELEMENT == 2
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
#endif
    return word;
}
