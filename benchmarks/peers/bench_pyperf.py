"""The cases under pyperf: its own processes per benchmark, all of side A before side B, as `compare_to` is used."""

from __future__ import annotations

import pyperf

from benchmarks.peers.cases import CALLS, NAMES, PROCESSES, WARM_UPS, case

if __name__ == "__main__":
    runner = pyperf.Runner(processes=PROCESSES, values=CALLS, warmups=WARM_UPS, loops=1)
    for name in NAMES:
        runner.bench_func(name, case(name))
