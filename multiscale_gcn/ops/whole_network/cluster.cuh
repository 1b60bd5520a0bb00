// What the blocks of threads of a cluster do together: each has all features of a member in its own
// shared memory, and writes what it makes into that of all.
//
// Options:
//   CLUSTER  blocks; more than one from compute capability 9.0 on.

#if CLUSTER > 1
#define IN_CLUSTERS __cluster_dims__(CLUSTER, 1, 1)

__device__ __forceinline__ void wait_for_all() {
    asm volatile("barrier.cluster.arrive.release;\n"
                 "barrier.cluster.wait.acquire;" ::: "memory");
}

struct Everywhere {
    unsigned int at[CLUSTER];

    __device__ __forceinline__ explicit Everywhere(float* here) {
        const unsigned int own = (unsigned int)__cvta_generic_to_shared(here);
#pragma unroll
        for (int block = 0; block < CLUSTER; ++block) {
            asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at[block]) : "r"(own), "r"(block));
        }
    }
    __device__ __forceinline__ void put(int offset, float2 y) const {
#pragma unroll
        for (int block = 0; block < CLUSTER; ++block) {
            asm volatile("st.shared::cluster.v2.f32 [%0], {%1, %2};" ::"r"(at[block] + 4 * offset),
                         "f"(y.x), "f"(y.y)
                         : "memory");
        }
    }
};
#else
#define IN_CLUSTERS

__device__ __forceinline__ void wait_for_all() { __syncthreads(); }

struct Everywhere {
    float* at;

    __device__ __forceinline__ explicit Everywhere(float* here) : at(here) {}
    __device__ __forceinline__ void put(int offset, float2 y) const {
        *(float2*)(at + offset) = y;
    }
};
#endif
