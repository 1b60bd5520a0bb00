// What the kernels of this package share. OFFSET is the type of positions in the arrays of entries.

typedef long long i64;
typedef unsigned long long u64;
typedef signed char i8;
typedef OFFSET offset;

const unsigned WARP = 0xffffffffu;
const int THREADS = 256;  // of every block, where a kernel does not say otherwise

// What the ratings and the order read of a node; its self loop stands apart.
struct __align__(16) Node {
    double degree;
    int neighbours;
    int has_loop;
};

// All blocks wait for each other: they must run at once, as those of a cooperative launch do.
// *arrived was 0 before the launch.
__device__ void wait_for_grid(unsigned* arrived) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        unsigned goal = (atomicAdd(arrived, 1u) / gridDim.x + 1) * gridDim.x;
        while ((int)(*(volatile unsigned*)arrived - goal) < 0) __nanosleep(20);
        __threadfence();
    }
    __syncthreads();
}

// The sum of the values of the threads before this one, of a block of THREADS; *total of all.
__device__ int sum_before(int value, int* total) {
    __shared__ int of_warps[THREADS / 32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, up_to = value;
    for (int distance = 1; distance < 32; distance *= 2) {
        int other = __shfl_up_sync(WARP, up_to, distance);
        if (lane >= distance) up_to += other;
    }
    __syncthreads();
    if (lane == 31) of_warps[warp] = up_to;
    __syncthreads();
    int before = 0, all = 0;
    for (int w = 0; w < THREADS / 32; w++) {
        if (w == warp) before = all;
        all += of_warps[w];
    }
    *total = all;
    return before + up_to - value;
}
