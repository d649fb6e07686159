// The Cayley step by a polynomial in H, a row at a time, in place.
//
//     (1) p(y) = sum_k c_k T_k(y) = c_n 2^(n-1) prod_k (y - y_k),  y = 2 lambda/Lam - 1
//     (2) p(H) q = C prod_k (W - z_k) q,  W = g 2H/Lam,  z_k = g (1 + y_k),  C = c_n 2^(n-1) g^-n
//
// The roots lie on an ellipse around the spectrum whose half axes are about 1/(2 |rho|), c_k being proportional to
// rho^k; with g = 2 |rho| all factors are about 1, and taken in Leja's order so are their products at small steps: a
// rounding on the way grows at most twofold for a Lam up to 0.7, at worst by about 2 a Lam beyond that. In float (2) is
// off by 2 to 6 times as much as the recurrence of T_k: by 2e-7 at a Lam = 0.5, 5e-7 at 5, 2e-6 at 140. It needs
// neither two vectors nor q again: 16 multiply-adds a number and factor instead of 20, one plane read and written where
// it lies.
#pragma once
#include "planes.h"

using Number = std::complex<double>;

// c_0 = -1 + 2i/(s w), c_k = 4i rho^k/(s w); conjugated for a < 0. size = |rho|
struct Series {
  std::vector<Number> c;
  double size;

  Series(double a, double bound, int64_t terms) {
    const double s = std::abs(a) * bound / 2;
    const Number z = Number(0, 1 / s) - 1.0;
    Number w = std::sqrt(z * z - 1.0);
    if (std::abs(z + w) < 1) w = -w;
    const Number rho = 1.0 / (z + w);
    size = std::abs(rho);
    Number term = Number(0, 2) / (s * w);
    c.push_back(term - 1.0);
    for (term *= 2.0; static_cast<int64_t>(c.size()) < terms;) c.push_back(term *= rho);
    if (a < 0)
      for (Number& each : c) each = std::conj(each);
  }
};

// Roots of sum_k c_k T_k by Aberth's simultaneous Newton iteration, in Leja's order: each as far from those before it
// as can be. A series that converges has n of them on an ellipse; from points of it two to ten iterations do.
inline std::vector<Number> roots(const std::vector<Number>& c, double rho) {
  const size_t n = c.size() - 1;
  std::vector<Number> y(n);
  for (size_t k = 0; k < n; ++k) {
    const Number u = std::polar(1 / rho, 2 * M_PI * (static_cast<double>(k) + 0.3) / static_cast<double>(n));
    y[k] = (u + 1.0 / u) / 2.0;
  }
  double moved = 1;
  for (int round = 0; round < 60 && moved > 1e-15; ++round) {
    moved = 0;
    for (size_t k = 0; k < n; ++k) {
      Number before = 1, now = y[k], slope_before = 0, slope = 1, value = c[0] + c[1] * now, change = c[1];
      for (size_t m = 2; m <= n; ++m) {
        const Number after = 2.0 * y[k] * now - before, slope_after = 2.0 * (now + y[k] * slope) - slope_before;
        before = now, now = after, slope_before = slope, slope = slope_after;
        value += c[m] * now, change += c[m] * slope;
      }
      Number others = 0;
      for (size_t j = 0; j < n; ++j)
        if (j != k) others += 1.0 / (y[k] - y[j]);
      const Number step = value / (change - value * others);
      y[k] -= step;
      moved = std::max(moved, std::abs(step) / std::abs(y[k]));
    }
  }
  std::vector<double> far(n, 0.0);
  for (size_t k = 0; k < n; ++k) far[k] = std::abs(y[k]);
  for (size_t k = 0; k < n; ++k) {
    const size_t next = static_cast<size_t>(std::max_element(far.begin() + k, far.end()) - far.begin());
    std::swap(y[k], y[next]);
    std::swap(far[k], far[next]);
    if (k == 0) std::fill(far.begin(), far.end(), 0.0);
    for (size_t j = k + 1; j < n; ++j) far[j] += std::log(std::abs(y[j] - y[k]));
  }
  return y;
}

// A row lies in its planes turned on by HALO nodes a factor: (W - z) v of the node read at m + HALO is written to m,
// the lowest of the places read for it. So a row stays where it is and needs a halo behind its end alone, of 2 HALO. It
// enters as many nodes turned back as all factors turn it on, and leaves as it came.
template <class T>
class Chebyshev {
  static constexpr int64_t REACH = 2 * HALO;

 public:
  static constexpr int64_t together = 3;

  // the first `terms` of the series, equation (5) of `solve`; bound is Lam
  Chebyshev(const T* weights, int64_t P, double a, double bound, int64_t terms)
      : Chebyshev(weights, P, Series(a, bound, terms), bound) {}

  // What a row is multiplied by before `solve`.
  std::complex<T> scale() const { return C; }

  // The place of its first number when it enters; those that would lie beyond its end begin the planes.
  int64_t rotation() const { return HALO * factors() % H.P; }

  int64_t scratch() const { return 2 * together * room(); }

  void place(T* scratch, Planes<T>* rows) const {
    for (int64_t r = 0; r < together; ++r) rows[r] = {scratch + 2 * r * room(), scratch + (2 * r + 1) * room()};
  }

  template <int64_t count>
  void solve(Planes<T>* rows, T* /*scratch*/, int64_t* updates, Ahead ahead) const {
    const int64_t P = H.P;
    for (int64_t k = 0; k < factors(); ++k) {
      for (int64_t r = 0; r < count; ++r)
        for (T* plane : {rows[r].re, rows[r].im}) std::memcpy(plane + P, plane, REACH * sizeof(T));
      multiply<count>(rows, z[k], (P - HALO * (factors() - 1 - k) % P) % P, ahead);
    }
    for (int64_t r = 0; r < count && updates; ++r) updates[r] = factors();
  }

 private:
  Chebyshev(const T* weights, int64_t P, const Series& series, double bound)
      : H(weights, P, 4 * series.size / bound) {
    const std::vector<Number>& c = series.c;
    const double g = 2 * series.size;
    Number scale = c.back();
    if (c.size() > 1) {
      scale /= g;
      for (size_t k = 2; k < c.size(); ++k) scale *= 2 / g;
      for (const Number& y : roots(c, series.size)) z.emplace_back(g * (1.0 + y));
    }
    C = std::complex<T>(scale);
  }

  using L = Lanes<T>;
  using Vector = typename L::Vector;

  int64_t factors() const { return static_cast<int64_t>(z.size()); }
  int64_t room() const { return padded(H.P); }

  // v <- (W - z) v: place 0 holds node `turned` - HALO of v, node `turned` of the result
  template <int64_t count>
  void multiply(const Planes<T>* rows, std::complex<T> root, int64_t turned, Ahead& fetched) const {
    // copies: a store of a vector might change whatever has an address
    const T *diagonal = H.d + turned, *w0 = H.w[0] + turned, *w1 = H.w[1] + turned, *w2 = H.w[2] + turned;
    const T zr = root.real(), zi = root.imag();
    const int64_t P = H.P;
    Ahead ahead = fetched;
    T *re[count], *im[count];
    Vector re_now[count], im_now[count], re_back[count], im_back[count];
    for (int64_t r = 0; r < count; ++r) {
      re[r] = rows[r].re, im[r] = rows[r].im;
      re_now[r] = L::load(re[r] + HALO), im_now[r] = L::load(im[r] + HALO);
      re_back[r] = L::load(re[r] + HALO - 8), im_back[r] = L::load(im[r] + HALO - 8);
    }
    for (int64_t i = 0; i < P; i += L::count) {
      ahead.fetch();
      const Vector d = L::load(diagonal + i) - zr, near = L::load(w0 + i), near_back = L::load(w0 + i - 1),
                   middle = L::load(w1 + i), middle_back = L::load(w1 + i - 8), far = L::load(w2 + i),
                   far_back = L::load(w2 + i - 64);
      // `back` holds the nodes 8 further down, and is given those of the next vector: two that were met already
      const auto along = [&](const T* v, Vector& now, Vector& back) __attribute__((always_inline)) {
        const Vector after = L::load(v + L::count);
        Vector ahead;
        if constexpr (L::count >= 8)
          ahead = L::template across<8>(now, after);
        else
          ahead = L::load(v + 8);
        Vector sum = d * now + far * L::load(v + 64) + far_back * L::load(v - 64);
        sum += near * L::load(v + 1);
        sum += near_back * L::load(v - 1);
        sum += middle * ahead;
        sum += middle_back * back;
        if constexpr (L::count == 16)
          back = ahead;
        else if constexpr (L::count == 8)
          back = now;
        else
          back = L::load(v + L::count - 8);
        now = after;
        return sum;
      };
#pragma GCC unroll 4
      for (int64_t r = 0; r < count; ++r) {
        const Vector u = re_now[r], v = im_now[r];
        const Vector x = along(re[r] + i + HALO, re_now[r], re_back[r]);
        const Vector y = along(im[r] + i + HALO, im_now[r], im_back[r]);
        L::store(re[r] + i, x + zi * v);
        L::store(im[r] + i, y - zi * u);
      }
    }
    fetched = ahead;
  }

  Graph<T> H;
  std::vector<std::complex<T>> z;
  std::complex<T> C;
};
