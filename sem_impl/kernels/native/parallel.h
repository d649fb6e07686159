// What every kernel shares: how work is divided among threads, and the export of one function for each precision.
#pragma once
#include <algorithm>
#include <cstdint>
#if defined(SEMH_STD_THREADS)
#include <thread>
#include <vector>
#elif defined(_OPENMP)
#include <omp.h>
#endif

#define EXPORT extern "C" __attribute__((visibility("default")))

// body(begin, end, thread) on contiguous shares of [0, count), one share a thread. Shares depend on `threads` alone, so
// that equal calls give equal bits. SEMH_STD_THREADS: threads that the thread sanitizer sees, which OpenMP's are not.
template <class Body>
inline void divided(int64_t count, int64_t threads, const Body& body) {
  threads = std::max<int64_t>(1, std::min(threads, count));
#if defined(SEMH_STD_THREADS)
  std::vector<std::thread> team;
  for (int64_t share = 0; share < threads; ++share)
    team.emplace_back([&, share] { body(count * share / threads, count * (share + 1) / threads, share); });
  for (std::thread& each : team) each.join();
#else
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(static_cast<int>(threads))
    {
      // fewer may have come than were asked for
      const int64_t present = omp_get_num_threads(), me = omp_get_thread_num();
      for (int64_t share = me; share < threads; share += present)
        body(count * share / threads, count * (share + 1) / threads, share);
    }
    return;
  }
#endif
  for (int64_t share = 0; share < threads; ++share)
    body(count * share / threads, count * (share + 1) / threads, share);
#endif
}
