#include "driver.h"
#include "unitary.cpp"

template <class Real, auto gate_, auto adjoint_>
void turn(int64_t tokens, int64_t blocks, int64_t threads, double spoilt = 0) {
  const int64_t count = 16 * tokens * blocks;
  Array<Real> z(count, -1, 1), g(count, -1, 1), logits(tokens * blocks, -90, 90), U(128 * blocks, -1, 1);
  Array<Real> phi(8 * blocks, -4, 4), out(count), dz(count), dlogits(tokens * blocks), dU(128 * blocks), dphi(8 * blocks);
  if (spoilt) {
    z.spoil(spoilt);
    logits.spoil(spoilt);
  }
  expect(!gate_(z, logits, U, phi, out, tokens, blocks, threads), "gate");
  expect(!adjoint_(g, z, logits, U, phi, dz, dlogits, dU, dphi, tokens, blocks, threads), "adjoint");
  if (spoilt) return;
  out.expect_written("out");
  dz.expect_written("dz");
  dlogits.expect_written("dlogits");
  dU.expect_written("dU");
  dphi.expect_written("dphi");
}

template <class Real, auto... functions>
void all() {
  for (int64_t tokens : {0, 1, 7, 8, 9, 33})
    for (int64_t blocks : {0, 1, 2, 5})
      for (int64_t threads : {1, 2, 3}) turn<Real, functions...>(tokens, blocks, threads);
  for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE}) turn<Real, functions...>(9, 2, 2, spoilt);
}

int main() {
  all<float, unitary_f32, unitary_adjoint_f32>();
  all<double, unitary_f64, unitary_adjoint_f64>();
}
