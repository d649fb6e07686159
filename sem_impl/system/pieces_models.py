"""The modules of the pieces (`pieces`), and the loss they share."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, softplus

from sem_impl.fresh import empty_like
from sem_impl.head import Head
from sem_impl.initial import Initial
from sem_impl.norm import NORMS
from sem_impl.propagator import Enter, Kerr, Leave
from sem_impl.scan import SCANS
from sem_impl.sinkhorn import SINKHORNS, Problem


class Functional(torch.autograd.Function):
    """Re <w, made> divided by the number of entries: one pass over both, and in the adjoint one that writes w g. A sum
    of numbers of either sign rounds worse than they do; divided, it weighs nothing beside them where outputs are
    compared."""

    @staticmethod
    def forward(ctx: Any, made: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(w)
        pairs = [(made, w)] if made.is_contiguous() else zip(made, w, strict=True)
        return torch.stack([torch.dot(_numbers(m), _numbers(v)) for m, v in pairs]).sum() / made.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (w,) = ctx.saved_tensors
        return w * (g / w.numel()), None


def _numbers(x: Tensor) -> Tensor:
    return (torch.view_as_real(x) if x.is_complex() else x).reshape(-1)


def taped(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    """Position after position in torch's own operators, every one of them on autograd's tape."""
    states = []
    for A_t, u_t in zip(A.unbind(1), u.unbind(1), strict=True):
        state = torch.addcmul(u_t, A_t, state)
        states.append(state)
    return torch.stack(states, 1)


def indexed(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    """The same loop as it is commonly written, with an index for every position: the adjoint of an index is a tensor as
    large as what it was taken from, so the backward pass is quadratic in S."""
    states = []
    for position in range(A.shape[1]):
        state = A[:, position] * state + u[:, position]
        states.append(state)
    return torch.stack(states, 1)


class Scan(nn.Module):
    """u [B, S, H] -> h. A [B, S, H] = exp(-s (1/tau - i theta)), s = softplus(N(0, 1)) for every position and channel,
    tau = S/3, theta spread evenly over a turn; h_0 ~ CN(0, 1). A and h_0 are parameters: dL/dA_t holds dL/du_t."""

    def __init__(self, initial: Initial, shape: tuple[int, int, int], scan: Any, work: str) -> None:
        super().__init__()
        B, S, H = shape
        generator = torch.Generator().manual_seed(initial.seed)
        step = softplus(torch.randn(shape, generator=generator))
        theta = math.pi * (2 * (torch.arange(H) + 0.5) / H - 1)
        self.A = initial.values("A", torch.view_as_real(torch.polar(torch.exp(-step * 3 / S), step * theta)))
        self.state = initial.complex("state", (B, H), 1.0)
        self.scan, self.work = scan, work

    def forward(self, u: Tensor) -> Tensor:
        A, state = torch.view_as_complex(self.A), torch.view_as_complex(self.state)
        return self.scan(A, u, state) if self.work == "computed" else A + u


SCAN_LEVELS = {"indexed": indexed, "taped": taped, **SCANS}


def logsumexp(problem: Problem, most: int, converged: float) -> Any:  # noqa: ARG001 - it always makes all updates
    """The textbook's loop in the log domain: rows, then columns, each by torch's logsumexp. The gradient goes through
    all updates: the implicit one of the other levels in so far as the plan is balanced."""
    cost = problem.price(problem.point, problem.codes)
    S, K = cost.shape[-2:]
    low, v = -cost, torch.zeros_like(cost[:, :1])
    for _ in range(most):
        rows = torch.logsumexp(low + v, -1, keepdim=True)
        v = math.log(S / K) - torch.logsumexp(low - rows, -2, keepdim=True)
    return torch.log_softmax(low + v, -1)


class Given(torch.autograd.Function):
    """Costs that do not depend on the codes, which a solver may ask a gradient for."""

    @staticmethod
    def forward(ctx: Any, costs: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        return costs.view_as(costs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        return g, torch.zeros_like(*ctx.saved_tensors)


class Sinkhorn(nn.Module):
    """costs in nats [B, S, K] -> log t after `updates` updates. A parameter [S, K], initially N(0, 0.1^2), is added to
    the costs of every batch row: its gradient is that of the costs, entry by entry."""

    def __init__(self, initial: Initial, shape: tuple[int, int], level: str, updates: int, work: str) -> None:
        super().__init__()
        self.prior = initial.real("prior", shape, deviation=0.1)
        self.level, self.updates, self.work = level, updates, work

    def forward(self, costs: Tensor) -> Tensor:
        costs = costs + self.prior
        if self.work == "copied":
            return costs
        codes = costs.new_empty(costs.shape[-1], 0)
        problem = Problem(costs, codes, Given.apply, lambda log_t: log_t)
        if self.level in PLANS:
            return PLANS[self.level](problem, self.updates, 0.0)
        return SINKHORNS[self.level](problem, self.updates, 0.0).made


PLANS = {"logsumexp": logsumexp}
"""Levels of the piece alone: they give log t and nothing beside it."""


class KerrPhase(nn.Module):
    """psi [rows, P] -> psi exp(i kappa |psi|^2), kappa [P] ~ N(1, 0.1^2)."""

    def __init__(self, initial: Initial, width: int, kernels: str, work: str) -> None:
        super().__init__()
        self.kappa = initial.real("kappa", (width,), mean=1.0, deviation=0.1)
        self.kernels, self.work = kernels, work

    def forward(self, psi: Tensor) -> Tensor:
        if self.work == "copied":
            return psi.clone()
        if self.kernels == "complex_exp":
            return psi * torch.exp(1j * self.kappa * (psi * psi.conj()).real)
        return turned(psi, self.kappa, self.kernels)


def turned(psi: Tensor, kappa: Tensor, kernels: str) -> Tensor:
    return Leave.apply(Kerr.apply(Enter.apply(psi, kernels), kappa, kernels), kernels)


class Uneven(Initial):
    """Where a model begins with a constant, N(constant, 0.1^2): a gradient that is wrong where weights differ shows."""

    @classmethod
    def of(cls, initial: Initial) -> "Uneven":
        uneven = cls(initial.seed, initial.dtype)
        uneven.prefix, uneven.shared = initial.prefix, initial.shared
        return uneven

    def real(self, name: str, shape: Any, *, mean: float = 0.0, deviation: float = 0.0, matrix: bool = False) -> Any:
        return super().real(name, shape, mean=mean, deviation=deviation or 0.1, matrix=matrix)


class Norm(nn.Module):
    """z [rows, D] -> rows of mean square 1, by one of the norms; the others' weights are there and unread."""

    def __init__(self, initial: Initial, width: int, *, norm: str, kernels: str, work: str) -> None:
        super().__init__()
        uneven = Uneven.of(initial)
        self.norms = nn.ModuleDict(
            {name: level(uneven.scope(f"norms.{name}"), width, kernels=kernels) for name, level in NORMS.items()}
        )
        self.norm, self.work = norm, work

    def forward(self, z: Tensor) -> Tensor:
        return self.norms[self.norm](z) if self.work == "computed" else z.clone()


class Beside(nn.Module):
    """A module, or a copy of its input."""

    def __init__(self, inner: nn.Module, work: str) -> None:
        super().__init__()
        self.inner, self.work = inner, work

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if self.work == "computed" else x.clone()


class Products(torch.autograd.Function):
    """rows W^T, and in the adjoint the two products of its gradients, with the amplitudes in the place of theirs: the
    arithmetic of a head and nothing beside it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, W: Tensor) -> Tensor:
        amplitude = linear(rows, W)
        ctx.save_for_backward(rows, W, amplitude)
        return amplitude.flatten()[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG004 - autograd's signature
        rows, W, G = ctx.saved_tensors
        of_W = empty_like(W)  # in pages as large as the loss in blocks asks for: the floor is no slower for its memory
        return G @ W, torch.mm(G.flatten(0, -2).t(), rows.flatten(0, -2), out=of_W)


class HeadLoss(nn.Module):
    """psi [rows, P] and targets -> the loss; without targets the logits. Rows get their norm of 1 in the leanest way
    there is, at every level: what is asked here is what a loss takes."""

    def __init__(self, initial: Initial, width: int, vocabulary: int, *, head: str, loss: str, work: str) -> None:
        super().__init__()
        self.head = Head(initial.scope("head"), width, vocabulary, head=head, loss=loss, kernels="fused")
        self.work = work

    def forward(self, psi: Tensor, targets: Tensor | None = None) -> Tensor:
        if self.work == "computed":
            return self.head(psi, targets)
        projection = self.head.projection
        rows, W = projection.rows(self.head.direction(psi)), projection.weight.flatten(1)
        return linear(rows, W).movedim(-2, 0) if targets is None else Products.apply(rows, W)
