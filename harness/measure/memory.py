"""Peak resident memory of one cell, in a process of its own.

Linux: the kernel's high-water mark (`VmHWM`), set back through `/proc/self/clear_refs` after a first call has loaded
what a first call loads. Elsewhere the process's lifetime maximum from getrusage, which includes that first call.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")

_earlier_peak = 0
"""Highest peak that was set back in this process."""


def can_reset_peak() -> bool:
    return STATUS.exists() and CLEAR_REFS.exists()


def settle() -> None:
    """Give freed memory back, so that the resident size before a call is what is really held."""
    gc.collect()
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except AttributeError:
            return  # a C library other than glibc: its free memory stays resident and is counted as held


def resident_bytes() -> int:
    if STATUS.exists():
        return _status("VmRSS")
    return _lifetime_peak()


def reset_peak() -> None:
    global _earlier_peak
    if can_reset_peak():
        _earlier_peak = max(_earlier_peak, peak_bytes())
        CLEAR_REFS.write_text("5")


def peak_bytes() -> int:
    return _status("VmHWM") if can_reset_peak() else _lifetime_peak()


def process_peak_bytes() -> int:
    """Of the whole life of this process, whatever was reset."""
    return max(_earlier_peak, peak_bytes())


def _status(field: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def _lifetime_peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
