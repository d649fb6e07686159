"""What this machine can do at best, measured in a process of its own: `python -P -m harness.measure.ceilings ORDERS`.

ORDERS is a JSON object: `device`, `threads`, `dtypes`, `passes`. Its readings go to standard output as JSON.

    (1)  copy rate  = bytes / median time of a call, the best over kernels and working sets
    (2)  GEMM rate  = f n^3 / median time of C = A B, the best over n;  f = 2 (real), 8 (complex: 4 products, 4 sums,
                      whatever algorithm the library uses)

Bytes of (1) are those the program asks for: read plus written. A store that first fetches its line from memory moves
half as much again, which is not counted: such a copy reads slower than the memory is. Therefore three kernels, of which
the fastest counts: torch's copy; on a CPU the C library's `memmove`, one slice per thread, whose streaming stores fetch
nothing; and a scalar product, which only reads. Working sets hold source and target together, 4 and 8 times the
last-level caches, so that nothing comes from there; at most a quarter of the free memory.

Matrices are filled with N(0, 1), all buffers exist before the clock starts: a floor knows no allocation. n = 512, 1024,
... as long as four calls of the next are expected to take under `PRODUCT_S`. float32 products are those of a worker:
without TF32.

A reading of a pass is a median, so that it was sustained; passes are interleaved over all kernels, because a shared
machine is fast and slow by turns, and end when the two highest readings of each agree within `AGREED`: what was reached
twice was no accident, and a disturbed machine gets more passes, `passes` at most. CUDA and XPU are timed by their
device's own clock.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import psutil

from harness.measure.clock import Clock, clock_of
from harness.measure.device_facts import fix_settings
from harness.measure.lost import Watch
from harness.measure.parent import die_with_parent

COPY_S = 0.06
"""Calls of one kernel on one working set in one pass: so long, but three at the least."""
PRODUCT_S = 0.4
CALLS = 3
MOST_CALLS = 100
AGREED = 0.05
SMALLEST, LARGEST = 512, 16384
UNKNOWN_CACHE = 64 << 20
MOST_BYTES = 8 << 30
"""Of a working set: libraries of products count elements with 32 bits."""
COPY = "copy"

Work = Callable[[], Any]


class Pass(TypedDict):
    rates: dict[str, float]
    """`copy` in bytes/s; a dtype in real FLOP/s."""
    lost_share: float | None
    """Of the pass, as `lost` reads it; None where the work is not the host's."""


def main(arguments: Sequence[str]) -> None:
    die_with_parent()
    orders = json.loads(arguments[0])
    import torch

    torch.set_num_threads(orders["threads"])
    fix_settings(orders["device"])
    torch.manual_seed(0)
    cache = cache_bytes(orders["device"])
    sizes = working_sets(cache, free_bytes(orders["device"]))
    passes = measure(orders["device"], orders["threads"], orders["dtypes"], orders["passes"], sizes)
    json.dump({"passes": passes, "cache_bytes": cache}, sys.stdout)


def measure(device: str, threads: int, dtypes: Sequence[str], passes: int, sizes: Sequence[int]) -> list[Pass]:
    """`sizes` are working sets in bytes."""
    clock, watch = clock_of(device), Watch(threads)
    found: list[Pass] = []
    with ExitStack() as pool:
        copies = [one for size in sizes for one in _copies(device, threads, size, pool)]
        for _ in range(passes):
            before = watch.read()
            rates = {COPY: max(rate(clock, work, amount, COPY_S) for work, amount in copies)}
            for dtype in dtypes:
                rates[dtype] = max(_product_rates(clock, device, dtype))
            lost = watch.between(before, watch.read()).share if device == "cpu" else None
            found.append({"rates": rates, "lost_share": lost})
            if all(agreed([one["rates"][key] for one in found]) for key in rates):
                break
    return found


def agreed(rates: Sequence[float]) -> bool:
    best = sorted(rates)[-2:]
    return len(best) == 2 and best[0] >= (1 - AGREED) * best[1]


def rate(clock: Clock, work: Work, amount: float, budget_s: float) -> float:
    """`amount` per second of one call: the median after a first call, which is timed only to choose their number."""
    (first,) = seconds(clock, work, 1)
    calls = min(max(CALLS, int(budget_s / max(first, 1e-9))), MOST_CALLS)
    return amount / median(seconds(clock, work, calls))


def seconds(clock: Clock, work: Work, calls: int) -> list[float]:
    tokens = [clock.mark()]
    for _ in range(calls):
        work()
        tokens.append(clock.mark())
    times = clock.resolve(tokens)
    return [max(later - earlier, 1e-9) for earlier, later in pairwise(times)]


def _copies(device: str, threads: int, size: int, pool: ExitStack) -> Iterator[tuple[Work, float]]:
    """Kernels on one working set, with the bytes a call moves."""
    import torch

    half = size // 2
    source = torch.ones(half // 4, dtype=torch.float32, device=device)
    target = torch.zeros_like(source)
    yield lambda: target.copy_(source), 2 * half
    yield lambda: torch.dot(source, target), 2 * half
    if device == "cpu":
        workers = pool.enter_context(ThreadPoolExecutor(threads))
        yield lambda: move(workers, threads, target.data_ptr(), source.data_ptr(), half), 2 * half


def move(workers: ThreadPoolExecutor, threads: int, target: int, source: int, size: int) -> None:
    """`memmove` in one slice per thread; ctypes lets go of the interpreter meanwhile."""
    edges = [size * part // threads // 64 * 64 for part in range(threads)] + [size]
    wait([workers.submit(ctypes.memmove, target + low, source + low, high - low) for low, high in pairwise(edges)])


def _product_rates(clock: Clock, device: str, dtype: str) -> Iterator[float]:
    """Equation (2) for one n after the other."""
    import torch

    flops = 8.0 if dtype.startswith("complex") else 2.0
    n = SMALLEST
    while n <= LARGEST:
        left, right = (torch.randn(n, n, dtype=getattr(torch, dtype), device=device) for _ in range(2))
        product = torch.empty_like(left)

        def multiply(left: Any = left, right: Any = right, product: Any = product) -> None:
            torch.mm(left, right, out=product)

        achieved = rate(clock, multiply, flops * n**3, PRODUCT_S / (1 + CALLS))
        yield achieved
        n *= 2
        if (1 + CALLS) * flops * n**3 / achieved > PRODUCT_S:
            return


def working_sets(cache: int | None, free: int) -> tuple[int, ...]:
    """Bytes of source and target together, equation (1)."""
    most = min(free // 4, MOST_BYTES)
    return tuple(sorted({min(times * (cache or UNKNOWN_CACHE), most) for times in (4, 8)}))


def cache_bytes(device: str) -> int | None:
    """Of all last-level caches of the device; None where it does not say."""
    if device == "cpu":
        return cpu_cache_bytes(Path("/sys/devices/system/cpu"))
    import torch

    backend = getattr(torch, device)
    properties = backend.get_device_properties(backend.current_device())
    size = getattr(properties, "L2_cache_size", None) or getattr(properties, "last_level_cache_size", None)
    return int(size) if size else None


def cpu_cache_bytes(folder: Path) -> int | None:
    """Linux: every cache of the highest level once, however many cores share it."""
    found: dict[tuple[int, str], int] = {}
    for index in folder.glob("cpu[0-9]*/cache/index*"):
        try:
            level = int((index / "level").read_text())
            shared = (index / "shared_cpu_list").read_text().strip()
            found[level, shared] = int((index / "size").read_text().strip().removesuffix("K")) << 10
        except (OSError, ValueError):
            continue
    last = max((level for level, _ in found), default=0)
    return sum(size for (level, _), size in found.items() if level == last) or None


def free_bytes(device: str) -> int:
    if device == "cpu":
        return int(psutil.virtual_memory().available)
    import torch

    free, _ = getattr(torch, device).mem_get_info()
    return int(free)


if __name__ == "__main__":
    main(sys.argv[1:])
