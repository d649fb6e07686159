// Passes over rows of complex numbers, Re and Im in turn, each read once from memory and its row twice from cache.
//
//     rms        (1) y = gamma r z,  r = 1 / sqrt(|z|^2 / D + small)                        `norm`, equations (2), (3)
//                (2) dL/dz = r (gamma g - (r^2 / D) sum_j gamma_j c_j z),  dL/dgamma = sum r c,  c = Re(conj(g) z)
//     gate       (3) y = z f,  f = 1 - e^(-x),  x = e^beta |z|^2                            `gates`, magnitude
//                (4) with the same c:  dL/dz = f g + 2 e^beta e^(-x) c z,  dL/dbeta = sum x e^(-x) c
//     direction  (5) y = z / m,  m = max(|z|, least)                                        `head`, equation (1)
//                (6) dL/dz = (g - y Re<y, g>) / m, without the second term where |z| < least
//
// Sums over a row are in Real for 512 numbers, sums over rows for 16 rows, longer ones in double. What is summed over
// rows is summed for each thread and then over threads in order.
#include <cmath>
#include <vector>

#include "elementary.h"
#include "parallel.h"

namespace {

constexpr int64_t STRIP = 512, TOGETHER = 16, ENOUGH = 1 << 14;

// one thread below what a second one is worth
int64_t worth(int64_t entries, int64_t threads) { return std::min(threads, std::max<int64_t>(1, entries / ENOUGH)); }

template <class Real>
double inner(const Real* __restrict x, const Real* __restrict y, int64_t count) {
  double total = 0;
  for (int64_t at = 0; at < count; at += STRIP) {
    const int64_t last = std::min(count, at + STRIP);
    Real part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t k = at; k < last; ++k) part += x[k] * y[k];
    total += part;
  }
  return total;
}

template <class Real>
std::vector<Real> twice(const Real* gamma, int64_t width) {
  std::vector<Real> both(2 * width);
  for (int64_t j = 0; j < width; ++j) both[2 * j] = both[2 * j + 1] = gamma[j];
  return both;
}

template <class Real>
Real inverse_root(const Real* z, int64_t width, double small) {
  return Real(1 / std::sqrt(inner(z, z, 2 * width) / double(width) + small));
}

// Equation (1)
template <class Real>
int rms(const Real* z, const Real* gamma, int64_t rows, int64_t width, double small, Real* y, int64_t threads) {
  const std::vector<Real> both = twice(gamma, width);
  const int64_t count = 2 * width;
  divided(rows, worth(rows * count, threads), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t row = begin; row < end; ++row) {
      const Real *__restrict from = z + row * count, *__restrict by = both.data();
      Real* __restrict to = y + row * count;
      const Real r = inverse_root(from, width, small);
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) to[k] = from[k] * r * by[k];
    }
  });
  return 0;
}

// Equation (2)
template <class Real>
int rms_adjoint(const Real* z, const Real* gamma, const Real* g, int64_t rows, int64_t width, double small, Real* dz,
                Real* dgamma, int64_t threads) {
  const std::vector<Real> both = twice(gamma, width);
  const int64_t count = 2 * width, shares = std::max<int64_t>(1, std::min(worth(rows * count, threads), rows));
  std::vector<double> totals(shares * count);
  divided(rows, shares, [&](int64_t begin, int64_t end, int64_t share) {
    std::vector<Real> scratch(2 * count);
    Real *__restrict part = scratch.data(), *__restrict weighted = part + count;
    double* __restrict total = totals.data() + share * count;
    for (int64_t first = begin; first < end; first += TOGETHER) {
      std::fill(part, part + count, Real(0));
      for (int64_t row = first; row < std::min(end, first + TOGETHER); ++row) {
        const Real *__restrict x = z + row * count, *__restrict of_y = g + row * count, *__restrict by = both.data();
        Real* __restrict to = dz + row * count;
        const Real r = inverse_root(x, width, small);
#pragma omp simd
        for (int64_t k = 0; k < count; ++k) {
          weighted[k] = of_y[k] * by[k];
          part[k] += r * (of_y[k] * x[k]);
        }
        const Real along = Real(inner(weighted, x, count) * r * r / double(width));
#pragma omp simd
        for (int64_t k = 0; k < count; ++k) to[k] = r * (weighted[k] - along * x[k]);
      }
      for (int64_t k = 0; k < count; ++k) total[k] += part[k];
    }
  });
  for (int64_t j = 0; j < width; ++j) {
    double sum = 0;
    for (int64_t share = 0; share < shares; ++share)
      sum += totals[share * count + 2 * j] + totals[share * count + 2 * j + 1];
    dgamma[j] = Real(sum);
  }
  return 0;
}

// 1 - e^(-x) for x >= 0, given e^(-x): where the difference would cancel, its series
template <class Real>
inline Real risen(Real x, Real e) {
  constexpr int terms = sizeof(Real) == 4 ? 8 : 15;
  Real series = 1;
  for (int n = terms; n > 1; --n) series = Real(1) - series * x * (Real(1) / n);
  return x < Real(0.35) ? x * series : Real(1) - e;
}

// Equation (3) of `count` complex numbers
template <class Real>
int gate(const Real* z, const Real* beta, int64_t count, Real* y, int64_t threads) {
  const Real steep = std::exp(*beta);
  divided(count, worth(2 * count, threads), [&](int64_t begin, int64_t end, int64_t) {
    const Real* __restrict from = z;
    Real* __restrict to = y;
#pragma omp simd
    for (int64_t j = begin; j < end; ++j) {
      const Real re = from[2 * j], im = from[2 * j + 1], x = steep * (re * re + im * im), f = risen(x, exp_of(-x));
      to[2 * j] = re * f;
      to[2 * j + 1] = im * f;
    }
  });
  return 0;
}

// Equation (4)
template <class Real>
int gate_adjoint(const Real* z, const Real* beta, const Real* g, int64_t count, Real* dz, Real* dbeta,
                 int64_t threads) {
  const Real steep = std::exp(*beta);
  const int64_t shares = std::max<int64_t>(1, std::min(worth(2 * count, threads), count));
  std::vector<double> totals(shares);
  divided(count, shares, [&](int64_t begin, int64_t end, int64_t share) {
    const Real *__restrict from = z, *__restrict of_y = g;
    Real* __restrict to = dz;
    for (int64_t at = begin; at < end; at += STRIP) {
      const int64_t last = std::min(end, at + STRIP);
      Real part = 0;
#pragma omp simd reduction(+ : part)
      for (int64_t j = at; j < last; ++j) {
        const Real re = from[2 * j], im = from[2 * j + 1], x = steep * (re * re + im * im), e = exp_of(-x);
        const Real f = risen(x, e), ce = e * (of_y[2 * j] * re + of_y[2 * j + 1] * im), h = Real(2) * steep * ce;
        to[2 * j] = f * of_y[2 * j] + h * re;
        to[2 * j + 1] = f * of_y[2 * j + 1] + h * im;
        part += x * ce;
      }
      totals[share] += part;
    }
  });
  double sum = 0;
  for (const double each : totals) sum += each;
  *dbeta = Real(sum);
  return 0;
}

// Equation (5) of real rows [rows, count]
template <class Real>
int direction(const Real* z, int64_t rows, int64_t count, double least, Real* y, int64_t threads) {
  divided(rows, worth(rows * count, threads), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t row = begin; row < end; ++row) {
      const Real* __restrict from = z + row * count;
      Real* __restrict to = y + row * count;
      const double size = std::sqrt(inner(from, from, count));
      const Real inverse = Real(1 / (size < least ? least : size));
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) to[k] = from[k] * inverse;
    }
  });
  return 0;
}

// Equation (6)
template <class Real>
int direction_adjoint(const Real* z, const Real* g, int64_t rows, int64_t count, double least, Real* dz,
                      int64_t threads) {
  divided(rows, worth(rows * count, threads), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t row = begin; row < end; ++row) {
      const Real *__restrict x = z + row * count, *__restrict of_y = g + row * count;
      Real* __restrict to = dz + row * count;
      const double size = std::sqrt(inner(x, x, count));
      const bool flat = size < least;
      const Real inverse = Real(1 / (flat ? least : size));
      const Real along = flat ? Real(0) : Real(inner(x, of_y, count) / (size * size));
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) to[k] = (of_y[k] - along * x[k]) * inverse;
    }
  });
  return 0;
}

}  // namespace

#define ROWS(Real, suffix)                                                                                             \
  EXPORT int rms_##suffix(const Real* z, const Real* gamma, int64_t rows, int64_t width, double small, Real* y,        \
                          int64_t threads) {                                                                           \
    return rms(z, gamma, rows, width, small, y, threads);                                                              \
  }                                                                                                                    \
  EXPORT int rms_adjoint_##suffix(const Real* z, const Real* gamma, const Real* g, int64_t rows, int64_t width,        \
                                  double small, Real* dz, Real* dgamma, int64_t threads) {                             \
    return rms_adjoint(z, gamma, g, rows, width, small, dz, dgamma, threads);                                          \
  }                                                                                                                    \
  EXPORT int gate_##suffix(const Real* z, const Real* beta, int64_t count, Real* y, int64_t threads) {                 \
    return gate(z, beta, count, y, threads);                                                                           \
  }                                                                                                                    \
  EXPORT int gate_adjoint_##suffix(const Real* z, const Real* beta, const Real* g, int64_t count, Real* dz,            \
                                   Real* dbeta, int64_t threads) {                                                     \
    return gate_adjoint(z, beta, g, count, dz, dbeta, threads);                                                        \
  }                                                                                                                    \
  EXPORT int direction_##suffix(const Real* z, int64_t rows, int64_t count, double least, Real* y, int64_t threads) {  \
    return direction(z, rows, count, least, y, threads);                                                               \
  }                                                                                                                    \
  EXPORT int direction_adjoint_##suffix(const Real* z, const Real* g, int64_t rows, int64_t count, double least,       \
                                        Real* dz, int64_t threads) {                                                   \
    return direction_adjoint(z, g, rows, count, least, dz, threads);                                                   \
  }

ROWS(float, f32)
ROWS(double, f64)
