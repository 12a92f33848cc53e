// y = x W^T for few rows x: the weights are read once, and a row's result does not depend on the other rows.
#include "lanes.h"

#include <algorithm>

namespace {

// R rows of x by four rows of w; next: rows of w to bring near meanwhile, or null.
template <int R>
void tile(const float *x, int64_t x_row, const float *const *w, int64_t depth, const float *const *next, float *y,
          int64_t width, int outs) {
    floats sum[R][4] = {};
    for (int64_t k = 0; k < depth; k += LANES) {
        if (next && k % LINE == 0)
            for (int c = 0; c < 4; c++) __builtin_prefetch(next[c] + k);
        floats a[R];
        for (int r = 0; r < R; r++) a[r] = held(load(x + r * x_row + k));
        for (int c = 0; c < 4; c++) {
            const floats v = held(load(w[c] + k));
            for (int r = 0; r < R; r++) sum[r][c] += a[r] * v;
        }
    }
    for (int r = 0; r < R; r++) {
        const floats s = sums(sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
        memcpy(y + r * width, &s, outs * sizeof(float));
    }
}

}  // namespace

extern "C" void chunkwise_linear(const float *x, int64_t rows, int64_t x_row, const float *w, int64_t width,
                                 int64_t depth, int64_t w_row, float *y, int threads) {
    constexpr auto one = tile<1>, two = tile<2>, three = tile<3>;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
    for (int64_t n = 0; n < width; n += 4) {
        const int outs = (int)std::min<int64_t>(4, width - n);
        const float *here[4], *next[4];
        for (int c = 0; c < 4; c++) {
            here[c] = w + std::min(n + c, width - 1) * w_row;
            next[c] = w + std::min(n + 4 + c, width - 1) * w_row;
        }
        for (int64_t r = 0; r < rows;) {
            const int take = at_once(rows - r);
            (take == 3 ? three : take == 2 ? two : one)(x + r * x_row, x_row, here, depth, r ? nullptr : next,
                                                        y + r * width + n, width, outs);
            r += take;
        }
    }
}
