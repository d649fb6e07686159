"""The mixer's complex selective state space, y [B, S, D] -> o [B, S, D], fields in the level of the switch `layout`.
G groups of N = D/G states and inputs.

    (1) step = softplus(W_dt [Re y; Im y] + b_dt) in R^(G N), W_dt = 0, b_dt = inv(1), so step = 1 at first
    (2) h_t = exp(step_t (-softplus(a) + i theta)) h_(t-1) + step_t B_g y_t
        softplus(a) = 1/tau at first; theta_n = pi (2 (n + 1/2)/N - 1); B ~ CN(0, (1 - e^(-2/tau))/N), so that the
        energy of h does not grow with tau
    (3) o = C_g h + k o y, C ~ CN(0, 1/N), k real, initially 1

Sources: topology report 1.1, 2.1; P0 issue 2. Switches in files of their own: horizon, scan, layout.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sem_impl.horizon import HORIZONS
from sem_impl.initial import Initial
from sem_impl.layout import LAYOUTS
from sem_impl.scan import SCANS
from sem_impl.sizes import Dimensions


def inverse_softplus(y: float) -> float:
    return math.log(math.expm1(y))


class StateSpace(nn.Module):
    def __init__(self, initial: Initial, sizes: Dimensions, *, horizon: str, scan: str, layout: str) -> None:
        super().__init__()
        width, groups, states = sizes.width, sizes.groups, sizes.states
        tau = HORIZONS[horizon](sizes.seq_len)
        self.scan = SCANS[scan]
        self.layout = LAYOUTS[layout]
        self.step_weight = initial.real("step_weight", (width, width, 2), matrix=True)
        self.step_bias = initial.real("step_bias", (width,), mean=inverse_softplus(1.0))
        self.decay = initial.real("decay", (width,), mean=inverse_softplus(1 / tau))
        theta = math.pi * (2 * (torch.arange(states, dtype=torch.float64) + 0.5) / states - 1)
        self.theta = initial.values("theta", theta.repeat(groups))
        self.inward = initial.complex("inward", (groups, states, states), -math.expm1(-2 / tau) / states, matrix=True)
        self.outward = initial.complex("outward", (groups, states, states), 1 / states, matrix=True)
        self.skip = initial.real("skip", (width,), mean=1.0)

    def forward(self, y: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """y: a field in the layout's order. state: h before y, [B, D] complex. Returns the output and h after y."""
        step = self.step(y)
        A = self.layout.polar(torch.exp(-step * softplus(self.decay)), step * self.theta)
        u = self.layout.scaled(self.layout.grouped(y, self.inward), step)
        h = self.scan(A, u, self.layout.small(state))
        return self.layout.grouped(h, self.outward) + self.skip * y, self.layout.leave(h[..., -1, :])

    def step(self, y: Tensor) -> Tensor:
        """(1), real [B, S, D]."""
        return softplus(self.layout.mapped(y, self.step_weight, self.step_bias))
