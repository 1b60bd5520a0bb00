// Work on features in half precision, where products may be those of TF32: it has as many digits,
// and a smaller range. So the features of a member that are made by one instruction have a scale, a
// power of two. It is chosen before they are made, of what cannot be exceeded: by the largest numbers
// of the features that they are made of, and by sums of rows and columns of the matrices.

// Of features: the largest number, and what a stored number is multiplied by.
__device__ __forceinline__ float& largest_of(float* sizes, int number) {
    return sizes[2 * number];
}

__device__ __forceinline__ float& unit_of(float* sizes, int number) {
    return sizes[2 * number + 1];
}

// X W, of which the first weights are there.
template <int TILES>
__device__ __forceinline__ void add_channels(Sums<TILES>& sum, Weights& next, const Work& is,
                                             const float* memory, const float* workspace,
                                             int lane) {
    const int stride = is.columns * 2, steps = is.steps;
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
                unsigned int a[TILES][4];
#pragma unroll
                for (int m = 0; m < TILES; ++m) {
                    load_tiles(a[m], x[m] + 8 * step);
                }
#pragma unroll
                for (int n = 0; n < COLUMN_TILES; ++n) {
                    const float4& has = next[i][n / 2];
                    const unsigned int b[2] = {__float_as_uint(n % 2 ? has.z : has.x),
                                               __float_as_uint(n % 2 ? has.w : has.y)};
#pragma unroll
                    for (int m = 0; m < TILES; ++m) {
                        multiply_halves(sum[m][n], a[m], b);
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

// A Z, of which matrix.tile gives A step by step.
template <int TILES, class MATRIX>
__device__ __forceinline__ void add_nodes(Sums<TILES>& sum, MATRIX& matrix, const Work& is,
                                          const float* memory, int lane) {
    const float* z = memory + is.z + is.column / 2 + lane / 16 * 4;
    const int steps = is.node_steps, pitch = is.z_pitch, last = is.z_rows - 1;
#pragma unroll 2
    for (int step = 0; step < steps; ++step) {
        const float* at = z + min(16 * step + lane % 16, last) * pitch;
        unsigned int b[COLUMN_TILES / 2][4];
#pragma unroll
        for (int n = 0; n < COLUMN_TILES / 2; ++n) {
            load_transposed(b[n], at + 8 * n);
        }
        matrix.step(step);
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            unsigned int a[4];
            matrix.tile(a, m);
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                multiply_halves(sum[m][n], a, b[n / 2] + n % 2 * 2);
            }
        }
    }
}

// A of attention: max(0, source_i + target_j) / N, in units of 4 units of its scores.
template <int TILES> struct Scores {
    const unsigned short* scores;
    int pitch, last, lane;
    float share, source[TILES][2], target[4];
    bool is_there[4];

    __device__ __forceinline__ Scores(const Work& is, const float* memory, int lane)
        : scores((const unsigned short*)(memory + is.z) + is.matrix), pitch(2 * is.z_pitch),
          last(is.z_rows - 1), lane(lane), share(0.25f / is.z_rows) {
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int row = min(is.row + 16 * m + 8 * half + lane / 4, last);
                source[m][half] = of_half(scores[row * pitch]);
            }
        }
    }
    __device__ __forceinline__ void step(int step) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int k = 16 * step + 2 * (lane % 4) + i / 2 * 8 + i % 2;
            target[i] = of_half(scores[min(k, last) * pitch + 1]);
            is_there[i] = k <= last;
        }
    }
    __device__ __forceinline__ float score(int m, int half, int i) const {
        const float score = source[m][half] + target[i];
        return score < 0 || !is_there[i] ? 0 : score * share;
    }
    __device__ __forceinline__ void tile(unsigned int* a, int m) const {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            a[i] = pack_halves(score(m, i % 2, i / 2 * 2), score(m, i % 2, i / 2 * 2 + 1));
        }
    }
};

// A from the workspace, fetched some steps before it is needed.
#define NODES_AHEAD (MANY_REGISTERS ? 2 : 1)
template <int TILES> struct NodeMatrix {
    const float4* blocks[TILES];
    float4 next[NODES_AHEAD][TILES], now[TILES];
    int steps;

    __device__ __forceinline__ NodeMatrix(const Work& is, const float* workspace, int lane)
        : steps(is.nodes == NODE_MATRIX ? is.node_steps : 0) {
        const int last = (is.rows + 15) / 16 - 1;
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            const int tile = min(is.row / 16 + m, last);
            blocks[m] = (const float4*)(workspace + is.matrix) + tile * steps * 32 + lane;
#pragma unroll
            for (int i = 0; i < NODES_AHEAD; ++i) {
                if (i < steps) {
                    next[i][m] = blocks[m][i * 32];
                }
            }
        }
    }
    __device__ __forceinline__ void step(int step) {
#pragma unroll
        for (int m = 0; m < TILES; ++m) {
            now[m] = next[0][m];
            next[0][m] = next[NODES_AHEAD - 1][m];
            if (step + NODES_AHEAD < steps) {
                next[NODES_AHEAD - 1][m] = blocks[m][(step + NODES_AHEAD) * 32];
            }
        }
    }
    __device__ __forceinline__ void tile(unsigned int* a, int m) const {
        a[0] = __float_as_uint(now[m].x);
        a[1] = __float_as_uint(now[m].y);
        a[2] = __float_as_uint(now[m].z);
        a[3] = __float_as_uint(now[m].w);
    }
};

// Of one lane: some of the sums of rows or columns of a matrix, of so many.
__device__ __forceinline__ float some_sums(const float* sums, int count, int lane) {
    float most = lane < count ? sums[lane] : 0;
    for (int i = lane + 32; i < count; i += 32) {
        most = fmaxf(most, sums[i]);
    }
    return most;
}

// What no number of Y exceeds, by what is known of the matrices.
struct Bound {
    float of_columns, of_rows, diagonal, scale, shift, node_shift;

    __device__ __forceinline__ Bound(const Work& is, const float* workspace, int lane)
        : of_columns(0), of_rows(0), diagonal(1), scale(1), shift(0),
          node_shift(0) {
        if (is.x >= 0) {
            const float* behind = workspace + is.weights + is.steps * 8 * is.columns;
            of_columns = some_sums(behind + is.columns, is.columns / 8, lane);
            if (is.diagonal >= 0) {
                diagonal = workspace[is.diagonal + is.rows];
            }
        }
        if (is.nodes == NODE_MATRIX) {
            const int tiles = (is.rows + 15) / 16;
            const float* behind = workspace + is.matrix + tiles * 16 * is.node_steps * 8;
            of_rows = some_sums(behind + 16 * tiles, tiles, lane);
        }
        if (is.vectors >= 0) {
            scale = workspace[is.vectors + 2 * is.columns];
            shift = workspace[is.vectors + 2 * is.columns + 1];
        }
        if (is.node_shift >= 0) {
            node_shift = workspace[is.node_shift + (is.rows + 31) / 32 * 32 + 1];
        }
    }
    __device__ __forceinline__ float operator()(const Work& is, float* sizes) const {
        float most = 0;
        if (is.x >= 0) {
            most = largest_of(sizes, is.x_number) * largest_of_warp(of_columns) * diagonal;
        }
        if (is.nodes == NODE_MATRIX) {
            most += largest_of(sizes, is.z_number) * largest_of_warp(of_rows);
        } else if (is.nodes == ATTENTION) {
            const float largest = largest_of(sizes, is.z_number);
            most += 2 * largest * largest;
        }
        most = most * scale + shift + node_shift;
        return is.add < 0 ? most : most + largest_of(sizes, is.add_number);
    }
};

// The inverse of a power of two.
__device__ __forceinline__ float inverse(float power) {
    return __int_as_float(0x7f000000 - __float_as_int(power));
}

// Inverse scales of the columns of W.
struct Columns {
    float2 unit[COLUMN_TILES];

    __device__ __forceinline__ void fetch(const Work& is, const float* workspace, int lane) {
        if (is.x >= 0) {
            const float* units = workspace + is.weights + is.steps * 8 * is.columns + is.column;
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                unit[n] = *(const float2*)(units + 8 * n + 2 * (lane % 4));
            }
        }
    }
};

// What sums are multiplied by in the end, of the inverse scales of the rows of A.
template <int TILES>
__device__ __forceinline__ void find_units(OfRows<TILES>& behind, const Work& is, float* sizes) {
    const float of_z = is.nodes == NO_NODES ? 1 : unit_of(sizes, is.z_number);
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            behind[m][half] *= is.nodes == ATTENTION ? 4 * of_z * of_z : of_z;
        }
    }
}

// X W as numbers that A Z is added to.
template <int TILES>
__device__ __forceinline__ void scale_sums(Sums<TILES>& sum, const Columns& columns,
                                           const OfRows<TILES>& diagonal,
                                           const OfRows<TILES>& behind, float of_x) {
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float by = diagonal[m][half] * (of_x * inverse(behind[m][half]));
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                sum[m][n][2 * half] *= columns.unit[n].x * by;
                sum[m][n][2 * half + 1] *= columns.unit[n].y * by;
            }
        }
    }
}

// Y of the sums.
template <int TILES>
__device__ __forceinline__ void finish(const Sums<TILES>& sum, const OfRows<TILES>& behind,
                                       const OfColumns& columns, const OfRows<TILES>& shift,
                                       const Bound& bound, const Work& is, float* memory,
                                       float* sizes, const Ends& ends, long long member, int lane) {
    const int left = is.column + 2 * (lane % 4), first = is.row + lane / 4;
    const int rows = is.rows, channels = is.channels, end = is.end;
    const int pitch = is.target_pitch, add_pitch = is.add_pitch;
    const bool relu = is.relu, adds = is.add >= 0, stays = is.target >= 0;
    const float scale = scale_for(bound(is, sizes));
    const float unit_of_add = adds ? unit_of(sizes, is.add_number) : 0;
    float* target = memory + is.target + left / 2;
    const float* add = memory + (adds ? is.add : 0) + left / 2;
    float most = 0;
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
        unsigned int e[2][COLUMN_TILES];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = min(first + 16 * m + 8 * half, rows - 1);
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                e[half][n] = adds ? __float_as_uint(add[row * add_pitch + 4 * n]) : 0;
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
                y.x = sum[m][n][2 * half] * behind[m][half] * d.x + s.x + shift[m][half];
                y.y = sum[m][n][2 * half + 1] * behind[m][half] * d.y + s.y + shift[m][half];
                y.x = relu && y.x < 0 ? 0 : y.x;
                y.y = relu && y.y < 0 ? 0 : y.y;
                y.x += of_half((unsigned short)e[half][n]) * unit_of_add;
                y.y += of_half((unsigned short)(e[half][n] >> 16)) * unit_of_add;
                y.x = c < channels ? y.x : 0;
                y.y = c + 1 < channels ? y.y : 0;
                if (row < rows) {
                    if (end >= 0) {
                        put(ends.at + 4 * end, member, row, c, y, channels);
                    }
                    most = larger(most, larger(fabsf(y.x), fabsf(y.y)));
                    if (stays) {
                        target[row * pitch + 4 * n] =
                            __uint_as_float(pack_halves(y.x * scale, y.y * scale));
                    }
                }
            }
        }
    }
    most = largest_of_warp(most);
    if (stays && lane == 0) {
        keep_larger(&largest_of(sizes, is.target_number), most);
        unit_of(sizes, is.target_number) = 1 / scale;
    }
}

// What comes from far away is asked for at the beginning, if there are registers for it.
template <int TILES>
__device__ __forceinline__ void make(const Work& is, const Work& following, Weights& next,
                                     float* memory, float* sizes, const float* workspace,
                                     const Ends& ends, long long member, int lane) {
    NodeMatrix<TILES> matrix(is, workspace, lane);
    const int units = is.matrix + (is.rows + 15) / 16 * 16 * is.node_steps * 8;
    OfRows<TILES> diagonal, behind, shift;
    fetch_rows<TILES>(diagonal, workspace, is.diagonal, is, 1, lane);
    fetch_rows<TILES>(behind, workspace, is.nodes == NODE_MATRIX ? units : -1, is, 1, lane);
    fetch_rows<TILES>(shift, workspace, is.node_shift, is, 0, lane);
    Columns weights;
    OfColumns columns;
    if (MANY_REGISTERS) {
        weights.fetch(is, workspace, lane);
        columns.fetch(is, workspace, lane);
    }
    const Bound bound(is, workspace, lane);
    Sums<TILES> sum = {};
    if (is.x >= 0) {
        add_channels<TILES>(sum, next, is, memory, workspace, lane);
    }
    find_units<TILES>(behind, is, sizes);
    if (is.x >= 0) {
        if (!MANY_REGISTERS) {
            weights.fetch(is, workspace, lane);
        }
        scale_sums<TILES>(sum, weights, diagonal, behind, unit_of(sizes, is.x_number));
    }
    fetch(next, following, workspace, lane);
    if (is.nodes == NODE_MATRIX) {
        add_nodes<TILES>(sum, matrix, is, memory, lane);
    } else if (is.nodes == ATTENTION) {
        Scores<TILES> scores(is, memory, lane);
        add_nodes<TILES>(sum, scores, is, memory, lane);
    }
    if (!MANY_REGISTERS) {
        columns.fetch(is, workspace, lane);
    }
    finish<TILES>(sum, behind, columns, shift, bound, is, memory, sizes,
                  ends, member, lane);
}

__device__ void read(const Work& is, float* memory, float* sizes, const long long* end,
                     long long member) {
    const float* source = (const float*)end[0] + member * end[1];
    float most = 0;
    for (int i = threadIdx.x; i < is.rows * is.channels; i += THREADS) {
        const int r = i / is.channels, c = i % is.channels;
        most = larger(most, fabsf(source[r * end[2] + c * end[3]]));
    }
    most = largest_of_warp(most);
    if (threadIdx.x % 32 == 0) {
        keep_larger(&largest_of(sizes, is.target_number), most);
    }
    __syncthreads();
    const float scale = scale_for(largest_of(sizes, is.target_number));
    if (threadIdx.x == 0) {
        unit_of(sizes, is.target_number) = 1 / scale;
    }
    unsigned short* target = (unsigned short*)(memory + is.target);
    for (int i = threadIdx.x; i < is.rows * is.columns; i += THREADS) {
        const int r = i / is.columns, c = i % is.columns;
        target[r * 2 * is.target_pitch + c] =
            as_half(c < is.channels ? source[r * end[2] + c * end[3]] * scale : 0);
    }
}

__device__ void write(const Work& is, const float* memory, float* sizes, const long long* end,
                      long long member) {
    float* target = (float*)end[0] + member * end[1];
    const unsigned short* source = (const unsigned short*)(memory + is.target);
    const float unit = unit_of(sizes, is.target_number);
    for (int i = threadIdx.x; i < is.rows * is.channels; i += THREADS) {
        const int r = i / is.channels, c = i % is.channels;
        target[r * end[2] + c * end[3]] = of_half(source[r * 2 * is.target_pitch + c]) * unit;
    }
}
