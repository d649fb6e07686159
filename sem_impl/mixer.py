"""Mixer: L layers of complex selective state space, psi [B, S, D] -> psi [B, S, D]. Sources: topology report 1.1, 2.1.

    (1) z = norm(psi)
    (2) unitary gate (`gates`), depthwise causal convolution (`convolution`), magnitude gate (`gates`) -> y
    (3) o of the selective state space (`state_space`)
    (4) psi <- psi + scale_l W_out o (`residual`)

What a layer carries from one call to the next is `Carried`; at the beginning of a text it is zero. It is copied: a view
would keep alive every position it came from.

switch `kernels`: at `fused` what stands between the products is native (norm, gates, convolution; the scan has a switch
of its own), and the products add up in place (`products`). Layouts on planes have the norm and the unitary gate of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sem_impl.checkpointing import CHECKPOINTINGS
from sem_impl.convolution import CausalConvolution
from sem_impl.gates import MagnitudeGate, UnitaryGate
from sem_impl.initial import Initial
from sem_impl.kernels.native import usable
from sem_impl.layout import LAYOUTS
from sem_impl.linear import ComplexLinear
from sem_impl.norm import NORMS
from sem_impl.products import several
from sem_impl.residual import RESIDUALS
from sem_impl.sizes import TAPS, Dimensions
from sem_impl.state_space import StateSpace


class Carried(NamedTuple):
    tail: Tensor
    """[B, 3, D] complex: the convolution's last inputs."""
    state: Tensor
    """[B, D] complex: h."""


class MixerLayer(nn.Module):
    def __init__(
        self,
        initial: Initial,
        sizes: Dimensions,
        layer: int,
        *,
        norm: str,
        residual: str,
        horizon: str,
        scan: str,
        layout: str,
        kernels: str = "eager",
    ) -> None:
        super().__init__()
        width = sizes.width
        self.layout = LAYOUTS[layout]
        self.joint = kernels == "fused" and layout == "complex64"
        self.norm = NORMS[norm](initial.scope("norm"), width, kernels=kernels)
        self.unitary_gate = UnitaryGate(initial.scope("unitary_gate"), width, kernels=kernels)
        self.convolution = CausalConvolution(initial.scope("convolution"), width, layout=layout)
        self.magnitude_gate = MagnitudeGate(initial.scope("magnitude_gate"), layout=layout, kernels=kernels)
        self.state_space = StateSpace(
            initial.scope("state_space"), sizes, horizon=horizon, scan=scan, layout=layout, kernels=kernels
        )
        self.output = ComplexLinear(initial.scope("output"), width, width)
        self.residual = RESIDUALS[residual](
            initial.scope("residual"), width, layer=layer, layers=sizes.layers, seq_len=sizes.seq_len
        )

    def forward(self, psi: Tensor, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        tail, state = carried or beginning(psi)
        z = self.unitary_gate(self.norm(psi))
        y, tail = self.gated(z, tail)
        o, state = self.state_space(y, state)
        return self.added(psi, o), Carried(tail.clone(), state.clone())

    def gated(self, z: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Convolution and magnitude gate; the tail after z."""
        if self.joint and usable("taps", z):
            return self.convolution.gated(z, tail, self.magnitude_gate.beta)
        z, tail = self.convolution(z, tail)
        return self.magnitude_gate(z), tail

    def added(self, psi: Tensor, o: Tensor) -> Tensor:
        """(4)."""
        if self.joint and several(psi):
            return self.residual.onto(psi, o, torch.view_as_complex(self.output.weight))
        return self.residual(psi, self.output(self.layout.leave(o)))


def beginning(psi: Tensor) -> Carried:
    batch, _, width = psi.shape
    return Carried(psi.new_zeros(batch, TAPS - 1, width), psi.new_zeros(batch, width))


class Mixer(nn.Module):
    def __init__(self, initial: Initial, sizes: Dimensions, *, checkpointing: str = "none", **levels: str) -> None:
        super().__init__()
        self.through = CHECKPOINTINGS[checkpointing]
        self.layers = nn.ModuleList(
            MixerLayer(initial.scope(f"layers.{layer}"), sizes, layer, **levels) for layer in range(sizes.layers)
        )

    def forward(self, psi: Tensor, carried: Sequence[Carried] | None = None) -> tuple[Tensor, list[Carried]]:
        return self.through(self.layers, psi, carried or [None] * len(self.layers))
