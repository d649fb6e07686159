"""A complex linear map without bias: y = z W^T, W [out, in] with entries CN(0, 1/in), stored [out, in, 2]."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from sem_impl.initial import Initial


class ComplexLinear(nn.Module):
    def __init__(self, initial: Initial, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = initial.complex("weight", (outputs, inputs), 1 / inputs, matrix=True)

    def forward(self, z: Tensor) -> Tensor:
        return linear(z, torch.view_as_complex(self.weight))


def planes(z: Tensor) -> Tensor:
    """A complex [..., D] as the real vector [..., 2D] (Re, Im interleaved) that real matrices act on. No copy."""
    return torch.view_as_real(z).flatten(-2)


def unit(angle: Tensor) -> Tensor:
    """exp(i angle) from two real functions: several times faster than the complex exponential."""
    return torch.complex(angle.cos(), angle.sin())
