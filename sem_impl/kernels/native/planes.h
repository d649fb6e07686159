// The graph of the propagator and one row of a field, as the kernels of the Cayley step hold them: real planes Re, Im
// with margins at both ends, so that the neighbours i +- 1, 8, 64 of a periodic graph are plain loads.
#pragma once
#include <cmath>
#include <complex>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "parallel.h"

constexpr int64_t OFFSETS[3] = {1, 8, 64}, HALO = 64;
constexpr int64_t MARGIN = HALO + 64;  // a halo, and what a last vector reaches beyond it

#if defined(__AVX512F__)
constexpr int64_t VECTOR_BYTES = 64;
#elif defined(__AVX__)
constexpr int64_t VECTOR_BYTES = 32;
#else
constexpr int64_t VECTOR_BYTES = 16;
#endif

template <class T>
struct Lanes {
  static constexpr int64_t count = VECTOR_BYTES / static_cast<int64_t>(sizeof(T));
  typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));
  typedef T Unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));

  static Vector load(const T* from) { return *reinterpret_cast<const Unaligned*>(from); }
  static void store(T* to, Vector v) { *reinterpret_cast<Unaligned*>(to) = v; }

  // a[shift], a[shift + 1], ..., then b[0], ...: what a load across two vectors would give, without its cost
  template <int64_t shift>
  static Vector across(Vector a, Vector b) {
    return across(a, b, std::integral_constant<int64_t, shift>(), std::make_integer_sequence<int64_t, count>());
  }

 private:
  template <int64_t shift, int64_t... lane>
  static Vector across(Vector a, Vector b, std::integral_constant<int64_t, shift>,
                       std::integer_sequence<int64_t, lane...>) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, (shift + lane)...);
#else
    using Index = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    typedef Index Indices __attribute__((vector_size(VECTOR_BYTES)));
    return __builtin_shuffle(a, b, Indices{static_cast<Index>(shift + lane)...});
#endif
  }
};

// Zeroed memory for `count` numbers on a boundary of 64 bytes. No copies: they would point into the original.
template <class T>
class Block {
 public:
  Block(const Block&) = delete;
  explicit Block(int64_t count) : held(static_cast<size_t>(count) + 64 / sizeof(T)) {
    const auto past = reinterpret_cast<uintptr_t>(held.data()) % 64;
    start = held.data() + (past ? (64 - past) / sizeof(T) : 0);
  }
  T* data() { return start; }

 private:
  std::vector<T> held;
  T* start;
};

template <class T>
struct Planes {
  T *re, *im;
};

inline int64_t padded(int64_t P) { return (P + 2 * MARGIN + 15) / 16 * 16; }

// The halo at either end takes what lies at the other one.
template <class T>
void wrap(Planes<T> v, int64_t P) {
  for (T* plane : {v.re, v.im}) {
    std::memcpy(plane - HALO, plane + P - HALO, HALO * sizeof(T));
    std::memcpy(plane + P, plane, HALO * sizeof(T));
  }
}

// What the next rows will read (`from`) and write (`to`): fetched while these are worked on, a line of each at a time.
struct Ahead {
  const char *from[3] = {nullptr, nullptr, nullptr}, *to = nullptr;
  int64_t reads = 0, at = 0, end = 0;

  void fetch() {
    if (at >= end) return;
    for (int64_t k = 0; k < reads; ++k) __builtin_prefetch(from[k] + at, 0, 2);
    __builtin_prefetch(to + at, 1, 2);
    at += 64;
  }
};

// scale H: its diagonal d, and what stands beside it, w_s[i] for the edge (i, i + o_s), all with margins, and once more
// from P on: whatever node one begins with, P of them lie in a row.
template <class T>
class Graph {
 public:
  Graph(const T* weights, int64_t P, double scale) : P(P), memory(4 * padded(2 * P)) {
    for (int64_t s = 0; s < 3; ++s) {
      w[s] = memory.data() + s * padded(2 * P) + MARGIN;
      for (int64_t i = 0; i < P; ++i) w[s][i] = static_cast<T>(-scale * static_cast<double>(weights[s * P + i]));
      std::copy(w[s] + P - HALO, w[s] + P, w[s] - HALO);
      std::copy(w[s], w[s] + P, w[s] + P);
    }
    d = memory.data() + 3 * padded(2 * P) + MARGIN;
    for (int64_t s = 0; s < 3; ++s)
      for (int64_t i = 0; i < P; ++i) d[i] -= w[s][i] + w[s][i - OFFSETS[s]];
    std::copy(d, d + P, d + P);
  }
  const int64_t P;
  T *d, *w[3];

 private:
  Block<T> memory;
};

// (H v)_i
template <class T>
inline T product(const Graph<T>& H, const T* v, int64_t i) {
  return H.d[i] * v[i] + H.w[0][i] * v[i + 1] + H.w[0][i - 1] * v[i - 1] + H.w[1][i] * v[i + 8] +
         H.w[1][i - 8] * v[i - 8] + H.w[2][i] * v[i + 64] + H.w[2][i - 64] * v[i - 64];
}

// A row of complex numbers to planes, times c, and back.
template <class T>
void enter(const T* row, Planes<T> v, int64_t P, std::complex<T> c) {
  T *re = v.re, *im = v.im;
  const T a = c.real(), b = c.imag();
#pragma omp simd
  for (int64_t i = 0; i < P; ++i) {
    const T x = row[2 * i], y = row[2 * i + 1];
    re[i] = a * x - b * y;
    im[i] = a * y + b * x;
  }
}

template <class T>
void leave(Planes<T> v, int64_t P, T* row) {
  const T *re = v.re, *im = v.im;
#pragma omp simd
  for (int64_t i = 0; i < P; ++i) {
    row[2 * i] = re[i];
    row[2 * i + 1] = im[i];
  }
}
