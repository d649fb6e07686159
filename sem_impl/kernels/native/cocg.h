// The Cayley step by conjugate gradients with the unconjugated product (`cocg` of `solve`), every row by itself: it
// stops at its own tolerance, and keeps p, r, x and A p in cache from the first update to the last.
#pragma once
#include <limits>

#include "planes.h"

template <class T>
class Cocg {
 public:
  static constexpr int64_t together = 1;

  Cocg(const T* weights, int64_t P, double a, bool jacobi, double tolerance, int64_t most)
      : H(weights, P, 1.0), a(static_cast<T>(a)), goal(tolerance * tolerance), most(most) {
    if (!jacobi) return;
    for (int64_t i = 0; i < P; ++i) {
      const T t = this->a * H.d[i], size = 1 + t * t;
      inverse_re.push_back(1 / size);
      inverse_im.push_back(-t / size);
    }
  }

  std::complex<T> scale() const { return 1; }

  int64_t rotation() const { return 0; }

  int64_t scratch() const { return 8 * padded(H.P); }

  void place(T* scratch, Planes<T>* rows) const { rows[0] = plane_pair(scratch, 0); }

  template <int64_t count>
  void solve(Planes<T>* rows, T* scratch, int64_t* updates, Ahead /*ahead*/) const {
    static_assert(count == 1);
    const int64_t done = solve(rows[0], plane_pair(scratch, 1), plane_pair(scratch, 2), plane_pair(scratch, 3));
    rows[0] = plane_pair(scratch, 2);
    if (updates) updates[0] = done;
  }

 private:
  static constexpr int64_t STRETCH = 1024;  // summed in T, then in double

  Planes<T> plane_pair(T* scratch, int64_t which) const {
    T* re = scratch + 2 * which * padded(H.P) + MARGIN;
    return {re, re + padded(H.P)};
  }

  // body(i, sums) over all nodes -> sums
  template <class Body>
  void sum(double* sums, const Body& body) const {
    sums[0] = sums[1] = sums[2] = 0;
    for (int64_t begin = 0; begin < H.P; begin += STRETCH) {
      const int64_t end = std::min(begin + STRETCH, H.P);
      T one = 0, two = 0, three = 0;
#pragma omp simd reduction(+ : one, two, three)
      for (int64_t i = begin; i < end; ++i) body(i, one, two, three);
      sums[0] += one, sums[1] += two, sums[2] += three;
    }
  }

  // |r|^2, and r' m r
  template <bool jacobi, class Update>
  void sizes(Planes<T> r, double& size, std::complex<double>& rho, const Update& update) const {
    const T *re = r.re, *im = r.im, *mr = inverse_re.data(), *mi = inverse_im.data();
    double sums[3];
    sum(sums, [=](int64_t i, T& square, T& real, T& imaginary) {
      update(i);
      const T x = re[i], y = im[i], u = x * x - y * y, v = 2 * x * y;
      square += x * x + y * y;
      real += jacobi ? mr[i] * u - mi[i] * v : u;
      imaginary += jacobi ? mr[i] * v + mi[i] * u : v;
    });
    size = sums[0], rho = {sums[1], sums[2]};
  }

  int64_t solve(Planes<T> p, Planes<T> r, Planes<T> x, Planes<T> Ap) const {
    return inverse_re.empty() ? solve<false>(p, r, x, Ap) : solve<true>(p, r, x, Ap);
  }

  // q in p, its solution in x; returns the number of updates
  template <bool jacobi>
  int64_t solve(Planes<T> p, Planes<T> r, Planes<T> x, Planes<T> Ap) const {
    const T *mr = inverse_re.data(), *mi = inverse_im.data();
    const Graph<T>& H = this->H;
    const T a = this->a;
    double size, sums[3];
    std::complex<double> rho, before = 1;
    std::fill(x.re, x.re + H.P, T(0));
    std::fill(x.im, x.im + H.P, T(0));
    wrap(p, H.P);
    sizes<jacobi>(r, size, rho, [=, &H](int64_t i) __attribute__((always_inline)) {
      r.re[i] = p.re[i] + a * product(H, p.im, i);
      r.im[i] = p.im[i] - a * product(H, p.re, i);
    });
    if (!std::isfinite(size)) {
      std::fill(x.re, x.re + H.P, T(NAN));
      std::fill(x.im, x.im + H.P, T(NAN));
      return 0;
    }
    const double stop = goal * size, noise = 8.0 * std::numeric_limits<T>::epsilon();
    std::complex<double> beta = 0;
    int64_t done = 0;
    while (done < most && size > stop && std::abs(rho) > noise * size) {
      const T br = static_cast<T>(beta.real()), bi = static_cast<T>(beta.imag());
#pragma omp simd
      for (int64_t i = 0; i < H.P; ++i) {
        const T re = p.re[i], im = p.im[i];
        p.re[i] = (jacobi ? mr[i] * r.re[i] - mi[i] * r.im[i] : r.re[i]) + (br * re - bi * im);
        p.im[i] = (jacobi ? mr[i] * r.im[i] + mi[i] * r.re[i] : r.im[i]) + (br * im + bi * re);
      }
      wrap(p, H.P);
      sum(sums, [=, &H](int64_t i, T& real, T& imaginary, T&) {
        const T u = p.re[i] - a * product(H, p.im, i), v = p.im[i] + a * product(H, p.re, i);
        Ap.re[i] = u, Ap.im[i] = v;
        real += p.re[i] * u - p.im[i] * v;
        imaginary += p.re[i] * v + p.im[i] * u;
      });
      const std::complex<double> step = rho / std::complex<double>(sums[0], sums[1]);
      const T cr = static_cast<T>(step.real()), ci = static_cast<T>(step.imag());
      before = rho;
      sizes<jacobi>(r, size, rho, [=](int64_t i) __attribute__((always_inline)) {
        x.re[i] += cr * p.re[i] - ci * p.im[i];
        x.im[i] += cr * p.im[i] + ci * p.re[i];
        r.re[i] -= cr * Ap.re[i] - ci * Ap.im[i];
        r.im[i] -= cr * Ap.im[i] + ci * Ap.re[i];
      });
      beta = rho / before;
      ++done;
    }
    return done;
  }

  Graph<T> H;
  const T a;
  const double goal;
  const int64_t most;
  std::vector<T> inverse_re, inverse_im;
};
