#include "driver.h"
#include "loss.cpp"

template <class Real, auto sums_, auto gradient_, auto scale_>
void entropy(int64_t words, int64_t tokens, bool squared, int64_t block, int64_t threads, double spoilt = 0) {
  const int64_t width = (squared ? 2 : 1) * tokens;
  const double floor = squared ? 1e-6 : 0;
  Array<Real> state(4 * tokens), T(words * width, -3, 3), b(words, -1, 1), of_b(words, 0, 0);
  std::fill(state.begin(), state.begin() + 3 * tokens, Real(0));
  if (!squared) std::fill(state.begin(), state.begin() + tokens, -std::numeric_limits<Real>::infinity());
  Array<int64_t> targets(tokens, 0, static_cast<double>(words));
  if (spoilt) T.spoil(spoilt);
  for (int64_t first = 0; first < words; first += block) {
    const int64_t rows = std::min(block, words - first);
    Array<Real> products(rows * width);
    std::copy(T + first * width, T + (first + rows) * width, products.begin());
    expect(!sums_(products, squared ? nullptr : b + first, rows, tokens, squared, floor, targets, first, state,
                  threads),
           "sums");
  }
  if (!spoilt) state.expect_written("state");
  for (int64_t first = 0; first < words; first += block) {
    const int64_t rows = std::min(block, words - first);
    Array<Real> products(rows * width), by(1, 2, 2);
    std::copy(T + first * width, T + (first + rows) * width, products.begin());
    expect(!gradient_(products, squared ? nullptr : b + first, rows, tokens, squared, floor, targets, first, state, 0.5,
                      squared ? nullptr : of_b + first, threads),
           "gradient");
    if (!spoilt) products.expect_written("gradient");
    expect(!scale_(products, rows * width, by, threads), "scale");
  }
  if (!spoilt) of_b.expect_written("gradient of the bias");
}

template <class Real, auto... functions>
void all() {
  for (bool squared : {false, true}) {
    for (int64_t words : {1, 2, 31, 33, 70})
      for (int64_t tokens : {0, 1, 15, 17, 511, 513})
        for (int64_t threads : {1, 3}) entropy<Real, functions...>(words, tokens, squared, 32, threads);
    for (double spoilt : {NOT_A_NUMBER, INFINITE, -INFINITE}) entropy<Real, functions...>(40, 9, squared, 16, 2, spoilt);
    entropy<Real, functions...>(300, 600, squared, 150, 3);
  }
}

int main() {
  all<float, softmax_sums_f32, softmax_gradient_f32, scale_f32>();
  all<double, softmax_sums_f64, softmax_gradient_f64, scale_f64>();
}
