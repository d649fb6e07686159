"""The mixer's two gates, on complex rows z [B, S, D]. Source: topology report 1.1.

unitary    U0 = (I - A)^-1 (I + A), A = (R - R^H)/2, R ~ 0.5 CN(0, 1/8) per block of 8;
           g = sigmoid(W_g [Re z; Im z] + b_g), one per token and block, W_g ~ N(0, 1/2D), b_g = 0;
           z <- U0 diag(exp(i g phi)) U0^H z, phi ~ N(0, 1).  Keeps every block's norm.
magnitude  y = z (1 - exp(-e^beta |z|^2)), beta a scalar, initially 0

At the level `fused` of the switch `kernels` each is one native pass each way: the unitary one with both of its maps,
the magnitude one on complex fields, where a mixer layer has the convolution in the same pass (`convolution`).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from sem_impl.initial import Initial
from sem_impl.kernels.native import rows as native
from sem_impl.kernels.native import usable
from sem_impl.kernels.native.unitary import unitary_gate
from sem_impl.layout import LAYOUTS
from sem_impl.linear import planes, unit
from sem_impl.sizes import BLOCK


class UnitaryGate(nn.Module):
    def __init__(self, initial: Initial, width: int, *, kernels: str = "eager") -> None:
        super().__init__()
        self.fused = kernels == "fused"
        blocks = width // BLOCK
        self.generator = initial.complex("generator", (blocks, BLOCK, BLOCK), 0.25 / BLOCK, matrix=True)
        self.gate = initial.real("gate", (blocks, width, 2), deviation=(2 * width) ** -0.5, matrix=True)
        self.bias = initial.real("bias", (blocks,))
        self.phase = initial.real("phase", (blocks, BLOCK), deviation=1.0)

    def forward(self, z: Tensor) -> Tensor:
        logits, U0 = linear(planes(z), self.gate.flatten(1), self.bias), self.unitary()
        if self.fused and usable("unitary", z):
            return unitary_gate(z.flatten(0, -2), logits.flatten(0, -2), U0, self.phase).view(z.shape)
        gate = torch.sigmoid(logits)
        rows = z.reshape(-1, len(U0), BLOCK).transpose(0, 1)
        turn = unit(gate.reshape(-1, len(U0)).t().unsqueeze(-1) * self.phase.unsqueeze(1))
        turned = torch.bmm(torch.bmm(rows, U0.conj()) * turn, U0.mT)
        return turned.transpose(0, 1).reshape(z.shape)

    def unitary(self) -> Tensor:
        R = torch.view_as_complex(self.generator)
        A = (R - R.mH) / 2
        eye = torch.eye(BLOCK, dtype=A.dtype, device=A.device)
        return torch.linalg.solve(eye - A, eye + A)


class MagnitudeGate(nn.Module):
    """On a field in the level of the switch `layout`."""

    def __init__(self, initial: Initial, *, layout: str = "complex64", kernels: str = "eager") -> None:
        super().__init__()
        self.layout = LAYOUTS[layout]
        self.beta = initial.real("beta", ())
        self.fused = kernels == "fused" and layout == "complex64"

    def forward(self, z: Tensor) -> Tensor:
        if self.fused and usable("rows", z, self.beta):
            return native.magnitude_gate(z, self.beta)
        return self.layout.scaled(z, -torch.expm1(-self.beta.exp() * self.layout.energy(z)))
