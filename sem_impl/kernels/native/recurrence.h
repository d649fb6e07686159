// What a recurrence along positions needs: who works on which channels, where their numbers lie, and what is
// carried from position to position.
//
// A field of B S positions of D channels lies as complex numbers, or as two planes `apart` real numbers from one
// another, all of Re, then all of Im (apart = 0: complex numbers). Rows of channels stream through, position after
// position; what is carried lies in L1. Work is shared by batch row and strip of channels.
#pragma once
#include <new>
#include <vector>

#include "parallel.h"

namespace {

// Vectors that begin where a vector register's memory does.
template <class Real>
struct Aligned {
  using value_type = Real;
  Aligned() = default;
  template <class Other>
  explicit Aligned(const Aligned<Other>&) {}
  Real* allocate(size_t count) {
    return static_cast<Real*>(::operator new(count * sizeof(Real), std::align_val_t(64)));
  }
  void deallocate(Real* at, size_t) { ::operator delete(at, std::align_val_t(64)); }
  bool operator==(const Aligned&) const { return true; }
  bool operator!=(const Aligned&) const { return false; }
};
template <class Real>
using Scratch = std::vector<Real, Aligned<Real>>;

constexpr int64_t WIDEST = 1024;    // channels of a strip: what is carried and formed for them fits in L1
constexpr int64_t LANES = 16;       // strips begin at whole vectors
constexpr int64_t WORTH = 1 << 14;  // numbers below which a second thread costs more than it brings

struct Sizes {
  int64_t batch, length, channels, apart;
};

struct Strip {
  int64_t row, first, count;
};

// body(strip) on every batch row and strip of channels
template <class Body>
void over_strips(const Sizes& sizes, int64_t threads, const Body& body) {
  if (sizes.batch * sizes.length * sizes.channels < WORTH) threads = 1;
  const int64_t wanted = std::max(sizes.batch % threads ? threads : 1, (sizes.channels + WIDEST - 1) / WIDEST);
  const int64_t share = (sizes.channels + wanted - 1) / wanted;
  const int64_t width = std::max((share + LANES - 1) / LANES * LANES, LANES);
  const int64_t strips = (sizes.channels + width - 1) / width;
  divided(sizes.batch * strips, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t each = begin; each < end; ++each) {
      const int64_t first = each % strips * width;
      body(Strip{each / strips, first, std::min(width, sizes.channels - first)});
    }
  });
}

// Channel k of a row: [Step * k] and, of its imaginary part, [Step * k + im].
template <int Step>
struct Rows {
  explicit Rows(const Sizes& sizes) : sizes(sizes), im(Step == 2 ? 1 : sizes.apart) {}
  int64_t at(const Strip& strip, int64_t position) const {
    return Step * ((strip.row * sizes.length + position) * sizes.channels + strip.first);
  }
  const Sizes sizes;
  const int64_t im;
};

// What belongs to no position, [B, D]; its planes lie apart by its own size.
template <int Step>
struct Single {
  explicit Single(const Sizes& sizes) : channels(sizes.channels), im(Step == 2 ? 1 : sizes.batch * sizes.channels) {}
  int64_t at(const Strip& strip) const { return Step * (strip.row * channels + strip.first); }
  const int64_t channels, im;
};

// Asks for the lines of `count` numbers that are about to be written: stores wait for theirs one after another.
template <class Real>
inline void ask(const Real* row, int64_t count) {
  for (int64_t k = 0; k < count; k += 64 / sizeof(Real)) __builtin_prefetch(row + k, 1);
}

// Those of a position's channels, complex or in planes.
template <int Step, class Real>
inline void ask(const Real* row, int64_t channels, int64_t im) {
  ask(row, Step * channels);
  if (Step == 1) ask(row + im, channels);
}

template <class Real>
struct Carried {
  explicit Carried(int64_t count) : re(count), im(count) {}
  template <int Step>
  void read(const Real* from, int64_t apart) {
    for (size_t k = 0; k < re.size(); ++k) {
      re[k] = from[Step * k];
      im[k] = from[Step * k + apart];
    }
  }
  template <int Step>
  void write(Real* to, int64_t apart) const {
    for (size_t k = 0; k < re.size(); ++k) {
      to[Step * k] = re[k];
      to[Step * k + apart] = im[k];
    }
  }
  Scratch<Real> re, im;
};

}  // namespace
