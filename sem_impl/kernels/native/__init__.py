"""Native kernels for the CPU: C++ without any header of torch's, called through ctypes, registered as torch operators.

    <name>.cpp   plain C functions on pointers and sizes, one for float32 (`_f32`) and one for float64 (`_f64`); complex
                 numbers as they lie in memory, Re and Im in turn. Rows are shared among OpenMP threads; every function
                 takes their number last. No allocation that can fail silently, no state between calls.
    <name>.py    the operators `semh::<name>...`: checks, memory, fake tensors, adjoint. What comes in is made
                 contiguous where it is not.
    build.py     from source to library, once per machine

`usable` says whether a tensor can go to a library: on the CPU, in float32 or float64, with a compiler. Where it is
False the caller takes another level of its switch; the reason is told once. So is that a library has no threads.
"""

import ctypes
import os
import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch._ops import OpOverload

from sem_impl.kernels.native.build import LibraryError, built, one_thread

REAL = {torch.float32: "f32", torch.float64: "f64", torch.complex64: "f32", torch.complex128: "f64"}
PROCESS = os.getpid()


@cache
def library(name: str) -> ctypes.CDLL | None:
    """The library of `name`.cpp, or None, after one warning with the reason."""
    try:
        path = built(name)
        loaded = ctypes.CDLL(str(path))
    except (LibraryError, OSError) as error:
        warnings.warn(f"native kernel {name}: not available here, a slower level runs instead ({error})", stacklevel=3)
        return None
    if threads() > 1 and (why := one_thread(path)):
        warnings.warn(f"native kernel {name}: on one thread ({why})", stacklevel=3)
    return loaded


@cache
def lacking(name: str, count: int = 1) -> str:
    """Why there is no library of `name`.cpp that runs on so many threads, for who would rather not have another level
    run, or one thread under the name of two; empty where there is."""
    try:
        path = built(name)
        ctypes.CDLL(str(path))
    except (LibraryError, OSError) as error:
        return str(error)
    return one_thread(path) if count > 1 else ""


@torch.compiler.assume_constant_result
def available(name: str) -> bool:
    """torch.compile asks while it compiles, and does not look inside."""
    return library(name) is not None


def usable(name: str, *tensors: Tensor) -> bool:
    return all(t.is_cpu and t.dtype in REAL for t in tensors) and available(name)


LIBRARY = torch.library.Library("semh", "FRAGMENT")


def refused(ctx, *_: Tensor | None) -> None:  # noqa: ARG001 - torch's signature
    raise RuntimeError("semh: the gradient of a native operator has none itself")


def operator(name: str, backward: Callable = refused, keep: Callable | None = None) -> Callable[[Callable], OpOverload]:
    """The decorated function as `semh::name` on the CPU: its annotations are the schema, it changes no argument and
    returns none. `torch.library.custom_op` would check the latter in every call, for longer than a small call takes.
    `keep` and `backward`: as for `torch.library.register_autograd`."""

    def defined(function: Callable) -> OpOverload:
        schema = torch.library.infer_schema(function, mutates_args=())
        LIBRARY.define(name + schema, tags=torch.Tag.pt2_compliant_tag)
        LIBRARY.impl(name, function, "CPU")
        made = getattr(torch.ops.semh, name).default
        torch.library.register_autograd(made, backward, setup_context=keep, lib=LIBRARY)
        return made

    return defined


def call(name: str, function: str, like: Tensor, *arguments: Tensor | int | float | None) -> int:
    """`function`_f32 or _f64 of a library, by the dtype of `like`. Tensors become pointers, Python numbers int64 and
    double, None a null pointer: which of them a function takes where, its first call decides. Returns the function's
    int."""
    found = library(name)
    if found is None:
        raise LibraryError(name)
    real = REAL[like.dtype]
    routine = getattr(found, f"{function}_{real}")
    if routine.argtypes is None:
        routine.argtypes = [*map(_kind, arguments), ctypes.c_int64]
    return routine(*[_passed(each, real) if isinstance(each, Tensor) else each for each in arguments], threads())


def threads() -> int:
    """As many as torch uses. In a child that was forked: one, since OpenMP's threads stay behind in its parent, and
    whoever waits for them waits for ever (torch's own operators do)."""
    return torch.get_num_threads() if os.getpid() == PROCESS else 1


def dense(*given: Tensor | None) -> list[Tensor | None]:
    """As they are where they lie in order, without flags. What is not given stays None."""
    return [None if each is None else each.contiguous().resolve_conj().resolve_neg() for each in given]


def _kind(each: Tensor | int | float | None) -> type:
    if isinstance(each, int | float):
        return ctypes.c_double if isinstance(each, float) else ctypes.c_int64
    return ctypes.c_void_p


def _passed(each: Tensor, real: str) -> int:
    if not each.is_cpu or REAL.get(each.dtype, real) != real or each.is_conj() or each.is_neg():
        what = f"{each.dtype} on {each.device}, conj {each.is_conj()}, neg {each.is_neg()}"
        raise TypeError(f"a tensor of {what} among arguments of {real}: it needs that precision, resolved, on the CPU")
    return each.data_ptr()
