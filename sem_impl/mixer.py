"""Mixer: L layers of complex selective state space, psi [B, S, D] -> psi [B, S, D]. Sources: topology report 1.1, 2.1;
P0 issue 2. G groups of N = D/G states and inputs; blocks of 8 in the unitary gate.

    (1) z = norm(psi)
    (2) unitary gate: U0 = (I - A)^-1 (I + A), A = (R - R^H)/2, R ~ 0.5 CN(0, 1/8) per block;
        g = sigmoid(W_g [Re z; Im z] + b_g), one per token and block, W_g ~ N(0, 1/2D), b_g = 0;
        z <- U0 diag(exp(i g phi)) U0^H z, phi ~ N(0, 1).  Keeps every block's norm.
    (3) depthwise causal convolution: z_t <- sum_(j=0..3) w_j o z_(t-j), w ~ CN(0, 1/4), no bias
    (4) magnitude gate: y = z (1 - exp(-e^beta |z|^2)), beta a scalar, initially 0
    (5) step = softplus(W_dt [Re y; Im y] + b_dt) in R^(G N), W_dt = 0, b_dt = inv(1), so step = 1 at first
    (6) h_t = exp(step_t (-softplus(a) + i theta)) h_(t-1) + step_t B_g y_t,  h_0 = 0
        softplus(a) = 1/tau at first; theta_n = pi (2 (n + 1/2)/N - 1); B ~ CN(0, (1 - e^(-2/tau))/N), so that the
        energy of h does not grow with tau
    (7) o = C_g h + k o y, C ~ CN(0, 1/N), k real, initially 1;   psi <- psi + scale_l W_out o

horizon   tau in tokens, while step = 1: `third` S/3 (P0 issue 2), S that of the size.
Switches with one level each in files of their own: norm, residual, scan.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, softplus

from sem_impl.initial import Initial
from sem_impl.linear import ComplexLinear, planes
from sem_impl.norm import NORMS
from sem_impl.residual import RESIDUALS
from sem_impl.scan import SCANS
from sem_impl.sizes import BLOCK, TAPS, Dimensions


def third(seq_len: int) -> float:
    return seq_len / 3


HORIZONS = {"third": third}


def inverse_softplus(y: float) -> float:
    return math.log(math.expm1(y))


def unit(angle: Tensor) -> Tensor:
    """exp(i angle) from two real functions: several times faster than the complex exponential."""
    return torch.complex(angle.cos(), angle.sin())


class UnitaryGate(nn.Module):
    def __init__(self, initial: Initial, width: int) -> None:
        super().__init__()
        blocks = width // BLOCK
        self.generator = initial.complex("generator", (blocks, BLOCK, BLOCK), 0.25 / BLOCK)
        self.gate = initial.real("gate", (blocks, width, 2), deviation=(2 * width) ** -0.5)
        self.bias = initial.real("bias", (blocks,))
        self.phase = initial.real("phase", (blocks, BLOCK), deviation=1.0)

    def forward(self, z: Tensor) -> Tensor:
        gate = torch.sigmoid(linear(planes(z), self.gate.flatten(1), self.bias))
        U0 = self.unitary()
        rows = z.reshape(-1, len(U0), BLOCK).transpose(0, 1)
        turn = unit(gate.reshape(-1, len(U0)).t().unsqueeze(-1) * self.phase.unsqueeze(1))
        turned = torch.bmm(torch.bmm(rows, U0.conj()) * turn, U0.mT)
        return turned.transpose(0, 1).reshape(z.shape)

    def unitary(self) -> Tensor:
        R = torch.view_as_complex(self.generator)
        A = (R - R.mH) / 2
        eye = torch.eye(BLOCK, dtype=A.dtype, device=A.device)
        return torch.linalg.solve(eye - A, eye + A)


class CausalConvolution(nn.Module):
    def __init__(self, initial: Initial, width: int) -> None:
        super().__init__()
        self.taps = initial.complex("taps", (TAPS, width), 1 / TAPS)

    def forward(self, z: Tensor) -> Tensor:
        taps = torch.view_as_complex(self.taps)
        length = z.shape[1]
        padded = pad(torch.view_as_real(z), (0, 0, 0, 0, TAPS - 1, 0))
        padded = torch.view_as_complex(padded)
        out = padded[:, TAPS - 1 :] * taps[0]
        for back in range(1, TAPS):
            start = TAPS - 1 - back
            out = torch.addcmul(out, padded[:, start : start + length], taps[back])
        return out


class MagnitudeGate(nn.Module):
    def __init__(self, initial: Initial) -> None:
        super().__init__()
        self.beta = initial.real("beta", ())

    def forward(self, z: Tensor) -> Tensor:
        return z * -torch.expm1(-self.beta.exp() * (z * z.conj()).real)


class StateSpace(nn.Module):
    def __init__(self, initial: Initial, sizes: Dimensions, *, horizon: str, scan: str) -> None:
        super().__init__()
        width, groups, states = sizes.width, sizes.groups, sizes.states
        tau = HORIZONS[horizon](sizes.seq_len)
        self.groups = groups
        self.scan = SCANS[scan]
        self.step_weight = initial.real("step_weight", (width, width, 2))
        self.step_bias = initial.real("step_bias", (width,), mean=inverse_softplus(1.0))
        self.decay = initial.real("decay", (width,), mean=inverse_softplus(1 / tau))
        theta = math.pi * (2 * (torch.arange(states, dtype=torch.float64) + 0.5) / states - 1)
        self.theta = initial.values("theta", theta.repeat(groups))
        self.inward = initial.complex("inward", (groups, states, states), -math.expm1(-2 / tau) / states)
        self.outward = initial.complex("outward", (groups, states, states), 1 / states)
        self.skip = initial.real("skip", (width,), mean=1.0)

    def forward(self, y: Tensor) -> Tensor:
        step = softplus(linear(planes(y), self.step_weight.flatten(1), self.step_bias))
        A = torch.exp(-step * softplus(self.decay)) * unit(step * self.theta)
        u = step * self.grouped(y, self.inward)
        h = self.scan(A, u, torch.zeros_like(u[:, 0]))
        return self.grouped(h, self.outward) + self.skip * y

    def grouped(self, z: Tensor, weight: Tensor) -> Tensor:
        """Every group's own matrix: [.., g, n] <- sum_m weight[g, n, m] z[.., g, m]."""
        rows = z.reshape(-1, self.groups, z.shape[-1] // self.groups).transpose(0, 1)
        return torch.bmm(rows, torch.view_as_complex(weight).mT).transpose(0, 1).reshape(z.shape)


class MixerLayer(nn.Module):
    def __init__(
        self, initial: Initial, sizes: Dimensions, layer: int, *, norm: str, residual: str, horizon: str, scan: str
    ) -> None:
        super().__init__()
        width = sizes.width
        self.norm = NORMS[norm](initial.scope("norm"), width)
        self.unitary_gate = UnitaryGate(initial.scope("unitary_gate"), width)
        self.convolution = CausalConvolution(initial.scope("convolution"), width)
        self.magnitude_gate = MagnitudeGate(initial.scope("magnitude_gate"))
        self.state_space = StateSpace(initial.scope("state_space"), sizes, horizon=horizon, scan=scan)
        self.output = ComplexLinear(initial.scope("output"), width, width)
        self.residual = RESIDUALS[residual](
            initial.scope("residual"), width, layer=layer, layers=sizes.layers, seq_len=sizes.seq_len
        )

    def forward(self, psi: Tensor) -> Tensor:
        z = self.norm(psi)
        z = self.unitary_gate(z)
        z = self.convolution(z)
        y = self.magnitude_gate(z)
        o = self.state_space(y)
        return self.residual(psi, self.output(o))


class Mixer(nn.Module):
    def __init__(self, initial: Initial, sizes: Dimensions, **levels: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MixerLayer(initial.scope(f"layers.{layer}"), sizes, layer, **levels) for layer in range(sizes.layers)
        )

    def forward(self, psi: Tensor) -> Tensor:
        for layer in self.layers:
            psi = layer(psi)
        return psi
