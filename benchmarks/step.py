"""Where a call of `sem` spends its time and its memory: products of matrices, and everything beside them.

    python -m benchmarks.step                                                  (size small, variant all_on, one thread)
    python -m benchmarks.step --size document --variant status_quo --set loss=chunked --threads 2

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
import os
import resource
import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
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


def profiled(model: Any, batch: Any, mode: str) -> tuple[dict[tuple[str, str], list[float]], float]:
    """(stage, operator) -> [own ms, calls], and the call's ms."""
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


def show(options: argparse.Namespace) -> None:
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
    middle = median(taken)
    print(f"size {options.size}, variant {options.variant} {' '.join(options.set)}, {options.mode}, {options.threads}T")
    print(f"call       {middle:10.1f} ms   median of {len(taken)}, {min(taken):.1f} to {max(taken):.1f}")
    print(f"watched    {whole:10.1f} ms   of one call under the profiler")
    print(f"products   {products:10.1f} ms")
    print(f"operators  {others:10.1f} ms   {others / products:7.1%} of the products")
    print(f"between    {whole - products - others:10.1f} ms   {(whole - products - others) / products:7.1%}")
    print(f"beside     {whole - products:10.1f} ms   {(whole - products) / products:7.1%}")
    print(f"faults     {median(faults):10.0f} pages a call")
    print(f"memory     {above / MIB:10.1f} MiB above what is held before; {(above - gradients) / MIB:.1f} without")
    print(f"           the gradients' {gradients / MIB:.1f}; parameters {parameters / MIB:.1f}")
    tables(sums)


def tables(sums: dict[tuple[str, str], list[float]]) -> None:
    stages = list(dict.fromkeys(stage for stage, _ in sums))
    kinds = sorted({kind_of(*each) for each in sums})
    print(f"\n{'own ms by stage':<22}" + "".join(f"{kind:>10}" for kind in kinds))
    for stage in (*stages, None):
        row = [sum(ms for (s, n), (ms, _) in sums.items() if stage in (s, None) and kind_of(s, n) == k) for k in kinds]
        print(f"{'all' if stage is None else stage or 'between stages':<22}" + "".join(f"{ms:10.2f}" for ms in row))
    print(f"\n{'stage':<22}{'operator':<34}{'own ms':>10}{'calls':>8}")
    for (stage, name), (ms, calls) in sorted(sums.items(), key=lambda item: -item[1][0])[:SHOWN]:
        print(f"{stage or 'between stages':<22}{name:<34}{ms:10.2f}{calls:8}")


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
    options = parser.parse_args()
    from harness.process import KEEP, variables

    wanted = variables({"threads": options.threads, "allocator": options.allocator})
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        environment = {name: value for name, value in os.environ.items() if name not in KEEP} | wanted
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.step", *sys.argv[1:]], environment)
    show(options)


if __name__ == "__main__":
    main()
