"""Readings of the head."""

from torch import Tensor

from sem_impl.head import Head


def read(head: Head, psi: Tensor) -> dict[str, float]:
    return {}
