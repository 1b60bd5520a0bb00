// What the kernels for whole layers on Hopper share: barriers, its tensor cores, and tiles of features.
//
// Options, beside those of numbers.cuh and entries.cuh:
//   WIDTH              columns of a product: 32, 64 or 128

#include "numbers.cuh"

#define CONSUMERS 256                    // threads that multiply
#define PRODUCERS 128                    // threads behind them, that copy

// ---------------------------------------------------------------------------------- small things

__device__ __forceinline__ u32 shared_address(const void* pointer) {
    return (u32)__cvta_generic_to_shared(pointer);
}

__device__ __forceinline__ void barrier_init(u64* barrier, u32 count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count));
}

__device__ __forceinline__ void barrier_arrive(u64* barrier) {
    asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

__device__ __forceinline__ void barrier_expect(u64* barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
                 "r"(bytes)
                 : "memory");
}

__device__ __forceinline__ void barrier_wait(u64* barrier, u32 parity) {
    asm volatile(
        "{.reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
        "@!done bra again;}\n" ::"r"(shared_address(barrier)),
        "r"(parity)
        : "memory");
}

__device__ __forceinline__ void copy_bytes(u32 to, const void* from, u32 bytes, u64* barrier) {
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(to), "l"(from), "r"(bytes), "r"(shared_address(barrier))
        : "memory");
}

// ------------------------------------------------------------------------------ the tensor cores

// Accumulators of 64 rows and WIDTH columns: thread t of quad g of a warp holds, for every 8
// columns, columns 2t and 2t + 1 of rows g and g + 8.
#if ELEMENT == 1
#define MULTIPLY "k16.f32.bf16.bf16"
#define TAIL ", p, 1, 1, 0;}"
#elif ELEMENT == 2
#define MULTIPLY "k16.f32.f16.f16"
#define TAIL ", p, 1, 1, 0;}"
#else
#define MULTIPLY "k8.f32.tf32.tf32"
#define TAIL ", p, 1, 1;}"
#endif

#define R4(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define R16(i) R4(i), R4(i + 4), R4(i + 8), R4(i + 12)

__device__ __forceinline__ void multiply(float (&c)[WIDTH / 2], u32 a0, u32 a1, u32 a2, u32 a3,
                                         u64 weights, int add) {
#if WIDTH == 128
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128" MULTIPLY
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
        "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
        "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
        "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63},"
        "{%64,%65,%66,%67}, %68" TAIL
        : R16(0), R16(16), R16(32), R16(48)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(weights), "r"(add));
#elif WIDTH == 64
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64" MULTIPLY
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
        "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31},"
        "{%32,%33,%34,%35}, %36" TAIL
        : R16(0), R16(16)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(weights), "r"(add));
#else
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %21, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n32" MULTIPLY
        " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15},"
        "{%16,%17,%18,%19}, %20" TAIL
        : R16(0)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(weights), "r"(add));
#endif
}

__device__ __forceinline__ void multiply_begin() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void multiply_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void multiply_wait(float (&c)[WIDTH / 2]) {
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int i = 0; i < WIDTH / 2; i++) asm volatile("" : "+f"(c[i])::"memory");
}

// How the tensor cores find the weights: columns of 128 bytes in groups of 8, 16-byte pieces
// exchanged by the number of the column (the 128-byte swizzle).
__device__ __forceinline__ u64 describe(u32 address) {
    return (u64)((address & 0x3ffff) >> 4) | (1ull << 16) | (64ull << 32) | (1ull << 62);
}

// Columns are numbered so that the RUN consecutive ones that begin at a multiple of RUN are in one
// thread: it holds columns 2t and 2t + 1 of every 8.
__device__ __forceinline__ int number_of(int column) {
    int p = column / (4 * RUN), t = column / RUN % 4, v = column % RUN;
    return 8 * (RUN / 2 * p + v / 2) + 2 * t + v % 2;
}

// --------------------------------------------------------------------------- the mixing matrix

// The producers prepare it while the consumers prepare the weights.
#define LISTERS PRODUCERS

__device__ __forceinline__ int lister() { return threadIdx.x - CONSUMERS; }

__device__ __forceinline__ void listers_wait() {
    asm volatile("bar.sync 2, %0;" ::"n"(PRODUCERS) : "memory");
}

#include "entries.cuh"

// ------------------------------------------------------------------------------ tiles of features

// A row of a tile for each producer, so that no warp issues many copies.
__device__ __forceinline__ int row_of_producer() {
    const int thread = threadIdx.x - CONSUMERS;
    return thread % 32 * (PRODUCERS / 32) + thread / 32;
}

__device__ void fetch(u32* to, int pitch, const Element* from, i64 graph_step, i64 node_step, int rows,
                      int words, u64* full) {
    const int row = row_of_producer();
    if (threadIdx.x == CONSUMERS) barrier_expect(full, rows * words * 4);
    if (row < rows)
        copy_bytes(shared_address(to + row * pitch),
                   from + row / NODES * graph_step + row % NODES * node_step, words * 4, full);
}

// Into the cache of all processors.
__device__ void prefetch(const Element* from, i64 graph_step, i64 node_step, int rows, int words) {
    const int row = row_of_producer();
    if (row < rows)
        asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(
                         from + row / NODES * graph_step + row % NODES * node_step),
                     "r"(words * 4));
}
