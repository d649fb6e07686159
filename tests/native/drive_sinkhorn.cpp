#include "driver.h"
#include "sinkhorn.cpp"

template <class Real, auto solve_, auto adjoint_, auto finish_>
void transport(int64_t rows, int64_t length, int64_t candidates, double most_cost, int64_t updates, int64_t threads,
               double spoilt = 0) {
  const int64_t count = rows * length * candidates;
  Array<Real> cost(count, 0, most_cost), log_t(count), v(rows * candidates), columns(rows * candidates), error(1);
  Array<int64_t> done(1);
  if (spoilt) cost.spoil(spoilt);
  expect(!solve_(cost, rows, length, candidates, 1e-4, updates, log_t, v, columns, error, done, threads), "sinkhorn");
  done.expect_written("updates");
  Array<Real> Q(count, -1, 1), t(count), sums(rows * length), g(rows * candidates), mu(rows * candidates, -1, 1);
  expect(!adjoint_(log_t, Q, rows, length, candidates, t, sums, g, threads), "adjoint");
  if (!spoilt) {
    v.expect_written("v");
    log_t.expect_written("log t");
    t.expect_written("t");
    g.expect_written("g");
  }
  expect(!finish_(t, Q, sums, mu, rows, length, candidates, threads), "finish");
  if (!spoilt) t.expect_written("gradient");
}

template <class Real, auto... functions>
void all() {
  for (int64_t rows : {1, 3})
    for (int64_t length : {1, 2, 7, 64, 65, 131})
      for (int64_t candidates : {1, 2, 15, 16, 33, 128})
        for (int64_t threads : {1, 3}) transport<Real, functions...>(rows, length, candidates, 5, 9, threads);
  for (double most_cost : {300.0, 3000.0}) transport<Real, functions...>(2, 70, 37, most_cost, 20, 2);
  for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE}) transport<Real, functions...>(2, 70, 37, 5, 4, 2, spoilt);
  transport<Real, functions...>(4, 300, 64, 5, 3, 3);
  transport<Real, functions...>(2, 9, 5, 5, 0, 2);
}

int main() {
  all<float, sinkhorn_f32, sinkhorn_adjoint_f32, sinkhorn_finish_f32>();
  all<double, sinkhorn_f64, sinkhorn_adjoint_f64, sinkhorn_finish_f64>();
}
