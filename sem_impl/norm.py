"""switch `norm`: normalisation of complex rows z [..., D]. Sources: topology report 4.2, 5.2, P0 issue 5b.

    (1) layer_norm    of the 2D real numbers x = (Re z_1, Im z_1, .., Re z_D, Im z_D):
                      x <- w (x - mean x) / sqrt(var x + 1e-5) + b,  w, b [D, 2] real, var over 2D (not 2D - 1)
    (2) complex_rms   z <- gamma r z,  r = 1 / sqrt(mean_j |z_j|^2 + 1e-6),  gamma [D] real
    (3) adjoint of (2), g = dL/dz':  dL/dz = r (gamma g - (r^2/D) sum_j gamma_j Re(conj(g_j) z_j) z)
                                     dL/dgamma = sum over rows of r Re(conj(g) z)

Initially w = 1/sqrt(2) and b = 0, gamma = 1: both give rows of mean |z|^2 = 1 (but for the mean taken off), so that a
comparison is not one of scales. (2) multiplies an entry by a positive number, so its phase stays (where gamma turns
negative in training it turns by pi). (1) takes the same number off every real and every imaginary part, so that all
phases move, most where |z| is small; and once w differs between the parts of an entry, or b is not 0, it moves them
also where the mean is 0.

torch has a fused operator for (1), none for (2). With the adjoint written out (2) makes one new array each way and
keeps nothing but z and r; on autograd's tape it would be several times slower than what it is compared with. At the
level `fused` of the switch `kernels` a native kernel does (2) and (3), which keeps z alone.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import layer_norm

from sem_impl.initial import Initial
from sem_impl.kernels.native import rows as native
from sem_impl.kernels.native import usable
from sem_impl.linear import planes

SMALL = 1e-6
SMALL_VARIANCE = 1e-5


class LayerNorm(nn.Module):
    def __init__(self, initial: Initial, width: int, *, kernels: str = "eager") -> None:  # noqa: ARG002 - as the other
        super().__init__()
        self.weight = initial.real("weight", (width, 2), mean=0.5**0.5)
        self.bias = initial.real("bias", (width, 2))

    def forward(self, z: Tensor) -> Tensor:
        parts = torch.view_as_real(z)
        return torch.view_as_complex(layer_norm(parts, self.weight.shape, self.weight, self.bias, SMALL_VARIANCE))


class RootMeanSquare(torch.autograd.Function):
    """Equations (2) and (3) on real planes x [rows, 2D]."""

    @staticmethod
    def forward(ctx, x: Tensor, gamma: Tensor) -> Tensor:
        root = torch.rsqrt(torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / len(gamma) + SMALL)
        ctx.save_for_backward(x, gamma, root)
        return (x * root).mul_(gamma.repeat_interleave(2))

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
        x, gamma, root = ctx.saved_tensors
        paired = gamma.repeat_interleave(2)
        along = g * x
        for_gamma = (root.mT @ along).view(-1, 2).sum(-1)
        share = (along @ paired).unsqueeze(-1) * root.square() / len(gamma)
        return torch.mul(g, paired, out=along).addcmul_(share, x, value=-1).mul_(root), for_gamma


class ComplexRMS(nn.Module):
    def __init__(self, initial: Initial, width: int, *, kernels: str = "eager") -> None:
        super().__init__()
        self.gamma = initial.real("gamma", (width,), mean=1.0)
        self.fused = kernels == "fused"

    def forward(self, z: Tensor) -> Tensor:
        if self.fused and usable("rows", z, self.gamma):
            return native.complex_rms(z, self.gamma, SMALL)
        rows = planes(z).flatten(0, -2)
        return torch.view_as_complex(RootMeanSquare.apply(rows, self.gamma).view(*z.shape, 2))


NORMS = {"layer_norm": LayerNorm, "complex_rms": ComplexRMS}
