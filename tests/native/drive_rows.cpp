#include "driver.h"
#include "rows.cpp"

template <class Real, auto rms_, auto rms_adjoint_, auto gate_, auto gate_adjoint_, auto direction_,
          auto direction_adjoint_>
void passes(int64_t rows, int64_t width, int64_t threads, double size = 1, double spoilt = 0) {
  const int64_t count = 2 * rows * width;
  Array<Real> z(count, -size, size), g(count, -1, 1), gamma(width, 0.5, 2), beta(1, -1, 1);
  if (spoilt) z.spoil(spoilt);
  const auto check = [&](Array<Real>& made, const char* what) {
    if (!spoilt) made.expect_written(what);
  };
  Array<Real> y(count), dz(count), dgamma(width), dbeta(1);
  expect(!rms_(z, gamma, rows, width, 1e-6, y, threads), "rms");
  expect(!rms_adjoint_(z, gamma, g, rows, width, 1e-6, dz, dgamma, threads), "rms_adjoint");
  check(y, "rms"), check(dz, "dz of rms"), check(dgamma, "dgamma");
  Array<Real> gated(count), dgated(count);
  expect(!gate_(z, beta, rows * width, gated, threads), "gate");
  expect(!gate_adjoint_(z, beta, g, rows * width, dgated, dbeta, threads), "gate_adjoint");
  check(gated, "gate"), check(dgated, "dz of gate"), check(dbeta, "dbeta");
  Array<Real> unit(rows * width), dunit(rows * width);
  expect(!direction_(z, rows, width, 1e-12, unit, threads), "direction");
  expect(!direction_adjoint_(z, g, rows, width, 1e-12, dunit, threads), "direction_adjoint");
  check(unit, "direction"), check(dunit, "gradient of direction");
}

template <class Real, auto... functions>
void all() {
  for (int64_t rows : {0, 1, 2, 17})
    for (int64_t width : {0, 1, 15, 17, 511, 513})
      for (int64_t threads : {1, 3}) passes<Real, functions...>(rows, width, threads);
  for (int64_t threads : {2, 3}) passes<Real, functions...>(70, 513, threads);
  passes<Real, functions...>(3, 9, 2, 0.0);
  for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE}) passes<Real, functions...>(3, 9, 2, 1, spoilt);
}

int main() {
  all<float, rms_f32, rms_adjoint_f32, gate_f32, gate_adjoint_f32, direction_f32, direction_adjoint_f32>();
  all<double, rms_f64, rms_adjoint_f64, gate_f64, gate_adjoint_f64, direction_f64, direction_adjoint_f64>();
}
