// A whole network: a block of threads takes one member of the batch after another, keeps all its
// features in shared memory, and its warps walk along lists of work.
//
// Work makes a part of features Y of others, all in shared memory:
//   Y = f((d . (X W) + A Z) . scale + shift + s) + E
// with a matrix W of channels and a matrix A of nodes, numbers scale and shift a channel, d and s a
// node, and f a ReLU or nothing; or it reads an input, or writes an output. What is not there is
// left out. The part is of TILES x 16 rows and 32 columns; it stays in shared memory, or is an output,
// or both. Every warp has a list of its own, all
// lists are of one length, and where `wait` is set all warps wait for each other.
//
// Options: that of fragments.cuh, THREADS, BLOCKS, how many blocks a multiprocessor has at once, and
// ENDS, how many inputs and outputs there may be, and MOST_TILES.

#include "fragments.cuh"

#define WARPS (THREADS / 32)
#define MANY_REGISTERS (THREADS * BLOCKS <= 256)
#define COLUMN_TILES 4

enum { IDLE, READ, WRITE, MAKE };
enum { NO_NODES, NODE_MATRIX, ATTENTION };

struct Work {
    int kind, wait;
    int tiles, row, column;                  // of the part of Y
    int rows, channels, columns;             // of Y; columns with padding
    int target, target_pitch;                // in words of shared memory
    int x, x_pitch, x_rows, steps, weights;  // X, W in steps of 16 rows; x < 0: none
    int diagonal;                            // d in the workspace; < 0: none
    int nodes, z, z_pitch, z_rows, node_steps;  // kind of A, Z, A in steps of 16 columns
    int matrix;                              // A, or the column of Z in which attention has scores
    int vectors, node_shift;                 // scale and shift, and s, in the workspace; < 0: none
    int relu, add, add_pitch;                // E; < 0: none
    int end;                                 // which input or output; < 0: none
    int target_number, x_number, z_number, add_number;  // of the features
};
#define WORDS 32

// Where inputs and outputs are: address, and the strides of batch, nodes and channels.
struct Ends {
    long long at[4 * ENDS];
};

// Two numbers of an output, of which the second may be padding.
__device__ __forceinline__ void put(const long long* end, long long member, int r, int c, float2 y,
                                    int channels) {
    if (c < channels) {
        float* target = (float*)end[0] + member * end[1] + r * end[2] + c * end[3];
        *target = y.x;
        if (c + 1 < channels) {
            target[end[3]] = y.y;
        }
    }
}

template <int TILES> using Sums = float[TILES][COLUMN_TILES][4];

// Weights that were fetched before they are needed: some steps, of a piece of work that may come
// after the next barrier.
#define AHEAD (!HALVES ? 3 : MANY_REGISTERS ? 4 : 2)
#define LOADS (COLUMN_TILES / PACKED)
using Weights = float4[AHEAD][LOADS];

__device__ __forceinline__ const float4* weights_of(const Work& is, const float* workspace,
                                                    int lane) {
    return (const float4*)(workspace + is.weights) + is.column / (8 * PACKED) * 32 + lane;
}

__device__ __forceinline__ void fetch(Weights& next, const Work& is, const float* workspace,
                                      int lane) {
    if (is.kind == MAKE && is.x >= 0) {
        const float4* weights = weights_of(is, workspace, lane);
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
#pragma unroll
            for (int n = 0; n < LOADS; ++n) {
                if (i < is.steps) {
                    next[i][n] = weights[i * (is.columns * 4 / PACKED) + n * 32];
                }
            }
        }
    }
}

// Numbers of the rows that a lane has sums of.
template <int TILES> using OfRows = float[TILES][2];

template <int TILES>
__device__ __forceinline__ void fetch_rows(OfRows<TILES>& found, const float* workspace, int begin,
                                           const Work& is, float absent, int lane) {
    const int last = is.rows - 1, first = is.row + lane / 4;
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            found[m][half] =
                begin < 0 ? absent : workspace[begin + min(first + 16 * m + 8 * half, last)];
        }
    }
}

// A scale and a shift for the columns that a lane has sums of.
struct OfColumns {
    float2 scale[COLUMN_TILES], shift[COLUMN_TILES];

    __device__ __forceinline__ void fetch(const Work& is, const float* workspace, int lane) {
        const float* at = workspace + is.vectors + is.column + 2 * (lane % 4);
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; ++n) {
            scale[n] = make_float2(1, 1);
            shift[n] = make_float2(0, 0);
            if (is.vectors >= 0) {
                scale[n] = *(const float2*)(at + 8 * n);
                shift[n] = *(const float2*)(at + is.columns + 8 * n);
            }
        }
    }
};

#if HALVES
#include "in_halves.cuh"
#else
#include "in_floats.cuh"
#endif

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    walk_network(const int* lists, const float* workspace, long long length, long long batch,
                 long long features, const Ends ends) {
    extern __shared__ __align__(16) int shared[];
    float* sizes = (float*)(shared + WARPS * 2 * WORDS);
    const int numbers = HALVES ? ((int)features + 1) / 2 * 4 : 0;  // in units of 16 bytes
    float* memory = sizes + numbers;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, count = (int)length;
    const int stride = WARPS * WORDS;
    const int* list = lists + warp * WORDS + lane;
    int* words = shared + warp * 2 * WORDS;
    for (int i = 0; i < 2; ++i) {
        words[i * WORDS + lane] = list[i % count * stride];
    }
    __syncwarp();
    int now = 0;
    Weights next;
    for (long long member = blockIdx.x; member < batch; member += gridDim.x) {
        for (int i = threadIdx.x; i < numbers; i += THREADS) {
            sizes[i] = 0;
        }
        if (HALVES) {
            __syncthreads();
        }
        for (int place = 0; place < count; ++place) {
            const int word = list[(place + 2) % count * stride];
            const Work& is = *(const Work*)(words + now * WORDS);
            const Work& following = *(const Work*)(words + (now ^ 1) * WORDS);
            if (is.kind != MAKE) {
                fetch(next, following, workspace, lane);
                if (is.kind == READ) {
                    read(is, memory, sizes, ends.at + 4 * is.end, member);
                } else if (is.kind == WRITE) {
                    write(is, memory, sizes, ends.at + 4 * is.end, member);
                }
            } else if (is.tiles == 1) {
                make<1>(is, following, next, memory, sizes, workspace, ends, member, lane);
            } else if (is.tiles == 2) {
                make<2>(is, following, next, memory, sizes, workspace, ends, member, lane);
            } else if (MOST_TILES > 2) {
                make<MOST_TILES>(is, following, next, memory, sizes, workspace, ends, member, lane);
            }
            const int wait = is.wait;
            __syncwarp();
            words[now * WORDS + lane] = word;
            if (wait) {
                __syncthreads();
            } else {
                __syncwarp();
            }
            now ^= 1;
        }
    }
}
