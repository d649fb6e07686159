// The unitary gate (`gates`) on tokens of complex numbers in blocks of 8, one block m at a time:
//
//     (1) v = U^H z,  e_k = exp(i c phi_k),  c = 1 / (1 + exp(-logit)),  w = e v,  out = U w
//     (2) adjoint, g = dL/dout:  dw = U^H g,  dv = conj(e) dw,  dz = U dv
//         da_k = Im(dw_k conj(w_k)),  dlogit = c (1 - c) sum_k phi_k da_k,  dphi_k = sum_tokens c da_k
//         dU_jk = sum_tokens g_j conj(w_k) + z_j conj(dv_k)
//
// Shapes: z, out [tokens, blocks, 8] and U [blocks, 8, 8] complex; logits [tokens, blocks], phi [blocks, 8] real.
// Tokens are taken a few at a time, and within them block after block, so that a block's matrices are read once for all
// of them. Vectors are written out: a row of 8 complex numbers is one of 16, its real parts first, on which a complex
// product is two real ones; the compiler on its own finds vectors of 8 at the most, and shuffles.
#include <new>
#include <vector>

#include "elementary.h"
#include "parallel.h"

namespace {

constexpr int64_t B = 8, CHUNK = 8;

template <class Real>
struct Vectors {
  typedef Real Eight __attribute__((vector_size(B * sizeof(Real))));
  typedef Real Sixteen __attribute__((vector_size(2 * B * sizeof(Real))));
};
template <class Real>
using Eight = typename Vectors<Real>::Eight;
template <class Real>
using Sixteen = typename Vectors<Real>::Sixteen;

template <class Vector, class Real>
inline void read(const Real* from, Vector& to) {
  std::memcpy(&to, from, sizeof(to));
}

// 8 complex numbers, first the real parts, then the imaginary ones
template <class Real>
struct Row {
  alignas(64) Real part[2 * B];

  explicit Row(const Sixteen<Real>& both) { std::memcpy(part, &both, sizeof(part)); }
  Row(const Eight<Real>& re, const Eight<Real>& im) {
    std::memcpy(part, &re, sizeof(re));
    std::memcpy(part + B, &im, sizeof(im));
  }
  void parts(Eight<Real>& re, Eight<Real>& im) const {
    read(part, re);
    read(part + B, im);
  }
};

// real and imaginary parts in turn
template <class Real>
inline Sixteen<Real> in_turn(const Sixteen<Real>& row) {
#ifdef __clang__
  return __builtin_shufflevector(row, row, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  typedef typename Format<Real>::Integer Places __attribute__((vector_size(2 * B * sizeof(Real))));
  return __builtin_shuffle(row, Places{0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15});
#endif
}

// U of one block, prepared for products whose result is a row: what its number jk adds, times a real and an imaginary
// part, to all k at once (U^H z), and to all j at once (U w)
template <class Real>
struct Matrix {
  Sixteen<Real> of_re[B], of_im[B], to_re[B], to_im[B];

  explicit Matrix(const Real* U) {
    for (int64_t j = 0; j < B; ++j)
      for (int64_t k = 0; k < B; ++k) {
        const Real re = U[2 * (j * B + k)], im = U[2 * (j * B + k) + 1];
        of_re[j][k] = of_im[j][B + k] = to_re[k][j] = to_im[k][B + j] = re;
        of_im[j][k] = to_re[k][B + j] = im;
        of_re[j][B + k] = to_im[k][j] = -im;
      }
  }

  // U^H z, z as it lies
  inline Row<Real> turned_back(const Real* z) const {
    Sixteen<Real> even = of_re[0] * z[0], odd = of_im[0] * z[1];
    for (int64_t j = 1; j < B; ++j) {
      even += of_re[j] * z[2 * j];
      odd += of_im[j] * z[2 * j + 1];
    }
    return Row<Real>(even + odd);
  }

  // U w
  inline void turn(const Row<Real>& w, Real* out) const {
    Sixteen<Real> even = to_re[0] * w.part[0], odd = to_im[0] * w.part[B];
    for (int64_t k = 1; k < B; ++k) {
      even += to_re[k] * w.part[k];
      odd += to_im[k] * w.part[B + k];
    }
    even += odd;
    even = in_turn<Real>(even);
    std::memcpy(out, &even, sizeof(even));
  }
};

// c, and e as cosine and sine, of a few tokens
template <class Real>
inline void turns(const Real* logits, const Real* phi, int64_t tokens, int64_t blocks, Real* c, Real* angle,
                  Real* cosine, Real* sine) {
#pragma omp simd
  for (int64_t i = 0; i < tokens * blocks; ++i) c[i] = logistic_of(logits[i]);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t m = 0; m < blocks; ++m)
      for (int64_t k = 0; k < B; ++k) angle[(t * blocks + m) * B + k] = c[t * blocks + m] * phi[m * B + k];
  turned(angle, sine, cosine, tokens * blocks * B);
}

template <class Real>
int gate(const Real* z, const Real* logits, const Real* U, const Real* phi, Real* out, int64_t tokens, int64_t blocks,
         int64_t threads) {
  const int64_t width = blocks * B, plane = CHUNK * width, own = 3 * plane + CHUNK * blocks;
  std::vector<Real> scratch;
  std::vector<Matrix<Real>> matrices;
  try {
    scratch.resize(std::max<int64_t>(1, threads) * own);
    for (int64_t m = 0; m < blocks; ++m) matrices.emplace_back(U + m * 2 * B * B);
  } catch (const std::bad_alloc&) {
    return 1;
  }
  divided(tokens, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    Real *angle = scratch.data() + thread * own, *cosine = angle + plane, *sine = cosine + plane, *c = sine + plane;
    for (int64_t first = begin; first < end; first += CHUNK) {
      const int64_t count = std::min(CHUNK, end - first);
      turns(logits + first * blocks, phi, count, blocks, c, angle, cosine, sine);
      for (int64_t m = 0; m < blocks; ++m) {
        const Matrix<Real> matrix = matrices[m];
        for (int64_t t = 0; t < count; ++t) {
          const int64_t at = t * width + m * B, own_at = 2 * (first * width + at);
          Eight<Real> v_re, v_im, e_re, e_im;
          matrix.turned_back(z + own_at).parts(v_re, v_im);
          read(cosine + at, e_re);
          read(sine + at, e_im);
          matrix.turn(Row<Real>(e_re * v_re - e_im * v_im, e_re * v_im + e_im * v_re), out + own_at);
        }
      }
    }
  });
  return 0;
}

// What one thread sums over its tokens, for each block: dU as planes [8, 2, 8], then dphi [8].
constexpr int64_t SUMS = 2 * B * B + B;

template <class Real>
int gate_adjoint(const Real* g, const Real* z, const Real* logits, const Real* U, const Real* phi, Real* dz,
                 Real* dlogits, Real* dU, Real* dphi, int64_t tokens, int64_t blocks, int64_t threads) {
  threads = std::max<int64_t>(1, std::min(threads, tokens));
  const int64_t width = blocks * B, plane = CHUNK * width, own = 3 * plane + CHUNK * blocks;
  std::vector<Real> scratch;
  std::vector<double> sums;
  std::vector<Matrix<Real>> matrices;
  try {
    scratch.resize(threads * own);
    sums.resize(threads * blocks * SUMS);
    for (int64_t m = 0; m < blocks; ++m) matrices.emplace_back(U + m * 2 * B * B);
  } catch (const std::bad_alloc&) {
    return 1;
  }
  divided(tokens, threads, [&](int64_t begin, int64_t end, int64_t thread) {
    Real *angle = scratch.data() + thread * own, *cosine = angle + plane, *sine = cosine + plane, *c = sine + plane;
    for (int64_t first = begin; first < end; first += CHUNK) {
      const int64_t count = std::min(CHUNK, end - first);
      turns(logits + first * blocks, phi, count, blocks, c, angle, cosine, sine);
      for (int64_t m = 0; m < blocks; ++m) {
        const Matrix<Real> matrix = matrices[m];
        Sixteen<Real> of_U[B] = {};
        Eight<Real> of_phi = {}, phi_m;
        read(phi + m * B, phi_m);
        for (int64_t t = 0; t < count; ++t) {
          const int64_t at = t * width + m * B;
          const Real *z_t = z + 2 * (first * width + at), *g_t = g + 2 * (first * width + at);
          Eight<Real> v_re, v_im, e_re, e_im, dw_re, dw_im;
          matrix.turned_back(z_t).parts(v_re, v_im);
          matrix.turned_back(g_t).parts(dw_re, dw_im);
          read(cosine + at, e_re);
          read(sine + at, e_im);
          const Eight<Real> w_re = e_re * v_re - e_im * v_im, w_im = e_re * v_im + e_im * v_re;
          const Eight<Real> dv_re = e_re * dw_re + e_im * dw_im, dv_im = e_re * dw_im - e_im * dw_re;
          const Eight<Real> da = dw_im * w_re - dw_re * w_im, along = phi_m * da;
          const Row<Real> w(w_re, -w_im), dv(dv_re, -dv_im), w_turned(w_im, w_re), dv_turned(dv_im, dv_re);
          Sixteen<Real> by_re, by_im, by_dv_re, by_dv_im;
          read(w.part, by_re);
          read(w_turned.part, by_im);
          read(dv.part, by_dv_re);
          read(dv_turned.part, by_dv_im);
          for (int64_t j = 0; j < B; ++j) {
            of_U[j] += by_re * g_t[2 * j];
            of_U[j] += by_im * g_t[2 * j + 1];
            of_U[j] += by_dv_re * z_t[2 * j];
            of_U[j] += by_dv_im * z_t[2 * j + 1];
          }
          const Real share = c[t * blocks + m];
          of_phi += da * share;
          Real sum = 0;
          for (int64_t k = 0; k < B; ++k) sum += along[k];
          dlogits[(first + t) * blocks + m] = share * (1 - share) * sum;
          matrix.turn(Row<Real>(dv_re, dv_im), dz + 2 * (first * width + at));
        }
        double* into = sums.data() + (thread * blocks + m) * SUMS;
        for (int64_t j = 0; j < B; ++j)
          for (int64_t k = 0; k < 2 * B; ++k) into[j * 2 * B + k] += of_U[j][k];
        for (int64_t k = 0; k < B; ++k) into[2 * B * B + k] += of_phi[k];
      }
    }
  });
  for (int64_t m = 0; m < blocks; ++m)
    for (int64_t i = 0; i < SUMS; ++i) {
      double sum = 0;
      for (int64_t thread = 0; thread < threads; ++thread) sum += sums[(thread * blocks + m) * SUMS + i];
      if (i >= 2 * B * B)
        dphi[m * B + i - 2 * B * B] = Real(sum);
      else
        dU[2 * (m * B * B + i / (2 * B) * B + i % B) + i / B % 2] = Real(sum);
    }
  return 0;
}

}  // namespace

#define UNITARY(Real, suffix)                                                                                         \
  EXPORT int unitary_##suffix(const Real* z, const Real* logits, const Real* U, const Real* phi, Real* out,            \
                              int64_t tokens, int64_t blocks, int64_t threads) {                                       \
    return gate(z, logits, U, phi, out, tokens, blocks, threads);                                                      \
  }                                                                                                                   \
  EXPORT int unitary_adjoint_##suffix(const Real* g, const Real* z, const Real* logits, const Real* U,                 \
                                      const Real* phi, Real* dz, Real* dlogits, Real* dU, Real* dphi, int64_t tokens,  \
                                      int64_t blocks, int64_t threads) {                                               \
    return gate_adjoint(g, z, logits, U, phi, dz, dlogits, dU, dphi, tokens, blocks, threads);                         \
  }
UNITARY(float, f32)
UNITARY(double, f64)
