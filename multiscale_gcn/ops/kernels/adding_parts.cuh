// Sums that blocks made in parts, added up in a fixed order.

#define ADDED 32    // numbers that a block adds up
#define ADDERS 8    // threads for each

// parts: [num_parts, size].
extern "C" __global__ void __launch_bounds__(ADDED * ADDERS)
add_parts(float* results, const float* parts, long long num_parts, long long size) {
    __shared__ float board[ADDERS][ADDED];
    const int column = threadIdx.x % ADDED, adder = threadIdx.x / ADDED;
    const long long place = blockIdx.x * (long long)ADDED + column;
    float sum = 0;
    if (place < size)
#pragma unroll 8
        for (long long k = adder; k < num_parts; k += ADDERS) sum += parts[k * size + place];
    board[adder][column] = sum;
    __syncthreads();
    if (adder == 0 && place < size) {
        for (int k = 1; k < ADDERS; k++) sum += board[k][column];
        results[place] = sum;
    }
}
