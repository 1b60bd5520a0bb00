inline u32 to_tf32(float x) {
    u32 word = __float_as_uint(x);
    return (word & 0x7f800000) == 0x7f800000 ? word : (word + 0x1000) & 0xffffe000;
}

inline u32 remainder_of(float x) {
    return to_tf32(x - __uint_as_float(to_tf32(x) & 0xffffe000));
}
