// The transport plan of `sinkhorn` in scaling form, and the two passes of its gradient.
//
// For each batch row, with v = w + ln b:  x = w - c,  m_s = max_k x_sk,  G_sk = exp(x_sk - m_s)
//     (1) r_s = sum_k G_sk b_k,  A_k = sum_s G_sk / r_s
//     (2) columns of the plan  A_k b_k / S,  update b_k <- S / (K A_k)
//     (3) log t_sk = (x_sk - m_s) + ln b_k - ln r_s
// An update reads G once: 64 positions at a time, from cache the second time. Every row of G has an entry 1, so with
// b in [1/far, far] r is at least 1/far, and what underflowed in G is below rounding in A as long as A_k > 1/far.
// Beyond that w takes ln b in, G is formed anew, and columns still lost to underflow are summed in the log domain.
//
// A is summed over 64 positions in Real, over those sums in double, in an order that no number of threads changes.
#include <memory>
#include <new>
#include <vector>

#include "elementary.h"
#include "parallel.h"
#include "plan.h"

namespace {

// A batch row goes on until its own error is small, so that its G stays in cache; then all go on to where the last one
// stopped. Before that the worst error was not small: it is the same count as if all had gone together.
// G lies where log t will be, if its rows need no padding: (3) reads the costs again.
template <class Real>
int solve(const Real* cost, int64_t rows, int64_t length, int64_t candidates, double converged, int64_t most,
          Real* log_t, Real* v, Real* log_columns, Real* error, int64_t* updates, int64_t threads) {
  const int64_t stride = padded<Real>(candidates), chunks = (length + CHUNK - 1) / CHUNK;
  const int64_t own = stride == candidates ? 0 : rows * length * stride;
  const int64_t small = padded<Real>(2 * length) + (2 + chunks) * stride;
  const auto aligned = [](int64_t count) {
    return static_cast<Real*>(::operator new(count * sizeof(Real), std::align_val_t(64)));
  };
  const auto freed = [](Real* memory) { ::operator delete(memory, std::align_val_t(64)); };
  const std::unique_ptr<Real, decltype(freed)> held(aligned(own + rows * small), freed);
  std::vector<double> wide(2 * rows * candidates);
  std::vector<Plan<Real>> plans(rows);
  for (int64_t row = 0; row < rows; ++row) {
    Plan<Real>& plan = plans[row];
    Real* base = held.get() + own + row * small;
    plan.cost = cost + row * length * candidates;
    plan.G = own ? held.get() + row * length * stride : log_t + row * length * candidates;
    plan.b = base;
    plan.w = base + stride;
    plan.parts = base + 2 * stride;
    plan.m = plan.parts + chunks * stride;
    plan.r = plan.m + length;
    plan.A = wide.data() + 2 * row * candidates;
    plan.log_columns = plan.A + candidates;
    plan.length = length, plan.candidates = candidates, plan.stride = stride;
    std::fill(plan.w, plan.w + stride, Real(0));
    std::fill(plan.b, plan.b + stride, Real(0));
    std::fill(plan.b, plan.b + candidates, Real(1));
  }
  const int64_t at_once = rows < threads ? 1 : worth(rows * length * candidates, threads), within = threads / at_once;
  const auto each = [&](const auto& step) {
    divided(rows, at_once, [&](int64_t begin, int64_t end, int64_t) {
      for (int64_t row = begin; row < end; ++row) step(plans[row]);
    });
  };
  const auto worst = [&] {
    double most = 0;
    for (int64_t row = 0; row < rows && most == most; ++row)
      if (!(plans[row].error <= most)) most = plans[row].error;
    return most;
  };
  each([&](Plan<Real>& plan) {
    plan.evaluate(within);
    while (plan.updates < most && !(plan.error < converged)) plan.next(within);
  });
  *updates = 0;
  for (const Plan<Real>& plan : plans) *updates = std::max(*updates, plan.updates);
  for (;; ++*updates) {
    each([&](Plan<Real>& plan) {
      while (plan.updates < *updates) plan.next(within);
    });
    if (*updates == most || worst() < converged) break;
  }
  *error = static_cast<Real>(worst());
  for (int64_t row = 0; row < rows; ++row) plans[row].tell(v + row * candidates, log_columns + row * candidates);
  divided(rows * chunks, worth(rows * length * candidates, threads), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t part = begin; part < end; ++part)
      plans[part / chunks].write(part % chunks, log_t + part / chunks * length * candidates);
  });
  return 0;
}

// t, its rows' sums of Q, and g_k = sum_s Q_sk - t_sk sum_k Q_sk
template <class Real>
int adjoint(const Real* log_t, const Real* Q, int64_t rows, int64_t length, int64_t candidates, Real* t, Real* sums,
            Real* g, int64_t threads) {
  const int64_t chunks = (length + CHUNK - 1) / CHUNK;
  std::vector<Real> parts(rows * chunks * candidates);
  threads = worth(rows * length * candidates, threads);
  divided(rows * chunks, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t each = begin; each < end; ++each) {
      const int64_t first = each / chunks * length + each % chunks * CHUNK;
      const int64_t last = std::min(first + CHUNK, (each / chunks + 1) * length);
      Real* __restrict part = parts.data() + each * candidates;
      for (int64_t s = first; s < last; ++s) {
        const Real* __restrict q = Q + s * candidates;
        const Real* __restrict log_row = log_t + s * candidates;
        Real* __restrict row = t + s * candidates;
        Real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < candidates; ++k) sum += q[k];
        sums[s] = sum;
#pragma omp simd
        for (int64_t k = 0; k < candidates; ++k) {
          row[k] = exp_of(log_row[k]);
          part[k] += q[k] - row[k] * sum;
        }
      }
    }
  });
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < candidates; ++k) {
      double total = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) total += parts[(row * chunks + chunk) * candidates + k];
      g[row * candidates + k] = static_cast<Real>(total);
    }
  return 0;
}

// t <- t (sums_s - (t mu - mu_k) / S) - Q
template <class Real>
int finish(Real* t, const Real* Q, const Real* sums, const Real* mu, int64_t rows, int64_t length, int64_t candidates,
           int64_t threads) {
  threads = worth(rows * length * candidates, threads);
  divided(rows * length, threads, [&](int64_t begin, int64_t end, int64_t) {
    const Real share = Real(1) / length;
    for (int64_t s = begin; s < end; ++s) {
      const Real* __restrict q = Q + s * candidates;
      const Real* __restrict to = mu + s / length * candidates;
      Real* __restrict row = t + s * candidates;
      Real mean = 0;
#pragma omp simd reduction(+ : mean)
      for (int64_t k = 0; k < candidates; ++k) mean += row[k] * to[k];
      const Real sum = sums[s];
#pragma omp simd
      for (int64_t k = 0; k < candidates; ++k) row[k] = row[k] * (sum - (mean - to[k]) * share) - q[k];
    }
  });
  return 0;
}

}  // namespace

#define SINKHORN(Real, suffix)                                                                                        \
  EXPORT int sinkhorn_##suffix(const Real* cost, int64_t rows, int64_t length, int64_t candidates, double converged,  \
                               int64_t most, Real* log_t, Real* v, Real* log_columns, Real* error, int64_t* updates,  \
                               int64_t threads) {                                                                     \
    return solve(cost, rows, length, candidates, converged, most, log_t, v, log_columns, error, updates, threads);    \
  }                                                                                                                   \
  EXPORT int sinkhorn_adjoint_##suffix(const Real* log_t, const Real* Q, int64_t rows, int64_t length,                \
                                       int64_t candidates, Real* t, Real* sums, Real* g, int64_t threads) {           \
    return adjoint(log_t, Q, rows, length, candidates, t, sums, g, threads);                                          \
  }                                                                                                                   \
  EXPORT int sinkhorn_finish_##suffix(Real* t, const Real* Q, const Real* sums, const Real* mu, int64_t rows,         \
                                      int64_t length, int64_t candidates, int64_t threads) {                          \
    return finish(t, Q, sums, mu, rows, length, candidates, threads);                                                 \
  }

SINKHORN(float, f32)
SINKHORN(double, f64)
