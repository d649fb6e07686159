// Weighted sums along and across rows of a matrix [positions, stride] whose rows are whole registers.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "elementary.h"

// bytes of a register, and positions whose sums fit into the registers there are
#if defined(__AVX512F__)
constexpr int64_t WIDTH = 64, TOGETHER = 8;
#elif defined(__AVX__)
constexpr int64_t WIDTH = 32, TOGETHER = 4;
#else
constexpr int64_t WIDTH = 16, TOGETHER = 4;
#endif

// A register full of numbers. Sums across lanes are the one thing here that compilers vectorise badly.
template <class Real>
struct Line {
  static constexpr int64_t lanes = WIDTH / sizeof(Real);
  typedef Real Lanes __attribute__((vector_size(WIDTH)));

  static Lanes at(const Real* from) {
    Lanes found;
    std::memcpy(&found, from, WIDTH);
    return found;
  }
  static void put(Real* to, Lanes given) { std::memcpy(to, &given, WIDTH); }

  template <int64_t... lane>
  static Lanes pairs(Lanes a, Lanes b, std::integer_sequence<int64_t, lane...>) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, (2 * lane)...) + __builtin_shufflevector(a, b, (2 * lane + 1)...);
#else
    typedef typename Format<Real>::Integer Places __attribute__((vector_size(WIDTH)));
    return __builtin_shuffle(a, b, Places{2 * lane...}) + __builtin_shuffle(a, b, Places{2 * lane + 1 ...});
#endif
  }
  // neighbours added: those of a, then those of b
  static Lanes pairs(Lanes a, Lanes b) { return pairs(a, b, std::make_integer_sequence<int64_t, lanes>()); }
};

// sums of `TOGETHER` registers
template <class Real>
void across(typename Line<Real>::Lanes* __restrict each, Real* __restrict sums) {
  using L = Line<Real>;
  int64_t registers = TOGETHER;
  for (int64_t lanes = L::lanes; lanes > 1; lanes /= 2) {
    const int64_t after = (registers + 1) / 2;
    for (int64_t i = 0; i < after; ++i) each[i] = L::pairs(each[2 * i], each[std::min(2 * i + 1, registers - 1)]);
    registers = after;
  }
  std::memcpy(sums, each, TOGETHER * sizeof(Real));
}

// r of `TOGETHER` positions
template <class Real>
void weigh(const Real* __restrict G, int64_t stride, const Real* __restrict b, Real* __restrict r) {
  using L = Line<Real>;
  typename L::Lanes total[TOGETHER] = {};
  for (int64_t k = 0; k < stride; k += L::lanes) {
    const auto weight = L::at(b + k);
    for (int64_t i = 0; i < TOGETHER; ++i) total[i] += L::at(G + i * stride + k) * weight;
  }
  across<Real>(total, r);
}

template <class Real>
Real weighed(const Real* __restrict G, int64_t stride, const Real* __restrict b) {
  Real sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < stride; ++k) sum += G[k] * b[k];
  return sum;
}

// A of `lines` registers of candidates from `count` positions, kept in registers: a store in the loop would hold up
// those loads of G that lie a multiple of 4096 bytes from it
template <int64_t lines, class Real>
void spread(const Real* __restrict G, int64_t stride, const Real* __restrict inverse, int64_t count,
            Real* __restrict A) {
  using L = Line<Real>;
  typename L::Lanes total[lines] = {};
  for (int64_t s = 0; s < count; ++s)
    for (int64_t i = 0; i < lines; ++i) total[i] += L::at(G + s * stride + i * L::lanes) * inverse[s];
  for (int64_t i = 0; i < lines; ++i) L::put(A + i * L::lanes, total[i]);
}
