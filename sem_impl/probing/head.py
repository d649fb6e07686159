"""Readings of the head: what it can tell apart, which tokens it can choose, how far apart it puts them.

(1) rank_bound    the largest rank that the matrix [states, V] of a head's form can have. log_linear: the logits
                  themselves, 2P + 1 (a linear map of 2P real numbers and the bias). born_quadratic: |<w_v, psi>|^2
                  before the logarithm, P^2, the real dimension of Hermitian forms in P complex numbers; the
                  floor of the logarithm, 1e-6 |psi|^2, is one of them. (The documents count all real quadratic
                  forms in 2P numbers, P (2P + 1).) Never more than V. Nothing follows from it for the logarithm.
(2) block_bound   the same of a block of the head: its first 512 tokens, and 512 random unit states in which only
                  the first 12 entries are not 0, so that a bound can be met
(3) form_rank     numerical rank of the form on that block, in float64
(4) logit_rank    numerical rank of the logits on that block: of what softmax is given
(5) reachable     share of 32 tokens, evenly spread over the vocabulary, that some unit psi makes the most likely one
                  (`reach`); the states have all P entries, the rivals are all V tokens
(6) unreachable   share of them that is proven to be never the most likely one
(7) logit_spread  standard deviation over all logits of 32 of the states given
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sem_impl.head import BornQuadratic, Head, LogLinear, Projection
from sem_impl.initial import Initial
from sem_impl.probing.reach import reach

ENTRIES, TOKENS = 12, 512
"""Of the block whose rank is read, with as many states as tokens."""
SAMPLED = 32
"""States and tokens: their products with W are a small part of a call's."""


class Form(NamedTuple):
    bound: Callable[[int], int]
    """Of the rank, from the number of complex entries of psi."""
    of: Callable[[Tensor], Tensor]
    """From the logits."""


FORMS = {
    BornQuadratic: Form(lambda entries: entries**2, torch.exp),
    LogLinear: Form(lambda entries: 2 * entries + 1, lambda logits: logits),
}


def read(head: Head, psi: Tensor) -> dict[str, float]:
    """psi [.., P] complex: states as the propagator leaves them."""
    projection = head.projection
    vocabulary, width = projection.weight.shape[:2]
    form = FORMS[type(projection)]
    small = block(projection)
    logits = small(normalize(states(TOKENS, small.weight.shape[1]), dim=-1))
    tokens = torch.linspace(0, vocabulary - 1, min(SAMPLED, vocabulary), device=psi.device).round().long()
    reached, never = reach(projection, tokens)
    some = psi.reshape(-1, width)[:SAMPLED]
    return {
        "rank_bound": min(vocabulary, form.bound(width)),
        "block_bound": min(logits.shape[1], form.bound(small.weight.shape[1])),
        "form_rank": rank(form.of(logits)),
        "logit_rank": rank(logits),
        "reachable": reached.double().mean().item(),
        "unreachable": never.double().mean().item(),
        "logit_spread": projection(head.direction(some)).std().item(),
    }


def block(projection: Projection) -> Projection:
    """The same head for the first tokens and entries alone, in float64 on the host."""
    tokens, entries = (min(most, size) for most, size in zip((TOKENS, ENTRIES), projection.weight.shape, strict=False))
    small = type(projection)(Initial(0, torch.float64), entries, tokens).requires_grad_(False)
    for name, parameter in projection.named_parameters():
        part = small.get_parameter(name)
        part.copy_(parameter.detach()[tuple(slice(size) for size in part.shape)])
    return small


def states(count: int, entries: int) -> Tensor:
    """Real rows of 2 entries numbers, Gaussian, always the same."""
    return torch.randn(count, 2 * entries, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def rank(matrix: Tensor) -> int:
    """Singular values above the rounding of the largest: eps max(rows, columns) of it."""
    return int(torch.linalg.matrix_rank(matrix))
