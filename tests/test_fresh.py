"""Large fresh memory: as torch's own, whole, and in huge pages where the system gives them."""

import sys
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sem_impl import fresh

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.parametrize("numbers", [0, 1, fresh.LARGE // 4 - 1, fresh.LARGE // 4, fresh.LARGE // 4 + 1025])
def test_memory_is_as_long_as_what_it_is_like(numbers):
    made = fresh.empty_like(torch.empty(numbers)).fill_(3)
    assert made.shape == (numbers,)
    assert made.sum(dtype=torch.float64) == 3 * numbers


def test_it_lies_in_order_whatever_it_is_like():
    like = torch.empty(3, 5, dtype=torch.complex128).t()
    made = fresh.empty_like(like)
    assert made.is_contiguous()
    assert (made.shape, made.dtype) == (like.shape, like.dtype)


def asked_for(monkeypatch, numbers):
    """Where and for how many bytes huge pages are asked for, and the memory."""
    found = []
    monkeypatch.setattr(fresh, "_madvise", lambda: lambda *given: found.append(given))
    return fresh.empty_like(torch.empty(numbers)), found


@pytest.mark.skipif(sys.platform != "linux", reason="asks on Linux alone")
def test_only_large_memory_is_asked_for_and_nothing_beside_it(monkeypatch):
    assert asked_for(monkeypatch, fresh.LARGE // 4 - 1)[1] == []
    made, ((first, length, _),) = asked_for(monkeypatch, fresh.LARGE // 4)
    assert first % 4096 == 0
    assert made.data_ptr() <= first
    assert first + length <= made.data_ptr() + made.nbytes
    assert length >= made.nbytes - 8192


def test_other_systems_are_not_asked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert asked_for(monkeypatch, fresh.LARGE // 4)[1] == []


def test_tensors_without_memory_are_not_asked_for(monkeypatch):
    with FakeTensorMode():
        made, asked = asked_for(monkeypatch, fresh.LARGE // 4)
    assert asked == []
    assert made.nbytes == fresh.LARGE


def huge_kilobytes():
    return int(Path("/proc/self/smaps_rollup").read_text().split("AnonHugePages:")[1].split()[0])


@pytest.mark.skipif(
    not SETTING.exists() or "[madvise]" not in SETTING.read_text(), reason="huge pages are not by request"
)
def test_pages_are_huge_where_they_are_given_on_request():
    before = huge_kilobytes()
    made = fresh.empty_like(torch.empty(64 << 20)).fill_(1)
    assert huge_kilobytes() > before
    assert made.nbytes == 256 << 20
