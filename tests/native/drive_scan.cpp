#include "driver.h"
#include "scan.cpp"

// apart = 0: complex numbers; else planes, which may lie further from one another than their size
template <class Real, auto scan_, auto adjoint_, auto selective_, auto selective_adjoint_>
void recurrence(int64_t batch, int64_t length, int64_t channels, bool planes, int64_t threads, double spoilt = 0) {
  const int64_t count = batch * length * channels, single = batch * channels, apart = planes ? count : 0;
  Array<Real> A(2 * count, -0.7, 0.7), u(2 * count, -1, 1), before(2 * single, -1, 1), g(2 * count, -1, 1);
  Array<Real> h(2 * count), dA(2 * count), du(2 * count), dbefore(2 * single);
  if (spoilt) A.spoil(spoilt);
  expect(!scan_(A, u, before, h, batch, length, channels, apart, threads), "scan");
  expect(!adjoint_(A, h, before, g, dA, du, dbefore, batch, length, channels, apart, threads), "adjoint");
  if (!spoilt) {
    h.expect_written("h");
    dA.expect_written("dA");
    du.expect_written("du");
    dbefore.expect_written("dbefore");
  }
  Array<Real> x(count, -3, 30), rate(channels, 0, 2), theta(channels, -3.2, 3.2);
  if (spoilt) x.spoil(spoilt);
  expect(!selective_(x, rate, theta, u, before, h, batch, length, channels, apart, threads), "selective");
  Array<Real> dx(count), drate(channels), dtheta(channels), ddrive(2 * count), dfirst(2 * single);
  expect(!selective_adjoint_(x, rate, theta, u, h, before, g, dx, drate, dtheta, ddrive, dfirst, batch, length, channels,
                             apart, threads),
         "selective adjoint");
  if (spoilt) return;
  h.expect_written("h of selective");
  dx.expect_written("dx");
  drate.expect_written("drate");
  dtheta.expect_written("dtheta");
  ddrive.expect_written("ddrive");
  dfirst.expect_written("dfirst");
}

template <class Real, auto... functions>
void all() {
  for (bool planes : {false, true}) {
    for (int64_t batch : {0, 1, 2, 3})
      for (int64_t length : {0, 1, 2, 63, 65})
        for (int64_t channels : {0, 1, 15, 16, 17, 33})
          for (int64_t threads : {1, 3}) recurrence<Real, functions...>(batch, length, channels, planes, threads);
    for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE})
      recurrence<Real, functions...>(2, 5, 19, planes, 2, spoilt);
    for (int64_t threads : {1, 2, 3})
      for (int64_t batch : {1, 4}) recurrence<Real, functions...>(batch, 17, 1043, planes, threads);
  }
}

int main() {
  all<float, scan_f32, scan_adjoint_f32, selective_f32, selective_adjoint_f32>();
  all<double, scan_f64, scan_adjoint_f64, selective_f64, selective_adjoint_f64>();
}
