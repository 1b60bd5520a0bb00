// A whole network: a block of threads takes one member of the batch after another, keeps all its
// features in shared memory, and its warps walk along lists of work.
//
// Work makes a part of features Y of others, all in shared memory:
//   Y = f((d . (X W) + A Z) . scale + shift + s) + E
// with a matrix W of channels and a matrix A of nodes, numbers scale and shift a channel, d and s a
// node, and f a ReLU or nothing; or it reads an input, or writes an output. What is not there is
// left out. The part is of TILES x 16 rows and 32 columns. Every warp has a list of its own, all
// lists are of one length, and where `wait` is set all warps wait for each other.
//
// Options: those of fragments.cuh, THREADS, and ENDS, how many inputs and outputs there may be.

#include "fragments.cuh"

#define WARPS (THREADS / 32)
#define COLUMN_TILES 4

enum { IDLE, READ, WRITE, MAKE };
enum { NO_NODES, NODE_MATRIX, ATTENTION };

struct Work {
    int kind, wait;
    int tiles, row, column;                  // of the part of Y
    int rows, channels, columns;             // of Y; columns with padding
    int target, target_pitch;                // numbers from the begin of shared memory
    int x, x_pitch, x_rows, steps, weights;  // X, W in steps of 16 rows; x < 0: none
    int diagonal;                            // d in the workspace; < 0: none
    int nodes, z, z_pitch, z_rows, node_steps, matrix;  // kind of A, Z, A in steps of 8 columns
    int score;                               // the column of Z in which attention has its scores
    int vectors, node_shift;                 // scale and shift, and s, in the workspace; < 0: none
    int relu, add, add_pitch;                // E; < 0: none
    int end;                                 // which input or output
    int unused[3];
};
#define WORDS 32

// Where inputs and outputs are: address, and the strides of batch, nodes and channels.
struct Ends {
    long long at[4 * ENDS];
};

template <int TILES> using Sums = float[TILES][COLUMN_TILES][4];

template <int TILES>
__device__ __forceinline__ void add_products(Sums<TILES>& sum, int m, const Factors<4>& a,
                                             const Factors<2> (&b)[COLUMN_TILES]) {
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; ++n) {
        add_product(sum[m][n], a, b[n]);
    }
}

// Weights that were fetched before they are needed: some steps, of a piece of work that may come
// after the next barrier.
#define AHEAD (HALVES ? 4 : 3)
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

// X W, of which the first weights are there.
template <int TILES>
__device__ __forceinline__ void add_channels(Sums<TILES>& sum, Weights& next, const Work& is,
                                             const float* memory, const float* workspace,
                                             int lane) {
    const int stride = is.columns * 4 / PACKED;
    const float4* weights = weights_of(is, workspace, lane);
    const float* x[TILES];
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
        const int row = min(is.row + 16 * m + lane % 16, is.x_rows - 1);
        x[m] = memory + is.x + row * is.x_pitch + lane / 16 * 4;
    }
    for (int first = 0; first < is.steps; first += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const int step = first + i;
            if (step < is.steps) {
#pragma unroll
                for (int part = 0; part < 2; ++part) {
                    Factors<2> b[COLUMN_TILES];
#pragma unroll
                    for (int n = 0; n < COLUMN_TILES; ++n) {
                        const float4& has = next[i][n / PACKED];
                        b[n].set_rounded(0, channel_factor(has, n % PACKED, 2 * part));
                        b[n].set_rounded(1, channel_factor(has, n % PACKED, 2 * part + 1));
                    }
#pragma unroll
                    for (int m = 0; m < TILES; ++m) {
                        float tile[4];
                        load_tile(tile, x[m] + 16 * step + 8 * part);
                        Factors<4> a;
#pragma unroll
                        for (int j = 0; j < 4; ++j) {
                            a.set(j, tile[j]);
                        }
                        add_products<TILES>(sum, m, a, b);
                    }
                }
                if (step + AHEAD < is.steps) {
#pragma unroll
                    for (int n = 0; n < LOADS; ++n) {
                        next[i][n] = weights[(step + AHEAD) * stride + n * 32];
                    }
                }
            }
        }
    }
}

#if HALVES
template <int TILES>
__device__ __forceinline__ void scale_columns(Sums<TILES>& sum, const Work& is,
                                              const float* workspace, int lane) {
    const float* scale = workspace + is.weights + is.steps * 8 * is.columns;
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; ++n) {
        const float2 d = *(const float2*)(scale + is.column + 8 * n + 2 * (lane % 4));
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sum[m][n][i] *= i % 2 ? d.y : d.x;
            }
        }
    }
}
#endif

template <int TILES>
__device__ __forceinline__ void scale_rows(Sums<TILES>& sum, const Work& is, const float* diagonal,
                                           int lane) {
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float d = diagonal[min(is.row + 16 * m + 8 * half + lane / 4, is.rows - 1)];
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                sum[m][n][2 * half] *= d;
                sum[m][n][2 * half + 1] *= d;
            }
        }
    }
}

// A of attention: max(0, source_i + target_j) / N.
template <int TILES> struct Scores {
    float source[TILES][2];
    const float* target;
    float share;

    __device__ __forceinline__ Scores(const Work& is, const float* memory, const float*, int lane) {
        target = memory + is.z + is.score + 1;
        share = 1.0f / is.z_rows;
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int row = min(is.row + 16 * m + 8 * half + lane / 4, is.z_rows - 1);
                source[m][half] = target[row * is.z_pitch - 1];
            }
        }
    }
    __device__ __forceinline__ float score(const Work& is, int m, int half, int k) const {
        if (k >= is.z_rows) {
            return 0;
        }
        const float sum = source[m][half] + target[k * is.z_pitch];
        return sum < 0 ? 0 : sum * share;
    }
    __device__ __forceinline__ void tile(Factors<4>& a, const Work& is, int m, int step, int lane) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            a.set(i, score(is, m, i % 2, 8 * step + 2 * (lane % 4) + i / 2));
        }
    }
};

// A from the workspace, fetched two steps before it is needed.
template <int TILES> struct NodeMatrix {
    const float4* blocks[TILES];
    float4 next[2][TILES];

    __device__ __forceinline__ NodeMatrix(const Work& is, const float*, const float* workspace,
                                          int lane) {
        const int last = (is.rows + 15) / 16 - 1;
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            const int tile = min(is.row / 16 + m, last);
            blocks[m] = (const float4*)(workspace + is.matrix) + tile * is.node_steps * 32 + lane;
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                if (i < is.node_steps) {
                    next[i][m] = blocks[m][i * 32];
                }
            }
        }
    }
    __device__ __forceinline__ void tile(Factors<4>& a, const Work& is, int m, int step, int) {
        const float4 now = next[0][m];
        next[0][m] = next[1][m];
        if (step + 2 < is.node_steps) {
            next[1][m] = blocks[m][(step + 2) * 32];
        }
        a.set_rounded(0, now.x);
        a.set_rounded(1, now.y);
        a.set_rounded(2, now.z);
        a.set_rounded(3, now.w);
    }
};

// A Z.
template <int TILES, template <int> class MATRIX>
__device__ __forceinline__ void add_nodes(Sums<TILES>& sum, const Work& is, const float* memory,
                                          const float* workspace, int lane) {
    MATRIX<TILES> matrix(is, memory, workspace, lane);
    const float* z = memory + is.z + is.column + lane / 4;
    for (int step = 0; step < is.node_steps; ++step) {
        Factors<2> b[COLUMN_TILES];
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            const int k = min(8 * step + 2 * (lane % 4) + part, is.z_rows - 1);
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                b[n].set(part, z[k * is.z_pitch + 8 * n]);
            }
        }
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            Factors<4> a;
            matrix.tile(a, is, m, step, lane);
            add_products<TILES>(sum, m, a, b);
        }
    }
}

// Y of the sums.
template <int TILES>
__device__ __forceinline__ void finish(Sums<TILES>& sum, const Work& is, float* memory,
                                       const float* workspace, int lane) {
    const int left = is.column + 2 * (lane % 4);
    float2 scale[COLUMN_TILES], shift[COLUMN_TILES];
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; ++n) {
        scale[n] = make_float2(1, 1);
        shift[n] = make_float2(0, 0);
        if (is.vectors >= 0) {
            scale[n] = *(const float2*)(workspace + is.vectors + left + 8 * n);
            shift[n] = *(const float2*)(workspace + is.vectors + is.columns + left + 8 * n);
        }
    }
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = is.row + 16 * m + 8 * half + lane / 4;
            if (row < is.rows) {
                const float node = is.node_shift < 0 ? 0 : workspace[is.node_shift + row];
#pragma unroll
                for (int n = 0; n < COLUMN_TILES; ++n) {
                    const int c = left + 8 * n;
                    float2 y;
                    y.x = sum[m][n][2 * half] * scale[n].x + shift[n].x + node;
                    y.y = sum[m][n][2 * half + 1] * scale[n].y + shift[n].y + node;
                    if (is.relu) {
                        y.x = y.x < 0 ? 0 : y.x;
                        y.y = y.y < 0 ? 0 : y.y;
                    }
                    if (is.add >= 0) {
                        const float2 e = *(const float2*)(memory + is.add + row * is.add_pitch + c);
                        y.x += e.x;
                        y.y += e.y;
                    }
                    y.x = c < is.channels ? y.x : 0;
                    y.y = c + 1 < is.channels ? y.y : 0;
                    *(float2*)(memory + is.target + row * is.target_pitch + c) = y;
                }
            }
        }
    }
}

template <int TILES>
__device__ __forceinline__ void make(const Work& is, const Work& following, Weights& next,
                                     float* memory, const float* workspace, int lane) {
    Sums<TILES> sum = {};
    if (is.x >= 0) {
        add_channels<TILES>(sum, next, is, memory, workspace, lane);
#if HALVES
        scale_columns<TILES>(sum, is, workspace, lane);
#endif
    }
    fetch(next, following, workspace, lane);
    if (is.diagonal >= 0) {
        scale_rows<TILES>(sum, is, workspace + is.diagonal, lane);
    }
    if (is.nodes == NODE_MATRIX) {
        add_nodes<TILES, NodeMatrix>(sum, is, memory, workspace, lane);
    } else if (is.nodes == ATTENTION) {
        add_nodes<TILES, Scores>(sum, is, memory, workspace, lane);
    }
    finish<TILES>(sum, is, memory, workspace, lane);
}

__device__ void read(const Work& is, float* memory, const long long* end, long long member) {
    const float* source = (const float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.columns; i += THREADS) {
        const int r = i / is.columns, c = i % is.columns;
        memory[is.target + r * is.target_pitch + c] =
            c < is.channels ? source[r * end[2] + c * end[3]] : 0;
    }
}

__device__ void write(const Work& is, const float* memory, const long long* end,
                      long long member) {
    float* target = (float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.channels; i += THREADS) {
        const int r = i / is.channels, c = i % is.channels;
        target[r * end[2] + c * end[3]] = memory[is.target + r * is.target_pitch + c];
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    walk_network(const int* lists, const float* workspace, long long length, long long batch,
                 const Ends ends) {
    extern __shared__ __align__(16) float memory[];
    __shared__ __align__(16) int words[WARPS][2][WORDS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, count = (int)length;
    const int* list = lists + warp * WORDS + lane;
    for (int i = 0; i < 2; ++i) {
        words[warp][i][lane] = list[i % count * WARPS * WORDS];
    }
    __syncwarp();
    int now = 0;
    Weights next;
    for (long long member = blockIdx.x; member < batch; member += gridDim.x) {
        for (int place = 0; place < count; ++place) {
            const int word = list[(place + 2) % count * WARPS * WORDS];
            const Work& is = *(const Work*)words[warp][now];
            const Work& following = *(const Work*)words[warp][now ^ 1];
            if (is.kind != MAKE) {
                fetch(next, following, workspace, lane);
                if (is.kind == READ) {
                    read(is, memory, ends.at + 4 * is.end, member);
                } else if (is.kind == WRITE) {
                    write(is, memory, ends.at + 4 * is.end, member);
                }
            } else if (is.tiles == 1) {
                make<1>(is, following, next, memory, workspace, lane);
            } else if (is.tiles == 2) {
                make<2>(is, following, next, memory, workspace, lane);
            } else {
                make<3>(is, following, next, memory, workspace, lane);
            }
            const int wait = is.wait;
            __syncwarp();
            words[warp][now][lane] = word;
            if (wait) {
                __syncthreads();
            } else {
                __syncwarp();
            }
            now ^= 1;
        }
    }
}
