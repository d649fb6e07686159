"""Tokens -> psi [B, S, D] complex. Sources: topology report 1.1, P0 issue 3.

    (1) x = E[token], E [V, D] ~ N(0, 1/D);  p = W x in R^64, W ~ N(0, r^2/64)
    (2) C[b, s, k] = max(0, |p|^2 + |c_k|^2 - 2 p.c_k), codes c_k uniform on the sphere of radius r
        r^2 = 0.2: mean 0.4, spread over k 0.05, one nat at epsilon 0.05. This scale is ours, the documents give none;
        everything about sharpness depends on it, so suites sweep it.
    (3) log t = transport(C / epsilon), its potential in nats
    (4) the M largest entries of a row are kept; weights = softmax over their logits; the row is divided by its 2-norm
    (5) sdr = W_o t, W_o [D, K] ~ N(0, 1): unit RMS at every epsilon
    (6) psi_j = sdr_j exp(i s w_j),  w_j = 10000^(-j/D),  s the absolute position

epsilon, in units of C (dimensionless)

fixed        0.05
dimension    sqrt(2 / (D M)): sharper than `fixed` only where D M > 800
cost_scaled  0.5 spread_k C[b, s, :]: 0.5 for costs divided by their own row's standard deviation (over k, of the
             population, without gradient). Two nats of spread in every row, whatever the scale in (2). A row's own
             figures only, so a position still depends on its own token.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, normalize

from sem_impl.initial import Initial
from sem_impl.sinkhorn import SINKHORNS, Problem
from sem_impl.sizes import EMBEDDED, Dimensions
from sem_impl.transport import TRANSPORTS, moved

RADIUS_SQUARED = 0.2
LONGEST_WAVE = 10000.0
FIXED = 0.05
SHARE_OF_SPREAD = 0.5


def fixed(cost: Tensor, width: int, kept: int) -> float:  # noqa: ARG001 - one signature for all levels
    return FIXED


def dimension(cost: Tensor, width: int, kept: int) -> float:  # noqa: ARG001 - one signature for all levels
    return math.sqrt(2 / (width * kept))


def cost_scaled(cost: Tensor, width: int, kept: int) -> Tensor:  # noqa: ARG001 - one signature for all levels
    centred = cost.detach() - cost.detach().mean(-1, keepdim=True)
    spread = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) / math.sqrt(cost.shape[-1])
    # A row of equal costs has no spread: without a floor it would become 0/0.
    return SHARE_OF_SPREAD * spread.clamp_min(torch.finfo(cost.dtype).eps)


EPSILONS = {"fixed": fixed, "dimension": dimension, "cost_scaled": cost_scaled}


class Encoded(NamedTuple):
    psi: Tensor
    log_occupancy: Tensor
    updates: int
    error: Tensor
    potential: Tensor


class Encoder(nn.Module):
    """updates: of the potential of `sequence`, at most. radius_squared: r^2 of a fresh model."""

    def __init__(
        self,
        initial: Initial,
        sizes: Dimensions,
        *,
        transport: str,
        epsilon: str,
        sinkhorn: str,
        updates: int,
        radius_squared: float = RADIUS_SQUARED,
    ) -> None:
        super().__init__()
        width, candidates = sizes.width, sizes.candidates
        radius = math.sqrt(radius_squared)
        self.kept = sizes.kept
        self.transport = TRANSPORTS[transport]
        self.solve = SINKHORNS[sinkhorn]
        self.updates = updates
        self.epsilon = EPSILONS[epsilon]
        self.embedding = initial.real("embedding", (sizes.vocabulary, width), deviation=width**-0.5, matrix=True)
        self.projection = initial.real("projection", (EMBEDDED, width), deviation=radius * EMBEDDED**-0.5, matrix=True)
        self.codes = initial.sphere("codes", (candidates, EMBEDDED), radius)
        self.output = initial.real("output", (width, candidates), deviation=1.0, matrix=True)
        self.register_buffer("potential", torch.zeros(candidates, dtype=initial.dtype))
        self.register_buffer("waves", waves(0, sizes.seq_len, width, initial.dtype), persistent=False)

    def forward(self, tokens: Tensor, position: int = 0) -> Encoded:
        """tokens [B, S]; position of the first one."""
        problem = Problem(self.point(tokens), self.codes, self.price, self.sdr, (self.output,))
        found = self.transport(problem, self.potential, self.updates, self.solve)
        psi = found.made * torch.view_as_complex(self.waves_at(position, tokens.shape[-1]))
        return Encoded(psi, found.log_occupancy, found.updates, found.error, found.potential)

    def waves_at(self, position: int, count: int) -> Tensor:
        """(6) for `count` positions; beyond the table of the size they are computed here."""
        if position + count <= len(self.waves):
            return self.waves[position : position + count]
        return waves(position, count, self.output.shape[0], self.waves.dtype).to(self.waves.device)

    def point(self, tokens: Tensor) -> Tensor:
        """(1), [B, S, 64]."""
        return linear(embedding(tokens, self.embedding), self.projection)

    def price(self, point: Tensor, codes: Tensor) -> Tensor:
        """C / epsilon in nats, [B, s, K]."""
        costs = cost(point, codes)
        return costs / self.epsilon(costs, self.output.shape[0], self.kept)

    def sdr(self, log_t: Tensor, output: Tensor) -> Tensor:
        """(4) and (5), [B, s, D]."""
        return linear(self.sparse(log_t), output)

    def sparse(self, log_t: Tensor) -> Tensor:
        logits, places = log_t.topk(self.kept, dim=-1, sorted=False)
        weights = normalize(torch.softmax(logits, -1), dim=-1)
        return torch.zeros_like(log_t).scatter(-1, places, weights)

    @torch.no_grad()
    def balance(self, log_occupancy: Tensor) -> None:
        """Part of the training step, after backward: forward never changes the model."""
        self.potential.copy_(moved(self.potential, log_occupancy))


def cost(point: Tensor, codes: Tensor) -> Tensor:
    """(2), [B, s, K]."""
    products = linear(point, -2 * codes, codes.square().sum(-1))
    return products.add_(point.square().sum(-1, keepdim=True)).relu_()


def waves(first: int, count: int, width: int, dtype: torch.dtype) -> Tensor:
    """(6) for positions first..first+count-1, [count, D, 2]; angles in float64, since s w_j grows with s."""
    position = torch.arange(first, first + count, dtype=torch.float64)
    frequency = LONGEST_WAVE ** (-torch.arange(width, dtype=torch.float64) / width)
    angle = position.unsqueeze(-1) * frequency
    return torch.stack([angle.cos(), angle.sin()], -1).to(dtype)
