inline float wide(unsigned short half) {
#if ELEMENT == 2
    int exponent = half >> 10 & 31, digits = half & 1023;
    float x = exponent == 31 ? (digits ? NAN : INFINITY)
              : exponent     ? std::ldexp(1024.0f + digits, exponent - 25)
                             : std::ldexp((float)digits, -24);
    return half >> 15 ? -x : x;
#else
    return __uint_as_float((u32)half << 16);
#endif
}

inline unsigned short narrowed(float x) {
    u32 word = __float_as_uint(x);
#if ELEMENT == 2
    unsigned short sign = word >> 16 & 0x8000;
    x = std::fabs(x);
    if (x != x) return 0x7fff;
    if (x >= 65520) return sign | 0x7c00;
    int exponent = x == 0 ? -14 : max(std::ilogb(x), -14);
    int digits = (int)std::nearbyint(std::ldexp(x, 10 - exponent));
    return sign | (digits < 1024 ? digits : ((exponent + 15) << 10) + digits - 1024);
#else
    return x != x ? 0x7fff : (word + 0x7fff + (word >> 16 & 1)) >> 16;
#endif
}

inline float low(u32 word) { return wide(word & 0xffff); }
inline float high(u32 word) { return wide(word >> 16); }
inline u32 pack(float a, float b) { return narrowed(a) | (u32)narrowed(b) << 16; }
