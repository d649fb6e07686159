// What the drivers of the native kernels share. A driver includes one kernel's source, so that the compiler checks its
// calls, runs every exported function over many shapes, and is built with sanitizers (tests/test_native_sanitizers.py).
// Arrays lie alone on the heap, at their exact length: one entry too far is an error.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <memory>
#include <random>

inline std::mt19937 random_numbers(0);

template <class Entry>
struct Array {
  int64_t count;
  std::unique_ptr<Entry[]> entries;

  // for what a kernel writes: NaN (-1 in whole numbers) shows what it left out
  explicit Array(int64_t count) : count(count), entries(new Entry[count]) {
    const Entry unwritten = std::numeric_limits<Entry>::has_quiet_NaN ? std::numeric_limits<Entry>::quiet_NaN() : Entry(-1);
    std::fill(begin(), end(), unwritten);
  }

  Array(int64_t count, double least, double most) : Array(count) {
    std::uniform_real_distribution<double> numbers(least, most);
    for (Entry& each : *this) each = static_cast<Entry>(numbers(random_numbers));
  }

  Entry* begin() { return entries.get(); }
  Entry* end() { return entries.get() + count; }
  operator Entry*() { return entries.get(); }

  Array& spoil(double with) {
    if (count) entries[random_numbers() % count] = static_cast<Entry>(with);
    return *this;
  }

  void expect_written(const char* what) {
    for (const Entry& each : *this)
      if (!(std::isfinite(static_cast<double>(each)) && (std::numeric_limits<Entry>::has_quiet_NaN || each != Entry(-1)))) {
        std::fprintf(stderr, "%s: an entry was not written, or is not finite\n", what);
        std::exit(1);
      }
  }
};

inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

inline const double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();
inline const double INFINITE = std::numeric_limits<double>::infinity();
