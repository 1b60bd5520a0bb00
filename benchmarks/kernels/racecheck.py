"""A correct pipeline of barriers that ``compute-sanitizer --tool racecheck`` reports all the same.

Run from a clone: ``compute-sanitizer --tool racecheck python -m benchmarks.kernels.racecheck``, on
Hopper. The kernels for whole layers hand tiles from a warpgroup that copies to two that multiply
over a pair of barriers in shared memory (mbarrier), written in PTX. Here is that pipeline and
nothing else, in three forms. In each, every access is ordered by a barrier:

    bulk      tiles come by bulk copies that complete on the barrier
    stores    producers write the tiles themselves, then arrive at the barrier
    table     as bulk; and producers write a table, with a barrier among themselves, before a
              __syncthreads() behind which the others read it

The sums are checked, so a hazard that is reported is one of the tool's.
"""

from __future__ import annotations

import cupy

SOURCE = r"""
typedef unsigned long long u64;
typedef unsigned int u32;
#define ROWS 64
#define WIDTH 32
#define CONSUMERS 256
#define PRODUCERS 128

__device__ u32 address(const void* pointer) { return (u32)__cvta_generic_to_shared(pointer); }
__device__ void begin(u64* barrier, u32 count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(address(barrier)), "r"(count));
}
__device__ void arrive(u64* barrier) {
    asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(address(barrier)) : "memory");
}
__device__ void expect(u64* barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(address(barrier)),
                 "r"(bytes) : "memory");
}
__device__ void wait(u64* barrier, u32 parity) {
    asm volatile("{.reg .pred done;\n"
                 "again: mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
                 "@!done bra again;}" ::"r"(address(barrier)), "r"(parity) : "memory");
}
__device__ void copy(u32 to, const void* from, u32 bytes, u64* barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                 " [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(address(barrier))
                 : "memory");
}

template <bool BULK, bool TABLE>
__device__ void pipeline(const float* x, float* y, int tiles) {
    __shared__ __align__(128) float tile[2][ROWS * WIDTH];
    __shared__ float values[PRODUCERS], table[ROWS];
    __shared__ u64 full[2], empty[2];
    if (threadIdx.x == 0) {
        for (int s = 0; s < 2; s++) begin(full + s, BULK ? 1 : PRODUCERS), begin(empty + s, 8);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    const int producer = threadIdx.x - CONSUMERS;
    auto fetch = [&](int t) {
        const float* from = x + t * ROWS * WIDTH;
        float* to = tile[t % 2];
        if (BULK) {
            if (producer == 0) expect(full + t % 2, ROWS * WIDTH * 4);
            if (producer < ROWS)
                copy(address(to + producer * WIDTH), from + producer * WIDTH, WIDTH * 4,
                     full + t % 2);
        } else {
            for (int i = producer; i < ROWS * WIDTH; i += PRODUCERS) to[i] = from[i];
            arrive(full + t % 2);
        }
    };
    if (producer >= 0) {
        fetch(0), fetch(1);
        if (TABLE) {
            values[producer] = 1;
            asm volatile("bar.sync 2, %0;" ::"n"(PRODUCERS) : "memory");
            if (producer < ROWS) table[producer] = values[PRODUCERS - 1 - producer];
        }
    }
    __syncthreads();
    if (producer >= 0) {
        for (int t = 2; t < tiles; t++) wait(empty + t % 2, (t / 2 - 1) % 2), fetch(t);
    } else {
        float sum = 0;
        for (int t = 0; t < tiles; t++) {
            wait(full + t % 2, t / 2 % 2);
            for (int row = threadIdx.x / 32; row < ROWS; row += 8)
                sum += tile[t % 2][row * WIDTH + threadIdx.x % 32] * (TABLE ? table[row] : 1);
            __syncwarp();
            if (threadIdx.x % 32 == 0) arrive(empty + t % 2);
        }
        y[threadIdx.x] = sum;
    }
}

#define FORM(NAME, BULK, TABLE)                                                             \
    extern "C" __global__ void NAME(const float* x, float* y, int tiles) {                  \
        pipeline<BULK, TABLE>(x, y, tiles);                                                 \
    }
FORM(bulk, true, false)
FORM(stores, false, false)
FORM(table, true, true)
"""


def main(tiles: int = 12) -> None:
    module = cupy.RawModule(code=SOURCE, options=("--std=c++17",))
    x = cupy.arange(tiles * 64 * 32, dtype=cupy.float32) % 7
    expected = x.reshape(-1, 8, 32).sum(0).ravel()
    for name in ("bulk", "stores", "table"):
        y = cupy.zeros(256, cupy.float32)
        for _ in range(5):
            module.get_function(name)((1,), (384,), (x, y, cupy.int32(tiles)))
            right = bool((y == expected).all())
            print(f"{name}: the sums are {'right' if right else 'wrong'}", flush=True)


if __name__ == "__main__":
    main()
