// Of ops/kernels/tensor_cores.cuh, what the host's tensor cores lack.

inline u32 to_tf32(float x) {
    u32 word = __float_as_uint(x);
    return (word & 0x7f800000) == 0x7f800000 ? word : word + 0x1000;
}

inline u32 remainder_of(float x) {
    return to_tf32(x - __uint_as_float(to_tf32(x) & 0xffffe000));
}

template <int BYTES>
inline void copy_ahead(void* to, const void* from, bool is_there) {
    auto copy = [=] { std::memcpy(to, is_there ? from : zeros, BYTES); };
    if (in_haste)
        copy();
    else
        this_fiber().groups.back().push_back(copy);
}

inline void copies_end() { end_group_of_copies(); }
