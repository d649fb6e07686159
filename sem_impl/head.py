"""psi [B, S, P] complex -> logits [B, S, V] float, or the loss of targets [B, S] (`loss`). Source: P0 issue 4.

    (1) psi <- psi / |psi|_2 per token
    (2) <w, psi> = sum_p conj(w_p) psi_p; with psi as the real vector of 2P numbers (Re, Im interleaved)
        Re <w, psi> = w . psi,  Im <w, psi> = w . (-i psi)

born_quadratic  logits = ln(|<w_v, psi>|^2 + 1e-6), w ~ CN(0, 1)
log_linear      logits = e^sigma (W_r Re psi + W_i Im psi) + b, W_r, W_i [V, P] ~ N(0, 0.25/P), b = 0, sigma a learned
                scalar, initially (1/2) ln P: without it logits of a unit vector have a spread of 0.02

Both levels are one real matrix product of `rows` with W, stored interleaved [V, P, 2] and never copied, and then
`logits` of what came out. born_quadratic needs both parts of <w, psi>, so it has two rows a token: twice the
arithmetic, but W is read once; a complex product of the whole takes as long, of a single token half as long again.
Precision: with m = |<w, psi>|^2 + 1e-6 an error d of the amplitude, about eps |w|, moves a logit by 2 |<w, psi>| d/m,
which is largest, 1000 d, where the amplitude is 1e-3.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, normalize

from sem_impl.initial import Initial
from sem_impl.kernels.native import rows as native
from sem_impl.kernels.native import usable
from sem_impl.linear import planes
from sem_impl.loss import LOSSES

SMALLEST_NORM = 1e-12
FLOOR = 1e-6
"""Added to a probability before its logarithm."""


def power(amplitude: Tensor) -> Tensor:
    """[2, .., V] (Re, Im) -> Re^2 + Im^2 + FLOOR."""
    re, im = amplitude
    return torch.addcmul(re * re, im, im).add_(FLOOR)


def log_power_adjoint(amplitude: Tensor, g: Tensor) -> Tensor:
    """amplitude 2 g / power"""
    return amplitude * power(amplitude).reciprocal_().mul_(g).mul_(2)


class LogPower(torch.autograd.Function):
    """ln of `power`. The amplitude alone is kept."""

    @staticmethod
    def forward(ctx: Any, amplitude: Tensor) -> Tensor:
        ctx.save_for_backward(amplitude)
        return power(amplitude).log_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return log_power_adjoint(*ctx.saved_tensors, g)


class Scaled(torch.autograd.Function):
    """rows [.., n] and sigma -> e^sigma rows. Only what comes out is kept; autograd's own product would keep what goes
    in, and form a field of that size to sum it up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sigma: Tensor) -> Tensor:
        scaled = rows * sigma.exp()
        ctx.save_for_backward(scaled, sigma)
        return scaled

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        scaled, sigma = ctx.saved_tensors
        return g * sigma.exp(), torch.dot(g.reshape(-1), scaled.reshape(-1))


class Projection(nn.Module, ABC):
    """Real rows of norm 1 [.., 2P] -> logits [.., V]."""

    weight: nn.Parameter
    bias: nn.Parameter | None
    floor: float | None = None
    """See `loss.Amplitudes`."""

    def forward(self, direction: Tensor) -> Tensor:
        amplitude = linear(self.rows(direction), self.weight.flatten(1), self.bias)
        return self.logits(amplitude, keep=amplitude.requires_grad)

    @abstractmethod
    def rows(self, direction: Tensor) -> Tensor:
        """What W is multiplied by: [.., 2P], or with axes before."""

    @abstractmethod
    def logits(self, amplitude: Tensor, *, keep: bool) -> Tensor:
        """Of what W gave, which may be overwritten unless it is to be kept for `adjoint`."""

    @abstractmethod
    def adjoint(self, amplitude: Tensor, g: Tensor) -> Tensor:
        """Of `logits`: the gradient at the amplitude, from g at the logits."""


class BornQuadratic(Projection):
    floor = FLOOR

    def __init__(self, initial: Initial, width: int, vocabulary: int) -> None:
        super().__init__()
        self.weight = initial.complex("weight", (vocabulary, width), 1.0, matrix=True)
        self.bias = None

    def rows(self, direction: Tensor) -> Tensor:
        """psi and -i psi."""
        re, im = direction.unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack((direction, torch.stack((im, -re), -1).flatten(-2)))

    def logits(self, amplitude: Tensor, *, keep: bool) -> Tensor:
        if keep:
            return LogPower.apply(amplitude)
        re, im = amplitude
        return re.square_().addcmul_(im, im).add_(FLOOR).log_()

    def adjoint(self, amplitude: Tensor, g: Tensor) -> Tensor:
        return log_power_adjoint(amplitude, g)


class LogLinear(Projection):
    def __init__(self, initial: Initial, width: int, vocabulary: int) -> None:
        super().__init__()
        self.weight = initial.real("weight", (vocabulary, width, 2), deviation=0.5 * width**-0.5, matrix=True)
        self.bias = initial.real("bias", (vocabulary,))
        self.sigma = initial.real("sigma", (), mean=0.5 * math.log(width))

    def rows(self, direction: Tensor) -> Tensor:
        return Scaled.apply(direction, self.sigma)

    def logits(self, amplitude: Tensor, *, keep: bool) -> Tensor:  # noqa: ARG002 - one signature for all levels
        return amplitude

    def adjoint(self, amplitude: Tensor, g: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all levels
        return g


HEADS = {"born_quadratic": BornQuadratic, "log_linear": LogLinear}


class Head(nn.Module):
    """Logits without targets, the loss with them: never both, so that no level of `loss` must hold the logits."""

    def __init__(
        self, initial: Initial, width: int, vocabulary: int, *, head: str, loss: str, kernels: str = "eager"
    ) -> None:
        super().__init__()
        self.fused = kernels == "fused"
        self.projection = HEADS[head](initial.scope("projection"), width, vocabulary)
        self.loss = LOSSES[loss]

    def forward(self, psi: Tensor, targets: Tensor | None = None) -> Tensor:
        if targets is None:
            return self.projection(self.direction(psi))
        return self.loss(self.projection, self.direction(psi), targets)

    def direction(self, psi: Tensor) -> Tensor:
        """Equation (1), as real rows [.., 2P]."""
        if self.fused and usable("rows", psi):
            return native.direction(planes(psi), SMALLEST_NORM)
        return normalize(planes(psi), dim=-1, eps=SMALLEST_NORM)
