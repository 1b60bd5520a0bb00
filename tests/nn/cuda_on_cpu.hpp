// What kernels of CUDA need of a device, on a processor: threads of a block are fibers that take
// turns, so that results repeat, and a barrier is where a fiber waits for the others. Blocks run one
// after another.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct Dimensions {
    int x, y, z;
};
static Dimensions threadIdx, blockIdx, gridDim;
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline float __int_as_float(int bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

static inline int __float_as_int(float x) {
    int bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}
static inline unsigned int __float_as_uint(float x) { return (unsigned int)__float_as_int(x); }
static inline float __uint_as_float(unsigned int bits) { return __int_as_float((int)bits); }

alignas(128) static float shared_memory[232448 / 4];

struct Meeting {  // of some fibers: the last to come lets all go on
    int expected, here = 0, times = 0;
};
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    Meeting* waits_at = nullptr;
    int since = 0;
    bool done = false;
};
static ucontext_t scheduler;
static Fiber fibers[THREADS];
static Meeting block_meeting, warp_meetings[THREADS / 32];

static bool meet(Meeting& at) {  // whether this fiber is the last
    if (++at.here == at.expected) {
        return true;
    }
    Fiber& fiber = fibers[threadIdx.x];
    fiber.waits_at = &at;
    fiber.since = at.times;
    swapcontext(&fiber.context, &scheduler);
    return false;
}
static void part(Meeting& at) { at.here = 0, ++at.times; }
static void __syncthreads() {
    if (meet(block_meeting)) {
        part(block_meeting);
    }
}

static void __syncwarp() {
    Meeting& meeting = warp_meetings[threadIdx.x / 32];
    if (meet(meeting)) {
        part(meeting);
    }
}

static void (*body)();
static void begin() {
    body();
    fibers[threadIdx.x].done = true;
    swapcontext(&fibers[threadIdx.x].context, &scheduler);
}
static int run_blocks(int blocks, void (*kernel)()) {
    body = kernel;
    gridDim = {blocks, 1, 1};
    for (int block = 0; block < blocks; ++block) {
        blockIdx = {block, 0, 0};
        for (float& x : shared_memory) {
            x = NAN;
        }
        block_meeting = {THREADS};
        for (Meeting& meeting : warp_meetings) {
            meeting = {32};
        }
        for (Fiber& fiber : fibers) {
            fiber.stack.resize(1 << 17);
            fiber.waits_at = nullptr;
            fiber.done = false;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data();
            fiber.context.uc_stack.ss_size = fiber.stack.size();
            fiber.context.uc_link = nullptr;
            makecontext(&fiber.context, begin, 0);
        }
        for (bool moved = true; moved;) {
            moved = false;
            for (int t = 0; t < THREADS; ++t) {
                Fiber& fiber = fibers[t];
                if (!fiber.done && (!fiber.waits_at || fiber.waits_at->times != fiber.since)) {
                    fiber.waits_at = nullptr;
                    threadIdx = {t, 0, 0};
                    swapcontext(&scheduler, &fiber.context);
                    moved = true;
                }
            }
        }
        for (const Fiber& fiber : fibers) {
            if (!fiber.done) {
                return 1;  // a barrier that not all have reached
            }
        }
    }
    return 0;
}

// --------------------------------------------------------------- in the place of headers

typedef unsigned int u32;
static inline u32 to_tf32(float x) {
    u32 bits = __float_as_uint(x);
    return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & ~0x1fffu;
}
static inline float at_least(float x, float least) { return x < least ? least : x; }
static inline unsigned short as_half(float x) {
    const _Float16 half = (_Float16)x;
    unsigned short bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}
static inline float of_half(unsigned short bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return (float)half;
}
struct Factor {
    const u32 *a, *b;
    float* c;
};
static Factor given[THREADS];
static inline float cut(u32 bits) {  // what the tensor cores read of a number
    return __uint_as_float(bits & ~0x1fffu);
}
static void multiply(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    const int warp = threadIdx.x / 32;
    given[threadIdx.x] = {a, b, c};
    if (!meet(warp_meetings[warp])) {
        return;
    }
    float left[16][8], right[8][8];
    for (int lane = 0; lane < 32; ++lane) {
        const Factor& of = given[32 * warp + lane];
        const int r = lane / 4, q = lane % 4;
        for (int i = 0; i < 4; ++i) {
            left[r + i % 2 * 8][q + i / 2 * 4] = cut(of.a[i]);
        }
        for (int i = 0; i < 2; ++i) {
            right[q + 4 * i][r] = cut(of.b[i]);
        }
    }
    for (int lane = 0; lane < 32; ++lane) {
        for (int i = 0; i < 4; ++i) {
            float& sum = given[32 * warp + lane].c[i];
            for (int k = 0; k < 8; ++k) {
                sum += left[lane / 4 + i / 2 * 8][k] * right[k][lane % 4 * 2 + i % 2];
            }
        }
    }
    part(warp_meetings[warp]);
}
static const float* rows[THREADS];
static void load_tile(float* a, const float* row) {
    const int lane = threadIdx.x % 32, first = threadIdx.x - lane;
    rows[threadIdx.x] = row;
    __syncwarp();
    for (int i = 0; i < 4; ++i) {
        a[i] = rows[first + i * 8 + lane / 4][lane % 4];
    }
    __syncwarp();
}
static inline void bring_near(const float* from) { (void)*(volatile const float*)from; }
