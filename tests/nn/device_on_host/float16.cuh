inline unsigned short as_half(float x) { return same_bits<unsigned short>((_Float16)x); }
inline float of_half(unsigned short bits) { return same_bits<_Float16>(bits); }
