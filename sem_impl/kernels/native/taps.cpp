// Depthwise causal convolution and the magnitude gate after it in one pass over the positions (`convolution`, `gates`):
//
//     (1) c_t = sum_(j=0..3) w_j z_(t-j),  n = |c_t|^2,  f = 1 - exp(-r n),  r = e^beta,  y_t = f c_t
//     (2) adjoint, g = dL/dy:  s = Re(conj(g) c),  dc = f g + 2 r e^(-r n) s c,  dbeta = r sum s n e^(-r n)
//         dz_t = sum_j conj(w_j) dc_(t+j),  dw_j = sum_(b, t) dc_t conj(z_(t-j))
//
// Shapes: z, y [batch, length, width], tail [batch, 3, width] (what stands before z), w [4, width], all complex.
// Channels are taken in strips of which four positions stay in the first-level cache as planes; the backward pass forms
// c anew.
#include <new>
#include <vector>

#include "elementary.h"
#include "parallel.h"

namespace {

constexpr int64_t TAPS = 4, STRIP = 128, FLUSH = 32;

// e^x - 1 for x <= 0, without the cancellation of that difference near 0
template <class Real>
inline Real expm1_of(Real x) {
  constexpr int terms = sizeof(Real) == 4 ? 8 : 15;
  Real near = 1;
  for (int k = terms; k > 1; --k) near = near * x * (Real(1) / Real(k)) + Real(1);
  return x > Real(-0.35) ? near * x : exp_of(x) - Real(1);
}

template <class Real>
struct Planes {
  alignas(64) Real re[STRIP], im[STRIP];

  void read(const Real* __restrict z, int64_t count) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      re[i] = z[2 * i];
      im[i] = z[2 * i + 1];
    }
  }
  void write(Real* __restrict z, int64_t count) const {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      z[2 * i] = re[i];
      z[2 * i + 1] = im[i];
    }
  }
};

// One strip of one batch row: its taps, and the last four positions read.
template <class Real>
struct Strip {
  Planes<Real> taps[TAPS], z[TAPS], out;
  int64_t count;

  void begin(const Real* w, const Real* tail, int64_t width, int64_t channels) {
    count = channels;
    for (int64_t j = 0; j < TAPS; ++j) taps[j].read(w + 2 * j * width, count);
    for (int64_t t = 0; t < TAPS - 1; ++t) z[t].read(tail + 2 * t * width, count);
  }
  const Planes<Real>& back(int64_t t, int64_t j) const { return z[(t + TAPS - 1 - j) % TAPS]; }

  // c_t of (1) into out
  void convolve(const Real* z_t, int64_t t) {
    z[(t + TAPS - 1) % TAPS].read(z_t, count);
    const Planes<Real>&a = back(t, 0), &b = back(t, 1), &c = back(t, 2), &d = back(t, 3);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      out.re[i] = (taps[0].re[i] * a.re[i] - taps[0].im[i] * a.im[i]) +
                  (taps[1].re[i] * b.re[i] - taps[1].im[i] * b.im[i]) +
                  (taps[2].re[i] * c.re[i] - taps[2].im[i] * c.im[i]) +
                  (taps[3].re[i] * d.re[i] - taps[3].im[i] * d.im[i]);
      out.im[i] = (taps[0].re[i] * a.im[i] + taps[0].im[i] * a.re[i]) +
                  (taps[1].re[i] * b.im[i] + taps[1].im[i] * b.re[i]) +
                  (taps[2].re[i] * c.im[i] + taps[2].im[i] * c.re[i]) +
                  (taps[3].re[i] * d.im[i] + taps[3].im[i] * d.re[i]);
    }
  }
};

// Places of a strip in [batch, positions, width] arrays of complex numbers.
struct Place {
  int64_t row, first, channels;
  Place(int64_t unit, int64_t strips, int64_t width)
      : row(unit / strips), first(unit % strips * STRIP), channels(std::min(STRIP, width - first)) {}
  int64_t at(int64_t positions, int64_t width) const { return 2 * (row * positions * width + first); }
};

template <class Real>
int forward(const Real* z, const Real* tail, const Real* w, const Real* beta, Real* y, int64_t batch, int64_t length,
            int64_t width, int64_t threads) {
  const Real rate = std::exp(*beta);
  const int64_t strips = (width + STRIP - 1) / STRIP;
  divided(batch * strips, threads, [&](int64_t begin, int64_t end, int64_t) {
    Strip<Real> strip;
    for (int64_t unit = begin; unit < end; ++unit) {
      const Place place(unit, strips, width);
      const int64_t at = place.at(length, width);
      strip.begin(w + 2 * place.first, tail + place.at(TAPS - 1, width), width, place.channels);
      for (int64_t t = 0; t < length; ++t) {
        strip.convolve(z + at + 2 * t * width, t);
        Planes<Real>& c = strip.out;
#pragma omp simd
        for (int64_t i = 0; i < place.channels; ++i) {
          const Real f = -expm1_of(-rate * (c.re[i] * c.re[i] + c.im[i] * c.im[i]));
          c.re[i] *= f;
          c.im[i] *= f;
        }
        c.write(y + at + 2 * t * width, place.channels);
      }
    }
  });
  return 0;
}

// The sums over positions of one strip: in Real over a few positions, those in double.
template <class Real>
struct Sums {
  Planes<Real> few[TAPS];
  alignas(64) Real few_rate[STRIP];
  Planes<double> all[TAPS];
  double rate;

  void clear() {
    for (auto& each : few) each = {};
    std::fill(few_rate, few_rate + STRIP, Real(0));
  }
  void begin() {
    clear();
    for (auto& each : all) each = {};
    rate = 0;
  }
  void flush(int64_t count) {
    for (int64_t j = 0; j < TAPS; ++j)
      for (int64_t i = 0; i < count; ++i) {
        all[j].re[i] += few[j].re[i];
        all[j].im[i] += few[j].im[i];
      }
    for (int64_t i = 0; i < count; ++i) rate += few_rate[i];
    clear();
  }
};

// dw [batch, 4, width] and dbeta [batch, strips] are those of each row and strip, for the caller to add up.
template <class Real>
int adjoint(const Real* g, const Real* z, const Real* tail, const Real* w, const Real* beta, Real* dz, Real* dtail,
            Real* dw, Real* dbeta, int64_t batch, int64_t length, int64_t width, int64_t threads) {
  const Real rate = std::exp(*beta);
  const int64_t strips = (width + STRIP - 1) / STRIP;
  divided(batch * strips, threads, [&](int64_t begin, int64_t end, int64_t) {
    Strip<Real> strip;
    Sums<Real> sums;
    Planes<Real> dc[TAPS], given;
    for (int64_t unit = begin; unit < end; ++unit) {
      const Place place(unit, strips, width);
      const int64_t at = place.at(length, width), tail_at = place.at(TAPS - 1, width), count = place.channels;
      strip.begin(w + 2 * place.first, tail + tail_at, width, count);
      sums.begin();
      for (auto& each : dc) each = {};
      // three positions more, whose dc is 0, finish the last ones' dz
      for (int64_t t = 0; t < length + TAPS - 1; ++t) {
        Planes<Real>& now = dc[t % TAPS];
        if (t < length) {
          strip.convolve(z + at + 2 * t * width, t);
          given.read(g + at + 2 * t * width, count);
          const Planes<Real>& c = strip.out;
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) {
            const Real n = c.re[i] * c.re[i] + c.im[i] * c.im[i], less = expm1_of(-rate * n), e = less + Real(1);
            const Real s = given.re[i] * c.re[i] + given.im[i] * c.im[i], along = Real(2) * rate * e * s;
            now.re[i] = along * c.re[i] - less * given.re[i];
            now.im[i] = along * c.im[i] - less * given.im[i];
            sums.few_rate[i] += s * n * e;
          }
          for (int64_t j = 0; j < TAPS; ++j) {
            const Planes<Real>& by = strip.back(t, j);
            Planes<Real>& into = sums.few[j];
#pragma omp simd
            for (int64_t i = 0; i < count; ++i) {
              into.re[i] += now.re[i] * by.re[i] + now.im[i] * by.im[i];
              into.im[i] += now.im[i] * by.re[i] - now.re[i] * by.im[i];
            }
          }
          if (t % FLUSH == FLUSH - 1) sums.flush(count);
        } else {
          now = {};
        }
        const Planes<Real>&a = dc[(t + 1) % TAPS], &b = dc[(t + 2) % TAPS], &c = dc[(t + 3) % TAPS], &d = now;
        const Planes<Real>* taps = strip.taps;
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) {
          given.re[i] = (taps[0].re[i] * a.re[i] + taps[0].im[i] * a.im[i]) +
                        (taps[1].re[i] * b.re[i] + taps[1].im[i] * b.im[i]) +
                        (taps[2].re[i] * c.re[i] + taps[2].im[i] * c.im[i]) +
                        (taps[3].re[i] * d.re[i] + taps[3].im[i] * d.im[i]);
          given.im[i] = (taps[0].re[i] * a.im[i] - taps[0].im[i] * a.re[i]) +
                        (taps[1].re[i] * b.im[i] - taps[1].im[i] * b.re[i]) +
                        (taps[2].re[i] * c.im[i] - taps[2].im[i] * c.re[i]) +
                        (taps[3].re[i] * d.im[i] - taps[3].im[i] * d.re[i]);
        }
        // dz at t - 3, of which the first three are the tail's
        given.write(t < TAPS - 1 ? dtail + tail_at + 2 * t * width : dz + at + 2 * (t - TAPS + 1) * width, count);
      }
      sums.flush(count);
      for (int64_t j = 0; j < TAPS; ++j)
        for (int64_t i = 0; i < count; ++i) {
          Real* to = dw + place.at(TAPS, width) + 2 * (j * width + i);
          to[0] = Real(sums.all[j].re[i]);
          to[1] = Real(sums.all[j].im[i]);
        }
      dbeta[unit] = Real(sums.rate * double(rate));
    }
  });
  return 0;
}

}  // namespace

#define EXPORTED(Real, suffix)                                                                                         \
  EXPORT int taps_##suffix(const Real* z, const Real* tail, const Real* w, const Real* beta, Real* y, int64_t batch,   \
                           int64_t length, int64_t width, int64_t threads) {                                           \
    return forward(z, tail, w, beta, y, batch, length, width, threads);                                                \
  }                                                                                                                   \
  EXPORT int taps_adjoint_##suffix(const Real* g, const Real* z, const Real* tail, const Real* w, const Real* beta,    \
                                   Real* dz, Real* dtail, Real* dw, Real* dbeta, int64_t batch, int64_t length,        \
                                   int64_t width, int64_t threads) {                                                   \
    return adjoint(g, z, tail, w, beta, dz, dtail, dw, dbeta, batch, length, width, threads);                          \
  }
EXPORTED(float, f32)
EXPORTED(double, f64)
