// What a decoder does between its products, for few rows: too little work for a second thread, and a call for each of
// torch's operations costs more than the work. A row's result does not depend on the other rows, to the last bit.
#include "lanes.h"

#include <cmath>

struct Turn {  // sizes, and strides in floats; dims: how many of dim are turned, in pairs that lie half of them apart
    int64_t rows, heads, kv_heads, dim, dims, q_row, q_head, k_row, k_head, v_row, v_head;
    int64_t key_head, key_slot, value_head, value_slot;
};

namespace {

// 1 / (1 + e^-x), by e^-|x|, which cannot overflow.
floats sigmoid(floats x) {
    const floats e = exponential(x < all(0.f) ? x : -x);
    return (x < all(0.f) ? e : all(1.f)) / (all(1.f) + e);
}

void turn(const float *x, const float *cos, const float *sin, int64_t dims, int64_t dim, float *to) {
    const int64_t half = dims / 2;
    for (int64_t d = 0; d < half; d++) {
        const float a = x[d], b = x[d + half];
        to[d] = a * cos[d] + b * sin[d];
        to[d + half] = b * cos[d + half] + a * sin[d + half];
    }
    memcpy(to + dims, x + dims, (dim - dims) * sizeof(float));
}

}  // namespace

// sum = x + more, and normed = sum / rms(sum) * weight; where `more` is null, sum is x itself and left alone.
extern "C" void chunkwise_norm(const float *x, const float *more, const float *weight, float epsilon, int64_t rows,
                               int64_t width, float *sum, float *normed) {
    for (int64_t at = 0; at < rows * width; at += width) {
        const float *from = x + at;
        if (more) {
            from = sum + at;
            for (int64_t k = at; k < at + width; k += LANES) store(sum + k, load(x + k) + load(more + k));
        }
        floats squares[4] = {};
        for (int64_t k = 0; k < width; k += LANES) squares[k / LANES % 4] += load(from + k) * load(from + k);
        const floats s = sums(squares[0], squares[1], squares[2], squares[3]);
        const floats scale = all(1 / std::sqrt(((s[0] + s[1]) + (s[2] + s[3])) / width + epsilon));
        for (int64_t k = 0; k < width; k += LANES) store(normed + at + k, load(from + k) * scale * load(weight + k));
    }
}

// out [rows, inner] = silu(gate) * up, of rows that hold the gate [inner], then up [inner].
extern "C" void chunkwise_swiglu(const float *gate_up, int64_t rows, int64_t inner, float *out) {
    for (int64_t row = 0; row < rows; row++, gate_up += 2 * inner, out += inner)
        for (int64_t k = 0; k < inner; k += LANES) {
            const floats gate = load(gate_up + k);
            store(out + k, gate * sigmoid(gate) * load(gate_up + inner + k));
        }
}

// Queries are turned into `out` [rows, heads, dim], keys into their slots, where values go as they are. cos and sin
// [rows, dims], the sine with the sign of its half.
extern "C" void chunkwise_turn(const Turn *of, const float *cos, const float *sin, const int64_t *slots, const float *q,
                               const float *k, const float *v, float *keys, float *values, float *out) {
    for (int64_t row = 0; row < of->rows; row++, cos += of->dims, sin += of->dims) {
        for (int64_t head = 0; head < of->heads; head++, out += of->dim)
            turn(q + row * of->q_row + head * of->q_head, cos, sin, of->dims, of->dim, out);
        for (int64_t head = 0; head < of->kv_heads; head++) {
            turn(k + row * of->k_row + head * of->k_head, cos, sin, of->dims, of->dim,
                 keys + head * of->key_head + slots[row] * of->key_slot);
            memcpy(values + head * of->value_head + slots[row] * of->value_slot,
                   v + row * of->v_row + head * of->v_head, of->dim * sizeof(float));
        }
    }
}
