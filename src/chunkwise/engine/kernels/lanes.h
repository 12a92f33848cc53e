// Eight floats at once in the compilers' own vector types, which become AVX, two NEON registers, or what there is.
#pragma once
#include <cstdint>
#include <cstring>

typedef float floats __attribute__((vector_size(32)));
typedef int32_t ints __attribute__((vector_size(32)));
constexpr int LANES = 8;
constexpr int LINE = 16;  // floats of a line of the cache

#ifdef __clang__
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, ints{__VA_ARGS__})
#endif

static inline floats load(const float *from) {
    floats x;
    memcpy(&x, from, sizeof x);
    return x;
}

// A value that is used several times, kept in a register: GCC would rather read it from memory at each use.
static inline floats held(floats x) {
#ifdef __AVX__
    __asm__("" : "+x"(x));
#endif
    return x;
}

static inline void store(float *to, floats x) { memcpy(to, &x, sizeof x); }

static inline floats all(float x) { return floats{x, x, x, x, x, x, x, x}; }

// The sums of four vectors' lanes, in lanes 0 to 3; always in the same order, so that equal inputs give equal bits.
static inline floats sums(floats a, floats b, floats c, floats d) {
    floats ab = PICK(a, b, 0, 8, 1, 9, 4, 12, 5, 13) + PICK(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    floats cd = PICK(c, d, 0, 8, 1, 9, 4, 12, 5, 13) + PICK(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    floats s = PICK(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) + PICK(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    return s + PICK(s, s, 4, 5, 6, 7, 0, 1, 2, 3);
}

static inline floats larger(floats a, floats b) { return a > b ? a : b; }

static inline float largest(floats a) {
    a = larger(a, PICK(a, a, 4, 5, 6, 7, 0, 1, 2, 3));
    a = larger(a, PICK(a, a, 2, 3, 0, 1, 6, 7, 4, 5));
    return larger(a, PICK(a, a, 1, 0, 3, 2, 5, 4, 7, 6))[0];
}

// e^x to one or two units in the last place for x <= 0; 0 below the least normal number; NaN stays NaN.
static inline floats exponential(floats x) {
    const floats shift = all(12582912.f);  // 1.5 * 2^23: adding it rounds to whole numbers
    floats inside = x < all(-87.f) ? all(-87.f) : x;
    floats n = (inside * all(1.44269504f) + shift) - shift;
    floats r = inside - n * all(0.693359375f) + n * all(2.12194440e-4f);
    floats p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    p = p * (r * r) + (r + all(1.f));
    ints bits = (__builtin_convertvector(n, ints) + 127) << 23;
    floats power;
    memcpy(&power, &bits, sizeof power);
    return x < all(-87.f) ? all(0.f) : p * power;
}

// How many of the rows that are left to take at once: three, but never three and then one.
static inline int at_once(int64_t left) { return left == 4 ? 2 : left < 3 ? (int)left : 3; }
