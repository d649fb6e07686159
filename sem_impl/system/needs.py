"""What levels need of a machine. In a model a level without it is another one, after a warning: no compiler may cost
more than speed. A measurement would give the other's time the level's name, so there such a cell is not run.

    kernels, scan, sinkhorn at fused   native libraries, which are the CPU's alone; with OpenMP for several threads
    loss at chunked                    on the CPU the same; on other devices torch's operators are all there is of it
    kernels at compiled                what torch.compile needs for the device: C++, or Triton
"""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

from harness.system import Conditions, Variant
from sem_impl.system.common import device_of

Libraries = Mapping[tuple[str, str], tuple[str, ...]]
"""Switch and level -> the native libraries that its operators call."""
ELSEWHERE = (("loss", "chunked"),)
"""Levels that are what they are called without native libraries, where there are none for anybody."""
COMPILED = "compiled"


class Needs:
    """For a system with `switches`."""

    native: Libraries = MappingProxyType({})
    switches: Any

    def unavailable(self, variant: Variant, conditions: Conditions, mode: str) -> str | None:
        device, dtype = device_of(conditions), str(conditions.get("dtype", "float32"))
        asked = [(each.name, variant[each.name]) for each in self.switches if each.alive(variant, mode)]
        native = [pair for pair in asked if pair in self.native and (device == "cpu" or pair not in ELSEWHERE)]
        threads = int(conditions.get("threads", 1))
        reasons = [_no_kernel(device, dtype, threads, self.native[pair]) for pair in native]
        if ("kernels", COMPILED) in asked:
            reasons.append(_not_compiled(device))
        return next(filter(None, reasons), None)

    def tools(self) -> Mapping[str, str]:
        libraries = tuple(dict.fromkeys(chain.from_iterable(self.native.values())))
        compiled = any(each.name == "kernels" and COMPILED in each.levels for each in self.switches)
        asked = {"native libraries": 1, "native libraries on several threads": 2} if libraries else {}
        native = {name: _no_kernel("cpu", "float32", threads, libraries) for name, threads in asked.items()}
        return native | ({"torch.compile": _not_compiled("cpu")} if compiled else {})


def _no_kernel(device: str, dtype: str, threads: int, libraries: tuple[str, ...]) -> str:
    import torch

    from sem_impl.kernels.native import REAL, lacking

    if device != "cpu":
        return f"native kernels are the CPU's alone, there are none for {device}"
    if getattr(torch, dtype) not in REAL:
        known = ", ".join(str(each).removeprefix("torch.") for each in REAL if not each.is_complex)
        return f"no native kernel takes {dtype}; {known} would do"
    return next(filter(None, (lacking(name, threads) for name in libraries)), "")


def _not_compiled(device: str) -> str:
    import torch

    from sem_impl.kernels.compiled import lacking

    return lacking(torch.device(device))
