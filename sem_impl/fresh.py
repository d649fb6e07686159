"""Large memory that is written for the first time.

glibc's allocator maps what is larger than 32 MiB anew at every call, unless it is told otherwise, and Linux hands out
such memory page by page, when each is first written. To fill 268 MB took 114 ms in pages of 4 KiB, 51 in pages of
2 MiB, 37 where the memory was kept from before. Systems that leave huge pages to who asks for them (`madvise`, the
usual setting) are asked; elsewhere nothing happens.
"""

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

LARGE = 32 << 20
"""Bytes from which on glibc never keeps what is freed."""


def empty_like(like: Tensor) -> Tensor:
    """In order of memory, whatever that of `like`. Fake tensors, of a type of their own, have none."""
    made = torch.empty_like(like, memory_format=torch.contiguous_format)
    if type(made) is Tensor and made.is_cpu and made.nbytes >= LARGE and sys.platform == "linux":
        first = -(-made.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        _madvise()(first, made.nbytes - mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
    return made


@cache
def _madvise() -> Any:
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return advise
