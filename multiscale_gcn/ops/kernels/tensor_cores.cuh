// Products of tf32 on tensor cores, and copies to shared memory behind the back of the threads, for
// compute capability 8.0 and later.

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

// c += a b for 16 rows, 8 columns and 8 products each. With g = lane / 4 and t = lane % 4, a thread
// has a of rows g and g + 8 and products t, then of the same rows and t + 4; b of products t and
// t + 4 of column g; and c of columns 2t and 2t + 1 of row g, then of row g + 8.
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// 4, 8 or 16 bytes, or as many zeros.
template <int BYTES>
__device__ __forceinline__ void copy_ahead(void* to, const void* from, bool is_there) {
    const u32 address = (u32)__cvta_generic_to_shared(to), bytes = is_there ? BYTES : 0;
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                     "r"(bytes)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(address), "l"(from),
                     "r"(bytes), "n"(BYTES)
                     : "memory");
}

__device__ __forceinline__ void copies_end() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// All copies are there, but those of the last LAST groups.
template <int LAST> __device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LAST) : "memory");
}
