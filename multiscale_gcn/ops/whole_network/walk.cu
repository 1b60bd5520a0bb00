// A whole network: a block of threads takes one member of the batch after another, keeps all its
// features in shared memory, and its warps walk along lists of work.
//
// Work makes a part of features Y of others, all in shared memory:
//   Y = f((d . (X W) + A Z) . scale + shift + s) + E
// with a matrix W of channels and a matrix A of nodes, numbers scale and shift a channel, d and s a
// node, and f a ReLU or nothing; or it reads an input, or writes an output. What is not there is
// left out. The part is of TILES x 16 rows and 32 columns; it may be a part of an output too.
// Every warp has a list of its own, all
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
    int end;                                 // which input or output; < 0: none
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
#define AHEAD (TF32 ? 4 : 3)
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

// What will be read of a matrix of nodes and of a scale and a shift, into the nearest cache.
__device__ __forceinline__ void bring(const Work& is, const float* workspace, int lane) {
    if (is.kind == MAKE && is.nodes == NODE_MATRIX) {
        const float* blocks = workspace + is.matrix + is.row / 16 * is.node_steps * 128;
        const int tiles = min(is.tiles, (is.rows + 15) / 16 - is.row / 16);
        for (int at = 32 * lane; at < tiles * is.node_steps * 128; at += 1024) {
            bring_near(blocks + at);
        }
    }
    if (is.kind == MAKE && is.vectors >= 0 && lane < 2) {
        bring_near(workspace + is.vectors + is.column + lane * is.columns);
    }
}

// X W, of which the first weights are there.
template <int TILES>
__device__ __forceinline__ void add_channels(Sums<TILES>& sum, Weights& next, const Work& is,
                                             const float* memory, const float* workspace,
                                             int lane) {
    const int stride = is.columns * 4 / PACKED, steps = is.steps;
    const float4* weights = weights_of(is, workspace, lane);
    const float* x[TILES];
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
        const int row = min(is.row + 16 * m + lane % 16, is.x_rows - 1);
        x[m] = memory + is.x + row * is.x_pitch + lane / 16 * 4;
    }
    for (int first = 0; first < steps; first += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const int step = first + i;
            if (step < steps) {
                float tiles[2][TILES][4];
#pragma unroll
                for (int part = 0; part < 2; ++part) {
#pragma unroll
                    for (int m = 0; m < TILES; ++m) {
                        load_tile(tiles[part][m], x[m] + 16 * step + 8 * part);
                    }
                }
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
                        Factors<4> a;
#pragma unroll
                        for (int j = 0; j < 4; ++j) {
                            a.set_feature(j, tiles[part][m][j]);
                        }
                        add_products<TILES>(sum, m, a, b);
                    }
                }
                if (step + AHEAD < steps) {
#pragma unroll
                    for (int n = 0; n < LOADS; ++n) {
                        next[i][n] = weights[(step + AHEAD) * stride + n * 32];
                    }
                }
            }
        }
    }
}

#if TF32
// What sums of columns of W are multiplied by, which are in half precision.
struct Scales {
    float2 of[COLUMN_TILES];

    __device__ __forceinline__ Scales(const Work& is, const float* workspace, int lane) {
        const float* at = workspace + is.weights + is.steps * 8 * is.columns + is.column;
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; ++n) {
            if (is.x >= 0) {
                of[n] = *(const float2*)(at + 8 * n + 2 * (lane % 4));
            }
        }
    }
};

template <int TILES>
__device__ __forceinline__ void scale_columns(Sums<TILES>& sum, const Scales& scales) {
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; ++n) {
        const float2 d = scales.of[n];
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

template <int TILES>
__device__ __forceinline__ void scale_rows(Sums<TILES>& sum, const OfRows<TILES>& diagonal) {
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sum[m][n][i] *= diagonal[m][i / 2];
            }
        }
    }
}

// A Z, of which matrix.tile gives A step by step.
template <int TILES, class MATRIX>
__device__ __forceinline__ void add_nodes(Sums<TILES>& sum, MATRIX& matrix, const Work& is,
                                          const float* memory, int lane) {
    const float* z = memory + is.z + is.column + lane / 4;
    const int steps = is.node_steps, pitch = is.z_pitch, last = is.z_rows - 1;
#pragma unroll 2
    for (int step = 0; step < steps; ++step) {
        Factors<2> b[COLUMN_TILES];
        int k[2];
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            k[part] = 8 * step + 2 * (lane % 4) + part;
            const float* at = z + min(k[part], last) * pitch;
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                b[n].set_feature(part, at[8 * n]);
            }
        }
        matrix.step(step, k);
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            Factors<4> a;
            matrix.tile(a, m);
            add_products<TILES>(sum, m, a, b);
        }
    }
}

// A of attention: max(0, source_i + target_j) / N.
template <int TILES> struct Scores {
    const float* targets;
    int pitch, last;
    float share, source[TILES][2], target[2];
    bool is_there[2];

    __device__ __forceinline__ Scores(const Work& is, const float* memory, int lane)
        : targets(memory + is.z + is.score + 1), pitch(is.z_pitch), last(is.z_rows - 1),
          share(1.0f / is.z_rows) {
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int row = min(is.row + 16 * m + 8 * half + lane / 4, last);
                source[m][half] = targets[row * pitch - 1];
            }
        }
    }
    __device__ __forceinline__ void step(int, const int (&k)[2]) {
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            target[part] = targets[min(k[part], last) * pitch];
            is_there[part] = k[part] <= last;
        }
    }
    __device__ __forceinline__ void tile(Factors<4>& a, int m) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float score = source[m][i % 2] + target[i / 2];
            a.set(i, score < 0 || !is_there[i / 2] ? 0 : score * share);
        }
    }
};

// A from the workspace, fetched two steps before it is needed.
template <int TILES> struct NodeMatrix {
    const float4* blocks[TILES];
    float4 next[2][TILES], now[TILES];
    int steps;

    __device__ __forceinline__ NodeMatrix(const Work& is, const float* workspace, int lane)
        : steps(is.nodes == NODE_MATRIX ? is.node_steps : 0) {
        const int last = (is.rows + 15) / 16 - 1;
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            const int tile = min(is.row / 16 + m, last);
            blocks[m] = (const float4*)(workspace + is.matrix) + tile * steps * 32 + lane;
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                if (i < steps) {
                    next[i][m] = blocks[m][i * 32];
                }
            }
        }
    }
    __device__ __forceinline__ void step(int step, const int (&)[2]) {
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            now[m] = next[0][m];
            next[0][m] = next[1][m];
            if (step + 2 < steps) {
                next[1][m] = blocks[m][(step + 2) * 32];
            }
        }
    }
    __device__ __forceinline__ void tile(Factors<4>& a, int m) {
        a.set_rounded(0, now[m].x);
        a.set_rounded(1, now[m].y);
        a.set_rounded(2, now[m].z);
        a.set_rounded(3, now[m].w);
    }
};

// A scale and a shift for the columns that a lane has sums of.
struct OfColumns {
    float2 scale[COLUMN_TILES], shift[COLUMN_TILES];

    __device__ __forceinline__ OfColumns(const Work& is, const float* workspace, int lane) {
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

// Y of the sums.
template <int TILES>
__device__ __forceinline__ void finish(const Sums<TILES>& sum, const OfColumns& columns,
                                       const OfRows<TILES>& shift, const Work& is, float* memory,
                                       int lane) {
    const int left = is.column + 2 * (lane % 4), first = is.row + lane / 4;
    const int rows = is.rows;
    const int pitch = is.target_pitch, add_pitch = is.add_pitch;
    const bool adds = is.add >= 0;
    const float least = __int_as_float(is.relu ? 0 : 0xff800000);
    float* target = memory + is.target + left;
    const float* add = memory + (adds ? is.add : 0) + left;
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
        float2 e[2][COLUMN_TILES];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = min(first + 16 * m + 8 * half, rows - 1);
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                e[half][n] = make_float2(0, 0);
                if (adds) {
                    e[half][n] = *(const float2*)(add + row * add_pitch + 8 * n);
                }
            }
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = first + 16 * m + 8 * half;
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                const float2 d = columns.scale[n], s = columns.shift[n];
                float2 y;
                y.x = sum[m][n][2 * half] * d.x + s.x + shift[m][half];
                y.y = sum[m][n][2 * half + 1] * d.y + s.y + shift[m][half];
                y.x = as_feature(at_least(y.x, least) + e[half][n].x);
                y.y = as_feature(at_least(y.y, least) + e[half][n].y);
                if (row < rows) {
                    *(float2*)(target + row * pitch + 8 * n) = y;
                }
            }
        }
    }
}

// What some threads write of an output, from a row and a column on.
__device__ void write(const Work& is, const float* memory, const long long* end, long long member,
                      int row, int column, int rows, int columns, int thread, int threads) {
    float* target = (float*)end[0] + member * end[1];
    for (int i = thread; i < rows * columns; i += threads) {
        const int r = row + i / columns, c = column + i % columns;
        if (r < is.rows && c < is.channels) {
            target[r * end[2] + c * end[3]] = memory[is.target + r * is.target_pitch + c];
        }
    }
}

// All that comes from far away is asked for at the beginning.
template <int TILES>
__device__ __forceinline__ void make(const Work& is, const Work& following, Weights& next,
                                     float* memory, const float* workspace, const Ends& ends,
                                     long long member, int lane) {
    NodeMatrix<TILES> matrix(is, workspace, lane);
    OfRows<TILES> diagonal, shift;
    fetch_rows<TILES>(diagonal, workspace, is.diagonal, is, 1, lane);
    fetch_rows<TILES>(shift, workspace, is.node_shift, is, 0, lane);
    const OfColumns columns(is, workspace, lane);
#if TF32
    const Scales scales(is, workspace, lane);
#endif
    Sums<TILES> sum = {};
    if (is.x >= 0) {
        add_channels<TILES>(sum, next, is, memory, workspace, lane);
#if TF32
        scale_columns<TILES>(sum, scales);
#endif
        if (is.diagonal >= 0) {
            scale_rows<TILES>(sum, diagonal);
        }
    }
    fetch(next, following, workspace, lane);
    bring(following, workspace, lane);
    if (is.nodes == NODE_MATRIX) {
        add_nodes<TILES>(sum, matrix, is, memory, lane);
    } else if (is.nodes == ATTENTION) {
        Scores<TILES> scores(is, memory, lane);
        add_nodes<TILES>(sum, scores, is, memory, lane);
    }
    finish<TILES>(sum, columns, shift, is, memory, lane);
    if (is.end >= 0) {
        __syncwarp();
        write(is, memory, ends.at + 4 * is.end, member, is.row, is.column,
              16 * TILES, 8 * COLUMN_TILES, lane, 32);
    }
}

__device__ void read(const Work& is, float* memory, const long long* end, long long member) {
    const float* source = (const float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.columns; i += THREADS) {
        const int r = i / is.columns, c = i % is.columns;
        memory[is.target + r * is.target_pitch + c] =
            c < is.channels ? as_given(source[r * end[2] + c * end[3]]) : 0;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    walk_network(const int* lists, const float* workspace, long long length, long long batch,
                 const Ends ends) {
    extern __shared__ __align__(16) int shared[];
    float* memory = (float*)(shared + WARPS * 2 * WORDS);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, count = (int)length;
    const int stride = WARPS * WORDS;
    const int* list = lists + warp * WORDS + lane;
    int* words = shared + warp * 2 * WORDS;
    for (int i = 0; i < 2; ++i) {
        words[i * WORDS + lane] = list[i % count * stride];
    }
    __syncwarp();
    int now = 0, ahead = 2 % count;
    Weights next;
    for (long long member = blockIdx.x; member < batch; member += gridDim.x) {
        for (int place = 0; place < count; ++place) {
            const int word = list[ahead * stride];
            ahead = ahead + 1 == count ? 0 : ahead + 1;
            const Work& is = *(const Work*)(words + now * WORDS);
            const Work& following = *(const Work*)(words + (now ^ 1) * WORDS);
            if (is.kind != MAKE) {
                fetch(next, following, workspace, lane);
                if (is.kind == READ) {
                    read(is, memory, ends.at + 4 * is.end, member);
                } else if (is.kind == WRITE) {
                    write(is, memory, ends.at + 4 * is.end, member, 0, 0, is.rows, is.channels,
                          threadIdx.x, THREADS);
                }
            } else if (is.tiles == 1) {
                make<1>(is, following, next, memory, workspace, ends, member, lane);
            } else if (is.tiles == 2) {
                make<2>(is, following, next, memory, workspace, ends, member, lane);
            } else {
                make<3>(is, following, next, memory, workspace, ends, member, lane);
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
