// The functions of elementary.h against the C library's in the next wider type, at many numbers: errors in units in the
// last place, of sine and cosine in those of 1. An error beyond what the header promises ends the program with 1.
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "elementary.h"

constexpr int64_t STRIDE = 1009, POINTS = 400000;

// infinity beyond the range, units of the smallest number below it
template <class Real, class Wide>
double units(Real found, Wide exact) {
  if (found == static_cast<Real>(exact) || (std::isnan(found) && std::isnan(exact))) return 0;
  int exponent;
  std::frexp(exact, &exponent);
  using Limits = std::numeric_limits<Real>;
  const int last = std::max(exponent, Limits::min_exponent) - Limits::digits;
  const double error = static_cast<double>(std::abs(found - exact) / std::ldexp(Wide(1), last));
  return std::isnan(error) ? INFINITY : error;
}

template <class Real, class Wide>
struct Worst {
  double exp = 0, log = 0, turn = 0, softplus = 0, logistic = 0;

  void exp_at(Real x) { exp = std::max(exp, units(exp_of(x), std::exp(Wide(x)))); }
  void log_at(Real x) { log = std::max(log, units(log_of(x), std::log(Wide(x)))); }
  void turn_at(Real x) {
    if (!(std::abs(x) <= turnable<Real>)) return;
    Real sine, cosine;
    sincos_of(x, sine, cosine);
    const Wide unit = std::numeric_limits<Real>::epsilon() / 2;
    turn = std::max({turn, static_cast<double>(std::abs(sine - std::sin(Wide(x))) / unit),
                     static_cast<double>(std::abs(cosine - std::cos(Wide(x))) / unit)});
  }
  void logistic_at(Real x) {
    const Wide e = std::exp(-std::abs(Wide(x)));
    softplus = std::max(softplus, units(softplus_of(x), (x > 0 ? Wide(x) : x <= 0 ? Wide(0) : Wide(NAN)) + std::log1p(e)));
    logistic = std::max(logistic, units(logistic_of(x), (x < 0 ? e : Wide(1)) / (1 + e)));
  }
  void hold(const char* real) const {
    std::printf("%s: exp %.2f log %.2f sine and cosine %.2f softplus %.2f logistic %.2f\n", real, exp, log, turn,
                softplus, logistic);
    if (!(exp <= 1.1 && log <= 1.1 && turn <= 2 && softplus <= 3.5 && logistic <= 3.5)) std::exit(1);
  }
};

int main() {
  Worst<float, double> narrow;
  for (int64_t word = 0; word < (int64_t(1) << 32); word += STRIDE) {
    const float x = bits<float>(static_cast<uint32_t>(word));
    narrow.exp_at(x), narrow.log_at(x), narrow.turn_at(x), narrow.logistic_at(x);
  }
  narrow.hold("float");
  if (std::numeric_limits<long double>::digits == std::numeric_limits<double>::digits) return 0;
  Worst<double, long double> wide;
  for (double x : {0.0, -1.0, double(NAN), double(INFINITY), -double(INFINITY)})
    wide.exp_at(x), wide.log_at(x), wide.turn_at(x), wide.logistic_at(x);
  for (int64_t k = 0; k < POINTS; ++k) {
    const double t = (static_cast<double>(k) + 0.37) / POINTS, sign = k % 2 ? 1 : -1;
    wide.exp_at(-760 + 1480 * t), wide.log_at(std::exp(-740 + 1449 * t)), wide.log_at(0.5 + 1.5 * t);
    wide.turn_at(sign * std::exp(std::log(1e-9) + t * std::log(1e15))), wide.logistic_at(sign * std::exp(-20 + 27 * t));
  }
  wide.hold("double");
}
