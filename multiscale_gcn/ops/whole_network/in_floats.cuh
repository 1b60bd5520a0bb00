// Work on features in float32: products are those of float32, made of three in TF32 each.

// The factors of a tile that is multiplied with several others: rounded, and what that left over.
template <int COUNT> struct Factors {
    float high[COUNT], low[COUNT];

    __device__ __forceinline__ void set(int i, float x) {
        high[i] = as_tf32(x);
        low[i] = as_tf32(x - high[i]);
    }
};

__device__ __forceinline__ void add_product(float* c, const Factors<4>& a, const Factors<2>& b) {
    multiply_tiles(c, a.low, b.high);
    multiply_tiles(c, a.high, b.low);
    multiply_tiles(c, a.high, b.high);
}

template <int TILES>
__device__ __forceinline__ void add_products(Sums<TILES>& sum, int m, const Factors<4>& a,
                                             const Factors<2> (&b)[COLUMN_TILES]) {
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; ++n) {
        add_product(sum[m][n], a, b[n]);
    }
}

// X W, of which the first weights are there.
template <int TILES>
__device__ __forceinline__ void add_channels(Sums<TILES>& sum, Weights& next, const Work& is,
                                             const float* memory, const float* workspace,
                                             int lane) {
    const int stride = is.columns * 4, steps = is.steps;
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
                unsigned int tiles[2][TILES][4];
#pragma unroll
                for (int part = 0; part < 2; ++part) {
#pragma unroll
                    for (int m = 0; m < TILES; ++m) {
                        load_tiles(tiles[part][m], x[m] + 16 * step + 8 * part);
                    }
                }
#pragma unroll
                for (int part = 0; part < 2; ++part) {
                    Factors<2> b[COLUMN_TILES];
#pragma unroll
                    for (int n = 0; n < COLUMN_TILES; ++n) {
                        b[n].set(0, part ? next[i][n].z : next[i][n].x);
                        b[n].set(1, part ? next[i][n].w : next[i][n].y);
                    }
#pragma unroll
                    for (int m = 0; m < TILES; ++m) {
                        Factors<4> a;
#pragma unroll
                        for (int j = 0; j < 4; ++j) {
                            a.set(j, __uint_as_float(tiles[part][m][j]));
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
    const int steps = 2 * is.node_steps, pitch = is.z_pitch, last = is.z_rows - 1;
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
                b[n].set(part, at[8 * n]);
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
        : targets(memory + is.z + is.matrix + 1), pitch(is.z_pitch), last(is.z_rows - 1),
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
        : steps(is.nodes == NODE_MATRIX ? 2 * is.node_steps : 0) {
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
        a.set(0, now[m].x);
        a.set(1, now[m].y);
        a.set(2, now[m].z);
        a.set(3, now[m].w);
    }
};

// Y of the sums.
template <int TILES>
__device__ __forceinline__ void finish(const Sums<TILES>& sum, const OfColumns& columns,
                                       const OfRows<TILES>& shift, const Work& is, float* memory,
                                       const Ends& ends, long long member, int lane) {
    const int left = is.column + 2 * (lane % 4), first = is.row + lane / 4;
    const int rows = is.rows, channels = is.channels, end = is.end;
    const int pitch = is.target_pitch, add_pitch = is.add_pitch;
    const bool relu = is.relu, adds = is.add >= 0, stays = is.target >= 0;
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
                const int c = left + 8 * n;
                const float2 d = columns.scale[n], s = columns.shift[n];
                float2 y;
                y.x = sum[m][n][2 * half] * d.x + s.x + shift[m][half];
                y.y = sum[m][n][2 * half + 1] * d.y + s.y + shift[m][half];
                y.x = (relu && y.x < 0 ? 0 : y.x) + e[half][n].x;
                y.y = (relu && y.y < 0 ? 0 : y.y) + e[half][n].y;
                y.x = c < channels ? y.x : 0;
                y.y = c + 1 < channels ? y.y : 0;
                if (row < rows) {
                    if (end >= 0) {
                        put(ends.at + 4 * end, member, row, c, y, channels);
                    }
                    if (stays) {
                        *(float2*)(target + row * pitch + 8 * n) = y;
                    }
                }
            }
        }
    }
}

// All that comes from far away is asked for at the beginning.
template <int TILES>
__device__ __forceinline__ void make(const Work& is, const Work& following, Weights& next,
                                     float* memory, float*, const float* workspace,
                                     const Ends& ends, long long member, int lane) {
    NodeMatrix<TILES> matrix(is, workspace, lane);
    OfRows<TILES> diagonal, shift;
    fetch_rows<TILES>(diagonal, workspace, is.diagonal, is, 1, lane);
    fetch_rows<TILES>(shift, workspace, is.node_shift, is, 0, lane);
    OfColumns columns;
    columns.fetch(is, workspace, lane);
    Sums<TILES> sum = {};
    if (is.x >= 0) {
        add_channels<TILES>(sum, next, is, memory, workspace, lane);
        scale_rows<TILES>(sum, diagonal);
    }
    fetch(next, following, workspace, lane);
    if (is.nodes == NODE_MATRIX) {
        add_nodes<TILES>(sum, matrix, is, memory, lane);
    } else if (is.nodes == ATTENTION) {
        Scores<TILES> scores(is, memory, lane);
        add_nodes<TILES>(sum, scores, is, memory, lane);
    }
    finish<TILES>(sum, columns, shift, is, memory, ends, member, lane);
}

__device__ void read(const Work& is, float* memory, float*, const long long* end, long long member) {
    const float* source = (const float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.columns; i += THREADS) {
        const int r = i / is.columns, c = i % is.columns;
        memory[is.target + r * is.target_pitch + c] =
            c < is.channels ? source[r * end[2] + c * end[3]] : 0;
    }
}

__device__ void write(const Work& is, const float* memory, const float*, const long long* end,
                      long long member) {
    float* target = (float*)end[0] + member * end[1];
    for (int i = threadIdx.x; i < is.rows * is.channels; i += THREADS) {
        const int r = i / is.channels, c = i % is.channels;
        target[r * end[2] + c * end[3]] = memory[is.target + r * is.target_pitch + c];
    }
}
