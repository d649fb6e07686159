// The Kerr phase of one row, q = psi exp(i kappa |psi|^2), and its adjoint. `sincos_of` reduces angles up to
// `turnable`; what holds a larger one is turned by the C library (`exact`). NaN is NaN in both.
#pragma once
#include "elementary.h"
#include "planes.h"

template <bool exact, class T>
inline void cosine_sine(T angle, T& cosine, T& sine) {
  if constexpr (exact)
    cosine = std::cos(angle), sine = std::sin(angle);
  else
    sincos_of(angle, sine, cosine);
}

template <class T>
bool reducible(const T* __restrict row, const T* __restrict kappa, int64_t P) {
  T largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < P; ++i) {
    const T x = row[2 * i], y = row[2 * i + 1], size = std::fabs(kappa[i] * (x * x + y * y));
    largest = size > largest ? size : largest;
  }
  return largest <= turnable<T>;
}

// c q to planes; whether all angles were reducible
template <bool exact, class T>
bool turn(const T* __restrict row, const T* __restrict kappa, int64_t P, std::complex<T> c, T* __restrict re,
          T* __restrict im) {
  const T a = c.real(), b = c.imag();
  T largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < P; ++i) {
    const T x = row[2 * i], y = row[2 * i + 1], angle = kappa[i] * (x * x + y * y), size = std::fabs(angle);
    largest = size > largest ? size : largest;
    T cosine, sine;
    cosine_sine<exact>(angle, cosine, sine);
    const T u = x * cosine - y * sine, v = y * cosine + x * sine;
    re[i] = a * u - b * v;
    im[i] = a * v + b * u;
  }
  return largest <= turnable<T>;
}

// t = exp(-i kappa |psi|^2) g_q, m = Im(t conj psi): gradient t + 2 kappa m psi; m |psi|^2 is added to g_kappa. For the
// edges y = q + psi' and z = g_q + g besides.
template <bool exact, bool sums, class T>
void turn_back(const T* __restrict row, const T* __restrict kappa, int64_t P, const T* __restrict g_re,
               const T* __restrict g_im, T* __restrict gradient, T* __restrict g_kappa, const T* __restrict evolved,
               const T* __restrict g, Planes<T> y, Planes<T> z) {
  T *__restrict y_re = y.re, *__restrict y_im = y.im, *__restrict z_re = z.re, *__restrict z_im = z.im;
#pragma omp simd
  for (int64_t i = 0; i < P; ++i) {
    const T u = row[2 * i], v = row[2 * i + 1], size = u * u + v * v;
    T c, s;
    cosine_sine<exact>(kappa[i] * size, c, s);
    const T tr = c * g_re[i] + s * g_im[i], ti = c * g_im[i] - s * g_re[i];
    const T m = ti * u - tr * v;
    gradient[2 * i] = tr + 2 * kappa[i] * m * u;
    gradient[2 * i + 1] = ti + 2 * kappa[i] * m * v;
    g_kappa[i] += m * size;
    if constexpr (sums) {
      y_re[i] = u * c - v * s + evolved[2 * i];
      y_im[i] = v * c + u * s + evolved[2 * i + 1];
      z_re[i] = g_re[i] + g[2 * i];
      z_im[i] = g_im[i] + g[2 * i + 1];
    }
  }
}

// v + row
template <class T>
void add(Planes<T> v, const T* __restrict row, Planes<T> out, int64_t P) {
#pragma omp simd
  for (int64_t i = 0; i < P; ++i) {
    out.re[i] = v.re[i] + row[2 * i];
    out.im[i] = v.im[i] + row[2 * i + 1];
  }
}

template <class T>
void turn(const T* row, const T* kappa, Planes<T> q, int64_t P, std::complex<T> c) {
  if (!kappa)
    enter(row, q, P, c);
  else if (!turn<false>(row, kappa, P, c, q.re, q.im))
    turn<true>(row, kappa, P, c, q.re, q.im);
}

// from place `first` on, the rest from place 0
template <class T>
void turn(const T* row, const T* kappa, Planes<T> q, int64_t P, std::complex<T> c, int64_t first) {
  const int64_t fits = P - first;
  turn(row, kappa, {q.re + first, q.im + first}, fits, c);
  turn(row + 2 * fits, kappa ? kappa + fits : nullptr, q, first, c);
}

template <class T>
void turn_back(const T* row, const T* kappa, Planes<T> g_q, int64_t P, T* gradient, T* g_kappa, const T* evolved,
               const T* g, Planes<T> y, Planes<T> z) {
  if (!kappa) {
    leave(g_q, P, gradient);
    enter(row, y, P, std::complex<T>(1));
    add(y, evolved, y, P), add(g_q, g, z, P);
  } else if (reducible(row, kappa, P)) {
    turn_back<false, true>(row, kappa, P, g_q.re, g_q.im, gradient, g_kappa, evolved, g, y, z);
  } else {
    turn_back<true, true>(row, kappa, P, g_q.re, g_q.im, gradient, g_kappa, evolved, g, y, z);
  }
}

template <class T>
void turn_back(const T* row, const T* kappa, Planes<T> g_q, int64_t P, T* gradient, T* g_kappa) {
  const T* none = nullptr;
  if (reducible(row, kappa, P))
    turn_back<false, false>(row, kappa, P, g_q.re, g_q.im, gradient, g_kappa, none, none, {}, {});
  else
    turn_back<true, false>(row, kappa, P, g_q.re, g_q.im, gradient, g_kappa, none, none, {}, {});
}
