// Enough of a CUDA device to run the code of a kernel on the host, one block after the other. The threads
// of a block are fibers, which run one at a time until they wait for each other.

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

using std::max;
using std::min;

struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

template <class To, class From>
inline To same_bits(From from) {
    To to;
    static_assert(sizeof to == sizeof from);
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __uint_as_float(unsigned x) { return same_bits<float>(x); }
inline float __int_as_float(int x) { return same_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }

struct Place { unsigned x = 0, y = 0, z = 0; };
inline Place threadIdx, blockIdx, gridDim, blockDim;

constexpr int MEMORY = 1 << 18;          // bytes of shared memory, with room to see what is beyond
alignas(1024) unsigned memory[MEMORY / 4];

// ------------------------------------------------------------------------------------- threads

struct Gathering {
    unsigned there = 0, times = 0;
};

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    bool done = false;
    std::vector<std::vector<std::function<void()>>> groups{1};  // of copies that are on their way

    static constexpr int STACK = 1 << 17;
};

struct Warp {
    Gathering gathering;
    unsigned words[32][6];
};

inline std::vector<Fiber> fibers;
inline std::vector<Warp> warps;
inline Gathering block_gathering;
inline ucontext_t scheduler;
inline bool in_haste;                    // copies arrive as soon as they may, and not as late
inline std::function<void()> body;

inline Fiber& this_fiber() { return fibers[threadIdx.x]; }

inline void wait_for(Gathering& gathering, unsigned all) {
    unsigned times = gathering.times;
    if (++gathering.there == all) {
        gathering.there = 0;
        gathering.times++;
        return;
    }
    while (gathering.times == times) {
        unsigned number = threadIdx.x;
        swapcontext(&this_fiber().context, &scheduler);
        threadIdx.x = number;
    }
}

inline void __syncthreads() { wait_for(block_gathering, blockDim.x); }
inline Warp& this_warp() { return warps[threadIdx.x / 32]; }
inline void __syncwarp() { wait_for(this_warp().gathering, 32); }

inline float __shfl_xor_sync(unsigned, float x, int step) {
    unsigned lane = threadIdx.x % 32;
    this_warp().words[lane][0] = __float_as_uint(x);
    __syncwarp();
    float other = __uint_as_float(this_warp().words[lane ^ step][0]);
    __syncwarp();
    return other;
}

inline int __reduce_max_sync(unsigned, int x) {
    this_warp().words[threadIdx.x % 32][0] = x;
    __syncwarp();
    int most = x;
    for (auto& words : this_warp().words) most = max(most, (int)words[0]);
    __syncwarp();
    return most;
}

inline void enter() {
    body();
    this_fiber().done = true;
    setcontext(&scheduler);
}

// Whether shared memory beyond its bytes was left alone. Threads take turns, forwards with copies that
// arrive late, or backwards with copies that arrive at once.
inline bool launch(Place grid, unsigned threads, int bytes, bool backwards, std::function<void()> code) {
    body = code;
    in_haste = backwards;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
            std::memset(memory, 0xff, sizeof memory);
            fibers.clear();
            fibers.resize(threads);
            warps.assign(threads / 32, Warp());
            block_gathering = Gathering();
            for (Fiber& fiber : fibers) {
                getcontext(&fiber.context);
                fiber.context.uc_stack.ss_sp = fiber.stack.get();
                fiber.context.uc_stack.ss_size = Fiber::STACK;
                makecontext(&fiber.context, enter, 0);
            }
            for (bool running = true; running;) {
                running = false;
                for (unsigned turn = 0; turn < threads; turn++) {
                    threadIdx.x = backwards ? threads - 1 - turn : turn;
                    Fiber& fiber = this_fiber();
                    if (fiber.done) continue;
                    running = true;
                    swapcontext(&scheduler, &fiber.context);
                }
            }
            for (int at = bytes / 4; at < MEMORY / 4; at++)
                if (memory[at] != 0xffffffffu) return false;
        }
    }
    return true;
}
