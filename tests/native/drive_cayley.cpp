#include "cayley.cpp"
#include "driver.h"

constexpr double A = 0.05;

template <class Real, auto chebyshev_, auto chebyshev_adjoint_, auto cocg_, auto cocg_adjoint_, auto kerr_,
          auto kerr_adjoint_, auto edge_gradients_>
void step(int64_t rows, int64_t P, bool phase, int64_t terms, int64_t threads, double size = 1, double spoilt = 0) {
  const int64_t count = 2 * rows * P;
  Array<Real> psi(count, -size, size), kappa(P, 0.5, 1.5), weights(3 * P, 0.3, 0.9), g(count, -1, 1), out(count);
  Array<Real> g_psi(count), g_kappa(P), g_weights(3 * P);
  Array<int64_t> updates(rows);
  Real* turning = phase ? static_cast<Real*>(kappa) : nullptr;
  const double bound = 2 * 6 * 0.9;
  if (spoilt) psi.spoil(spoilt);
  const auto check = [&](const char* what) {
    if (spoilt) return;
    out.expect_written(what);
    g_psi.expect_written(what);
    g_weights.expect_written(what);
    if (phase) g_kappa.expect_written(what);
  };
  expect(!chebyshev_(psi, turning, weights, out, A, bound, terms, rows, P, threads), "chebyshev");
  expect(!chebyshev_adjoint_(psi, turning, weights, out, g, g_psi, g_kappa, g_weights, A, bound, terms, rows, P, threads),
         "chebyshev_adjoint");
  check("chebyshev");
  for (int64_t jacobi : {0, 1}) {
    expect(!cocg_(psi, turning, weights, out, updates, A, jacobi, 1e-5, 20, rows, P, threads), "cocg");
    updates.expect_written("updates");
    expect(!cocg_adjoint_(psi, turning, weights, out, g, g_psi, g_kappa, g_weights, A, jacobi, 1e-5, 20, rows, P,
                          threads),
           "cocg_adjoint");
    check("cocg");
  }
  expect(!kerr_(psi, kappa, out, rows, P, threads), "kerr");
  expect(!kerr_adjoint_(psi, kappa, g, g_psi, g_kappa, rows, P, threads), "kerr_adjoint");
  expect(!edge_gradients_(psi, out, g, g_psi, g_weights, rows, P, threads), "edge_gradients");
  check("parts");
}

template <class Real, auto... functions>
void all() {
  for (int64_t rows : {0, 1, 2, 3, 5})
    for (int64_t P : {129, 130, 143, 160, 257})
      for (int64_t threads : {1, 3}) step<Real, functions...>(rows, P, rows % 2, 7, threads);
  for (int64_t terms : {1, 2, 18, 40}) step<Real, functions...>(3, 145, true, terms, 2);
  step<Real, functions...>(70, 131, true, 5, 3);
  step<Real, functions...>(3, 131, true, 5, 2, 1e4);
  for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE}) step<Real, functions...>(4, 131, true, 5, 2, 1, spoilt);
}

int main() {
  all<float, chebyshev_f32, chebyshev_adjoint_f32, cocg_f32, cocg_adjoint_f32, kerr_f32, kerr_adjoint_f32,
      edge_gradients_f32>();
  all<double, chebyshev_f64, chebyshev_adjoint_f64, cocg_f64, cocg_adjoint_f64, kerr_f64, kerr_adjoint_f64,
      edge_gradients_f64>();
}
