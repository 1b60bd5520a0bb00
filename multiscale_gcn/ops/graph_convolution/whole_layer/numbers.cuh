// The numbers of all kernels for whole layers.
//
// Options:
//   ELEMENT            0 float32 as tf32, 1 bfloat16, 2 float16, 3 float32 as three tf32 products
//   WEIGHT_ELEMENT     0 float32, or that of ELEMENT: the type of the weights in memory

typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

#define HALF (ELEMENT == 1 || ELEMENT == 2)
#define THREE (ELEMENT == 3)
#define SIZE (HALF ? 2 : 4)
#define PER_WORD (4 / SIZE)
#define RUN (16 / SIZE)                  // consecutive columns that a thread has, 16 bytes

#if HALF
typedef unsigned short Element;
#else
typedef float Element;
#endif

#if WEIGHT_ELEMENT == 0
typedef float Weight;
#else
typedef unsigned short Weight;
#endif

#include "halves.cuh"

// The tensor cores read the upper 19 bits. Half of their last one is added, but not to infinity and
// NaN.
__device__ __forceinline__ u32 to_tf32(float x) {
    return fabsf(x) < __int_as_float(0x7f800000) ? __float_as_uint(x) + 0x1000 : __float_as_uint(x);
}

// What rounding takes away.
__device__ __forceinline__ u32 remainder_of(float x) {
    return to_tf32(x - __uint_as_float(to_tf32(x) & 0xffffe000));
}
