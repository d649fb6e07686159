"""The operators `semh::sinkhorn` (costs -> plan) and `semh::sinkhorn_adjoint` (its implicit gradient).

Shapes, units and equations: `sinkhorn`, level `fused`. Costs [B, S, K], all sizes above 0, are made contiguous. The
backward pass keeps log t alone, whatever the number of updates; its products t't and the K x K solve are torch's.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sem_impl.kernels.native import call, dense, operator


class Ended(NamedTuple):
    log_t: Tensor
    v: Tensor
    """[B, 1, K]."""
    log_columns: Tensor
    """[B, 1, K]."""
    error: Tensor
    updates: Tensor
    """A whole number, int64."""


def _keep(ctx, inputs, output) -> None:  # noqa: ARG001 - the signature is torch's
    log_t, *rest = output
    ctx.save_for_backward(log_t)
    ctx.mark_non_differentiable(*rest)


def _backward(ctx, Q: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
    return sinkhorn_adjoint(ctx.saved_tensors[0], Q), None, None


@operator("sinkhorn", _backward, _keep)
def sinkhorn(cost: Tensor, converged: float, most: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    if cost.ndim != 3 or cost.numel() == 0 or most < 0:
        raise ValueError(
            f"semh::sinkhorn: costs {list(cost.shape)}, most {most}; [B, S, K] above 0 would do, most >= 0"
        )
    (cost,) = dense(cost)
    ended = _empty(cost)
    call("sinkhorn", "sinkhorn", cost, cost, *cost.shape, float(converged), most, *ended)
    return ended


@torch.library.register_fake(sinkhorn)
def _empty(cost: Tensor, converged: float = 0.0, most: int = 0) -> Ended:  # noqa: ARG001 - the operator's signature
    rows, length, candidates = cost.shape
    return Ended(
        cost.new_empty(rows, length, candidates),
        cost.new_empty(rows, 1, candidates),
        cost.new_empty(rows, 1, candidates),
        cost.new_empty(()),
        cost.new_empty((), dtype=torch.int64),
    )


@operator("sinkhorn_adjoint")
def sinkhorn_adjoint(log_t: Tensor, Q: Tensor) -> Tensor:
    if log_t.ndim != 3 or Q.shape != log_t.shape or Q.dtype != log_t.dtype:
        raise ValueError(
            f"semh::sinkhorn_adjoint: log t {list(log_t.shape)} {log_t.dtype}, Q {list(Q.shape)} {Q.dtype}; "
            "two alike [B, S, K] would do"
        )
    log_t, Q = dense(log_t, Q)
    rows, length, candidates = log_t.shape
    t, sums, g = torch.empty_like(log_t), log_t.new_empty(rows, length), log_t.new_empty(rows, candidates, 1)
    call("sinkhorn", "sinkhorn_adjoint", log_t, log_t, Q, *log_t.shape, t, sums, g)
    matrix = torch.baddbmm(log_t.new_full((), 1 / candidates**2), t.mT, t, alpha=-1 / length)
    matrix.diagonal(dim1=-2, dim2=-1).add_(1 / candidates)
    mu = solved(matrix, g).contiguous()
    call("sinkhorn", "sinkhorn_finish", t, t, Q, sums, mu, *log_t.shape)
    return t


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    """[B, K, K], [B, K, 1]: on several threads of a CPU one batch row after the other. Of several matrices of 176 x 176
    and more at once `torch.linalg.solve` never returns there (torch 2.13 with oneMKL: "Parameter 6 was incorrect on
    entry to DLASWP"). At once is faster, most where K is small."""
    if matrix.device.type != "cpu" or torch.get_num_threads() == 1:
        return torch.linalg.solve(matrix, right)
    return torch.stack([torch.linalg.solve(*each) for each in zip(matrix, right, strict=True)])


@torch.library.register_fake(sinkhorn_adjoint)
def _(log_t: Tensor, Q: Tensor) -> Tensor:  # noqa: ARG001 - the operator's signature
    return torch.empty_like(log_t, memory_format=torch.contiguous_format)
