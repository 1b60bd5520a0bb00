// A whole network: a block of threads takes one member of the batch after another, keeps all its
// features in shared memory, and walks along a program.
//
// An instruction makes features Y of others, all in shared memory:
//   Y = f((d . (X W) + A Z) . scale + shift + s) + E
// with a matrix W of channels and a matrix A of nodes, numbers scale and shift a channel, d and s a
// node, and f a ReLU or nothing; or it reads an input, or writes an output. What an instruction
// has not is left out. Between two instructions all threads wait.
//
// Options: those of fragments.cuh, and THREADS.

#include "fragments.cuh"

#define WARPS (THREADS / 32)
#define AHEAD 4

enum { READ, WRITE, MAKE };
enum { NO_NODES, NODE_MATRIX, ATTENTION };

struct Instruction {
    int kind, rows, channels, columns;       // of Y; columns with padding, a multiple of 16
    int target, target_pitch;                // numbers from the begin of shared memory
    int tiles, groups;                       // of 16 rows: how many an item has, and how many items
    int x, x_pitch, x_rows, steps, weights;  // X, W in steps of 16 rows; x < 0: none
    int diagonal;                            // d in the workspace; < 0: none
    int nodes, z, z_pitch, z_rows, node_steps, matrix;  // kind of A, Z, A in steps of 8 columns
    int score;                               // the column of Z in which attention has its scores
    int vectors, node_shift;                 // scale and shift, and s, in the workspace; < 0: none
    int relu, add, add_pitch;                // E; < 0: none
    int end;                                 // which input or output
    int unused[5];
};

// Where inputs and outputs are: address, and the strides of batch, nodes and channels.
struct Ends {
    long long at[4 * ENDS];
};

// X W of TILES x 2 tiles, of rows from `row` and columns from `column`.
template <int TILES>
__device__ __forceinline__ void add_channels(float (&sum)[TILES][2][4], const Instruction& is,
                                             const float* memory, const float* workspace, int row,
                                             int column, int lane) {
    const int stride = is.columns / 8 * 32;
    const float4* weights = (const float4*)(workspace + is.weights) + column / 8 * 32 + lane;
    float4 next[AHEAD][2];
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) {
        if (i < is.steps) {
            next[i][0] = weights[i * stride];
            next[i][1] = weights[i * stride + 32];
        }
    }
    const float* x[TILES][2];
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int at = min(row + 16 * m + 8 * half + lane / 4, is.x_rows - 1);
            x[m][half] = memory + is.x + at * is.x_pitch + lane % 4;
        }
    }
    for (int first = 0; first < is.steps; first += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const int step = first + i;
            if (step < is.steps) {
                const float4 now[2] = {next[i][0], next[i][1]};
                if (step + AHEAD < is.steps) {
                    next[i][0] = weights[(step + AHEAD) * stride];
                    next[i][1] = weights[(step + AHEAD) * stride + 32];
                }
#pragma unroll
                for (int part = 0; part < 2; ++part) {
                    Factors<2> b[2];
#pragma unroll
                    for (int n = 0; n < 2; ++n) {
                        b[n].set_rounded(0, part ? now[n].z : now[n].x);
                        b[n].set_rounded(1, part ? now[n].w : now[n].y);
                    }
                    const int k = 16 * step + 8 * part;
#pragma unroll
                    for (int m = 0; m < TILES; ++m) {
                        Factors<4> a;
                        a.set(0, x[m][0][k]);
                        a.set(1, x[m][1][k]);
                        a.set(2, x[m][0][k + 4]);
                        a.set(3, x[m][1][k + 4]);
                        add_product(sum[m][0], a, b[0]);
                        add_product(sum[m][1], a, b[1]);
                    }
                }
            }
        }
    }
}

// Of an instruction with attention: A is max(0, source_i + target_j) / N.
template <int TILES> struct Scores {
    float source[TILES][2];
    const float* target;
    float share;

    __device__ __forceinline__ Scores(const Instruction& is, const float* memory, int row,
                                      int lane) {
        target = memory + is.z + is.score + 1;
        share = 1.0f / is.z_rows;
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int at = min(row + 16 * m + 8 * half + lane / 4, is.z_rows - 1);
                source[m][half] = target[at * is.z_pitch - 1];
            }
        }
    }
    __device__ __forceinline__ float operator()(const Instruction& is, int m, int half,
                                                int k) const {
        if (k >= is.z_rows) {
            return 0;
        }
        const float score = source[m][half] + target[k * is.z_pitch];
        return score > 0 || score != score ? score * share : 0;
    }
};

// A Z of TILES x 2 tiles.
template <int TILES, bool ATTENDS>
__device__ __forceinline__ void add_nodes(float (&sum)[TILES][2][4], const Instruction& is,
                                          const float* memory, const float* workspace, int row,
                                          int column, int lane) {
    const float4* matrix[TILES];
    const int last = (is.rows + 15) / 16 - 1;
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
        const int tile = min(row / 16 + m, last);
        matrix[m] = (const float4*)(workspace + is.matrix) + tile * is.node_steps * 32 + lane;
    }
    const Scores<TILES> scores(is, memory, row, lane);
    const float* z = memory + is.z + column + lane / 4;
    for (int step = 0; step < is.node_steps; ++step) {
        const int k = 8 * step + 2 * (lane % 4);
        Factors<2> b[2];
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            const float* at = z + min(k + part, is.z_rows - 1) * is.z_pitch;
            b[0].set(part, at[0]);
            b[1].set(part, at[8]);
        }
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            Factors<4> a;
            if (ATTENDS) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    a.set(i, scores(is, m, i % 2, k + i / 2));
                }
            } else {
                const float4 block = matrix[m][step * 32];
                a.set_rounded(0, block.x);
                a.set_rounded(1, block.y);
                a.set_rounded(2, block.z);
                a.set_rounded(3, block.w);
            }
            add_product(sum[m][0], a, b[0]);
            add_product(sum[m][1], a, b[1]);
        }
    }
}

template <int TILES>
__device__ __forceinline__ void finish(float (&sum)[TILES][2][4], const Instruction& is,
                                       float* memory, const float* workspace, int row, int column,
                                       int lane) {
    const float* scale = workspace + is.vectors;
    const float* shift = scale + is.columns;
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int r = row + 16 * m + 8 * half + lane / 4;
            if (r >= is.rows) {
                continue;
            }
            const float node = is.node_shift < 0 ? 0 : workspace[is.node_shift + r];
#pragma unroll
            for (int n = 0; n < 2; ++n) {
                const int c = column + 8 * n + 2 * (lane % 4);
                float y[2];
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    y[i] = sum[m][n][2 * half + i];
                    if (is.vectors >= 0) {
                        y[i] = y[i] * scale[c + i] + shift[c + i];
                    }
                    y[i] += node;
                    if (is.relu) {
                        y[i] = y[i] < 0 ? 0 : y[i];
                    }
                    if (is.add >= 0) {
                        y[i] += memory[is.add + r * is.add_pitch + c + i];
                    }
                    y[i] = c + i < is.channels ? y[i] : 0;
                }
                *(float2*)(memory + is.target + r * is.target_pitch + c) = make_float2(y[0], y[1]);
            }
        }
    }
}

template <int TILES>
__device__ void make(const Instruction& is, float* memory, const float* workspace) {
    const int lane = threadIdx.x % 32, pairs = is.columns / 16;
    for (int item = threadIdx.x / 32; item < is.groups * pairs; item += WARPS) {
        const int row = item / pairs * TILES * 16, column = item % pairs * 16;
        float sum[TILES][2][4] = {};
        if (is.x >= 0) {
            add_channels<TILES>(sum, is, memory, workspace, row, column, lane);
        }
        if (is.diagonal >= 0) {
#pragma unroll
            for (int m = 0; m < TILES; ++m) {
#pragma unroll
                for (int i = 0; i < 8; ++i) {
                    const int r = min(row + 16 * m + i % 4 / 2 * 8 + lane / 4, is.rows - 1);
                    sum[m][i / 4][i % 4] *= workspace[is.diagonal + r];
                }
            }
        }
        if (is.nodes == NODE_MATRIX) {
            add_nodes<TILES, false>(sum, is, memory, workspace, row, column, lane);
        } else if (is.nodes == ATTENTION) {
            add_nodes<TILES, true>(sum, is, memory, workspace, row, column, lane);
        }
        finish<TILES>(sum, is, memory, workspace, row, column, lane);
    }
}

__device__ void read(const Instruction& is, float* memory, const long long* end, long long member) {
    const float* source = (const float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.columns; i += THREADS) {
        const int r = i / is.columns, c = i % is.columns;
        memory[is.target + r * is.target_pitch + c] =
            c < is.channels ? source[r * end[2] + c * end[3]] : 0;
    }
}

__device__ void write(const Instruction& is, const float* memory, const long long* end,
                      long long member) {
    float* target = (float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.channels; i += THREADS) {
        const int r = i / is.channels, c = i % is.channels;
        target[r * end[2] + c * end[3]] = memory[is.target + r * is.target_pitch + c];
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    walk_network(const int* program, const float* workspace, long long count, long long batch,
                 const Ends ends) {
    extern __shared__ __align__(16) float memory[];
    __shared__ Instruction instructions[2];
    const int words = sizeof(Instruction) / 4;
    if (threadIdx.x < words) {
        ((int*)&instructions[0])[threadIdx.x] = program[threadIdx.x];
    }
    __syncthreads();
    int now = 0;
    for (long long member = blockIdx.x; member < batch; member += gridDim.x) {
        for (int place = 0; place < count; ++place, now ^= 1) {
            const int following = place + 1 < count ? place + 1 : 0;
            int word = 0;
            if (threadIdx.x < words) {
                word = program[following * words + threadIdx.x];
            }
            const Instruction is = instructions[now];
            if (is.kind == READ) {
                read(is, memory, ends.at + 4 * is.end, member);
            } else if (is.kind == WRITE) {
                write(is, memory, ends.at + 4 * is.end, member);
            } else if (is.tiles == 1) {
                make<1>(is, memory, workspace);
            } else if (is.tiles == 2) {
                make<2>(is, memory, workspace);
            } else if (is.tiles == 3) {
                make<3>(is, memory, workspace);
            } else {
                make<6>(is, memory, workspace);
            }
            if (threadIdx.x < words) {
                ((int*)&instructions[now ^ 1])[threadIdx.x] = word;
            }
            __syncthreads();
        }
    }
}
