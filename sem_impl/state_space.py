"""The mixer's complex selective state space, y [B, S, D] -> o [B, S, D], fields in the level of the switch `layout`.
G groups of N = D/G states and inputs.

    (1) step = softplus(W_dt [Re y; Im y] + b_dt) in R^(G N), W_dt = 0, b_dt = inv(1), so step = 1 at first
    (2) h_t = exp(step_t (-softplus(a) + i theta)) h_(t-1) + step_t B_g y_t
        softplus(a) = 1/tau at first; theta_n = pi (2 (n + 1/2)/N - 1); B ~ CN(0, (1 - e^(-2/tau))/N), so that the
        energy of h does not grow with tau
    (3) o = C_g h + k o y, C ~ CN(0, 1/N), k real, initially 1

Sources: topology report 1.1, 2.1; P0 issue 2. Switches in files of their own: horizon, scan, layout; and at `kernels:
fused`, layout complex64, the products of (3) and, where the scan is fused as well, of (1) and (2) (`products`).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sem_impl.horizon import HORIZONS
from sem_impl.initial import Initial
from sem_impl.kernels.native import usable
from sem_impl.kernels.native.scan import selective_scan
from sem_impl.layout import LAYOUTS
from sem_impl.products import Answered, Driven, several
from sem_impl.scan import SCANS
from sem_impl.sizes import Dimensions


def inverse_softplus(y: float) -> float:
    return math.log(math.expm1(y))


class StateSpace(nn.Module):
    def __init__(
        self, initial: Initial, sizes: Dimensions, *, horizon: str, scan: str, layout: str, kernels: str = "eager"
    ) -> None:
        super().__init__()
        width, groups, states = sizes.width, sizes.groups, sizes.states
        tau = HORIZONS[horizon](sizes.seq_len)
        self.scan, self.fused = SCANS[scan], scan == "fused"
        self.layout = LAYOUTS[layout]
        self.joint = kernels == "fused" and layout == "complex64"
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
        native = self.fused and y.shape[-2] > 1 and usable("scan", y)
        h = self.selected(y, state) if native else self.scanned(y, state)
        return self.answered(h, y), self.layout.leave(h[..., -1, :])

    def scanned(self, y: Tensor, state: Tensor) -> Tensor:
        """(2), all positions' A and u at once, then the recurrence."""
        step = self.step(y)
        A = self.layout.polar(torch.exp(-step * softplus(self.decay)), step * self.theta)
        u = self.layout.scaled(self.layout.grouped(y, self.inward), step)
        return self.scan(A, u, self.layout.small(state))

    def selected(self, y: Tensor, state: Tensor) -> Tensor:
        """(2), and the softplus of (1), in one native operator."""
        x, drive = self.driven(y)
        return selective_scan(x, softplus(self.decay), self.theta, drive, self.layout.small(state))

    def driven(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The step before its softplus, and B y."""
        if self.joint and several(y):
            inward = torch.view_as_complex(self.inward)
            return Driven.apply(y, self.step_weight.flatten(1), self.step_bias, inward)
        return self.layout.mapped(y, self.step_weight, self.step_bias), self.layout.grouped(y, self.inward)

    def answered(self, h: Tensor, y: Tensor) -> Tensor:
        """(3)."""
        if self.joint and several(y):
            return Answered.apply(h, torch.view_as_complex(self.outward), y, self.skip)
        return self.layout.grouped(h, self.outward) + self.skip * y

    def step(self, y: Tensor) -> Tensor:
        """(1), real [B, S, D]."""
        return softplus(self.layout.mapped(y, self.step_weight, self.step_bias))
