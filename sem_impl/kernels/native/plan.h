// One batch row of `sinkhorn`: equations in sinkhorn.cpp.
#pragma once
#include <cmath>
#include <limits>
#include <vector>

#include "elementary.h"
#include "lines.h"
#include "parallel.h"

inline constexpr int64_t CHUNK = 64, ENOUGH = 1 << 14;

template <class Real>
inline constexpr double far = sizeof(Real) == 4 ? 0x1p40 : 0x1p400;

template <class Real>
int64_t padded(int64_t count) {
  constexpr int64_t line = 64 / sizeof(Real);
  return (count + line - 1) / line * line;
}

// one thread below what a second one is worth
inline int64_t worth(int64_t entries, int64_t threads) {
  return std::min(threads, std::max<int64_t>(1, entries / ENOUGH));
}

// `exp_of` for x of at most 0 whose exponentials below the normal range are not wanted, so that 2^n is one factor.
template <class Real>
INLINE Real exp_or_zero(Real x) {
  using Integer = typename Format<Real>::Integer;
  using Word = typename Format<Real>::Word;
  constexpr bool narrow = sizeof(Real) == 4;
  constexpr Real high = narrow ? Real(0.693359375) : Real(6.93145751953125e-1);
  constexpr Real low = narrow ? Real(-2.12194440e-4) : Real(1.42860682030941723212e-6);
  const Real shifted = x * Real(1.44269504088896340736) + Format<Real>::rounder;
  const Real whole = shifted - Format<Real>::rounder;
  const Integer n = Integer(bits<Word>(shifted) - bits<Word>(Format<Real>::rounder));
  const Real found = exp_near_zero((x - whole * high) - whole * low) * power_of_two<Real>(n);
  return x < std::log(std::numeric_limits<Real>::min()) ? Real(0) : found;
}

// How far it has come.
template <class Real>
struct Plan {
  const Real* cost;
  Real *G, *m, *r, *b, *w, *parts;  // parts [chunks, stride]
  double *A, *log_columns;  // A of (1), from `close` on times b
  int64_t length, candidates, stride, updates = 0;
  double error = 0;
  bool stale = true, absorbed = true, by_logs = false, lost = false;

  void form(int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      const Real* __restrict c = cost + s * candidates;
      Real* __restrict g = G + s * stride;
      Real most = -std::numeric_limits<Real>::infinity();
#pragma omp simd reduction(max : most)
      for (int64_t k = 0; k < candidates; ++k) {
        const Real x = w[k] - c[k];
        most = x > most ? x : most;
      }
      m[s] = most;
#pragma omp simd
      for (int64_t k = 0; k < candidates; ++k) g[k] = exp_or_zero(w[k] - c[k] - most);
      std::fill(g + candidates, g + stride, Real(0));
    }
  }

  void pass(int64_t chunk) {
    if (lost) return;
    const int64_t begin = chunk * CHUNK, end = std::min(begin + CHUNK, length);
    Real* __restrict part = parts + chunk * stride;
    if (stale) form(begin, end);
    const Real* rows = G + begin * stride;
    int64_t s = begin;
    for (; s + TOGETHER <= end; s += TOGETHER) weigh(G + s * stride, stride, b, r + s);
    for (; s < end; ++s) r[s] = weighed(G + s * stride, stride, b);
    Real inverse[CHUNK];
    for (s = begin; s < end; ++s) inverse[s - begin] = Real(1) / r[s];
    constexpr int64_t wide = TOGETHER * Line<Real>::lanes;
    int64_t k = 0;
    for (; k + wide <= stride; k += wide) spread<TOGETHER>(rows + k, stride, inverse, end - begin, part + k);
    for (; k < stride; k += Line<Real>::lanes) spread<1>(rows + k, stride, inverse, end - begin, part + k);
  }

  int64_t chunks() const { return (length + CHUNK - 1) / CHUNK; }

  // the least of A; NaN where one is
  double sum() {
    std::fill(A, A + candidates, 0.0);
    for (int64_t chunk = 0; chunk < chunks(); ++chunk) {
      const Real* __restrict part = parts + chunk * stride;
#pragma omp simd
      for (int64_t k = 0; k < candidates; ++k) A[k] += part[k];
    }
    double least = std::numeric_limits<double>::infinity(), all = 0;
#pragma omp simd reduction(min : least) reduction(+ : all)
    for (int64_t k = 0; k < candidates; ++k) {
      least = A[k] < least ? A[k] : least;
      all += A[k];
    }
    return all == all ? least : all;
  }

  // w <- w + ln b, b <- 1
  void absorb() {
    for (int64_t k = 0; k < candidates; ++k) {
      w[k] = static_cast<Real>(w[k] + std::log(static_cast<double>(b[k])));
      b[k] = 1;
    }
    stale = absorbed = true;
  }

  // the columns of the plan under b, after all chunks have passed
  void close() {
    by_logs = false;
    if (lost) return;
    stale = false;
    double least = sum();
    if (least < 1 / far<Real> && !absorbed) {
      absorb();
      for (int64_t chunk = 0; chunk < chunks(); ++chunk) pass(chunk);
      stale = false;
      least = sum();
    }
    if (least != least) {
      lost = true;
      error = least;
      return;
    }
    if ((by_logs = least < 1 / far<Real>)) {
      sum_logs();
      for (int64_t k = 0; k < candidates; ++k) A[k] = length * std::exp(log_columns[k]);
    }
    const double even = 1.0 / candidates, each = 1.0 / length;
    double off = 0;
#pragma omp simd reduction(+ : off)
    for (int64_t k = 0; k < candidates; ++k) {
      A[k] *= b[k];
      off += std::fabs(A[k] * each - even);
    }
    error = off;
  }

  // ln sum_s t_sk - ln S, for b = 1
  void sum_logs() {
    std::vector<Real> most(candidates, -std::numeric_limits<Real>::infinity());
    std::vector<double> total(candidates, 0.0);
    const auto entry = [&](int64_t s, int64_t k, Real log_r) { return w[k] - cost[s * candidates + k] - m[s] - log_r; };
    for (int64_t s = 0; s < length; ++s) {
      const Real log_r = log_of(r[s]);
      for (int64_t k = 0; k < candidates; ++k) most[k] = std::max(most[k], entry(s, k, log_r));
    }
    for (int64_t s = 0; s < length; ++s) {
      const Real log_r = log_of(r[s]);
#pragma omp simd
      for (int64_t k = 0; k < candidates; ++k) total[k] += exp_of(entry(s, k, log_r) - most[k]);
    }
    for (int64_t k = 0; k < candidates; ++k)
      log_columns[k] = std::isinf(most[k]) ? most[k] : most[k] + std::log(total[k] / length);
  }

  // (2)
  void update() {
    if (lost) {
      std::fill(w, w + candidates, std::numeric_limits<Real>::quiet_NaN());
      return;
    }
    if (by_logs) {
      for (int64_t k = 0; k < candidates; ++k)
        w[k] = static_cast<Real>(w[k] - std::log(static_cast<double>(candidates)) - log_columns[k]);
      stale = absorbed = true;
      return;
    }
    const double scale = static_cast<double>(length) / candidates;
    double least = std::numeric_limits<double>::infinity(), most = 0;
#pragma omp simd reduction(min : least) reduction(max : most)
    for (int64_t k = 0; k < candidates; ++k) {
      A[k] = scale * b[k] / A[k];
      least = A[k] < least ? A[k] : least;
      most = A[k] > most ? A[k] : most;
    }
    absorbed = false;
    if (least > 1 / far<Real> && most < far<Real>) {
      for (int64_t k = 0; k < candidates; ++k) b[k] = static_cast<Real>(A[k]);
      return;
    }
    for (int64_t k = 0; k < candidates; ++k) {
      w[k] = static_cast<Real>(w[k] + std::log(A[k]));
      b[k] = 1;
    }
    stale = absorbed = true;
  }

  // forming G is worth a second thread sooner than reading it
  void evaluate(int64_t threads) {
    threads = worth(length * candidates / (stale ? 1 : 4), threads);
    divided(chunks(), threads, [&](int64_t begin, int64_t end, int64_t) {
      for (int64_t chunk = begin; chunk < end; ++chunk) pass(chunk);
    });
    close();
  }

  void next(int64_t threads) {
    update();
    ++updates;
    evaluate(threads);
  }

  void tell(Real* __restrict v, Real* __restrict told) {
    for (int64_t k = 0; k < candidates; ++k) {
      const double log_b = std::log(static_cast<double>(b[k]));
      v[k] = static_cast<Real>(w[k] + log_b);
      told[k] = static_cast<Real>(lost ? error : by_logs ? log_columns[k] : std::log(A[k] / length));
      b[k] = static_cast<Real>(log_b);
    }
  }

  // (3), after `tell`
  void write(int64_t chunk, Real* __restrict log_t) {
    const int64_t begin = chunk * CHUNK, end = std::min(begin + CHUNK, length);
    Real logs[CHUNK];
#pragma omp simd
    for (int64_t s = begin; s < end; ++s) logs[s - begin] = log_of(r[s]);
    for (int64_t s = begin; s < end; ++s) {
      const Real* __restrict c = cost + s * candidates;
      Real* __restrict out = log_t + s * candidates;
      const Real shift = m[s], log_r = logs[s - begin];
#pragma omp simd
      for (int64_t k = 0; k < candidates; ++k) out[k] = (w[k] - c[k] - shift) + (b[k] - log_r);
    }
  }
};
