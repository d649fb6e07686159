"""switch `residual`: how a mixer layer's branch joins the stream, psi <- psi + scale_l branch, l = 0..L-1; S the size's
seq_len. psi, branch [B, S, D] complex, scale_l real.

    (1) inverse_sqrt_depth   scale a learned scalar, initially 1/sqrt(L)
    (2) learned_horizon      scale_l = sqrt(1 - exp(-6 (L - l) exp(-log_tau) / S)), log_tau [D] real, initially 0: the
                             exponent of P0 issue 5a with the sign of topology report 4.1, so that the horizon
                             exp(log_tau) S/3 grows with log_tau
    (3) horizon_depth        (2) with log_tau = 0 for ever: topology report 5.1, the boxed line
    (4) theorem              scale_l = sqrt(1 - A^2) (1 - A^(2 (L-l))) / (1 - A^(2L)), A = e^(-3/S): topology report 5.1
                             as its derivation prints it

Norms fix the scale of what a branch starts from, so its variance v does not follow the stream's; independent branches
then add v sum_l scale_l^2 to it. That sum is 1 for (1) at any depth; for L << S it is 3 L (L+1) / S for (2) and (3) and
(L+1) (2L+1) / (S L) for (4), and with L >> S it tends to L for (2) and (3).
1 - e^(-x) is -expm1(-x), right also in float32 where x = 6 (L - l) / S is small.

A level is called with the branch; or, `onto`, with what the branch's last map has yet to be applied to, and that map.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sem_impl.initial import Initial
from sem_impl.products import Joined


class Residual(nn.Module, ABC):
    @abstractmethod
    def scale_l(self, psi: Tensor) -> Tensor:
        """[D], or a single number."""

    def onto(self, psi: Tensor, o: Tensor, W: Tensor) -> Tensor:
        """The branch being o W', W [D, D] complex."""
        return Joined.apply(psi, o, W, self.scale_l(psi))


class InverseSqrtDepth(Residual):
    def __init__(self, initial: Initial, width: int, *, layer: int, layers: int, seq_len: int) -> None:  # noqa: ARG002
        super().__init__()
        self.scale = initial.real("scale", (), mean=layers**-0.5)

    def scale_l(self, psi: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all levels
        return self.scale

    def forward(self, psi: Tensor, branch: Tensor) -> Tensor:
        return torch.addcmul(psi, self.scale, branch)


class LearnedHorizon(Residual):
    def __init__(self, initial: Initial, width: int, *, layer: int, layers: int, seq_len: int) -> None:
        super().__init__()
        self.log_tau = initial.real("log_tau", (width,))
        self.rate = 6 * (layers - layer) / seq_len

    def scale_l(self, psi: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all levels
        return torch.sqrt(-torch.expm1(-self.rate * torch.exp(-self.log_tau)))

    def forward(self, psi: Tensor, branch: Tensor) -> Tensor:
        return torch.addcmul(psi, self.scale_l(psi), branch)


class HorizonDepth(Residual):
    def __init__(self, initial: Initial, width: int, *, layer: int, layers: int, seq_len: int) -> None:  # noqa: ARG002
        super().__init__()
        self.scale = math.sqrt(-math.expm1(-6 * (layers - layer) / seq_len))

    def scale_l(self, psi: Tensor) -> Tensor:
        return psi.real.new_tensor(self.scale)

    def forward(self, psi: Tensor, branch: Tensor) -> Tensor:
        return torch.add(psi, branch, alpha=self.scale)


class Theorem(Residual):
    def __init__(self, initial: Initial, width: int, *, layer: int, layers: int, seq_len: int) -> None:  # noqa: ARG002
        super().__init__()
        rate = 6 / seq_len
        remaining = math.expm1(-rate * (layers - layer)) / math.expm1(-rate * layers)
        self.scale = math.sqrt(-math.expm1(-rate)) * remaining

    def scale_l(self, psi: Tensor) -> Tensor:
        return psi.real.new_tensor(self.scale)

    def forward(self, psi: Tensor, branch: Tensor) -> Tensor:
        return torch.add(psi, branch, alpha=self.scale)


RESIDUALS = {
    "inverse_sqrt_depth": InverseSqrtDepth,
    "learned_horizon": LearnedHorizon,
    "horizon_depth": HorizonDepth,
    "theorem": Theorem,
}
