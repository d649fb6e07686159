#include "driver.h"
#include "taps.cpp"

template <class Real, auto taps_, auto adjoint_>
void convolution(int64_t batch, int64_t length, int64_t width, int64_t threads, double spoilt = 0) {
  const int64_t count = 2 * batch * length * width, before = 2 * batch * 3 * width;
  Array<Real> z(count, -1, 1), tail(before, -1, 1), w(8 * width, -1, 1), beta(1, -1, 1), g(count, -1, 1), y(count);
  Array<Real> dz(count), dtail(before), dw(8 * batch * width), dbeta(batch * ((width + STRIP - 1) / STRIP));
  if (spoilt) z.spoil(spoilt);
  expect(!taps_(z, tail, w, beta, y, batch, length, width, threads), "taps");
  expect(!adjoint_(g, z, tail, w, beta, dz, dtail, dw, dbeta, batch, length, width, threads), "adjoint");
  if (spoilt) return;
  y.expect_written("y");
  dz.expect_written("dz");
  dtail.expect_written("dtail");
  dw.expect_written("dw");
  dbeta.expect_written("dbeta");
}

template <class Real, auto... functions>
void all() {
  for (int64_t batch : {0, 1, 3})
    for (int64_t length : {0, 1, 2, 3, 4, 33, 65})
      for (int64_t width : {0, 1, 15, 17, 128, 129})
        for (int64_t threads : {1, 2, 3}) convolution<Real, functions...>(batch, length, width, threads);
  for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE}) convolution<Real, functions...>(2, 5, 9, 2, spoilt);
}

int main() {
  all<float, taps_f32, taps_adjoint_f32>();
  all<double, taps_f64, taps_adjoint_f64>();
}
