// Attention of few queries over many keys, in flash-decoding style: every run of slots is heard once by all the rows
// that share it, each row gets a partial result, and the partials of a row are merged by their log-sum-exp. What a row
// hears of a run does not depend on who else hears it, on the number of threads or on their order: to the last bit.
#include "lanes.h"

#include <algorithm>
#include <cmath>
#include <vector>

struct Run {               // who hears what
    int64_t start, stop;   // slots, or places in `indices` where they are listed
    int64_t rows, n_rows;  // the rows that hear it: places in `rows`
    int64_t partial;       // where their partial results begin, one a row
    int32_t listed;        // whether the slots are listed
    int32_t causal;        // whether row i of n hears all but the last n - 1 - i slots
};

struct Plan {
    const Run *runs;
    int64_t n_runs;
    const int64_t *rows;
    const int32_t *indices;
    int64_t indices_head;     // from one key-value head's list to the next one's; 0 where they share it
    int64_t unit;             // slots that one index stands for
    int64_t n_heard;          // rows that hear anything
    const int64_t *heard;     // those rows
    const int64_t *first;     // where the partials of each begin in `partials`; n_heard + 1 of them
    const int64_t *partials;  // the numbers of partial results, in the order of merging
};

struct Shape {  // sizes, and strides in floats
    int64_t heads, kv_heads, dim, q_row, q_head, key_head, key_slot, value_head, value_slot;
};

namespace {

constexpr int TILE = 16;  // slots whose keys and values stay in the nearest cache while every query hears them
constexpr int MOST = 3;   // queries at once: with four keys, or four vectors of values, twelve registers of sums

struct Tile {
    const float *key[TILE], *value[TILE];  // past the last slot, the last one again
    int count = 0;
};

struct Heard {  // what a query has heard so far: values weighed by e^(score - peak), and the sums of those weights
    const float *query;
    float *out;
    float peak = -INFINITY;
    floats total = {};
};

template <int Q>
void score(const Heard *heard, const float *const *key, int64_t dim, float scale, float *scores) {
    floats sum[Q][4] = {};
    for (int64_t d = 0; d < dim; d += LANES) {
        floats x[Q];
        for (int q = 0; q < Q; q++) x[q] = held(load(heard[q].query + d));
        for (int t = 0; t < 4; t++) {
            const floats k = held(load(key[t] + d));
            for (int q = 0; q < Q; q++) sum[q][t] += x[q] * k;
        }
    }
    for (int q = 0; q < Q; q++) {
        const floats s = sums(sum[q][0], sum[q][1], sum[q][2], sum[q][3]) * all(scale);
        memcpy(scores + q * TILE, &s, 4 * sizeof(float));
    }
}

template <int Q, int V>
void weigh(Heard *heard, const float *const *value, int count, int64_t d, const float *weights, const float *fade) {
    floats sum[Q][V];
    for (int q = 0; q < Q; q++)
        for (int v = 0; v < V; v++) sum[q][v] = load(heard[q].out + d + v * LANES) * all(fade[q]);
    for (int t = 0; t < count; t++) {
        floats w[Q];
        for (int q = 0; q < Q; q++) w[q] = all(weights[q * TILE + t]);
        for (int v = 0; v < V; v++) {
            const floats x = load(value[t] + d + v * LANES);
            for (int q = 0; q < Q; q++) sum[q][v] += w[q] * x;
        }
    }
    for (int q = 0; q < Q; q++)
        for (int v = 0; v < V; v++) store(heard[q].out + d + v * LANES, sum[q][v]);
}

// Scores become weights, in place, given the greatest score so far; what was weighed before fades to the new scale.
float soften(Heard &heard, float *scores, int heard_of, int padded) {
    for (int t = heard_of; t < padded; t++) scores[t] = -INFINITY;
    floats tops = load(scores);
    for (int t = LANES; t < padded; t += LANES) tops = larger(load(scores + t), tops);
    const float top = largest(tops), peak = top > heard.peak ? top : heard.peak;
    const float base = peak == -INFINITY ? 0 : peak, fade = heard.peak == peak ? 1 : std::exp(heard.peak - base);
    floats total = heard.total * all(fade);
    for (int t = 0; t < padded; t += LANES) {
        const floats e = exponential(load(scores + t) - all(base));
        store(scores + t, e);
        total += e;
    }
    heard.total = total;
    heard.peak = peak;
    return fade;
}

// Q queries hear a tile, the i-th its first limits[i] slots. next: the tile to bring near meanwhile, or null.
template <int Q>
void hear(Heard *heard, const Tile &tile, const int *limits, int64_t dim, float scale, const Tile *next) {
    const int count = *std::max_element(limits, limits + Q);
    if (count <= 0) return;
    float weights[Q * TILE], fade[Q];
    for (int t = 0; t < count; t += 4) {
        for (int n = t; next && n < t + 4; n++)
            for (int64_t d = 0; d < dim; d += LINE) {
                __builtin_prefetch(next->key[n] + d);
                __builtin_prefetch(next->value[n] + d);
            }
        score<Q>(heard, tile.key + t, dim, scale, weights + t);
    }
    for (int q = 0; q < Q; q++)
        fade[q] = soften(heard[q], weights + q * TILE, std::max(limits[q], 0), (count + LANES - 1) / LANES * LANES);
    int64_t d = 0;
    for (; d + 4 * LANES <= dim; d += 4 * LANES) weigh<Q, 4>(heard, tile.value, count, d, weights, fade);
    for (; d < dim; d += LANES) weigh<Q, 1>(heard, tile.value, count, d, weights, fade);
}

// The partial results of all rows of one run, for one key-value head.
void partial(const Plan &plan, const Shape &shape, const Run &run, int64_t head, const float *q, const float *keys,
             const float *values, float scale, float *out, float *lse) {
    const int64_t group = shape.heads / shape.kv_heads, dim = shape.dim, n = run.n_rows * group;
    const int64_t slots = (run.stop - run.start) * (run.listed ? plan.unit : 1);
    const int32_t *listed = plan.indices + head * plan.indices_head + run.start;
    std::vector<Heard> heard(n);
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = i / group, of = head * group + i % group;
        heard[i].query = q + plan.rows[run.rows + row] * shape.q_row + of * shape.q_head;
        heard[i].out = out + ((run.partial + row) * shape.heads + of) * dim;
        std::fill_n(heard[i].out, dim, 0.f);
    }
    const float *first_key = keys + head * shape.key_head, *first_value = values + head * shape.value_head;
    Tile tiles[2];
    auto laid = [&](Tile &tile, int64_t from) {
        tile.count = (int)std::min<int64_t>(TILE, slots - from);
        for (int t = 0; t < TILE; t++) {
            const int64_t at = from + std::min(t, tile.count - 1);
            const int64_t slot = run.listed ? listed[at / plan.unit] * plan.unit + at % plan.unit : run.start + at;
            tile.key[t] = first_key + slot * shape.key_slot;
            tile.value[t] = first_value + slot * shape.value_slot;
        }
    };
    constexpr auto one = hear<1>, two = hear<2>, three = hear<3>;
    if (slots > 0) laid(tiles[0], 0);
    for (int64_t from = 0, now = 0; from < slots; from += TILE, now ^= 1) {
        const bool more = from + TILE < slots;
        if (more) laid(tiles[now ^ 1], from + TILE);
        for (int64_t i = 0; i < n;) {
            const int take = at_once(n - i);
            int limits[MOST];
            for (int j = 0; j < take; j++) {
                const int64_t unheard = run.causal ? run.n_rows - 1 - (i + j) / group : 0;
                limits[j] = (int)std::min<int64_t>(tiles[now].count, slots - unheard - from);
            }
            (take == 3 ? three : take == 2 ? two : one)(&heard[i], tiles[now], limits, dim, scale,
                                                        more && i == 0 ? &tiles[now ^ 1] : nullptr);
            i += take;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        const float total = sums(heard[i].total, floats{}, floats{}, floats{})[0];
        for (int64_t d = 0; d < dim && total != 0; d += LANES)
            store(heard[i].out + d, load(heard[i].out + d) * all(1 / total));
        lse[(run.partial + i / group) * shape.heads + head * group + i % group] =
            total == 0 ? -INFINITY : heard[i].peak + std::log(total);
    }
}

// One row's and head's partials, merged.
float merge(const int64_t *from, const int64_t *to, int64_t heads, int64_t head, int64_t dim, const float *outs,
            const float *lses, float *out) {
    float peak = -INFINITY, total = 0;
    for (auto j = from; j < to; j++) peak = std::max(peak, lses[*j * heads + head]);
    std::fill_n(out, dim, 0.f);
    for (auto j = from; j < to; j++) {
        const int64_t at = *j * heads + head;
        const float weight = lses[at] == -INFINITY ? 0 : std::exp(lses[at] - peak);
        total += weight;
        for (int64_t d = 0; d < dim; d += LANES)
            store(out + d, load(out + d) + load(outs + at * dim + d) * all(weight));
    }
    for (int64_t d = 0; d < dim && total != 0; d += LANES) store(out + d, load(out + d) * all(1 / total));
    return total == 0 ? -INFINITY : peak + std::log(total);
}

}  // namespace

// out [rows, heads, dim] and lse [rows, heads] of the rows that hear anything; outs and lses: room for the partials.
extern "C" void chunkwise_attend(const Plan *plan, const Shape *shape, const float *q, const float *keys,
                                 const float *values, float scale, float *out, float *lse, float *outs, float *lses,
                                 int threads) {
    const int64_t heads = shape->heads, dim = shape->dim;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(dynamic, 1)
        for (int64_t task = 0; task < plan->n_runs * shape->kv_heads; task++)
            partial(*plan, *shape, plan->runs[task / shape->kv_heads], task % shape->kv_heads, q, keys, values, scale,
                    outs, lses);
#pragma omp for schedule(static)
        for (int64_t task = 0; task < plan->n_heard * heads; task++) {
            const int64_t i = task / heads, head = task % heads, at = plan->heard[i] * heads + head;
            lse[at] = merge(plan->partials + plan->first[i], plan->partials + plan->first[i + 1], heads, head, dim,
                            outs, lses, out + at * dim);
        }
    }
}
