"""Inputs and dense double-precision oracles shared by the tests of the propagator."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from sem_impl.hamiltonian import dense
from sem_impl.kernels import compiled


def weights_of(P: int, seed: int = 0, dtype: torch.dtype = torch.float64, spread: float = 0.1) -> Tensor:
    """Edge weights as a model has them before training, drawn in double and rounded."""
    return softplus(spread * torch.randn(3, P, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(
        dtype
    )


def rows_of(rows: int, P: int, seed: int = 1, dtype: torch.dtype = torch.complex128) -> Tensor:
    return torch.randn(rows, P, generator=torch.Generator().manual_seed(seed), dtype=torch.complex128).to(dtype)


def cayley(q: Tensor, weights: Tensor, a: float) -> Tensor:
    """The step by torch.linalg.solve in complex128; differentiable, so autograd through it is the gradients' oracle."""
    H = dense(weights.double()).to(torch.complex128)
    one = torch.eye(len(H), dtype=H.dtype)
    b = (one - 1j * a * H) @ q.to(torch.complex128).T
    return torch.linalg.solve(one + 1j * a * H, b).T


def growth(weights: Tensor, a: float) -> float:
    """|A| = |I + i a H| <= sqrt(1 + a^2 (2 max d)^2)."""
    return math.hypot(1, 2 * a * dense(weights.double()).diagonal().max().item())


def relative(found: Tensor, truth: Tensor) -> float:
    """Worst relative error over tokens (2-norm); absolute where the truth is 0."""
    error, size = (found - truth).norm(dim=1), truth.norm(dim=1)
    return torch.where(size > 0, error / size, error).max().item()


def rounding(dtype: torch.dtype, updates: int) -> float:
    """Every update rounds x once, and forms A p from 7 products and 2 sums: below eps each; 4 for the ends."""
    return torch.finfo(dtype).eps * (4 + updates)


def uncompiled(monkeypatch) -> None:
    """The leaf functions of `compiled` run as they stand: their formulas, without waiting for a compiler."""
    monkeypatch.setattr(compiled, "run", lambda leaf, *arguments: leaf(*arguments))
