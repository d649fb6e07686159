// Kerr phase and Cayley step of rows of complex numbers, and their adjoint: `semh::cayley` and its parts. A row is read
// once, turned, advanced and written once; between that it lives in the thread's own planes (`planes.h`), in cache.
//
//     row       psi -> q = psi exp(i kappa |psi|^2) (no kappa: q = psi) -> psi' = p(H) q, or the solution of COCG
//     adjoint   g -> g_q = the same at -a; then with z = g + g_q, y = q + psi', both in planes,
//               g_w[s, i] += Im(conj(z_i - z_j)(y_i - y_j)), j = i + o_s;  g_psi, g_kappa of `turn_back`
//
// Sums over rows are formed per thread, in T over a stretch of rows, in double over stretches, in the order of threads.
#include <new>

#include "chebyshev.h"
#include "cocg.h"
#include "kerr.h"

constexpr int64_t STRETCH = 32;

// sums [count] over rows, one part a thread
template <class T>
class Sums {
 public:
  Sums(int64_t threads, int64_t count)
      : count(count), near(threads * count), far(static_cast<size_t>(threads * count)) {}
  T* of(int64_t thread) { return near.data() + thread * count; }
  void gather(int64_t thread) {
    T* from = of(thread);
    double* to = far.data() + thread * count;
    for (int64_t i = 0; i < count; ++i) to[i] += from[i], from[i] = 0;
  }
  // the numbers from `begin` on
  void total(T* out, int64_t begin, int64_t length, double scale) const {
    for (int64_t i = 0; i < length; ++i) {
      double sum = 0;
      for (int64_t at = begin + i; at < static_cast<int64_t>(far.size()); at += count) sum += far[at];
      out[i] = static_cast<T>(scale * sum);
    }
  }

 private:
  const int64_t count;
  Block<T> near;
  std::vector<double> far;
};

// What the rows after these will touch.
template <class T, class... Fields>
Ahead following(int64_t row, int64_t count, int64_t end, int64_t P, T* out, Fields... fields) {
  const int64_t at = 2 * (row + count) * P, rows = std::max<int64_t>(0, std::min(count, end - row - count));
  if (rows == 0) return {};
  return {{reinterpret_cast<const char*>(fields + at)...}, reinterpret_cast<const char*>(out + at), sizeof...(fields), 0,
          rows * 2 * P * static_cast<int64_t>(sizeof(T))};
}

// over the edges of three scales: row s of sums += Im(conj(z_i - z_j)(y_i - y_j)); the last vector may reach beyond P
template <class T, int64_t count>
void edges(const Planes<T>* z, const Planes<T>* y, int64_t P, T* sums) {
  using L = Lanes<T>;
  using Vector = typename L::Vector;
  const T* v[count][4];
  Vector now[count][4];
  for (int64_t r = 0; r < count; ++r) {
    v[r][0] = z[r].re, v[r][1] = z[r].im, v[r][2] = y[r].re, v[r][3] = y[r].im;
    for (int64_t k = 0; k < 4; ++k) now[r][k] = L::load(v[r][k]);
  }
  for (int64_t i = 0; i < P; i += L::count) {
    Vector near = L::load(sums + i), middle = L::load(sums + padded(P) + i), far = L::load(sums + 2 * padded(P) + i);
#pragma GCC unroll 4
    for (int64_t r = 0; r < count; ++r) {
      Vector a[4], b[4], c[4];
      for (int64_t k = 0; k < 4; ++k) {
        const Vector here = now[r][k], after = L::load(v[r][k] + i + L::count);
        a[k] = here - L::template across<1>(here, after);
        if constexpr (L::count >= 8)
          b[k] = here - L::template across<8>(here, after);
        else
          b[k] = here - L::load(v[r][k] + i + 8);
        c[k] = here - L::load(v[r][k] + i + 64);
        now[r][k] = after;
      }
      near += a[0] * a[3] - a[1] * a[2];
      middle += b[0] * b[3] - b[1] * b[2];
      far += c[0] * c[3] - c[1] * c[2];
    }
    L::store(sums + i, near), L::store(sums + padded(P) + i, middle), L::store(sums + 2 * padded(P) + i, far);
  }
}

template <class T, class Method>
void advance(const Method& method, const T* psi, const T* kappa, T* out, int64_t* updates, int64_t rows, int64_t P,
             int64_t threads) {
  const int64_t each = method.scratch(), first = method.rotation();
  Block<T> memory(threads * each);
  divided(rows, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    T* scratch = memory.data() + thread * each;
    const auto group = [&](auto count, int64_t row) {
      Planes<T> v[Method::together];
      method.place(scratch, v);
      for (int64_t r = 0; r < count; ++r) turn(psi + 2 * (row + r) * P, kappa, v[r], P, method.scale(), first);
      const auto ahead = following(row, count, end, P, out, psi);
      method.template solve<count>(v, scratch, updates ? updates + row : nullptr, ahead);
      for (int64_t r = 0; r < count; ++r) leave(v[r], P, out + 2 * (row + r) * P);
    };
    int64_t row = begin;
    for (; row + Method::together <= end; row += Method::together)
      group(std::integral_constant<int64_t, Method::together>(), row);
    for (; row < end; ++row) group(std::integral_constant<int64_t, 1>(), row);
  });
}

template <class T, class Method>
void pull(const Method& method, const T* psi, const T* kappa, const T* evolved, const T* g, T* g_psi, T* g_kappa,
          T* g_weights, double a, int64_t rows, int64_t P, int64_t threads) {
  constexpr int64_t most = Method::together;
  const int64_t own_scratch = method.scratch(), each = own_scratch + 4 * most * padded(P);
  Block<T> memory(threads * each);
  Sums<T> sums(threads, 4 * padded(P));
  divided(rows, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    T* scratch = memory.data() + thread * each;
    Planes<T> z[most], y[most];
    for (int64_t r = 0; r < most; ++r) {
      T* at = scratch + own_scratch + 4 * r * padded(P) + MARGIN;
      z[r] = {at, at + padded(P)}, y[r] = {at + 2 * padded(P), at + 3 * padded(P)};
    }
    T* own = sums.of(thread);
    const T* none = nullptr;
    const auto group = [&](auto count, int64_t row) {
      Planes<T> v[most];
      method.place(scratch, v);
      for (int64_t r = 0; r < count; ++r) turn(g + 2 * (row + r) * P, none, v[r], P, method.scale(), method.rotation());
      method.template solve<count>(v, scratch, nullptr, following(row, count, end, P, g_psi, psi, evolved, g));
      for (int64_t r = 0; r < count; ++r) {
        const int64_t at = 2 * (row + r) * P;
        turn_back(psi + at, kappa, v[r], P, g_psi + at, own + 3 * padded(P), evolved + at, g + at, y[r], z[r]);
        wrap(y[r], P), wrap(z[r], P);
      }
      edges<T, count>(z, y, P, own);
    };
    int64_t row = begin, gathered = begin;
    while (row < end) {
      if (row + most <= end)
        group(std::integral_constant<int64_t, most>(), row), row += most;
      else
        group(std::integral_constant<int64_t, 1>(), row++);
      if (row - gathered >= STRETCH || row == end) sums.gather(thread), gathered = row;
    }
  });
  for (int64_t s = 0; s < 3; ++s) sums.total(g_weights + s * P, s * padded(P), P, 0.5 * a);
  if (kappa) sums.total(g_kappa, 3 * padded(P), P, 1.0);
}

// The parts alone: the phase, its adjoint, and the gradients of the edges from four fields.
template <class T>
void kerr(const T* psi, const T* kappa, T* out, int64_t rows, int64_t P, int64_t threads) {
  const int64_t each = 2 * padded(P);
  Block<T> memory(threads * each);
  divided(rows, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    T* at = memory.data() + thread * each;
    const Planes<T> q = {at, at + padded(P)};
    for (int64_t row = begin; row < end; ++row) {
      turn(psi + 2 * row * P, kappa, q, P, std::complex<T>(1));
      leave(q, P, out + 2 * row * P);
    }
  });
}

template <class T>
void kerr_adjoint(const T* psi, const T* kappa, const T* g, T* g_psi, T* g_kappa, int64_t rows, int64_t P,
                  int64_t threads) {
  const int64_t each = 2 * padded(P);
  Block<T> memory(threads * each);
  Sums<T> sums(threads, P);
  divided(rows, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    T* at = memory.data() + thread * each;
    const Planes<T> v = {at, at + padded(P)};
    for (int64_t row = begin; row < end; ++row) {
      enter(g + 2 * row * P, v, P, std::complex<T>(1));
      turn_back(psi + 2 * row * P, kappa, v, P, g_psi + 2 * row * P, sums.of(thread));
      if ((row - begin) % STRETCH == STRETCH - 1 || row + 1 == end) sums.gather(thread);
    }
  });
  sums.total(g_kappa, 0, P, 1.0);
}

template <class T>
void edge_gradients(const T* q, const T* evolved, const T* g, const T* g_q, T* g_weights, int64_t rows, int64_t P,
                    int64_t threads) {
  const int64_t each = 4 * padded(P);
  Block<T> memory(threads * each);
  Sums<T> sums(threads, 3 * padded(P));
  divided(rows, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    T* at = memory.data() + thread * each + MARGIN;
    const Planes<T> z = {at, at + padded(P)}, y = {at + 2 * padded(P), at + 3 * padded(P)};
    for (int64_t row = begin; row < end; ++row) {
      enter(q + 2 * row * P, y, P, std::complex<T>(1));
      enter(g + 2 * row * P, z, P, std::complex<T>(1));
      add(y, evolved + 2 * row * P, y, P), add(z, g_q + 2 * row * P, z, P);
      wrap(y, P), wrap(z, P);
      edges<T, 1>(&z, &y, P, sums.of(thread));
      if ((row - begin) % STRETCH == STRETCH - 1 || row + 1 == end) sums.gather(thread);
    }
  });
  for (int64_t s = 0; s < 3; ++s) sums.total(g_weights + s * P, s * padded(P), P, 0.25);
}

// 0, or 1 where there is no memory for a few rows
template <class Body>
int done(int64_t rows, int64_t threads, const Body& body) {
  try {
    body(std::max<int64_t>(1, std::min(rows, threads)));
  } catch (const std::bad_alloc&) {
    return 1;
  }
  return 0;
}

#define PRECISION(T, suffix)                                                                                           \
  EXPORT int chebyshev_##suffix(const T* psi, const T* kappa, const T* weights, T* out, double a, double bound,        \
                                int64_t terms, int64_t rows, int64_t P, int64_t threads) {                             \
    return done(rows, threads, [=](int64_t threads) {                                                                  \
      advance(Chebyshev<T>(weights, P, a, bound, terms), psi, kappa, out, nullptr, rows, P, threads);                  \
    });                                                                                                                \
  }                                                                                                                    \
  EXPORT int chebyshev_adjoint_##suffix(const T* psi, const T* kappa, const T* weights, const T* evolved, const T* g,  \
                                        T* g_psi, T* g_kappa, T* g_weights, double a, double bound, int64_t terms,     \
                                        int64_t rows, int64_t P, int64_t threads) {                                    \
    return done(rows, threads, [=](int64_t threads) {                                                                  \
      pull(Chebyshev<T>(weights, P, -a, bound, terms), psi, kappa, evolved, g, g_psi, g_kappa, g_weights, a, rows, P,  \
           threads);                                                                                                   \
    });                                                                                                                \
  }                                                                                                                    \
  EXPORT int cocg_##suffix(const T* psi, const T* kappa, const T* weights, T* out, int64_t* updates, double a,         \
                           int64_t jacobi, double tolerance, int64_t most, int64_t rows, int64_t P, int64_t threads) { \
    return done(rows, threads, [=](int64_t threads) {                                                                  \
      advance(Cocg<T>(weights, P, a, jacobi, tolerance, most), psi, kappa, out, updates, rows, P, threads);            \
    });                                                                                                                \
  }                                                                                                                    \
  EXPORT int cocg_adjoint_##suffix(const T* psi, const T* kappa, const T* weights, const T* evolved, const T* g,       \
                                   T* g_psi, T* g_kappa, T* g_weights, double a, int64_t jacobi, double tolerance,     \
                                   int64_t most, int64_t rows, int64_t P, int64_t threads) {                           \
    return done(rows, threads, [=](int64_t threads) {                                                                  \
      pull(Cocg<T>(weights, P, -a, jacobi, tolerance, most), psi, kappa, evolved, g, g_psi, g_kappa, g_weights, a,     \
           rows, P, threads);                                                                                          \
    });                                                                                                                \
  }                                                                                                                    \
  EXPORT int kerr_##suffix(const T* psi, const T* kappa, T* out, int64_t rows, int64_t P, int64_t threads) {           \
    return done(rows, threads, [=](int64_t threads) { kerr(psi, kappa, out, rows, P, threads); });                     \
  }                                                                                                                    \
  EXPORT int kerr_adjoint_##suffix(const T* psi, const T* kappa, const T* g, T* g_psi, T* g_kappa, int64_t rows,       \
                                   int64_t P, int64_t threads) {                                                       \
    return done(rows, threads, [=](int64_t threads) { kerr_adjoint(psi, kappa, g, g_psi, g_kappa, rows, P, threads); });\
  }                                                                                                                    \
  EXPORT int edge_gradients_##suffix(const T* q, const T* evolved, const T* g, const T* g_q, T* g_weights,             \
                                     int64_t rows, int64_t P, int64_t threads) {                                       \
    return done(rows, threads,                                                                                         \
                [=](int64_t threads) { edge_gradients(q, evolved, g, g_q, g_weights, rows, P, threads); });            \
  }

PRECISION(float, f32)
PRECISION(double, f64)
