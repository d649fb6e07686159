"""Native kernels for the CPU: C++ without any header of torch's, called through ctypes, registered as torch operators.

    <name>.cpp   plain C functions on pointers and sizes, one for float32 (`_f32`) and one for float64 (`_f64`); complex
                 numbers as they lie in memory, Re and Im in turn. Rows are shared among OpenMP threads; every function
                 takes their number last. No allocation that can fail silently, no state between calls.
    <name>.py    the operators `semh::<name>...`: checks, memory, fake tensors, adjoint. What comes in is made
                 contiguous where it is not.
    build.py     from source to library, once per machine

`usable` says whether a tensor can go to a library: on the CPU, in float32 or float64, with a compiler. Where it is
False the caller takes another level of its switch; the reason is told once.
"""

import ctypes
import os
import warnings
from functools import cache

import torch
from torch import Tensor

from sem_impl.kernels.native.build import LibraryError, built

REAL = {torch.float32: "f32", torch.float64: "f64", torch.complex64: "f32", torch.complex128: "f64"}
PROCESS = os.getpid()


@cache
def library(name: str) -> ctypes.CDLL | None:
    """The library of `name`.cpp, or None, after one warning with the reason."""
    try:
        return ctypes.CDLL(str(built(name)))
    except (LibraryError, OSError) as error:
        warnings.warn(f"native kernel {name}: not available here, a slower level runs instead ({error})", stacklevel=3)
        return None


@torch.compiler.assume_constant_result
def available(name: str) -> bool:
    """torch.compile asks while it compiles, and does not look inside."""
    return library(name) is not None


def usable(name: str, *tensors: Tensor) -> bool:
    return all(t.device.type == "cpu" and t.dtype in REAL for t in tensors) and available(name)


def call(name: str, function: str, like: Tensor, *arguments: Tensor | int | float | None) -> int:
    """`function`_f32 or _f64 of a library, by the dtype of `like`. Tensors become pointers, Python numbers int64 and
    double, None a null pointer. Returns the function's int."""
    found = library(name)
    if found is None:
        raise LibraryError(name)
    real = REAL[like.dtype]
    routine = getattr(found, f"{function}_{real}")
    return routine(*(_argument(each, real) for each in arguments), ctypes.c_int64(threads()))


def threads() -> int:
    """As many as torch uses. In a child that was forked: one, since OpenMP's threads stay behind in its parent, and
    whoever waits for them waits for ever (torch's own operators do)."""
    return torch.get_num_threads() if os.getpid() == PROCESS else 1


def _argument(each: Tensor | int | float | None, real: str) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_double:
    if each is None:
        return ctypes.c_void_p(None)
    if isinstance(each, Tensor):
        if REAL.get(each.dtype, real) != real or each.device.type != "cpu" or each.is_conj() or each.is_neg():
            what = f"{each.dtype} on {each.device}, conj {each.is_conj()}, neg {each.is_neg()}"
            raise TypeError(
                f"a tensor of {what} among arguments of {real}: it needs that precision, resolved, on the CPU"
            )
        return ctypes.c_void_p(each.data_ptr())
    return ctypes.c_double(each) if isinstance(each, float) else ctypes.c_int64(each)
