#include "float16.cuh"

inline float wide(unsigned short half) {
#if ELEMENT == 2
    return of_half(half);
#else
    return __uint_as_float((u32)half << 16);
#endif
}

inline unsigned short narrowed(float x) {
#if ELEMENT == 2
    return as_half(x);
#else
    u32 word = __float_as_uint(x);
    return x != x ? 0x7fff : (word + 0x7fff + (word >> 16 & 1)) >> 16;
#endif
}

inline float low(u32 word) { return wide(word & 0xffff); }
inline float high(u32 word) { return wide(word >> 16); }
inline u32 pack(float a, float b) { return narrowed(a) | (u32)narrowed(b) << 16; }
