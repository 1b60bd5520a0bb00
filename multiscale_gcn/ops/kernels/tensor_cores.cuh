// What every architecture from compute capability 8.0 has: products of small matrices by the threads of a
// warp, loads of what they take, and copies to shared memory behind the back of the threads.

typedef unsigned int u32;

// c += a b for 16 rows, 8 columns and 8 words of k, which are numbers of tf32, or two of half precision
// where ELEMENT is 1 (bfloat16) or 2 (float16). With g = lane / 4 and t = lane % 4, a thread has words t
// and t + 4 of rows g (a[0], a[2]) and g + 8 (a[1], a[3]) and of column g (b), and columns 2t and 2t + 1
// of rows g (c[0], c[1]) and g + 8 (c[2], c[3]).
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if ELEMENT == 1
#define MULTIPLY "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#elif ELEMENT == 2
#define MULTIPLY "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define MULTIPLY "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
#endif
    asm volatile(MULTIPLY " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Numbers of float32 that `multiply` takes as a, from shared memory: lane l names row l % 16, from column 0
// if l < 16 and else from column 4, at a multiple of 16 bytes.
__device__ __forceinline__ void load_tile(float* a, const float* row) {
    u32 bits[4];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(bits[0]), "=r"(bits[1]), "=r"(bits[2]), "=r"(bits[3])
                 : "r"((u32)__cvta_generic_to_shared(row)));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        a[i] = __uint_as_float(bits[i]);
    }
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
