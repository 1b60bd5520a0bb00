// Batch normalisation in training, over all rows of features, with ReLU and a sum behind it:
//
//     y = f((x - mean) gain / sqrt(variance + epsilon) + offset) + more,   f(y) = y, or ReLU(y)
//
// Two kernels forward and two backward. Blocks sum up parts of the rows; then every block merges
// what it needs of the parts, in a fixed order, while its own rows are on their way again. Where a
// block, or a cluster of blocks, can hold some channels of all rows, one kernel each way does it.
//
// Options:
//   ELEMENT  see types.cuh
//   VECTOR   channels that a thread has
//   LANES    threads side by side in a row: 1, 2, 4, 8, 16 or 32
//   THREADS  of a block
//   HELD     rows that a thread holds, where nothing is merged through memory
//   CLUSTER  blocks that share all rows then: 1, or with compute capability 9.0 and later up to 8

#include "types.cuh"

#define WARPS (THREADS / 32)
#define TEAMS (THREADS / LANES)  // rows that a block works on at once
#define CHANNELS (LANES * VECTOR)
#define MERGERS (THREADS / CHANNELS)  // threads that merge the parts of a channel
#define UNROLL 4                      // rows that a thread reads at once

struct __align__(VECTOR * sizeof(Element)) Vector {
    Element of[VECTOR];
};

__device__ __forceinline__ Vector load(const Element* x, i64 place) {
    return *reinterpret_cast<const Vector*>(x + place);
}

// ------------------------------------------------------------------------------------------ rows

// The rows and channels of a thread. Blocks take TEAMS rows in turn: they read side by side.
struct Share {
    i64 first, rows, channels, step;
    int channel;

    __device__ Share(i64 rows, i64 channels)
        : first(blockIdx.x * (i64)TEAMS + threadIdx.x / LANES), rows(rows), channels(channels),
          step(gridDim.x * (i64)TEAMS),
          channel(blockIdx.y * CHANNELS + threadIdx.x % LANES * VECTOR) {
        if (channel >= channels) first = rows;
    }

    __device__ __forceinline__ i64 place(i64 row) const { return row * channels + channel; }

    template <class Act>
    __device__ __forceinline__ void some(i64 row, Act act) const {
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            if (row + u * step < rows) act(u, place(row + u * step));
    }

    // Several rows are read before they are used; before the first of them are, `meanwhile` runs.
    template <class Read, class Meanwhile, class Use>
    __device__ __forceinline__ void walk(Read read, Meanwhile meanwhile, Use use) const {
        some(first, read);
        meanwhile();
        for (i64 row = first; row < rows; row += UNROLL * step) {
            if (row > first) some(row, read);
            some(row, use);
        }
    }
};

// How many rows block k of so many has.
__device__ __forceinline__ i64 rows_of_block(i64 k, i64 blocks, i64 rows) {
    const i64 round = blocks * TEAMS, rest = rows % round - k * TEAMS;
    return rows / round * TEAMS + (rest < 0 ? 0 : rest < TEAMS ? rest : TEAMS);
}

// ------------------------------------------------------------------------------------------ sums

// Of two numbers; which, the kernels say.
struct __align__(2 * sizeof(Real)) Sums {
    Real one, other;
};

__device__ __forceinline__ Sums operator+(Sums a, Sums b) {
    return {a.one + b.one, a.other + b.other};
}

// Rows of a board, added to the first in a fixed order.
template <int ROWS>
__device__ void add_rows(Sums (&board)[ROWS][CHANNELS]) {
#pragma unroll
    for (int half = ROWS / 2; half > 0; half /= 2) {
        __syncthreads();
        for (int at = threadIdx.x; at < half * CHANNELS; at += THREADS) {
            Sums& here = board[at / CHANNELS][at % CHANNELS];
            here = here + board[at / CHANNELS + half][at % CHANNELS];
        }
    }
    __syncthreads();
}

// What the threads of a block found, added up in the first row of the board.
__device__ void add_block(Sums (&board)[WARPS][CHANNELS], Sums (&found)[VECTOR]) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
    for (int v = 0; v < VECTOR; v++) {
#pragma unroll
        for (int offset = 16; offset >= LANES; offset /= 2)
            found[v] = found[v] + Sums{__shfl_xor_sync(~0u, found[v].one, offset),
                                       __shfl_xor_sync(~0u, found[v].other, offset)};
        if (lane < LANES) board[warp][lane * VECTOR + v] = found[v];
    }
    add_rows(board);
}

// What `of` makes of the parts, added up in the first row of the board. parts: [., channels].
template <class Of>
__device__ void add_parts(Sums (&board)[MERGERS][CHANNELS], const Sums* parts, i64 num_parts,
                          i64 channels, Of of) {
    const int merger = threadIdx.x / CHANNELS, column = threadIdx.x % CHANNELS;
    const i64 c = blockIdx.y * CHANNELS + column;
    Sums all = {0, 0};
    if (c < channels)
#pragma unroll 8
        for (i64 k = merger; k < num_parts; k += MERGERS)
            all = all + of(k, parts[k * channels + c]);
    board[merger][column] = all;
    add_rows(board);
}

// --------------------------------------------------------------------------------- normalisation

// How the channels of a thread are normalised.
struct Affine {
    Real mean[VECTOR] = {}, inverse[VECTOR] = {}, scale[VECTOR] = {}, shift[VECTOR] = {};

    // means, and 1 / sqrt(variance + epsilon), of the channels of the block.
    __device__ void take(const Real* means, const Real* inverses, const Real* gain,
                         const Real* offset, const Share& share) {
        if (share.channel >= share.channels) return;
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            const int column = threadIdx.x % LANES * VECTOR + v;
            mean[v] = means[column];
            inverse[v] = inverses[column];
            scale[v] = gain == nullptr ? inverse[v] : inverse[v] * gain[share.channel + v];
            shift[v] = offset == nullptr ? 0 : offset[share.channel + v];
        }
    }

    __device__ __forceinline__ Real operator()(Real x, int v) const {
        return fma(x - mean[v], scale[v], shift[v]);
    }

    // The gradient of the normalised features, from that of the result.
    __device__ __forceinline__ Real behind(Real upstream, Real x, int v, bool relu) const {
        return relu && (*this)(x, v) <= 0 ? 0 : upstream;
    }
};

// Mean and sum of squared deviations of the rows of every block. Deviations are first taken from
// the block's first row, so that a large mean costs no digits.
extern "C" __global__ void __launch_bounds__(THREADS)
moments(Sums* parts, const Element* x, i64 rows, i64 channels) {
    __shared__ Sums board[WARPS][CHANNELS];
    const Share share(rows, channels);
    const i64 begin = blockIdx.x * (i64)TEAMS;
    Real pivot[VECTOR] = {};
    Sums found[VECTOR] = {};
    Vector held[UNROLL];
    share.walk([&](int u, i64 place) { held[u] = load(x, place); },
               [&] {
                   if (share.channel >= channels) return;
                   const Vector row = load(x, share.place(begin));
                   for (int v = 0; v < VECTOR; v++) pivot[v] = widen(row.of[v]);
               },
               [&](int u, i64) {
#pragma unroll
                   for (int v = 0; v < VECTOR; v++) {
                       const Real step = widen(held[u].of[v]) - pivot[v];
                       found[v] = found[v] + Sums{step, step * step};
                   }
               });
    add_block(board, found);
    const i64 c = blockIdx.y * CHANNELS + threadIdx.x;
    if (threadIdx.x < CHANNELS && c < channels) {
        const Sums all = board[0][threadIdx.x];
        const Real mean = all.one / rows_of_block(blockIdx.x, gridDim.x, rows);
        const Real spread = all.other - all.one * mean;
        parts[blockIdx.x * channels + c] = {widen(x[begin * channels + c]) + mean,
                                            spread < 0 ? 0 : spread};
    }
}

// statistics: [2, channels], the means and 1 / sqrt(variance + epsilon). The running ones are kept
// as PyTorch keeps them.
extern "C" __global__ void __launch_bounds__(THREADS)
normalise(Element* y, Real* statistics, const Sums* parts, i64 num_parts, const Element* x,
          const Element* more, const Real* gain, const Real* offset, Real* running_mean,
          Real* running_variance, i64* batches, double momentum, double epsilon, i64 relu,
          i64 rows, i64 channels) {
    __shared__ Sums board[MERGERS][CHANNELS];
    __shared__ Real means[CHANNELS], inverses[CHANNELS];
    const Share share(rows, channels);
    Affine affine;
    auto merge = [&] {
        const i64 column = blockIdx.y * CHANNELS + threadIdx.x % CHANNELS;
        const Real pivot = column < channels ? parts[column].one : 0;
        add_parts(board, parts, num_parts, channels, [&](i64 k, Sums part) {
            const Real count = rows_of_block(k, num_parts, rows);
            const Real step = part.one - pivot;
            return Sums{count * step, part.other + count * step * step};
        });
        if (threadIdx.x < CHANNELS && column < channels) {
            const Sums all = board[0][threadIdx.x];
            const Real step = all.one / rows, spread = all.other - all.one * step;
            means[threadIdx.x] = pivot + step;
            inverses[threadIdx.x] = 1 / sqrt(spread / rows + (Real)epsilon);
            if (blockIdx.x == 0) {
                const Real part = (Real)momentum, mean = pivot + step;
                statistics[column] = mean;
                statistics[channels + column] = inverses[threadIdx.x];
                if (running_mean != nullptr)
                    running_mean[column] = (1 - part) * running_mean[column] + part * mean;
                if (running_variance != nullptr)
                    running_variance[column] =
                        (1 - part) * running_variance[column] + part * (spread / (rows - 1));
                if (column == 0 && batches != nullptr) *batches += 1;
            }
        }
        __syncthreads();
        affine.take(means, inverses, gain, offset, share);
    };
    Vector held[UNROLL], added[UNROLL];
    share.walk(
        [&](int u, i64 place) {
            held[u] = load(x, place);
            if (more != nullptr) added[u] = load(more, place);
        },
        merge,
        [&](int u, i64 place) {
            Vector out;
#pragma unroll
            for (int v = 0; v < VECTOR; v++) {
                Real value = affine(widen(held[u].of[v]), v);
                if (relu && value < 0) value = 0;
                if (more != nullptr) value += widen(added[u].of[v]);
                out.of[v] = narrow(value);
            }
            *reinterpret_cast<Vector*>(y + place) = out;
        });
}

// -------------------------------------------------------------------------------------- gradient

// Of the gradient of the normalised features, and of its products with their deviations.
extern "C" __global__ void __launch_bounds__(THREADS)
sums(Sums* parts, const Element* upstream, const Element* x, const Real* statistics,
     const Real* gain, const Real* offset, i64 relu, i64 rows, i64 channels) {
    __shared__ Sums board[WARPS][CHANNELS];
    const Share share(rows, channels);
    const Real* means = statistics + blockIdx.y * CHANNELS;
    Affine affine;
    Sums found[VECTOR] = {};
    Vector held[UNROLL], above[UNROLL];
    share.walk(
        [&](int u, i64 place) { held[u] = load(x, place), above[u] = load(upstream, place); },
        [&] { affine.take(means, means + channels, gain, offset, share); },
        [&](int u, i64) {
#pragma unroll
            for (int v = 0; v < VECTOR; v++) {
                const Real here = widen(held[u].of[v]);
                const Real g = affine.behind(widen(above[u].of[v]), here, v, relu);
                found[v] = found[v] + Sums{g, g * (here - affine.mean[v])};
            }
        });
    add_block(board, found);
    const i64 c = blockIdx.y * CHANNELS + threadIdx.x;
    if (threadIdx.x < CHANNELS && c < channels)
        parts[blockIdx.x * channels + c] = board[0][threadIdx.x];
}

// gradients: [3, channels], of the gains, of the offsets, and of what is added to all rows of x, which
// moves nothing. copy: what is upstream once more, if that is wanted.
extern "C" __global__ void __launch_bounds__(THREADS)
gradient(Element* result, Element* copy, Real* gradients, const Sums* parts, i64 num_parts,
         const Element* upstream, const Element* x, const Real* statistics, const Real* gain,
         const Real* offset, i64 relu, i64 rows, i64 channels) {
    __shared__ Sums board[MERGERS][CHANNELS];
    const Share share(rows, channels);
    const Real* means = statistics + blockIdx.y * CHANNELS;
    Affine affine;
    Real mean[VECTOR], slope[VECTOR];
    auto merge = [&] {
        affine.take(means, means + channels, gain, offset, share);
        add_parts(board, parts, num_parts, channels, [](i64, Sums part) { return part; });
        const i64 c = blockIdx.y * CHANNELS + threadIdx.x;
        if (blockIdx.x == 0 && threadIdx.x < CHANNELS && c < channels) {
            gradients[c] = board[0][threadIdx.x].other * statistics[channels + c];
            gradients[channels + c] = board[0][threadIdx.x].one;
            gradients[2 * channels + c] = 0;
        }
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            const Sums all = board[0][threadIdx.x % LANES * VECTOR + v];
            mean[v] = all.one / rows;
            slope[v] = all.other / rows * affine.inverse[v] * affine.inverse[v];
        }
    };
    Vector held[UNROLL], above[UNROLL];
    share.walk(
        [&](int u, i64 place) { held[u] = load(x, place), above[u] = load(upstream, place); },
        merge,
        [&](int u, i64 place) {
            Vector out;
#pragma unroll
            for (int v = 0; v < VECTOR; v++) {
                const Real here = widen(held[u].of[v]);
                const Real g = affine.behind(widen(above[u].of[v]), here, v, relu);
                const Real rest = mean[v] + (here - affine.mean[v]) * slope[v];
                out.of[v] = narrow((g - rest) * affine.scale[v]);
            }
            *reinterpret_cast<Vector*>(result + place) = out;
            if (copy != nullptr) *reinterpret_cast<Vector*>(copy + place) = above[u];
        });
}

// ------------------------------------------------------------------------------------- all rows

#ifdef HELD

// One vector, behind the back of the thread where that can be.
__device__ __forceinline__ void copy_ahead(Vector* to, const Element* from) {
#if __CUDA_ARCH__ >= 800
    constexpr int bytes = sizeof(Vector);
    if (bytes >= 4) {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(
                         (unsigned int)__cvta_generic_to_shared(to)),
                     "l"(from), "n"(bytes < 4 ? 4 : bytes)
                     : "memory");
        return;
    }
#endif
    *to = load(from, 0);
}

__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// What a thread holds of all rows, and of a second tensor in shared memory, where nobody else looks.
struct Hold {
    Vector x[HELD];
    Vector* second;

    __device__ __forceinline__ Hold(const Share& share, const Element* given, const Element* other,
                                    Vector* room)
        : second(room + threadIdx.x) {
        each(share, [&](int k, int place) { x[k] = load(given, place); });
        if (other != nullptr)
            each(share, [&](int k, int place) { copy_ahead(second + k * THREADS, other + place); });
    }

    template <class Act>
    __device__ __forceinline__ void each(const Share& share, Act act) const {
        // Places are few enough for 32 bits, and are found again: registers are for the rows.
        int row = (int)share.first, place = (int)share.place(share.first);
        const int step = TEAMS * CLUSTER, next = step * (int)share.channels;
        asm volatile("" : "+r"(row), "+r"(place));
#pragma unroll
        for (int k = 0; k < HELD; k++, row += step, place += next)
            if (row < (int)share.rows) act(k, place);
    }
};

#if CLUSTER > 1
#define IN_CLUSTERS __attribute__((cluster_dims(CLUSTER, 1, 1)))

// All threads of all blocks of a cluster.
__device__ __forceinline__ void meet() {
    asm volatile("barrier.cluster.arrive.release;\n"
                 "barrier.cluster.wait.acquire;" ::
                     : "memory");
}

// What another block of the cluster has at the same place.
__device__ __forceinline__ Real there(const Real* here, int block) {
    const unsigned int address = (unsigned int)__cvta_generic_to_shared(here);
    unsigned int mapped;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(block));
    Real x;
#if ELEMENT == 3
    asm volatile("ld.shared::cluster.f64 %0, [%1];" : "=d"(x) : "r"(mapped) : "memory");
#else
    asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(x) : "r"(mapped) : "memory");
#endif
    return x;
}
#else
#define IN_CLUSTERS
#endif

// The sums that the threads found, of all rows, for all threads.
__device__ __forceinline__ void add_all(Sums (&board)[WARPS][CHANNELS], Sums (&found)[VECTOR]) {
    add_block(board, found);
#if CLUSTER > 1
    __shared__ Sums totals[CHANNELS];
    meet();
    if (threadIdx.x < CHANNELS) {
        Sums all = {0, 0};
#pragma unroll
        for (int block = 0; block < CLUSTER; block++) {
            const Sums& here = board[0][threadIdx.x];
            all = all + Sums{there(&here.one, block), there(&here.other, block)};
        }
        totals[threadIdx.x] = all;
    }
    meet();
    const Sums* sums = totals;
#else
    const Sums* sums = board[0];
#endif
#pragma unroll
    for (int v = 0; v < VECTOR; v++) found[v] = sums[threadIdx.x % LANES * VECTOR + v];
    __syncthreads();
}

extern "C" __global__ void IN_CLUSTERS __launch_bounds__(THREADS, 2)
normalise_whole(Element* y, Real* statistics, const Element* x, const Element* more,
                const Real* gain, const Real* offset, Real* running_mean, Real* running_variance,
                i64* batches, double momentum, double epsilon, i64 relu, i64 rows, i64 channels) {
    extern __shared__ __align__(16) unsigned char memory[];
    __shared__ Sums board[WARPS][CHANNELS];
    __shared__ Real means[CHANNELS], inverses[CHANNELS];
    const Share share(rows, channels);
    const Hold hold(share, x, more, (Vector*)memory);
    Real middle[VECTOR] = {};
    if (share.channel < channels) {
        const Vector row = load(x, share.channel);
        for (int v = 0; v < VECTOR; v++) middle[v] = widen(row.of[v]);
    }
    // Deviations from the first row, then from the mean.
    Sums found[VECTOR];
    for (int pass = 0; pass < 2; pass++) {
#pragma unroll
        for (int v = 0; v < VECTOR; v++) found[v] = {0, 0};
        hold.each(share, [&](int k, int) {
#pragma unroll
            for (int v = 0; v < VECTOR; v++) {
                const Real step = widen(hold.x[k].of[v]) - middle[v];
                found[v] = found[v] + Sums{step, step * step};
            }
        });
        add_all(board, found);
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            const Real step = found[v].one / rows;
            found[v].other -= found[v].one * step;
            middle[v] += step;
        }
    }
    if (threadIdx.x < LANES && share.channel < channels) {
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            const i64 column = share.channel + v;
            const Real part = (Real)momentum, spread = found[v].other < 0 ? 0 : found[v].other;
            const Real inverse = 1 / sqrt(spread / rows + (Real)epsilon);
            means[threadIdx.x * VECTOR + v] = middle[v];
            inverses[threadIdx.x * VECTOR + v] = inverse;
            if (blockIdx.x > 0) continue;
            statistics[column] = middle[v];
            statistics[channels + column] = inverse;
            if (running_mean != nullptr)
                running_mean[column] = (1 - part) * running_mean[column] + part * middle[v];
            if (running_variance != nullptr)
                running_variance[column] =
                    (1 - part) * running_variance[column] + part * (spread / (rows - 1));
            if (column == 0 && batches != nullptr) *batches += 1;
        }
    }
    __syncthreads();
    Affine affine;
    affine.take(means, inverses, gain, offset, share);
    wait_for_copies();
    hold.each(share, [&](int k, int place) {
        Vector out, added;
        if (more != nullptr) added = hold.second[k * THREADS];
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            Real value = affine(widen(hold.x[k].of[v]), v);
            if (relu && value < 0) value = 0;
            if (more != nullptr) value += widen(added.of[v]);
            out.of[v] = narrow(value);
        }
        *reinterpret_cast<Vector*>(y + place) = out;
    });
}

extern "C" __global__ void IN_CLUSTERS __launch_bounds__(THREADS, 2)
gradient_whole(Element* result, Element* copy, Real* gradients, const Element* upstream,
               const Element* x, const Real* statistics, const Real* gain, const Real* offset, i64 relu, i64 rows,
               i64 channels) {
    extern __shared__ __align__(16) unsigned char memory[];
    __shared__ Sums board[WARPS][CHANNELS];
    const Share share(rows, channels);
    const Hold hold(share, x, upstream, (Vector*)memory);
    const Real* means = statistics + blockIdx.y * CHANNELS;
    Affine affine;
    affine.take(means, means + channels, gain, offset, share);
    wait_for_copies();
    Sums found[VECTOR] = {};
    hold.each(share, [&](int k, int) {
        const Vector above = hold.second[k * THREADS];
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            const Real here = widen(hold.x[k].of[v]);
            const Real g = affine.behind(widen(above.of[v]), here, v, relu);
            found[v] = found[v] + Sums{g, g * (here - affine.mean[v])};
        }
    });
    add_all(board, found);
    Real mean[VECTOR], slope[VECTOR];
#pragma unroll
    for (int v = 0; v < VECTOR; v++) {
        const i64 c = share.channel + v;
        mean[v] = found[v].one / rows;
        slope[v] = found[v].other / rows * affine.inverse[v] * affine.inverse[v];
        if (blockIdx.x == 0 && threadIdx.x < LANES && c < channels) {
            gradients[c] = found[v].other * affine.inverse[v];
            gradients[channels + c] = found[v].one;
            gradients[2 * channels + c] = 0;
        }
    }
    hold.each(share, [&](int k, int place) {
        const Vector above = hold.second[k * THREADS];
        Vector out;
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
            const Real here = widen(hold.x[k].of[v]);
            const Real g = affine.behind(widen(above.of[v]), here, v, relu);
            const Real rest = mean[v] + (here - affine.mean[v]) * slope[v];
            out.of[v] = narrow((g - rest) * affine.scale[v]);
        }
        *reinterpret_cast<Vector*>(result + place) = out;
        if (copy != nullptr) *reinterpret_cast<Vector*>(copy + place) = above;
    });
}

#endif
