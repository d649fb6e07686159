"""Normalisation of complex rows z [..., D]. Sources: topology report 5.2, P0 issue 5b.

complex_rms   z gamma / sqrt(mean_j |z_j|^2 + 1e-6), gamma [D] real, initially 1: every phase stays as it is.
"""

import torch
from torch import Tensor, nn

from sem_impl.initial import Initial
from sem_impl.linear import planes

SMALL = 1e-6


class ComplexRMS(nn.Module):
    def __init__(self, initial: Initial, width: int) -> None:
        super().__init__()
        self.gamma = initial.real("gamma", (width,), mean=1.0)

    def forward(self, z: Tensor) -> Tensor:
        mean_square = planes(z).square().sum(-1, keepdim=True) / z.shape[-1]
        return z * (self.gamma * torch.rsqrt(mean_square + SMALL))


NORMS = {"complex_rms": ComplexRMS}
