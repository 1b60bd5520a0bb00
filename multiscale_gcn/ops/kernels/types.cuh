// The types of features and sums, for kernels of any size.
//
// Options:
//   ELEMENT  0 float32, 1 bfloat16, 2 float16, 3 float64: the features. Sums are float32, or float64
//            for features of float64.

#include "float16.cuh"

typedef long long i64;

#ifndef ELEMENT
#define ELEMENT 0
#endif

#if ELEMENT == 3
typedef double Real;
#else
typedef float Real;
#endif
#if ELEMENT == 1 || ELEMENT == 2
typedef unsigned short Element;
#define ELEMENT_BYTES 2
#else
typedef Real Element;
#define ELEMENT_BYTES (ELEMENT == 3 ? 8 : 4)
#endif

__device__ __forceinline__ Real widen(Element x) {
#if ELEMENT == 1
    return __uint_as_float((unsigned int)x << 16);
#elif ELEMENT == 2
    return of_half(x);
#else
    return x;
#endif
}

__device__ __forceinline__ Element narrow(Real x) {
#if ELEMENT == 1
    unsigned short y;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
#else
    unsigned int word = __float_as_uint(x);
    y = x != x ? 0x7fff : (word + 0x7fff + (word >> 16 & 1)) >> 16;
#endif
    return y;
#elif ELEMENT == 2
    return as_half(x);
#else
    return x;
#endif
}
