"""How a mixer layer's branch joins the residual stream: psi + scale_l branch, l = 0..L-1.

learned_horizon   scale_l = sqrt(1 - exp(-6 (L - l) exp(-log_tau) / S)), log_tau [D] real, initially 0.
                  The exponent of P0 issue 5a with the sign of topology report 4.1: the horizon grows with log_tau.
"""

import torch
from torch import Tensor, nn

from sem_impl.initial import Initial


class LearnedHorizon(nn.Module):
    def __init__(self, initial: Initial, width: int, *, layer: int, layers: int, seq_len: int) -> None:
        super().__init__()
        self.log_tau = initial.real("log_tau", (width,))
        self.rate = 6 * (layers - layer) / seq_len

    def forward(self, psi: Tensor, branch: Tensor) -> Tensor:
        scale = torch.sqrt(-torch.expm1(-self.rate * torch.exp(-self.log_tau)))
        return psi + scale * branch


RESIDUALS = {"learned_horizon": LearnedHorizon}
