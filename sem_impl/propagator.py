"""The propagator: `layers` times a Kerr phase and a Cayley step.

Shapes: psi [..., P] complex; inside rows [rows, P], one token a row. kappa [P], weights of H [3, P]. dt without unit.
    (1) q = psi exp(i kappa |psi|^2), kappa = 1 initially
    (2) (I + i a H) psi' = (I - i a H) q, a = dt/2; H of `hamiltonian`, w = softplus(strength) softplus(eta),
        eta ~ N(0, 0.1^2), softplus(strength) = 1 initially; both steps keep |psi| per token, (1) per entry
Adjoint, g = dL/d conj psi' in torch's convention, (U = the Cayley transform of (2), U^H = U at -a):
    (3) g_q = U^H g, by the same method; z = (g + g_q)/2, y = (q + psi')/2
        dL/dw_e = 2 a sum_tokens Im(conj(z_i - z_j)(y_i - y_j)) for the edge e = (i, j)
    (4) t = exp(-i kappa |psi|^2) g_q, m = Im(t conj psi): dL/dpsi = t + 2 kappa m psi, dL/dkappa = sum_tokens m |psi|^2
Kept for the backward pass: psi, q, psi' and nothing else (with `direct`, U; where both steps are one native operator,
not q, which is formed again). Where a method stalls, (3) is as wrong as the step. The documents write the opposite sign
of a, which is the complex conjugate operator.
Derivations: docs/math.md. Sources: sem_topology_report 1.1, 3.2; sem_p0_issues 1.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sem_impl.hamiltonian import OFFSETS, check_width
from sem_impl.initial import Initial
from sem_impl.kernels import kernels_of
from sem_impl.solve import Step, advance, evolve, unitary, whole
from sem_impl.solved import Outcome, solve
from sem_impl.tolerance import TOLERANCES, fixed

SEVERITY: tuple[Outcome, ...] = get_args(Outcome)


class Enter(torch.autograd.Function):
    """psi [rows, P] complex to the layout of the kernels; `Leave` is its inverse and its adjoint."""

    @staticmethod
    def forward(ctx: Any, psi: Tensor, level: str) -> Tensor:
        ctx.level = level
        return kernels_of(level, psi).enter(psi)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return kernels_of(ctx.level, g).leave(g), None


class Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, field: Tensor, level: str) -> Tensor:
        ctx.level = level
        return kernels_of(level, field).leave(field)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return kernels_of(ctx.level, g).enter(g), None


class Kerr(torch.autograd.Function):
    """Equation (1), adjoint (4)."""

    @staticmethod
    def forward(ctx: Any, psi: Tensor, kappa: Tensor, level: str) -> Tensor:
        ctx.save_for_backward(psi, kappa)
        ctx.level = level
        return kernels_of(level, psi).kerr(psi, kappa)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        return *kernels_of(ctx.level, g).kerr_adjoint(*ctx.saved_tensors, g.contiguous()), None


class Cayley(torch.autograd.Function):
    """Equation (2), adjoint (3)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, weights: Tensor, step: Step, U: Tensor | None) -> Tensor:
        psi = advance(step, q, weights, U)
        ctx.save_for_backward(q, psi, weights, U)
        ctx.step = step
        return psi

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        q, psi, weights, U = ctx.saved_tensors
        step, g = ctx.step, g.contiguous()
        g_q = advance(replace(step, a=-step.a), g, weights, None if U is None else U.mH)
        if not ctx.needs_input_grad[1]:
            return g_q, None, None, None
        return g_q, 2 * step.a * kernels_of(step.kernels, g).edge_gradients(q, psi, g, g_q), None, None


class Layer(nn.Module):
    def __init__(self, initial: Initial, P: int) -> None:
        super().__init__()
        self.kappa = initial.real("kappa", (P,), mean=1.0)
        self.eta = initial.real("eta", (len(OFFSETS), P), deviation=0.1)
        self.strength = initial.real("strength", (len(OFFSETS),), mean=math.log(math.e - 1))
        self._unitary: tuple[Any, Tensor | None] = (None, None)

    def weights(self) -> Tensor:
        return softplus(self.strength)[:, None] * softplus(self.eta)

    def unitary(self, weights: Tensor, a: float) -> Tensor:
        """U, dense. Built in every call where gradients are wanted, else once for these parameters: the one thing a
        module keeps, and a function of its parameters alone."""
        if torch.is_grad_enabled():
            return unitary(weights.detach(), a)
        state = (a, *((p.data_ptr(), p._version, p.dtype, p.device) for p in (self.eta, self.strength)))
        if self._unitary[0] != state:
            self._unitary = (state, unitary(weights, a))
        return self._unitary[1]

    def forward(self, field: Tensor, step: Step) -> Tensor:
        weights = self.weights()
        if whole(step, field):
            return evolve(step, field, self.kappa, weights)[0]
        U = self.unitary(weights, step.a) if step.method == "direct" else None
        return Cayley.apply(Kerr.apply(field, self.kappa, step.kernels), weights, step, U)


class Propagator(nn.Module):
    """psi [..., P] complex -> the same. In evaluation the tolerance is that of a finished training."""

    def __init__(
        self,
        initial: Initial,
        *,
        layers: int,
        method: str,
        matrix: str,
        preconditioner: str,
        tolerance: str,
        kernels: str,
        P: int,
        dt: float,
        training_step: int,
        max_iterations: int,
    ) -> None:
        super().__init__()
        check_width(P)
        if not math.isfinite(dt) or dt == 0:
            raise ValueError(f"dt = {dt}: a step needs a finite dt other than 0")
        self.tolerance = tolerance
        self.training_step = training_step
        self.settings = Step(dt / 2, method, matrix, preconditioner, kernels, fixed(0), max_iterations)
        self.layers = nn.ModuleList(Layer(initial.scope(f"layers.{number}"), P) for number in range(layers))

    def step(self) -> Step:
        tolerance = TOLERANCES[self.tolerance](self.training_step) if self.training else fixed(0)
        return replace(self.settings, tolerance=tolerance)

    def forward(self, psi: Tensor) -> Tensor:
        step = self.step()
        field = Enter.apply(psi.reshape(-1, psi.shape[-1]), step.kernels)
        for layer in self.layers:
            field = layer(field, step)
        return Leave.apply(field, step.kernels).reshape(psi.shape)

    @torch.no_grad()
    def probe(self, psi: Tensor) -> tuple[Mapping[str, float | str], Tensor]:
        """The same steps, looked at closely: readings, and psi after them."""
        step, shape = self.step(), psi.shape
        kernels = kernels_of(step.kernels, psi)
        psi = psi.reshape(-1, shape[-1])
        solved, defects = [], []
        for layer in self.layers:
            q = kernels.leave(kernels.kerr(kernels.enter(psi), layer.kappa))
            solved.append(solve(step, q, layer.weights()))
            psi = solved[-1].x
            defects.append(norm_defect(q, psi))
        readings = {
            "iterations_mean": sum(s.iterations.double().mean().item() for s in solved) / len(solved),
            "iterations_max": max(s.iterations.max().item() for s in solved),
            "products": sum(s.products for s in solved),
            "residual": max(s.residual.max().item() for s in solved),
            "norm_defect": max(defects),
            "outcome": max((s.outcome for s in solved), key=SEVERITY.index),
        }
        return readings, psi.reshape(shape)


def norm_defect(q: Tensor, psi: Tensor) -> float:
    """The worst | |psi'|/|q| - 1 | over tokens; 0 where both are 0."""
    before, after = (v.cpu().to(torch.complex128).norm(dim=1) for v in (q, psi))
    return torch.where(before > 0, (after / before - 1).abs(), after).max().item()
