// Exponential, logarithm, sine and cosine for loops that the compiler vectorises: straight-line arithmetic without
// tables, calls or branches, which libm's own are not. For float and double. Within 1.1 units in the last place,
// softplus and logistic 3.5; sine and cosine within 2 of those of 1.
//
//     exp     x = n ln 2 + r, |r| <= ln 2 / 2; a polynomial in r, then times 2^n in two halves, so that results below
//             the normal range come out right, and those beyond the range as 0 and infinity
//     log     x = 2^n m, 1/sqrt(2) <= m < sqrt(2); log(0) = -inf, of a negative number NaN, of subnormals exact too
//     sincos  x = n pi/2 + r, |r| <= pi/4, for |x| <= turnable<Real>; beyond it pi/2 has too few digits here. `turned`
//             over an array takes libm for a stretch that holds such a number
//     softplus, logistic   ln(1 + e^x), 1 / (1 + e^-x) at any x
//
// NaN gives NaN; sine and cosine of infinities are NaN. n is read from the low bits of a number that was rounded by
// adding 1.5 times 2^23 (2^52): no conversion, which were undefined for NaN. Coefficients: Cephes (Moshier), Taylor's
// for exp in double, Chebyshev's for ln(1 + e).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

// A call left standing would keep its loop from being vectorised, six times slower, and compilers stop inlining where a
// function grows long.
#define INLINE inline __attribute__((always_inline))

template <class To, class From>
INLINE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

template <class Real>
struct Format;
template <>
struct Format<float> {
  using Integer = int32_t;
  using Word = uint32_t;
  static constexpr Integer mantissa = 23, bias = 127;
  static constexpr float rounder = 12582912.0f;
};
template <>
struct Format<double> {
  using Integer = int64_t;
  using Word = uint64_t;
  static constexpr Integer mantissa = 52, bias = 1023;
  static constexpr double rounder = 6755399441055744.0;
};

template <class Real>
inline constexpr Real turnable = sizeof(Real) == 4 ? Real(8192) : Real(1e6);

template <class Real>
INLINE Real power_of_two(typename Format<Real>::Integer n) {
  using Word = typename Format<Real>::Word;
  return bits<Real>((Word(n) + Word(Format<Real>::bias)) << Format<Real>::mantissa);
}

// Short chains: what waits for its operands fills the processor's scheduler, and then nothing else begins.
INLINE float exp_near_zero(float r) {
  const float r2 = r * r;
  const float p = (1.9875691500e-4f * r + 1.3981999507e-3f) * r2 + (8.3334519073e-3f * r + 4.1665795894e-2f);
  return (p * r2 + (1.6666665459e-1f * r + 5.0000001201e-1f)) * r2 + r + 1.0f;
}

INLINE double exp_near_zero(double r) {
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return p * (r * r) + r + 1.0;
}

template <class Real>
INLINE Real exp_of(Real x) {
  using Integer = typename Format<Real>::Integer;
  using Word = typename Format<Real>::Word;
  constexpr bool narrow = sizeof(Real) == 4;
  constexpr Real least = narrow ? Real(-105) : Real(-746), most = narrow ? Real(89) : Real(710);
  constexpr Real high = narrow ? Real(0.693359375) : Real(6.93145751953125e-1);
  constexpr Real low = narrow ? Real(-2.12194440e-4) : Real(1.42860682030941723212e-6);
  const Real within = x < least ? least : x > most ? most : x;
  const Real shifted = within * Real(1.44269504088896340736) + Format<Real>::rounder;
  const Real whole = shifted - Format<Real>::rounder;
  const Integer n = Integer(bits<Word>(shifted) - bits<Word>(Format<Real>::rounder));
  const Real r = (within - whole * high) - whole * low;
  const Integer half = n >> 1, rest = Integer(Word(n) - Word(half));
  return exp_near_zero(r) * power_of_two<Real>(half) * power_of_two<Real>(rest);
}

// log(1 + r), sqrt(1/2) - 1 <= r <= sqrt(2) - 1, less r - r^2/2
INLINE float log_tail(float r) {
  float p = 7.0376836292e-2f;
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  return p * r * (r * r);
}

INLINE double log_tail(double r) {
  double p = 1.01875663804580931796e-4, q = r + 1.12873587189167450590e1;
  p = p * r + 4.97494994976747001425e-1;
  p = p * r + 4.70579119878881725854e0;
  p = p * r + 1.44989225341610930846e1;
  p = p * r + 1.79368678507819816313e1;
  p = p * r + 7.70838733755885391666e0;
  q = q * r + 4.52279145837532221105e1;
  q = q * r + 8.29875266912776603211e1;
  q = q * r + 7.11544750618563894466e1;
  q = q * r + 2.31251620126765340583e1;
  return r * (r * r) * (p / q);
}

template <class Real>
INLINE Real log_of(Real x) {
  using Integer = typename Format<Real>::Integer;
  using Word = typename Format<Real>::Word;
  constexpr bool narrow = sizeof(Real) == 4;
  constexpr Real normal = narrow ? Real(1.17549435e-38) : Real(2.2250738585072014e-308), infinity = Real(INFINITY);
  const bool subnormal = x < normal;
  const Word raised = bits<Word>(subnormal ? x * (narrow ? Real(16777216) : Real(18014398509481984)) : x);
  // counted from 1/sqrt(2), so that what is left lies on both sides of 1
  const Integer n = Integer(raised - bits<Word>(Real(0.70710678118654752440))) >> Format<Real>::mantissa;
  const Real r = bits<Real>(raised - (Word(n) << Format<Real>::mantissa)) - Real(1);
  const Real turns = Real(n - (subnormal ? (narrow ? 24 : 54) : 0));
  constexpr Real high = Real(0.693359375);
  constexpr Real low = Real(-2.121944400546905827679e-4);
  const Real found = (r + (log_tail(r) + turns * low - Real(0.5) * (r * r))) + turns * high;
  const Real special = x == Real(0) ? -infinity : x > Real(0) ? x : Real(NAN);
  return x > Real(0) && x < infinity ? found : special;
}

INLINE float sine_near_zero(float r, float z) {
  return ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
}

INLINE float cosine_near_zero(float z) {
  return ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * (z * z) - 0.5f * z + 1.0f;
}

INLINE double sine_near_zero(double r, double z) {
  double p = 1.58962301576546568060e-10;
  p = p * z - 2.50507477628578072866e-8;
  p = p * z + 2.75573136213857245213e-6;
  p = p * z - 1.98412698295895385996e-4;
  p = p * z + 8.33333333332211858878e-3;
  p = p * z - 1.66666666666666307295e-1;
  return p * z * r + r;
}

INLINE double cosine_near_zero(double z) {
  double p = -1.13585365213876817300e-11;
  p = p * z + 2.08757008419747316778e-9;
  p = p * z - 2.75573141792967388112e-7;
  p = p * z + 2.48015872888517045348e-5;
  p = p * z - 1.38888888888730564116e-3;
  p = p * z + 4.16666666666665929218e-2;
  return p * (z * z) - 0.5 * z + 1.0;
}

template <class Real>
INLINE void sincos_of(Real x, Real& sine, Real& cosine) {
  using Word = typename Format<Real>::Word;
  constexpr bool narrow = sizeof(Real) == 4;
  // pi/2 in three parts, the first two so short that n times each is exact
  constexpr Real first = narrow ? Real(1.5703125) : Real(1.57079632673412561417);
  constexpr Real second = narrow ? Real(4.837512969970703125e-4) : Real(6.07710050630396597660e-11);
  constexpr Real third = narrow ? Real(7.54978995489188216e-8) : Real(2.02226624879595063154e-21);
  const Real shifted = x * Real(0.63661977236758134308) + Format<Real>::rounder;
  const Real whole = shifted - Format<Real>::rounder;
  const Word n = bits<Word>(shifted);
  const Real r = ((x - whole * first) - whole * second) - whole * third, z = r * r;
  const Real s = sine_near_zero(r, z), c = cosine_near_zero(z);
  constexpr int sign_at = sizeof(Real) * 8 - 2;
  const bool odd = n & 1;
  sine = bits<Real>(bits<Word>(odd ? c : s) ^ ((n & 2) << sign_at));
  cosine = bits<Real>(bits<Word>(odd ? s : c) ^ (((n + 1) & 2) << sign_at));
}

// sine and cosine of count numbers, whatever their size
template <class Real>
inline void turned(const Real* __restrict x, Real* __restrict sine, Real* __restrict cosine, int64_t count) {
  Real largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t k = 0; k < count; ++k) {
    const Real size = std::fabs(x[k]);
    largest = size > largest ? size : largest;
  }
  if (largest <= turnable<Real>) {
#pragma omp simd
    for (int64_t k = 0; k < count; ++k) sincos_of(x[k], sine[k], cosine[k]);
  } else {
    for (int64_t k = 0; k < count; ++k) {
      sine[k] = std::sin(x[k]);
      cosine[k] = std::cos(x[k]);
    }
  }
}

// ln(1 + e), 0 <= e <= 1; in double as 2 artanh z, z = e/(2 + e) <= 1/3
INLINE float log_above_one(float e) {
  const float e2 = e * e, e4 = e2 * e2;
  const float low = (0.3333000404f * e - 0.4999990399f) * e + 0.9999999954f;
  const float middle = (-0.1531186311f * e + 0.1967811726f) * e - 0.2495455887f;
  const float high = (0.01990716095f * e - 0.05706420081f) * e + 0.1061426469f - 0.00325637848f * (e2 * e);
  return e * (low + (e2 * e) * middle + (e4 * e2) * high);
}

INLINE double log_above_one(double e) {
  const double z = e / (2.0 + e), w = z * z;
  double p = 0.170565745029470292;
  p = p * w + 0.0831762094042915323;
  p = p * w + 0.121117920158200016;
  p = p * w + 0.133001622005653943;
  p = p * w + 0.15386630743249173;
  p = p * w + 0.181817400178122536;
  p = p * w + 0.22222224104933035;
  p = p * w + 0.285714285450419077;
  p = p * w + 0.400000000001893132;
  p = p * w + 0.666666666666661376;
  return z * (p * w + 2.0);
}

template <class Real>
INLINE Real softplus_of(Real x) {
  return (x < Real(0) ? Real(0) : x) + log_above_one(exp_of(-std::fabs(x)));
}

template <class Real>
INLINE Real logistic_of(Real x) {
  const Real e = exp_of(-std::fabs(x));
  return (x < Real(0) ? e : Real(1)) / (Real(1) + e);
}
