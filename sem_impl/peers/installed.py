"""Packages of the extra `peers`, imported when a level asks for them."""

import os
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

INSTALL = 'pip install -c constraints.txt -e ".[peers]"'
PACKAGES = {
    "jax_scan": ("jax",),
    "jax_associative_scan": ("jax",),
    "mambapy": ("mambapy",),
    "pot": ("ot",),
    "ott": ("jax", "ott"),
    "ott_kernel": ("jax", "ott"),
    "lineax_bicgstab": ("jax", "lineax"),
}
"""Level -> the packages it needs beside what SEM does."""


def lacking(level: str) -> str:
    """Which package a level would not find; empty where it has all. Imports none."""
    absent = [package for package in PACKAGES.get(level, ()) if find_spec(package) is None]
    return f"peer {absent[0]} is not installed; {INSTALL} would install it" if absent else ""


def peer(module: str) -> Any:
    """ModuleNotFoundError where it is missing; the text says what installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = module.split(".")[0]
        raise ModuleNotFoundError(f"peer {name} is not installed ({error}); {INSTALL} would install it") from None


@cache
def jax() -> Any:
    """JAX on the CPU with as many threads as torch has: XLA sizes its pool once, by NPROC and by the processors that
    the process may run on when its backend starts."""
    import torch

    threads = torch.get_num_threads()
    os.environ |= {"NPROC": str(threads), "PJRT_NPROC": str(threads), "JAX_PLATFORMS": "cpu"}
    found = peer("jax")
    found.config.update("jax_enable_x64", True)  # the guard's tests compare in float64; arrays keep their own dtype
    with _few_processors(threads):
        found.devices()
    return found


class _few_processors:  # noqa: N801 - used as a context alone
    """The process confined to so many of its processors; given back at the end."""

    def __init__(self, count: int) -> None:
        self.count, self.all = count, None

    def __enter__(self) -> None:
        with suppress(AttributeError, OSError):
            self.all = os.sched_getaffinity(0)
            os.sched_setaffinity(0, sorted(self.all)[: self.count])

    def __exit__(self, *_: object) -> None:
        if self.all:
            os.sched_setaffinity(0, self.all)
