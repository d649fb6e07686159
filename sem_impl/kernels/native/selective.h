// The recurrence whose transitions are formed where they are used, and its adjoint: `semh::selective_scan` (`scan.py`).
#pragma once
#include "elementary.h"
#include "recurrence.h"

namespace {

constexpr int64_t BLOCK = 64;     // positions whose sums are formed in Real
constexpr double THRESHOLD = 20;  // torch's softplus is the identity beyond

// Of one position: step s = softplus(x), its slope for the adjoint, transition A = exp(s (-rate + i theta)). In two
// loops: in one, the chain of three elementary functions takes twice as long.
template <class Real, bool Slope>
struct Transitions {
  explicit Transitions(int64_t count) : step(count), slope(Slope ? count : 0), re(count), im(count) {}

  void form(const Real* __restrict x, const Real* __restrict rate, const Real* __restrict theta) {
    const int64_t count = step.size();
    Real* __restrict s = step.data();
    Real* __restrict slopes = slope.data();
    Real* __restrict a = re.data();
    Real* __restrict b = im.data();
    Real widest = 0;
#pragma omp simd reduction(max : widest)
    for (int64_t k = 0; k < count; ++k) {
      const Real e = exp_of(-std::fabs(x[k]));
      const Real rising = (x[k] < Real(0) ? Real(0) : x[k]) + log_above_one(e);
      s[k] = x[k] > Real(THRESHOLD) ? x[k] : rising;
      if (Slope) slopes[k] = x[k] > Real(THRESHOLD) ? Real(1) : (x[k] < Real(0) ? e : Real(1)) / (Real(1) + e);
      const Real angle = std::fabs(s[k] * theta[k]);
      widest = angle > widest ? angle : widest;
    }
    if (widest <= turnable<Real>) {
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) {
        const Real magnitude = exp_of(-s[k] * rate[k]);
        Real sine, cosine;
        sincos_of(s[k] * theta[k], sine, cosine);
        a[k] = magnitude * cosine;
        b[k] = magnitude * sine;
      }
    } else {
      for (int64_t k = 0; k < count; ++k) {
        const Real magnitude = std::exp(-s[k] * rate[k]);
        a[k] = magnitude * std::cos(s[k] * theta[k]);
        b[k] = magnitude * std::sin(s[k] * theta[k]);
      }
    }
  }

  Scratch<Real> step, slope, re, im;
};

template <class Real, int Step>
void select(const Real* x, const Real* rate, const Real* theta, const Real* drive, const Real* before, Real* h,
            const Sizes& sizes, int64_t threads) {
  const Rows<Step> rows(sizes);
  const Single<Step> single(sizes);
  const int64_t im = Step == 2 ? 1 : rows.im;
  over_strips(sizes, threads, [&](const Strip& strip) {
    Transitions<Real, false> A(strip.count);
    Carried<Real> carried(strip.count);
    carried.template read<Step>(before + single.at(strip), single.im);
    Real* __restrict re_h = carried.re.data();
    Real* __restrict im_h = carried.im.data();
    for (int64_t t = 0; t < sizes.length; ++t) {
      const int64_t here = rows.at(strip, t);
      A.form(x + here / Step, rate + strip.first, theta + strip.first);
      const Real* __restrict s = A.step.data();
      const Real* __restrict re_A = A.re.data();
      const Real* __restrict im_A = A.im.data();
      const Real* __restrict y_t = drive + here;
      Real* __restrict h_t = h + here;
#pragma omp simd
      for (int64_t k = 0; k < strip.count; ++k) {
        const Real a = re_A[k], b = im_A[k], re = re_h[k], i = im_h[k];
        h_t[Step * k] = re_h[k] = s[k] * y_t[Step * k] + a * re - b * i;
        h_t[Step * k + im] = im_h[k] = s[k] * y_t[Step * k + im] + a * i + b * re;
      }
    }
  });
}

// With gb and w = conj(A_t) gb_t as in the recurrence's adjoint: A_t = exp(s (-rate + i theta)) gets its gradient as
// q = conj(w) h_(t-1), so that ds = -rate Re q - theta Im q + Re(conj(gb) y), d rate = -s Re q, d theta = -s Im q.
// sums: [2, B, D], of the last two over positions.
template <class Real, int Step>
void select_adjoint(const Real* x, const Real* rate, const Real* theta, const Real* drive, const Real* h,
                    const Real* before, const Real* g, Real* dx, Real* ddrive, Real* dbefore, double* sums,
                    const Sizes& sizes, int64_t threads) {
  const Rows<Step> rows(sizes);
  const Single<Step> single(sizes);
  const int64_t im = Step == 2 ? 1 : rows.im;
  over_strips(sizes, threads, [&](const Strip& strip) {
    Transitions<Real, true> A(strip.count);
    Carried<Real> carried(strip.count), block(strip.count);
    Real* __restrict re_w = carried.re.data();
    Real* __restrict im_w = carried.im.data();
    Real* __restrict of_rate = block.re.data();
    Real* __restrict of_theta = block.im.data();
    double* __restrict sum_rate = sums + strip.row * sizes.channels + strip.first;
    double* __restrict sum_theta = sum_rate + sizes.batch * sizes.channels;
    const Real* __restrict r = rate + strip.first;
    const Real* __restrict turn = theta + strip.first;
    for (int64_t t = sizes.length - 1; t >= 0; --t) {
      const int64_t here = rows.at(strip, t);
      const int64_t im_was = t ? im : Step == 2 ? 1 : single.im;
      Real* __restrict dx_t = dx + here / Step;
      Real* __restrict dy_t = ddrive + here;
      ask(dx_t, strip.count);
      ask<Step>(dy_t, strip.count, im);
      A.form(x + here / Step, r, turn);
      const Real* __restrict s = A.step.data();
      const Real* __restrict re_A = A.re.data();
      const Real* __restrict im_A = A.im.data();
      const Real* __restrict was = t ? h + rows.at(strip, t - 1) : before + single.at(strip);
      const Real* __restrict slope = A.slope.data();
      const Real* __restrict y_t = drive + here;
      const Real* __restrict g_t = g + here;
#pragma omp simd
      for (int64_t k = 0; k < strip.count; ++k) {
        const Real c = was[Step * k], d = was[Step * k + im_was];
        const Real re = g_t[Step * k] + re_w[k], i = g_t[Step * k + im] + im_w[k];
        const Real p = re_A[k] * re + im_A[k] * i, q = re_A[k] * i - im_A[k] * re;
        const Real re_q = p * c + q * d, im_q = p * d - q * c;
        const Real ds = re * y_t[Step * k] + i * y_t[Step * k + im] - r[k] * re_q - turn[k] * im_q;
        dx_t[k] = slope[k] * ds;
        dy_t[Step * k] = s[k] * re;
        dy_t[Step * k + im] = s[k] * i;
        of_rate[k] -= s[k] * re_q;
        of_theta[k] -= s[k] * im_q;
        re_w[k] = p;
        im_w[k] = q;
      }
      if (t % BLOCK == 0) {
        for (int64_t k = 0; k < strip.count; ++k) {
          sum_rate[k] += of_rate[k];
          sum_theta[k] += of_theta[k];
          of_rate[k] = of_theta[k] = 0;
        }
      }
    }
    carried.template write<Step>(dbefore + single.at(strip), single.im);
  });
}

}  // namespace
