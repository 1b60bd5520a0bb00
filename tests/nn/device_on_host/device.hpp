// Enough of a CUDA device to run the code of a kernel on the host, one block after the other. The threads
// of a block are fibers, which run one at a time until they wait for each other, so that results repeat.

#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

template <class Number> inline Number max(Number a, Number b) { return a < b ? b : a; }
template <class Number> inline Number min(Number a, Number b) { return b < a ? b : a; }

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
inline int __float_as_int(float x) { return same_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }

struct Place { unsigned x = 0, y = 0, z = 0; };
inline Place threadIdx, blockIdx, gridDim, blockDim;

constexpr int MEMORY = 1 << 18;          // bytes of shared memory, with room to see what is beyond
alignas(1024) unsigned shared_memory[MEMORY / 4];

// ------------------------------------------------------------------------------------- threads

struct Gathering {
    unsigned there = 0, times = 0;
};

struct Copy {
    void* to;
    const void* from;
    int bytes;

    void arrive() const { std::memcpy(to, from, bytes); }
};

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    Gathering* waits_at = nullptr;
    unsigned since = 0;
    bool done = false;
    std::vector<std::vector<Copy>> groups{1};  // of copies that are on their way

    static constexpr int STACK = 1 << 17;

    bool may_run() const { return !done && (!waits_at || waits_at->times != since); }
};

// What the threads of a warp bring when they do something together.
struct Warp {
    Gathering gathering;
    struct {
        const void *left, *right;
        void* result;
    } lanes[32];
};

inline std::vector<Fiber> fibers;
inline std::vector<Warp> warps;
inline Gathering block_gathering;
inline ucontext_t scheduler;
inline bool in_haste;                    // copies arrive as soon as they may, and not as late
inline void (*body)(void*);
inline void* code_of_body;

inline Fiber& this_fiber() { return fibers[threadIdx.x]; }
inline void let_others_run() { swapcontext(&this_fiber().context, &scheduler); }

// The last to come does the work for all of them.
template <class Work>
void gather(Gathering& gathering, unsigned all, Work work) {
    Fiber& fiber = this_fiber();
    if (++gathering.there == all) {
        work();
        gathering.there = 0;
        gathering.times++;
        return;
    }
    fiber.waits_at = &gathering;
    fiber.since = gathering.times;
    let_others_run();
    fiber.waits_at = nullptr;
}

inline void wait_for(Gathering& gathering, unsigned all) {
    gather(gathering, all, [] {});
}

inline void __syncthreads() { wait_for(block_gathering, blockDim.x); }
inline Warp& this_warp() { return warps[threadIdx.x / 32]; }
inline void __syncwarp() { wait_for(this_warp().gathering, 32); }

// work(lanes) when the whole warp is there.
template <class Work>
void together(const void* left, const void* right, void* result, Work work) {
    Warp& warp = this_warp();
    warp.lanes[threadIdx.x % 32] = {left, right, result};
    gather(warp.gathering, 32, [&] { work(warp.lanes); });
}

inline float __shfl_xor_sync(unsigned, float x, int step) {
    float other;
    together(&x, nullptr, &other, [=](auto& lanes) {
        for (int lane = 0; lane < 32; lane++)
            *(float*)lanes[lane].result = *(const float*)lanes[lane ^ step].left;
    });
    return other;
}

inline int __reduce_max_sync(unsigned, int x) {
    int most;
    together(&x, nullptr, &most, [](auto& lanes) {
        int found = *(const int*)lanes[0].left;
        for (auto& lane : lanes) found = max(found, *(const int*)lane.left);
        for (auto& lane : lanes) *(int*)lane.result = found;
    });
    return most;
}

inline void enter() {
    body(code_of_body);
    this_fiber().done = true;
    setcontext(&scheduler);
}

inline void begin(Fiber& fiber) {
    fiber.waits_at = nullptr;
    fiber.done = false;
    fiber.groups.assign(1, {});
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = Fiber::STACK;
    makecontext(&fiber.context, enter, 0);
}

// What is wrong with a block, or null.
inline const char* run_block(unsigned threads, int bytes, bool backwards) {
    std::memset(shared_memory, 0xff, sizeof shared_memory);
    warps.assign(threads / 32, Warp());
    block_gathering = Gathering();
    for (Fiber& fiber : fibers) begin(fiber);
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned turn = 0; turn < threads; turn++) {
            threadIdx.x = backwards ? threads - 1 - turn : turn;
            Fiber& fiber = this_fiber();
            if (!fiber.may_run()) continue;
            moved = true;
            swapcontext(&scheduler, &fiber.context);
        }
    }
    for (const Fiber& fiber : fibers)
        if (!fiber.done) return "there is a barrier that not all threads have reached";
    for (int at = (bytes + 3) / 4; at < MEMORY / 4; at++)
        if (shared_memory[at] != 0xffffffffu) return "it wrote beyond its shared memory";
    return nullptr;
}

// Threads take turns, forwards with copies that arrive late, or backwards with copies that arrive at once.
template <class Code>
const char* launch(Place grid, unsigned threads, int bytes, bool backwards, Code code) {
    body = [](void* code) { (*(Code*)code)(); };
    code_of_body = &code;
    in_haste = backwards;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    if (fibers.size() != threads) {
        fibers.clear();
        fibers.resize(threads);
    }
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
            if (const char* told = run_block(threads, bytes, backwards)) return told;
    return nullptr;
}

// Arguments as the driver takes them: where each of them is.
template <class... Kinds, size_t... Places>
void call(void (*kernel)(Kinds...), std::index_sequence<Places...>, void** arguments) {
    kernel(*(Kinds*)arguments[Places]...);
}

template <class... Kinds>
const char* launch(void (*kernel)(Kinds...), unsigned across, unsigned down, unsigned threads,
                   int bytes, bool backwards, void** arguments) {
    return launch({across, down, 1}, threads, bytes, backwards,
                  [=] { call(kernel, std::index_sequence_for<Kinds...>{}, arguments); });
}
