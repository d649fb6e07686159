"""Mean cross-entropy over all tokens, from real rows of norm 1 [B, S, 2P] and targets [B, S].
Source: topology report 2.1.

    (1) L = (1/n) sum_t (ln sum_v e^(l_tv) - l_(t, target)),  n = B S,  l = logits(rows W^T + b) (see `head`)
    (2) dL/dl_tv = (softmax(l_t)_v - [v = target]) / n, and with G = dL/d(rows W^T), the head's adjoint of it:
        dL/drows = G W,  dL/dW = G^T rows,  dL/db = sum_t G

materialised  all logits at once. A training step holds up to three tensors of their size: logits, their log-softmax,
              and its gradient.
chunked       blocks of tokens, of about 4 million logits each. The gradients (2) are formed in the forward pass, while
              a block is there: recomputing blocks in the backward pass would keep as little and cost a third more
              products. Kept for the backward pass are thus dL/drows and dL/dW, which it has to make anyway; it only
              multiplies them by the gradient of L. In a measurement the head's time moves from its backward to its
              forward stage: compare the two together, or the call.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy, linear

ENTRIES = 1 << 22
"""Logits of a block, at most, but for one token's: 16 MiB in float32. Smaller blocks read W too often."""


class Amplitudes(Protocol):
    """What a head does with rows W^T + b."""

    def logits(self, amplitude: Tensor, *, keep: bool) -> Tensor: ...
    def adjoint(self, amplitude: Tensor, g: Tensor) -> Tensor: ...


def materialised(projection: nn.Module, direction: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(projection(direction).flatten(0, -2), targets.flatten())


class Chunked(torch.autograd.Function):
    """rows [.., n, 2P], W [V, 2P], b [V] or None, targets [n] -> L. `head` maps rows W^T + b to logits."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, W: Tensor, b: Tensor | None, targets: Tensor, head: "Amplitudes") -> Tensor:
        wanted = ctx.needs_input_grad[:3]
        found = [torch.zeros_like(of) if want else None for of, want in zip((rows, W, b), wanted, strict=True)]
        loss = rows.new_zeros(())
        size = max(1, ENTRIES // len(W))
        for start in range(0, len(targets), size):
            span = slice(start, start + size)
            block, own = rows[..., span, :], targets[span].unsqueeze(-1)
            amplitude = linear(block, W, b)
            logits = head.logits(amplitude, keep=any(wanted))
            total = logits.logsumexp(-1, keepdim=True)
            loss += (total - logits.gather(-1, own)).sum() / len(targets)
            if any(wanted):
                g = logits.sub_(total).exp_().div_(len(targets))
                g.scatter_add_(-1, own, g.new_full(own.shape, -1 / len(targets)))
                _add(found, block, W, head.adjoint(amplitude, g), span)
        ctx.save_for_backward(*found)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """In place: the gradients are as large as W. A second backward pass is refused by torch itself."""
        return *(None if gradient is None else gradient.mul_(g) for gradient in ctx.saved_tensors), None, None


def _add(found: list[Tensor | None], block: Tensor, W: Tensor, G: Tensor, span: slice) -> None:
    """Equation (2) of one block."""
    of_rows, of_W, of_b = found
    flat = G.flatten(0, -2)
    if of_rows is not None:
        of_rows[..., span, :] = G @ W
    if of_W is not None:
        of_W.addmm_(flat.t(), block.flatten(0, -2))
    if of_b is not None:
        of_b += flat.sum(0)


def chunked(projection: nn.Module, direction: Tensor, targets: Tensor) -> Tensor:
    rows = projection.rows(direction.flatten(0, -2))
    return Chunked.apply(rows, projection.weight.flatten(1), projection.bias, targets.flatten(), projection)


LOSSES = {"materialised": materialised, "chunked": chunked}
