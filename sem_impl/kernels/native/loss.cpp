// Cross-entropy over a vocabulary that comes in blocks, for heads whose logits are the products themselves and the
// word's bias, where it has one (plain), or ln(re^2 + im^2 + floor) of pairs of them (squared).
//
//     sums      (1) top_t = max_v l_tv,  sum_t = sum_v e^(l_tv - top_t),  chosen_t = l_(t, target), block by block:
//                   sum <- sum e^(top - top') + sum_v e^(l_tv - top')
//     gradient  (2) G_vt = scale (e^(l_tv - top_t) / sum_t - [v = target_t])
//
// squared needs no exponential: e^l is p = re^2 + im^2 + floor itself, top = 0, and the gradient at (re, im) is
// 2 (re, im) scale (1 / sum - [v = target] / p).
//
// A block is [rows, tokens], or [rows, 2, tokens] with Re and Im: a row is a word, and tokens adjoin, so that sums over
// the vocabulary run beside one another and not within a vector. state [4, tokens]: top, sum, what is lost of sum
// by storing it as Real, chosen. Threads share tokens. Sums of 32 terms are in Real, of those in double. A token whose
// logits hold NaN or +inf has NaN everywhere, as from softmax(l - max l).
#include <cmath>
#include <limits>

#include "elementary.h"
#include "parallel.h"

namespace {

constexpr int64_t STRIP = 512, TOGETHER = 32, ENOUGH = 1 << 14;

// one thread below what a second one is worth
int64_t worth(int64_t entries, int64_t threads) { return std::min(threads, std::max<int64_t>(1, entries / ENOUGH)); }

template <class Body>
void strips(int64_t begin, int64_t end, const Body& body) {
  for (int64_t at = begin; at < end; at += STRIP) body(at, std::min(STRIP, end - at));
}

template <class Real>
void add_plain(const Real* __restrict T, const Real* b, int64_t rows, int64_t tokens, int64_t width,
               Real* __restrict top, double* __restrict total) {
  constexpr Real infinity = std::numeric_limits<Real>::infinity();
  Real high[STRIP], part[STRIP];
  for (int64_t r = 0; r < rows; r += TOGETHER) {
    const int64_t last = std::min(rows, r + TOGETHER);
    for (int64_t k = 0; k < width; ++k) high[k] = top[k];
    for (int64_t row = r; row < last; ++row) {
      const Real* __restrict l = T + row * tokens;
      const Real bias = b ? b[row] : Real(0);
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) high[k] = l[k] + bias > high[k] ? l[k] + bias : high[k];
    }
#pragma omp simd
    for (int64_t k = 0; k < width; ++k) {
      const Real shift = high[k] == -infinity ? Real(0) : high[k];
      part[k] = exp_of(top[k] - shift);
      top[k] = high[k];
      high[k] = shift;
    }
    for (int64_t k = 0; k < width; ++k) {
      total[k] *= part[k];
      part[k] = 0;
    }
    for (int64_t row = r; row < last; ++row) {
      const Real* __restrict l = T + row * tokens;
      const Real bias = b ? b[row] : Real(0);
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) part[k] += exp_of(l[k] + bias - high[k]);
    }
    for (int64_t k = 0; k < width; ++k) total[k] += part[k];
  }
}

template <class Real>
void add_squared(const Real* __restrict T, int64_t rows, int64_t tokens, int64_t width, Real floor,
                 double* __restrict total) {
  constexpr Real share = Real(1) / TOGETHER;  // a sum overflows no sooner than its terms
  Real part[STRIP];
  for (int64_t r = 0; r < rows; r += TOGETHER) {
    const int64_t last = std::min(rows, r + TOGETHER);
    for (int64_t k = 0; k < width; ++k) part[k] = 0;
    for (int64_t row = r; row < last; ++row) {
      const Real *__restrict re = T + row * 2 * tokens, *__restrict im = re + tokens;
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) part[k] += share * (re[k] * re[k] + im[k] * im[k] + floor);
    }
    for (int64_t k = 0; k < width; ++k) total[k] += double(TOGETHER) * part[k];
  }
}

template <class Real>
Real power_at(const Real* T, int64_t row, int64_t token, int64_t tokens, Real floor) {
  const Real re = T[row * 2 * tokens + token], im = T[(row * 2 + 1) * tokens + token];
  return re * re + im * im + floor;
}

// Equation (1); `first`: the block's place in the vocabulary
template <class Real>
int sums(const Real* T, const Real* b, int64_t rows, int64_t tokens, int64_t squared, double floor,
         const int64_t* targets, int64_t first, Real* state, int64_t threads) {
  divided(tokens, worth(rows * tokens, threads), [&](int64_t begin, int64_t end, int64_t) {
    strips(begin, end, [&](int64_t at, int64_t width) {
      Real *top = state + at, *sum = top + tokens, *lost = sum + tokens, *chosen = lost + tokens;
      double total[STRIP];
      for (int64_t k = 0; k < width; ++k) total[k] = double(sum[k]) + double(lost[k]);
      if (squared)
        add_squared(T + at, rows, tokens, width, Real(floor), total);
      else
        add_plain(T + at, b, rows, tokens, width, top, total);
      for (int64_t k = 0; k < width; ++k) {
        const double found = total[k] < std::numeric_limits<double>::infinity() ? total[k] : NAN;
        sum[k] = Real(found);
        lost[k] = Real(found - double(sum[k]));
        const int64_t row = targets[at + k] - first;
        if (row >= 0 && row < rows)
          chosen[k] = squared ? std::log(power_at(T, row, at + k, tokens, Real(floor)))
                              : T[row * tokens + at + k] + (b ? b[row] : Real(0));
      }
    });
  });
  return 0;
}

// Equation (2), in place of the products. of_b, where it is wanted (plain), gains the sum of each row. Threads share
// rows: a row's sum is one thread's.
template <class Real>
int gradient(Real* T, const Real* b, int64_t rows, int64_t tokens, int64_t squared, double floor,
             const int64_t* targets, int64_t first, const Real* state, double scale, Real* of_b, int64_t threads) {
  divided(rows, worth(rows * tokens, threads), [&](int64_t begin, int64_t end, int64_t) {
    strips(0, tokens, [&](int64_t at, int64_t width) {
      const Real *__restrict top = state + at, *sum = top + tokens, *lost = sum + tokens;
      Real factor[STRIP], less[STRIP][2];  // of the target's own: scale (re, im) 2 / p
      for (int64_t k = 0; k < width; ++k) {
        factor[k] = Real((squared ? 2 : 1) * scale / (double(sum[k]) + double(lost[k])));
        const int64_t row = targets[at + k] - first, re = 2 * row * tokens + at + k;
        if (!squared || row < begin || row >= end) continue;
        const Real each = Real(2 * scale) / power_at(T, row, at + k, tokens, Real(floor));
        less[k][0] = T[re] * each;
        less[k][1] = T[re + tokens] * each;
      }
      for (int64_t row = begin; row < end; ++row) {
        if (squared) {
          Real *__restrict re = T + 2 * row * tokens + at, *__restrict im = re + tokens;
#pragma omp simd
          for (int64_t k = 0; k < width; ++k) {
            re[k] *= factor[k];
            im[k] *= factor[k];
          }
          continue;
        }
        Real* __restrict g = T + row * tokens + at;
        const Real bias = b ? b[row] : Real(0);
        Real total = 0;
#pragma omp simd reduction(+ : total)
        for (int64_t k = 0; k < width; ++k) {
          g[k] = exp_of(g[k] + bias - top[k]) * factor[k];
          total += g[k];
        }
        if (of_b) of_b[row] += total;
      }
      for (int64_t k = 0; k < width; ++k) {
        const int64_t row = targets[at + k] - first;
        if (row < begin || row >= end) continue;
        const int64_t place = (squared ? 2 * row : row) * tokens + at + k;
        T[place] -= squared ? less[k][0] : Real(scale);
        if (squared) T[place + tokens] -= less[k][1];
        if (of_b) of_b[row] -= Real(scale);
      }
    });
  });
  return 0;
}

// x <- g x, which for the usual g = 1 costs nothing
template <class Real>
int scale(Real* __restrict x, int64_t count, const Real* g, int64_t threads) {
  const Real by = *g;
  if (by == Real(1)) return 0;
  divided(count, worth(count, threads), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t k = begin; k < end; ++k) x[k] *= by;
  });
  return 0;
}

}  // namespace

#define LOSS(Real, suffix)                                                                                             \
  EXPORT int softmax_sums_##suffix(const Real* T, const Real* b, int64_t rows, int64_t tokens, int64_t squared,        \
                                   double floor, const int64_t* targets, int64_t first, Real* state,                   \
                                   int64_t threads) {                                                                  \
    return sums(T, b, rows, tokens, squared, floor, targets, first, state, threads);                                   \
  }                                                                                                                    \
  EXPORT int softmax_gradient_##suffix(Real* T, const Real* b, int64_t rows, int64_t tokens, int64_t squared,          \
                                       double floor, const int64_t* targets, int64_t first, const Real* state,         \
                                       double by, Real* of_b, int64_t threads) {                                       \
    return gradient(T, b, rows, tokens, squared, floor, targets, first, state, by, of_b, threads);                     \
  }                                                                                                                    \
  EXPORT int scale_##suffix(Real* x, int64_t count, const Real* g, int64_t threads) {                                  \
    return scale(x, count, g, threads);                                                                                \
  }

LOSS(float, f32)
LOSS(double, f64)
