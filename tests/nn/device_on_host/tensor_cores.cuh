alignas(16) inline const unsigned zeros[4] = {};

template <int BYTES>
inline void copy_ahead(void* to, const void* from, bool is_there) {
    const Copy copy = {to, is_there ? from : zeros, BYTES};
    if (in_haste)
        copy.arrive();
    else
        this_fiber().groups.back().push_back(copy);
}

inline void copies_end() { this_fiber().groups.emplace_back(); }

template <int LAST>
inline void wait_for_copies() {
    auto& groups = this_fiber().groups;
    while (groups.size() > LAST + 1) {
        for (const Copy& copy : groups.front()) copy.arrive();
        groups.erase(groups.begin());
    }
}

typedef unsigned u32;

#if HALF
#define PER_FACTOR 2
#else
#define PER_FACTOR 1
#endif

// A word as the numbers that the tensor cores read of it.
inline void read_factors(double* numbers, u32 word) {
#if HALF
    numbers[0] = low(word), numbers[1] = high(word);
#else
    numbers[0] = __uint_as_float(word & 0xffffe000);
#endif
}

inline void multiply(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    together(a, b, c, [](auto& lanes) {
        constexpr int K = 8 * PER_FACTOR;
        double left[16][K], right[8][K];
        for (int lane = 0; lane < 32; lane++) {
            const u32 *a = (const u32*)lanes[lane].left, *b = (const u32*)lanes[lane].right;
            const int quad = lane / 4, t = lane % 4;
            for (int i = 0; i < 4; i++)
                read_factors(left[quad + i % 2 * 8] + (t + i / 2 * 4) * PER_FACTOR, a[i]);
            for (int i = 0; i < 2; i++)
                read_factors(right[quad] + (t + i * 4) * PER_FACTOR, b[i]);
        }
        for (int lane = 0; lane < 32; lane++) {
            float* c = (float*)lanes[lane].result;
            for (int i = 0; i < 4; i++) {
                double sum = c[i];
                for (int k = 0; k < K; k++)
                    sum += left[lane / 4 + i / 2 * 8][k] * right[lane % 4 * 2 + i % 2][k];
                c[i] = (float)sum;
            }
        }
    });
}

inline void load_tile(float* a, const float* row) {
    together(row, nullptr, a, [](auto& lanes) {
        for (int lane = 0; lane < 32; lane++)
            for (int i = 0; i < 4; i++)
                ((float*)lanes[lane].result)[i] =
                    ((const float*)lanes[i * 8 + lane / 4].left)[lane % 4];
    });
}
