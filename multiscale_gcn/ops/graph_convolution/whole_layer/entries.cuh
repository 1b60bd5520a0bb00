// The mixing matrix in shared memory: values of its entries, where rows begin, and the diagonal.
//
// LISTERS threads work on it, lister() is the number of one, and listers_wait() a barrier of theirs.
//
// Options:
//   NODES              of a graph
//   MATRICES           2, or 1: a single matrix for a node and its neighbours
//   SOFTMAX            1: the values are logits; every row is normalised first

// The values of all entries, each row normalised if they are logits. Ends with a barrier. There are at
// least as many listers as nodes.
__device__ void load_values(float* values, const float* __restrict__ given,
                            const i64* __restrict__ indptr, int entries) {
    const int thread = lister();
#pragma unroll 4
    for (int e = thread; e < entries; e += LISTERS) values[e] = given[e];
    [[maybe_unused]] int begin = 0, end = 0;
    if (SOFTMAX && thread < NODES) begin = (int)indptr[thread], end = (int)indptr[thread + 1];
    listers_wait();
#if SOFTMAX
    float highest = __int_as_float(0xff800000), sum = 0;
    for (int e = begin; e < end; e++) highest = fmaxf(highest, values[e]);
    for (int e = begin; e < end; e++) {
        values[e] = expf(values[e] - highest);
        sum += values[e];
    }
    for (int e = begin; e < end; e++) values[e] /= sum;
    listers_wait();
#endif
}

// Where rows begin among the entries that are listed: without the diagonal for two matrices.
__device__ void load_rows(int* starts, float* diagonal, const float* values,
                          const i64* __restrict__ indptr, const i64* __restrict__ loops) {
    for (int i = lister(); i <= NODES; i += LISTERS) {
        starts[i] = (int)indptr[i] - (MATRICES == 2 ? i : 0);
        if (i < NODES) diagonal[i] = values[loops[i]];
    }
}

// The place of an entry in that list; negative if it is not there.
__device__ __forceinline__ int listed_place(int entry, int row, int loop) {
    if (MATRICES == 1) return entry;
    return entry == loop ? -1 : entry - row - (entry > loop ? 1 : 0);
}
