// The linear recurrence of the mixer and its adjoint: equations (1) to (3) of `scan`, with given transitions here, with
// transitions formed where they are used in `selective.h`. No sum crosses strips but those over batch rows, which are
// added in their order at the end, so that threads change no bit.
#include "selective.h"

namespace {

template <class Real, int Step>
void recur(const Real* A, const Real* u, const Real* before, Real* h, const Sizes& sizes, int64_t threads) {
  const Rows<Step> rows(sizes);
  const Single<Step> single(sizes);
  const int64_t im = Step == 2 ? 1 : rows.im;
  over_strips(sizes, threads, [&](const Strip& strip) {
    Carried<Real> carried(strip.count);
    carried.template read<Step>(before + single.at(strip), single.im);
    Real* __restrict re_h = carried.re.data();
    Real* __restrict im_h = carried.im.data();
    for (int64_t t = 0; t < sizes.length; ++t) {
      const int64_t here = rows.at(strip, t);
      const Real* __restrict A_t = A + here;
      const Real* __restrict u_t = u + here;
      Real* __restrict h_t = h + here;
      ask<Step>(h_t, strip.count, im);
#pragma omp simd
      for (int64_t k = 0; k < strip.count; ++k) {
        const Real a = A_t[Step * k], b = A_t[Step * k + im], re = re_h[k], i = im_h[k];
        h_t[Step * k] = re_h[k] = u_t[Step * k] + a * re - b * i;
        h_t[Step * k + im] = im_h[k] = u_t[Step * k + im] + a * i + b * re;
      }
    }
  });
}

template <class Real, int Step>
void recur_adjoint(const Real* A, const Real* h, const Real* before, const Real* g, Real* dA, Real* du, Real* dbefore,
                   const Sizes& sizes, int64_t threads) {
  const Rows<Step> rows(sizes);
  const Single<Step> single(sizes);
  const int64_t im = Step == 2 ? 1 : rows.im;
  over_strips(sizes, threads, [&](const Strip& strip) {
    Carried<Real> carried(strip.count);  // conj(A_(t+1)) gb_(t+1)
    Real* __restrict re_w = carried.re.data();
    Real* __restrict im_w = carried.im.data();
    for (int64_t t = sizes.length - 1; t >= 0; --t) {
      const int64_t here = rows.at(strip, t);
      const int64_t im_was = t ? im : Step == 2 ? 1 : single.im;
      const Real* __restrict was = t ? h + rows.at(strip, t - 1) : before + single.at(strip);
      const Real* __restrict A_t = A + here;
      const Real* __restrict g_t = g + here;
      Real* __restrict dA_t = dA + here;
      Real* __restrict du_t = du + here;
      ask<Step>(dA_t, strip.count, im);
      ask<Step>(du_t, strip.count, im);
#pragma omp simd
      for (int64_t k = 0; k < strip.count; ++k) {
        const Real a = A_t[Step * k], b = A_t[Step * k + im], c = was[Step * k], d = was[Step * k + im_was];
        const Real re = g_t[Step * k] + re_w[k], i = g_t[Step * k + im] + im_w[k];
        du_t[Step * k] = re;
        du_t[Step * k + im] = i;
        dA_t[Step * k] = re * c + i * d;
        dA_t[Step * k + im] = i * c - re * d;
        re_w[k] = a * re + b * i;
        im_w[k] = a * i - b * re;
      }
    }
    carried.template write<Step>(dbefore + single.at(strip), single.im);
  });
}

template <class Real>
int scan(const Real* A, const Real* u, const Real* before, Real* h, Sizes sizes, int64_t threads) {
  (sizes.apart ? recur<Real, 1> : recur<Real, 2>)(A, u, before, h, sizes, threads);
  return 0;
}

template <class Real>
int scan_adjoint(const Real* A, const Real* h, const Real* before, const Real* g, Real* dA, Real* du, Real* dbefore,
                 Sizes sizes, int64_t threads) {
  (sizes.apart ? recur_adjoint<Real, 1> : recur_adjoint<Real, 2>)(A, h, before, g, dA, du, dbefore, sizes, threads);
  return 0;
}

template <class Real>
int selective(const Real* x, const Real* rate, const Real* theta, const Real* drive, const Real* before, Real* h,
              Sizes sizes, int64_t threads) {
  (sizes.apart ? select<Real, 1> : select<Real, 2>)(x, rate, theta, drive, before, h, sizes, threads);
  return 0;
}

template <class Real>
int selective_adjoint(const Real* x, const Real* rate, const Real* theta, const Real* drive, const Real* h,
                      const Real* before, const Real* g, Real* dx, Real* drate, Real* dtheta, Real* ddrive,
                      Real* dbefore, Sizes sizes, int64_t threads) {
  const int64_t plane = sizes.batch * sizes.channels;
  std::vector<double> sums(2 * plane);
  (sizes.apart ? select_adjoint<Real, 1> : select_adjoint<Real, 2>)(x, rate, theta, drive, h, before, g, dx, ddrive,
                                                                    dbefore, sums.data(), sizes, threads);
  for (int64_t k = 0; k < sizes.channels; ++k) {
    double of_rate = 0, of_theta = 0;
    for (int64_t at = k; at < plane; at += sizes.channels) {
      of_rate += sums[at];
      of_theta += sums[plane + at];
    }
    drate[k] = Real(of_rate);
    dtheta[k] = Real(of_theta);
  }
  return 0;
}

}  // namespace

#define SCAN(Real, suffix)                                                                                            \
  EXPORT int scan_##suffix(const Real* A, const Real* u, const Real* before, Real* h, int64_t batch, int64_t length,  \
                           int64_t channels, int64_t apart, int64_t threads) {                                        \
    return scan(A, u, before, h, {batch, length, channels, apart}, threads);                                          \
  }                                                                                                                   \
  EXPORT int scan_adjoint_##suffix(const Real* A, const Real* h, const Real* before, const Real* g, Real* dA,         \
                                   Real* du, Real* dbefore, int64_t batch, int64_t length, int64_t channels,          \
                                   int64_t apart, int64_t threads) {                                                  \
    return scan_adjoint(A, h, before, g, dA, du, dbefore, {batch, length, channels, apart}, threads);                 \
  }                                                                                                                   \
  EXPORT int selective_##suffix(const Real* x, const Real* rate, const Real* theta, const Real* drive,                \
                                const Real* before, Real* h, int64_t batch, int64_t length, int64_t channels,         \
                                int64_t apart, int64_t threads) {                                                     \
    return selective(x, rate, theta, drive, before, h, {batch, length, channels, apart}, threads);                    \
  }                                                                                                                   \
  EXPORT int selective_adjoint_##suffix(const Real* x, const Real* rate, const Real* theta, const Real* drive,        \
                                        const Real* h, const Real* before, const Real* g, Real* dx, Real* drate,      \
                                        Real* dtheta, Real* ddrive, Real* dbefore, int64_t batch, int64_t length,     \
                                        int64_t channels, int64_t apart, int64_t threads) {                           \
    return selective_adjoint(x, rate, theta, drive, h, before, g, dx, drate, dtheta, ddrive, dbefore,                 \
                             {batch, length, channels, apart}, threads);                                              \
  }

SCAN(float, f32)
SCAN(double, f64)
