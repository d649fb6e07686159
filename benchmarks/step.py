"""Where a call of `sem` spends its time and its memory: products of matrices, and everything beside them.

    python -m benchmarks.step                                                  (size small, variant all_on, one thread)
    python -m benchmarks.step --size document --variant status_quo --set loss=chunked --threads 2
    python -m benchmarks.step --size document --variant beyond --processes 5

With --processes, that many fresh processes of status_quo and of the variant take turns, one watched call each, and what
the goals of docs/goals.md speak of is printed with medians and intervals over processes, as a table in Markdown.

Batch 1, gradients set to None before each call. After calls that warm up: time, page faults and peak memory of a few
calls as they are, then one call under torch's profiler, whose operators are summed by what they are and by stage.

    products   own time of the operators that multiply dense matrices
    operators  own time of all others
    between    time of the call in no operator: Python, the autograd engine, what watching costs, and native operators
               of a forward pass under autograd, which the profiler does not see
    beside     all but the products: no less than an unwatched call has

Peak memory is resident memory above what the process holds before a call; gradients are made in it, so those of the
parameters are taken off once. The allocator is told to keep its memory unless `--allocator default`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

PRODUCTS = ("mm", "addmm", "addmm_", "bmm", "baddbmm", "mv", "addmv", "linear", "mkldnn_linear", "_addmm_activation")
SPARSE = ("addmm", "addmm_")  # in the propagator, whose dense products have no addend
KINDS = {
    "copy": ("copy_", "cat", "stack", "clone", "contiguous", "_to_copy", "conj_physical", "_conj_physical", "roll"),
    "fill": ("fill_", "zero_", "zeros_like", "zeros", "new_zeros", "masked_fill_", "full_like", "full"),
    "sum": ("sum", "mean", "linalg_vector_norm", "logsumexp", "_log_softmax", "_softmax", "max", "amax", "any"),
    "function": ("exp", "exp_", "expm1", "log", "log_", "cos", "sin", "softplus", "sigmoid", "rsqrt", "sqrt", "pow"),
    "place": ("gather", "scatter", "scatter_add_", "index", "index_select", "embedding", "embedding_dense_backward"),
    "empty": ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "resize_"),
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
SHOWN = 24
MIB = 2**20
STAGE = "stage "
BASELINE = "status_quo"
Sums = dict[tuple[str, str], list[float]]
"""(stage, operator) -> [own ms, calls]"""


def kind_of(stage: str, name: str) -> str:
    """Of an operator by its full name, aten::mm."""
    library, _, short = name.partition("::")
    if library == "semh":
        return "native"
    if stage.startswith("propagator") and short in SPARSE:
        return "sparse"
    return "product" if short in PRODUCTS else KIND_OF.get(short, "pointwise" if library == "aten" else "engine")


def model_of(options: argparse.Namespace) -> tuple[Any, Any]:
    from sem_impl.system import SEM

    variant = SEM.variants[options.variant] | dict(each.split("=") for each in options.set)
    conditions = {each.name: each.default for each in SEM.conditions} | SEM.sizes[options.size] | {"batch_size": 1}
    conditions |= {name: float(value) for name, value in (each.split("=") for each in options.conditions)}
    return SEM.build(variant, conditions, 0), SEM.batch(conditions, 0)


def call(model: Any, batch: Any, mode: str) -> None:
    from sem_impl.system import SEM

    model.zero_grad(set_to_none=True)
    output = SEM.run(model, batch, mode)
    if output.loss is not None:
        output.loss.backward()


def watch(model: Any, stages: Iterable[str]) -> None:
    """Marks in the profile where a stage begins; its backward pass begins when its output's gradient is there."""
    from torch import Tensor
    from torch.autograd.profiler import record_function
    from torch.utils._pytree import tree_leaves

    def mark(name: str) -> None:
        with record_function(STAGE + name):
            pass

    def hook(name: str) -> None:
        def end(_: Any, __: Any, output: Any) -> None:
            mark("")
            for tensor in tree_leaves(output):
                if isinstance(tensor, Tensor) and tensor.requires_grad:
                    tensor.register_hook(lambda _: mark(f"{name}.backward"))

        module = model.get_submodule(name)
        module.register_forward_pre_hook(lambda *_: mark(name))
        module.register_forward_hook(end)

    for name in stages:
        hook(name)


def profiled(model: Any, batch: Any, mode: str) -> tuple[Sums, float]:
    """And the call's ms."""
    from torch.autograd.profiler import profile

    from sem_impl.system import SEM

    watch(model, SEM.stages)
    with profile() as found:
        begin = time.perf_counter()
        call(model, batch, mode)
        whole = 1e3 * (time.perf_counter() - begin)
    marks = sorted((e.time_range.start, e.name) for e in found.function_events if e.name.startswith(STAGE))
    starts = [start for start, _ in marks]
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for event in found.function_events:
        if "::" in event.name:
            place = bisect_right(starts, event.time_range.start) - 1
            stage = marks[place][1].removeprefix(STAGE) if place >= 0 else ""
            one = sums[stage, event.name]
            one[0] += event.self_cpu_time_total / 1e3
            one[1] += 1
    return dict(sums), whole


@dataclass(frozen=True)
class Found:
    """Milliseconds and bytes."""

    taken: list[float]
    faults: list[int]
    products: float
    others: float
    whole: float
    above: float
    gradients: float
    parameters: float
    sums: Sums

    @property
    def beside(self) -> float:
        return (self.whole - self.products) / self.products

    @property
    def extra(self) -> float:
        """Bytes at the peak above parameters and gradients."""
        return self.above - self.gradients


def found(options: argparse.Namespace) -> Found:
    import torch

    from harness.measure.memory import peak_bytes, reset_peak, resident_bytes, settle

    torch.set_num_threads(options.threads)
    model, batch = model_of(options)
    parameters = sum(p.numel() * p.element_size() for p in model.parameters())
    for _ in range(options.warm):
        call(model, batch, options.mode)
    taken, faults = [], []
    for _ in range(options.calls):
        before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
        call(model, batch, options.mode)
        taken.append(1e3 * (time.perf_counter() - begin))
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    model.zero_grad(set_to_none=True)
    gc.collect()
    settle()
    held = resident_bytes()
    reset_peak()
    call(model, batch, options.mode)
    gradients = sum(p.grad.numel() * p.grad.element_size() for p in model.parameters() if p.grad is not None)
    above = peak_bytes() - held
    sums, whole = profiled(model, batch, options.mode)
    products = sum(ms for each, (ms, _) in sums.items() if kind_of(*each) == "product")
    others = sum(ms for ms, _ in sums.values()) - products
    return Found(taken, faults, products, others, whole, above, gradients, parameters, sums)


def show(options: argparse.Namespace, one: Found) -> None:
    between = one.whole - one.products - one.others
    print(f"size {options.size}, variant {options.variant} {' '.join(options.set)}, {options.mode}, {options.threads}T")
    print(f"call       {median(one.taken):10.1f} ms   median of {len(one.taken)}, {min(one.taken):.1f}", end="")
    print(f" to {max(one.taken):.1f}")
    print(f"watched    {one.whole:10.1f} ms   of one call under the profiler")
    print(f"products   {one.products:10.1f} ms")
    print(f"operators  {one.others:10.1f} ms   {one.others / one.products:7.1%} of the products")
    print(f"between    {between:10.1f} ms   {between / one.products:7.1%}")
    print(f"beside     {one.whole - one.products:10.1f} ms   {one.beside:7.1%}")
    print(f"faults     {median(one.faults):10.0f} pages a call")
    print(f"memory     {one.above / MIB:10.1f} MiB above what is held before; {one.extra / MIB:.1f} without")
    print(f"           the gradients' {one.gradients / MIB:.1f}; parameters {one.parameters / MIB:.1f}")
    tables(one.sums)


def tables(sums: Sums) -> None:
    stages = list(dict.fromkeys(stage for stage, _ in sums))
    kinds = sorted({kind_of(*each) for each in sums})
    print(f"\n{'own ms by stage':<22}" + "".join(f"{kind:>10}" for kind in kinds))
    for stage in (*stages, None):
        row = [sum(ms for (s, n), (ms, _) in sums.items() if stage in (s, None) and kind_of(s, n) == k) for k in kinds]
        print(f"{'all' if stage is None else stage or 'between stages':<22}" + "".join(f"{ms:10.2f}" for ms in row))
    print(f"\n{'stage':<22}{'operator':<34}{'own ms':>10}{'calls':>8}")
    for (stage, name), (ms, calls) in sorted(sums.items(), key=lambda item: -item[1][0])[:SHOWN]:
        print(f"{stage or 'between stages':<22}{name:<34}{ms:10.2f}{calls:8}")


def processes(options: argparse.Namespace) -> None:
    """Fresh processes of the baseline and of the variant in turn; the table of what they found."""
    from harness.progress import duration

    arms = {BASELINE: ["--variant", BASELINE], options.variant: ["--variant", options.variant, "--set", *options.set]}
    same = [f"--{name}={getattr(options, name)}" for name in ("size", "mode", "threads", "warm", "allocator")]
    same += ["--calls", "0", "--brief", "--conditions", *options.conditions]
    readings: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    begin, turns = time.monotonic(), [arm for _ in range(options.processes) for arm in arms]
    for done, arm in enumerate(turns, 1):
        command = [sys.executable, "-m", "benchmarks.step", *arms[arm], *same]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.exit(ran.stderr)
        one = json.loads(ran.stdout)
        readings[arm].append(one)
        spent = time.monotonic() - begin
        left = f"{duration(spent / done * (len(turns) - done))} left"
        told = f"beside {one['beside']:.1%}, {one['extra'] / MIB:.0f} MiB extra"
        print(f"{done}/{len(turns)} · {arm} · {told} · {duration(spent)} · {left}", file=sys.stderr, flush=True)
    print("\n".join(summary(readings[BASELINE], readings[options.variant], options.variant)))


def summary(before: Sequence[dict[str, float]], after: Sequence[dict[str, float]], variant: str) -> list[str]:
    """Lines of a table: median, t interval over processes; ratios pair processes by their turn."""
    extras = [one["extra"] / other["extra"] for one, other in zip(after, before, strict=True)]
    calls = [one["whole"] / other["whole"] for one, other in zip(after, before, strict=True)]
    rows = {
        f"all but products / products, {BASELINE}": [one["beside"] for one in before],
        f"all but products / products, {variant}": [one["beside"] for one in after],
        f"peak above parameters and gradients, of {BASELINE}'s": extras,
        f"time of a watched call, of {BASELINE}'s": calls,
    }
    lines = ["| whole step | median | 95 % interval | n |", "|---|---|---|---|"]
    return lines + [
        f"| {name} | {median(values):.1%} | {interval(values)} | {len(values)} |" for name, values in rows.items()
    ]


def interval(values: Sequence[float]) -> str:
    """Of one process there is none."""
    from harness.stats.interval import positive_interval

    if len(values) < 2:
        return "-"
    around = positive_interval(values)
    return f"{around.low:.1%} to {around.high:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="small")
    parser.add_argument("--variant", default="all_on")
    parser.add_argument("--set", nargs="*", default=[], metavar="SWITCH=LEVEL")
    parser.add_argument("--conditions", nargs="*", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--mode", default="train_step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--warm", type=int, default=2)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--allocator", choices=("keep", "default"), default="keep")
    parser.add_argument("--processes", type=int, default=0, metavar="N", help="of each variant in turn, then a table")
    parser.add_argument("--brief", action="store_true", help="three numbers as JSON")
    options = parser.parse_args()
    if options.processes:
        processes(options)
        return
    from harness.process import KEEP, variables

    wanted = variables({"threads": options.threads, "allocator": options.allocator})
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        environment = {name: value for name, value in os.environ.items() if name not in KEEP} | wanted
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.step", *sys.argv[1:]], environment)
    one = found(options)
    if options.brief:
        print(json.dumps({"beside": one.beside, "extra": one.extra, "whole": one.whole}))
    else:
        show(options, one)


if __name__ == "__main__":
    main()
